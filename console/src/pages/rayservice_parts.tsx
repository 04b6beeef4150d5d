// What can be known and done of a Ray service, wherever it is shown: its applications, clusters and routes; configure, logs, stop, delete.
import { useState } from "preact/hooks";
import { type KubeObject, mergePatch, paths, type Problem, type ProfileEntry, remove } from "../api";
import { later } from "../later";
import { Dialog } from "../parts/dialog";
import { Lines, Rest, useForm } from "../parts/form";
import { Logs } from "../parts/logs";
import { may } from "../rights";
import { t } from "../text";

// As KubeRay names them: the cluster that serves, and the one that is to follow it.
export const parts = ["activeServiceStatus", "pendingServiceStatus"] as const;
export type Part = (typeof parts)[number];
interface Stands {
  status?: string;
  message?: string;
}
// An application that Serve calls RUNNING is as it should be; a job that is RUNNING has yet to end.
const standOf = ([name, one]: [string, Stands]) => ({ name, status: one.status === "RUNNING" ? "Running" : one.status || "NOT_STARTED", message: one.message || undefined });

export const clusterOf = (item: KubeObject, part: Part): string => item.status?.[part]?.rayClusterName ?? "";
export const applicationsOf = (item: KubeObject, part: Part) =>
  Object.entries((item.status?.[part]?.applicationStatuses ?? {}) as Record<string, Stands & { serveDeploymentStatuses?: Record<string, Stands> }>)
    .map(([name, one]) => ({ ...standOf([name, one]), deployments: Object.entries(one.serveDeploymentStatuses ?? {}).map(standOf) }));

// The configuration is YAML, or JSON that is YAML too. Where no application names a route, it is Serve's own, "/"; one that is null has none.
export function routesOf(item: KubeObject): string[] {
  const config = String(item.spec?.serveConfigV2 ?? "").replace(/^\s*#.*$/gm, "");
  const named = [...config.matchAll(/\broute_prefix["']?\s*:\s*["']?([^\s"',}#]*)/g)].map((match) => match[1] ?? "");
  return named.length ? [...new Set(named.filter((route) => route.startsWith("/")))] : ["/"];
}

export type ServiceAsk = { what: "logs" | "edit"; item: KubeObject } | null;

function Edit({ item, close }: { item: KubeObject; close: () => void }) {
  const [text, setText] = useState(String(item.spec?.serveConfigV2 ?? ""));
  const form = useForm(async () => {
    await mergePatch(`${paths.rayservices(item.metadata.namespace ?? "")}/${item.metadata.name}`, { spec: { serveConfigV2: text } });
    close();
  }, text);
  return (
    <Dialog title={t.rayServices.editOf(item.metadata.name)} close={close} wide>
      <form onSubmit={form.onSubmit}>
        <Lines label={t.rayServices.config} rows={16} hint={t.rayServices.editHint} value={text} problem={form.problem} field="spec.serveConfigV2" onInput={(event) => setText(event.currentTarget.value)} />
        <Rest problem={form.problem} fields={["spec.serveConfigV2"]} />
        <footer><button class="primary" disabled={form.busy}>{t.rayServices.apply}</button></footer>
      </form>
    </Dialog>
  );
}

export function ServiceDialog({ ask, close }: { ask: ServiceAsk; close: () => void }) {
  if (!ask) return null;
  const { name, namespace = "" } = ask.item.metadata;
  if (ask.what === "edit") return <Edit item={ask.item} close={close} />;
  const clusters = parts.map((part) => clusterOf(ask.item, part)).filter(Boolean);
  return <Logs namespace={namespace} selector={`ray.io/cluster in (${clusters.join(",")})`} title={t.logs.of(name)} close={close} />;
}

interface Actions {
  item: KubeObject;
  entry: ProfileEntry;
  ask: (what: ServiceAsk) => void;
  failed: (problem: Problem | null) => void;
}
export function ServiceActions({ item, entry, ask, failed }: Actions) {
  const { name } = item.metadata;
  const path = `${paths.rayservices(entry.name)}/${name}`;
  if (item.metadata.deletionTimestamp) return null;
  const off = item.spec?.suspend === true;
  const suspend = () => mergePatch(path, { spec: { suspend: !off } }).then(() => failed(null), failed);
  return (
    <>
      {may("change", entry, "RayService", name) ? (
        <>
          <button aria-label={t.rayServices.editOf(name)} onClick={() => ask({ what: "edit", item })}>{t.rayServices.edit}</button>
          <button aria-label={off ? t.palette.start(name) : t.palette.stop(name)} onClick={() => void suspend()}>{off ? t.notebooks.start : t.notebooks.stop}</button>
        </>
      ) : null}
      {parts.some((part) => clusterOf(item, part)) ? <button aria-label={t.logs.of(name)} onClick={() => ask({ what: "logs", item })}>{t.logs.button}</button> : null}
      {may("delete", entry, "RayService", name) ? (
        <button class="danger" aria-label={`${t.notebooks.delete} ${name}`} onClick={() => later(`RayService/${entry.name}/${name}`, t.undo.delete(t.rayServices.what, name), () => remove(path))}>{t.notebooks.delete}</button>
      ) : null}
    </>
  );
}
