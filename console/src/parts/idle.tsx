// A warning that something nobody uses will be stopped, with a way to keep it.
import { useState } from "preact/hooks";
import { type KubeObject, mergePatch, paths, type Problem, type ProfileEntry } from "../api";
import { may } from "../rights";
import { language, t } from "../text";
import { Alert } from "./page";

const kept_ms = 8 * 3_600_000;
const clock = (time: string) => new Date(time).toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

export function Idle({ items, entry }: { items: KubeObject[]; entry: ProfileEntry }) {
  const [failed, setFailed] = useState<Problem | null>(null);
  const warned = items.filter((item) => item.kind === "Notebook" && item.status?.idleStopAt);
  const keep = (name: string) => {
    const until = new Date(Date.now() + kept_ms).toISOString().replace(/\.\d+Z/, "Z");
    mergePatch(`${paths.notebooks(entry.name)}/${name}`, { metadata: { annotations: { "atelier.dev/keep-until": until } } }).then(() => setFailed(null), setFailed);
  };
  return (
    <>
      {warned.map(({ metadata: { uid, name }, status }) => (
        <div key={uid} class="notice">
          <span role="status">{t.idle.warning(name, clock(status.idleStopAt))}</span>
          {may("change", entry, "Notebook", name) ? <button class="primary" aria-label={t.idle.keepOf(name)} onClick={() => keep(name)}>{t.idle.keep}</button> : null}
        </div>
      ))}
      <Alert problem={failed} />
    </>
  );
}
