// What can be known and done of a Ray job, wherever it is shown: its log, the runs that have ended, run again, suspend, stop, delete.
import { useState } from "preact/hooks";
import { get, getText, type KubeObject, mergePatch, paths, post, Problem, type ProfileEntry, remove } from "../api";
import { age, day } from "../format";
import { later } from "../later";
import { useData } from "../live";
import { FollowedLog } from "../parts/logs";
import { Alert, Empty, Loading, State } from "../parts/page";
import { type Row, Table } from "../parts/table";
import { may } from "../rights";
import { stay } from "../router";
import { t } from "../text";

// A run as it is kept; status is the RayJob's at its end, in KubeRay's words.
interface Run {
  name: string;
  jobId: string;
  finishedAt: string;
  entrypoint?: string;
  status: { jobStatus?: string; jobDeploymentStatus?: string; message?: string };
}
const again_ms = 10_000;
const name_max = 47;
const notKept = 405; // history is kept on one machine only: a cluster's server refuses to be asked
export const isOver = (item: KubeObject) => ["Complete", "Failed"].includes(item.status?.jobDeploymentStatus);
const runsOf = (profile: string, name?: string) => `/api/atelier/v1/profiles/${encodeURIComponent(profile)}/jobs${name ? `/${encodeURIComponent(name)}` : ""}`;
export const pageOfJob = (profile: string, name: string) => `/p/${profile}/rayjobs/${name}`;

// The runs of <name>, or of the whole profile; asked again when <stale> changes. Of a job that has none there is nothing to find.
export function useRuns(profile: string, name: string | undefined, stale: string) {
  const path = runsOf(profile, name);
  const read = () => get<{ items: Run[] }>(path).then(({ items }) => items, (error) => {
    if (error instanceof Problem && (error.status === notKept || (name && error.status === 404))) return [];
    throw error;
  });
  return useData(read, path, { stale, every_ms: again_ms });
}

export function Runs({ runs, ask, named }: { runs: ReturnType<typeof useRuns>; ask: (what: JobAsk) => void; named?: (name: string) => string }) {
  const row = (run: Run): Row => ({
    key: `${run.name} ${run.jobId}`,
    cells: [
      <>{run.jobId}{named ? <><br /><a href={named(run.name)} onClick={stay}>{run.name}</a></> : null}<br /><code>{run.entrypoint}</code></>,
      <State phase={run.status.jobStatus || run.status.jobDeploymentStatus || "FAILED"} text={run.status.jobStatus === "SUCCEEDED" ? undefined : run.status.message} />,
      <time class="short" title={day(run.finishedAt)}>{t.time.ago(age(run.finishedAt))}</time>,
    ],
    actions: <button aria-label={t.jobs.logsOf(run.jobId)} onClick={() => ask({ name: run.name, run: run.jobId })}>{t.jobs.logs}</button>,
  });
  const ended = runs.data;
  return (
    <>
      <h2>{t.rayJobs.ended}</h2>
      <Alert problem={runs.problem} />
      {!ended ? (runs.problem ? null : <Loading />) : ended.length === 0 ? <Empty>{t.rayJobs.noRuns}</Empty>
        : <Table label={t.rayJobs.ended} heads={[t.rayJobs.run, t.jobs.state, t.rayJobs.finished]} rows={ended.map(row)} />}
    </>
  );
}

// --- its log -----------------------------------------------------------------------------------------------------------

export type JobAsk = { name: string; run?: string } | null;

const jobOn = (item: KubeObject) => `/ray/${item.metadata.namespace}/${item.status?.rayClusterName}/api/jobs/${encodeURIComponent(String(item.status?.jobId))}`;

// Where nothing is kept, a job that is there is asked for at its cluster.
async function readLog(profile: string, name: string, run: string | undefined, item: KubeObject | undefined): Promise<string> {
  try {
    return await getText(`${runsOf(profile, name)}/log${run ? `?jobId=${encodeURIComponent(run)}` : ""}`);
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== notKept || !item?.status?.jobId) throw error;
    return (await get<{ logs?: string }>(`${jobOn(item)}/logs`)).logs ?? "";
  }
}

export function JobDialog({ profile, ask, items, close }: { profile: string; ask: JobAsk; items: KubeObject[]; close: () => void }) {
  if (!ask) return null;
  const { name, run } = ask;
  const item = items.find((one) => one.metadata.name === name);
  const id = String(item?.status?.jobId ?? "");
  return <FollowedLog title={t.jobs.logsOf(run ?? name)} read={() => readLog(profile, name, run, item)} source={`${name} ${run ?? id}`} over={run !== undefined || !item || isOver(item)} close={close} />;
}

// --- what is done with it ------------------------------------------------------------------------------------------------

// The same once more, under a name of its own: what has ended stays as it is.
export function again(item: KubeObject, taken: string[]) {
  const base = item.metadata.name.replace(/-\d+$/, "").slice(0, name_max - 4);
  let at = 2;
  while (taken.includes(`${base}-${at}`)) at++;
  const { jobId, suspend, ...spec } = item.spec;
  return { apiVersion: item.apiVersion, kind: "RayJob", metadata: { name: `${base}-${at}`, namespace: item.metadata.namespace }, spec };
}

interface Actions {
  item: KubeObject;
  entry: ProfileEntry;
  ask: (what: JobAsk) => void;
  failed: (problem: Problem | null) => void;
  done?: (name: string) => void; // told the name of the job that runs again
}
export function JobActions({ item, entry, ask, failed, done }: Actions) {
  const [busy, setBusy] = useState(false);
  const { name } = item.metadata;
  const path = paths.rayjobs(entry.name);
  if (item.metadata.deletionTimestamp) return null;
  const over = isOver(item);
  const paused = item.spec?.suspend === true;
  const mayChange = may("change", entry, "RayJob", name);
  const act = (action: () => Promise<unknown>) => {
    setBusy(true);
    void action().then(() => failed(null), failed).finally(() => setBusy(false));
  };
  const retry = async () => {
    const { items } = await get<{ items: KubeObject[] }>(path);
    const next = again({ ...item, apiVersion: "ray.io/v1" }, items.map((one) => one.metadata.name));
    await post(path, next);
    done?.(next.metadata.name);
  };
  return (
    <>
      {item.status?.jobId ? <button aria-label={t.jobs.logsOf(name)} onClick={() => ask({ name })}>{t.jobs.logs}</button> : null}
      {mayChange && over && may("create", entry) ? <button disabled={busy} aria-label={t.rayJobs.retryOf(name)} onClick={() => act(retry)}>{t.rayJobs.retry}</button> : null}
      {mayChange && item.status?.jobDeploymentStatus === "Running" ? <button disabled={busy} aria-label={t.jobs.stopOf(name)} onClick={() => act(() => post(`${jobOn(item)}/stop`, {}))}>{t.jobs.stop}</button> : null}
      {mayChange && !over && (paused || item.spec?.shutdownAfterJobFinishes) && item.spec?.rayClusterSpec ? (
        <button disabled={busy} aria-label={paused ? t.rayJobs.resumeOf(name) : t.rayJobs.suspendOf(name)} onClick={() => act(() => mergePatch(`${path}/${name}`, { spec: { suspend: !paused } }))}>{paused ? t.rayJobs.resume : t.rayJobs.suspend}</button>
      ) : null}
      {may("delete", entry, "RayJob", name) ? <button class="danger" aria-label={t.jobs.deleteOf(name)} onClick={() => later(`RayJob/${entry.name}/${name}`, t.undo.delete(t.rayJobs.what, name), () => remove(`${path}/${name}`))}>{t.jobs.delete}</button> : null}
    </>
  );
}
