// The jobs of a Ray cluster, through its own Jobs API: list, submit, stop, delete, logs that follow.
import { useState } from "preact/hooks";
import { get, type KubeObject, post, Problem, type ProfileEntry, remove } from "../api";
import { age, day } from "../format";
import { later } from "../later";
import { useData } from "../live";
import { Dialog } from "../parts/dialog";
import { Field, Lines, Rest, useForm } from "../parts/form";
import { FollowedLog } from "../parts/logs";
import { Alert, Announce, Empty, Loading, State } from "../parts/page";
import { type Row, Table } from "../parts/table";
import { may } from "../rights";
import { t } from "../text";
import { phaseOf } from "../workload";

interface Job {
  submission_id?: string | null;
  job_id?: string | null;
  type: string;
  status: string;
  entrypoint: string;
  message?: string | null;
  start_time?: number | null;
  end_time?: number | null;
}
const again_ms = 3_000;
const idOf = (job: Job) => job.submission_id ?? job.job_id ?? "";
const isOver = (job: Job) => ["SUCCEEDED", "FAILED", "STOPPED"].includes(job.status);
const apiOf = (item: KubeObject) => `/ray/${item.metadata.namespace}/${item.metadata.name}/api/jobs/`;

function Submit({ path, close }: { path: string; close: () => void }) {
  const [entrypoint, setEntrypoint] = useState("");
  const [id, setId] = useState("");
  const [pip, setPip] = useState("");
  const form = useForm(async () => {
    const packages = pip.split("\n").map((line) => line.trim()).filter(Boolean);
    await post(path, { entrypoint, ...(id ? { submission_id: id } : {}), ...(packages.length ? { runtime_env: { pip: packages } } : {}) });
    close();
  }, `${entrypoint}\n${id}\n${pip}`);
  return (
    <Dialog title={t.jobs.new} close={close}>
      <form onSubmit={form.onSubmit}>
        <Field label={t.jobs.entrypoint} required maxLength={4000} autocomplete="off" spellcheck={false} hint={t.jobs.entrypointHint} value={entrypoint} onInput={(event) => setEntrypoint(event.currentTarget.value)} />
        <Field label={t.jobs.id} maxLength={63} autocomplete="off" pattern="[A-Za-z0-9_\-]+" hint={t.jobs.idHint} value={id} onInput={(event) => setId(event.currentTarget.value)} />
        <Lines label={t.jobs.pip} rows={2} hint={t.jobs.pipHint} value={pip} onInput={(event) => setPip(event.currentTarget.value)} />
        <Rest problem={form.problem} />
        <footer><button class="primary" disabled={form.busy}>{t.jobs.submit}</button></footer>
      </form>
    </Dialog>
  );
}

// A job of a driver that was started by hand has no submission: it can be looked at, and that is all.
export function Jobs({ item, entry }: { item: KubeObject; entry: ProfileEntry }) {
  const path = apiOf(item);
  const runs = phaseOf(item) === "Running";
  const { data, problem, again } = useData(() => (runs ? get<Job[]>(path) : Promise.resolve([])), `${path} ${runs}`, { every_ms: runs ? again_ms : 0 });
  const [submitting, setSubmitting] = useState(false);
  const [log, setLog] = useState("");
  const [failed, setFailed] = useState<Problem | null>(null);
  const mayRun = may("change", entry, "RayCluster", item.metadata.name);
  const jobs = [...(data ?? [])].sort((a, b) => (b.start_time ?? 0) - (a.start_time ?? 0));
  const row = (job: Job): Row => {
    const id = idOf(job);
    const own = `${path}${encodeURIComponent(id)}`;
    const began = job.start_time ? new Date(job.start_time).toISOString() : undefined;
    return {
      key: id,
      cells: [
        <>{id}<br /><code>{job.entrypoint}</code></>,
        <State phase={job.status} text={job.status === "FAILED" || job.status === "PENDING" ? job.message ?? undefined : undefined} />,
        <span class="short">{began ? <time title={day(began)}>{t.time.ago(age(began))}</time> : null}</span>,
      ],
      actions: job.submission_id ? (
        <>
          <button aria-label={t.jobs.logsOf(id)} onClick={() => setLog(id)}>{t.jobs.logs}</button>
          {mayRun && !isOver(job) ? <button aria-label={t.jobs.stopOf(id)} onClick={() => void post(`${own}/stop`, {}).then(() => setFailed(null), setFailed).finally(again)}>{t.jobs.stop}</button> : null}
          {mayRun && isOver(job) ? <button class="danger" aria-label={t.jobs.deleteOf(id)} onClick={() => later(own, t.undo.delete(t.jobs.what, id), () => remove(own).finally(again))}>{t.jobs.delete}</button> : null}
        </>
      ) : null,
    };
  };
  const shown = jobs.find((job) => job.submission_id === log);
  return (
    <>
      <header class="page">
        <h2>{t.jobs.title}</h2>
        {mayRun && runs ? <button class="primary" onClick={() => setSubmitting(true)}>{t.jobs.new}</button> : null}
      </header>
      <Alert problem={failed ?? problem} />
      <Announce states={jobs.map((job) => [idOf(job), job.status])} />
      {!runs ? <Empty>{t.jobs.notRunning}</Empty> : !data ? (problem ? null : <Loading />) : jobs.length === 0 ? <Empty>{t.jobs.none}</Empty>
        : <Table label={t.jobs.title} heads={[t.jobs.job, t.jobs.state, t.jobs.began]} rows={jobs.map(row)} />}
      {submitting ? <Submit path={path} close={() => (setSubmitting(false), again())} /> : null}
      {log ? <FollowedLog title={t.jobs.logsOf(log)} read={() => get<{ logs?: string }>(`${path}${encodeURIComponent(log)}/logs`).then(({ logs }) => logs ?? "")} source={path + log} over={shown ? isOver(shown) : false} close={() => setLog("")} /> : null}
    </>
  );
}
