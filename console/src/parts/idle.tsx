// A warning that something nobody uses will be stopped, with a way to keep it.
import { useState } from "preact/hooks";
import { type KubeObject, mergePatch, paths, type Problem, type ProfileEntry } from "../api";
import { may } from "../rights";
import { language, t } from "../text";
import { Alert } from "./page";

const kept_ms = 8 * 3_600_000;
const clock = (time: string) => new Date(time).toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

const day = (time: string) => new Date(time).toLocaleString(language, { day: "numeric", month: "long", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

// Where KubeRay writes the status of a cluster, the ends stand in annotations.
function ends({ metadata: { annotations }, status }: KubeObject): { stopAt?: string; deleteAt?: string } {
  return { stopAt: status?.idleStopAt ?? annotations?.["atelier.dev/idle-stop-at"], deleteAt: status?.idleDeleteAt ?? annotations?.["atelier.dev/idle-delete-at"] };
}

export function Idle({ items, entry }: { items: KubeObject[]; entry: ProfileEntry }) {
  const [failed, setFailed] = useState<Problem | null>(null);
  const warned = items.map((item) => ({ ...item, ...ends(item) })).filter((item) => item.stopAt || item.deleteAt);
  const keep = (kind: string | undefined, name: string) => {
    const where = kind === "Notebook" ? paths.notebooks(entry.name) : paths.rayclusters(entry.name);
    const until = new Date(Date.now() + kept_ms).toISOString().replace(/\.\d+Z/, "Z");
    mergePatch(`${where}/${name}`, { metadata: { annotations: { "atelier.dev/keep-until": until } } }).then(() => setFailed(null), setFailed);
  };
  return (
    <>
      {warned.map(({ kind, metadata: { uid, name }, stopAt = "", deleteAt }) => (
        <div key={uid} class="notice">
          <span role="status">{deleteAt ? t.idle.deletion(name, day(deleteAt)) : kind === "Notebook" ? t.idle.warning(name, clock(stopAt)) : t.idle.suspension(name, clock(stopAt))}</span>
          {may("change", entry, kind === "Notebook" ? "Notebook" : "RayCluster", name) ? <button class="primary" aria-label={t.idle.keepOf(name)} onClick={() => keep(kind, name)}>{t.idle.keep}</button> : null}
        </div>
      ))}
      <Alert problem={failed} />
    </>
  );
}
