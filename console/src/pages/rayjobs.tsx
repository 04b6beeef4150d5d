// Ray jobs: what each RayJob is at, and the runs that have ended, also when cluster and job are gone.
import { useState } from "preact/hooks";
import { type KubeObject, paths, type Problem, type ProfileEntry } from "../api";
import { age } from "../format";
import { useLater } from "../later";
import { useObjects } from "../live";
import { Alert, Announce, Blank, Loading, Page, State } from "../parts/page";
import { type Row, Table } from "../parts/table";
import { may } from "../rights";
import { stay, useQuery } from "../router";
import { t } from "../text";
import { pageOf, phaseOf, reasonOf } from "../workload";
import { NewRayJob } from "./rayjob_form";
import { isOver, JobActions, type JobAsk, JobDialog, pageOfJob, Runs, useRuns } from "./rayjob_parts";

// A cluster that goes with its job is led to only while it is there.
export function ClusterOf({ item }: { item: KubeObject }) {
  const cluster = item.status?.rayClusterName;
  return cluster && !isOver(item) ? <a href={`/p/${item.metadata.namespace}/ray/${cluster}`} onClick={stay}>{cluster}</a> : <>{cluster ?? ""}</>;
}

export function RayJobs({ entry }: { entry: ProfileEntry }) {
  const profile = entry.name;
  const { items, problem } = useObjects(paths.rayjobs(profile));
  const runs = useRuns(profile, undefined, (items ?? []).map((item) => `${item.metadata.name} ${phaseOf(item)}`).join());
  const waiting = useLater();
  const [making, setMaking] = useQuery("new");
  const [ask, setAsk] = useState<JobAsk>(null);
  const [failed, setFailed] = useState<Problem | null>(null);
  const mayMake = may("create", entry);
  const make = mayMake ? <button class="primary" onClick={() => setMaking(true)}>{t.rayJobs.new}</button> : null;
  const row = (item: KubeObject): Row => {
    const { name, uid, creationTimestamp } = item.metadata;
    const leaving = waiting.find((one) => one.key === `RayJob/${profile}/${name}` && !one.failed);
    return {
      key: uid,
      leaving: Boolean(leaving),
      cells: [
        <><a href={pageOf(item)} onClick={stay}>{name}</a><br /><code>{item.spec?.entrypoint}</code></>,
        leaving ? <State phase="Deleting" text={t.undo.leaving(leaving.left_s)} /> : <State phase={phaseOf(item)} text={reasonOf(item)} />,
        <ClusterOf item={item} />,
        <span class="short">{age(creationTimestamp)}</span>,
      ],
      actions: leaving ? null : <JobActions item={item} entry={entry} ask={setAsk} failed={setFailed} />,
    };
  };
  return (
    <Page title={t.rayJobs.title} actions={items?.length ? make : null}>
      <Alert problem={failed ?? problem} />
      <Announce states={(items ?? []).map((item) => [item.metadata.name, phaseOf(item)])} />
      {items === null ? (problem ? null : <Loading />) : items.length === 0 ? <Blank title={t.rayJobs.none} text={t.rayJobs.noneText}>{make}</Blank>
        : <Table label={t.rayJobs.title} heads={[t.jobs.job, t.form.state, t.rayJobs.cluster, t.form.age]} rows={items.map(row)} />}
      {runs.data?.length || runs.problem ? <Runs runs={runs} ask={setAsk} named={(name) => pageOfJob(profile, name)} /> : null}
      {making && mayMake && items ? <NewRayJob profile={profile} taken={items.map((item) => item.metadata.name)} close={() => setMaking(false)} /> : null}
      <JobDialog profile={profile} ask={ask} items={items ?? []} close={() => setAsk(null)} />
    </Page>
  );
}
