// What the machine has, what is promised, and to whom.
import type { Usage } from "../api";
import { bytesOf, cpus, cpusOf, gib } from "../format";
import { t } from "../text";
import { Meter } from "./page";

export function Capacity({ usage, all }: { usage: Usage; all: boolean }) {
  const memory = { of: bytesOf(usage.allocatable.memory), used: bytesOf(usage.requested.memory) };
  const cpu = { of: cpusOf(usage.allocatable.cpu), used: cpusOf(usage.requested.cpu) };
  return (
    <>
      <Meter label={t.home.memory} {...memory} text={t.home.free(gib(Math.max(0, memory.of - memory.used)), gib(memory.of))} />
      <Meter label={t.home.cpu} {...cpu} text={t.home.free(cpus(Math.max(0, cpu.of - cpu.used)), cpus(cpu.of))} />
      {usage.disk ? <Meter label={t.home.disk} of={bytesOf(usage.disk.total)} used={bytesOf(usage.disk.total) - bytesOf(usage.disk.free)} text={t.home.free(gib(bytesOf(usage.disk.free)), gib(bytesOf(usage.disk.total)))} /> : null}
      {usage.disk?.short ? <p class="hint">{usage.disk.message}</p> : null}
      {usage.profiles.length === 0 ? <p class="hint">{t.home.noneHeld}</p> : (
        <table>
          <caption>{all ? t.home.heldBy : t.home.heldByYours}</caption>
          <thead><tr><th scope="col">{t.home.profile}</th><th scope="col">{t.home.cpu}</th><th scope="col">{t.home.memory}</th></tr></thead>
          <tbody>
            {usage.profiles.map((row) => <tr key={row.name}><th scope="row">{row.name}</th><td>{cpus(cpusOf(row.cpu))}</td><td>{gib(bytesOf(row.memory))}</td></tr>)}
          </tbody>
        </table>
      )}
    </>
  );
}
