// A warning that something nobody uses will be stopped, with a way to keep it.
import { useState } from "preact/hooks";
import { type KubeObject, mergePatch, paths, type Problem, type ProfileEntry } from "../api";
import { may } from "../rights";
import { language, t } from "../text";
import { Alert } from "./page";

const kept_ms = 8 * 3_600_000;
const clock = (time: string) => new Date(time).toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

const day = (time: string) => new Date(time).toLocaleString(language, { day: "numeric", month: "long", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

export function Idle({ items, entry }: { items: KubeObject[]; entry: ProfileEntry }) {
  const [failed, setFailed] = useState<Problem | null>(null);
  const warned = items.filter((item) => item.status?.idleStopAt || item.status?.idleDeleteAt);
  const keep = (kind: string | undefined, name: string) => {
    const where = kind === "Notebook" ? paths.notebooks(entry.name) : paths.rayclusters(entry.name);
    const until = new Date(Date.now() + kept_ms).toISOString().replace(/\.\d+Z/, "Z");
    mergePatch(`${where}/${name}`, { metadata: { annotations: { "atelier.dev/keep-until": until } } }).then(() => setFailed(null), setFailed);
  };
  return (
    <>
      {warned.map(({ kind, metadata: { uid, name }, status }) => (
        <div key={uid} class="notice">
          <span role="status">{status.idleDeleteAt ? t.idle.deletion(name, day(status.idleDeleteAt)) : kind === "Notebook" ? t.idle.warning(name, clock(status.idleStopAt)) : t.idle.suspension(name, clock(status.idleStopAt))}</span>
          {may("change", entry, kind === "Notebook" ? "Notebook" : "RayCluster", name) ? <button class="primary" aria-label={t.idle.keepOf(name)} onClick={() => keep(kind, name)}>{t.idle.keep}</button> : null}
        </div>
      ))}
      <Alert problem={failed} />
    </>
  );
}
