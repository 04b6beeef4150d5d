// One Ray job: where it stands, its runs and what they printed, what has happened to it, and its manifest; what is kept when it is gone.
import { useState } from "preact/hooks";
import { paths, type Problem, type ProfileEntry } from "../api";
import { age, day } from "../format";
import { useLater } from "../later";
import { useObjects } from "../live";
import { Events } from "../parts/events";
import { ManifestView } from "../parts/manifest";
import { Alert, Announce, Empty, Facts, Loading, Page, State } from "../parts/page";
import { go } from "../router";
import { t } from "../text";
import { phaseOf, reasonOf } from "../workload";
import { JobActions, type JobAsk, JobDialog, pageOfJob, Runs, useRuns } from "./rayjob_parts";
import { ClusterOf } from "./rayjobs";

export function RayJobPage({ entry, name }: { entry: ProfileEntry; name: string }) {
  const profile = entry.name;
  const { items, problem } = useObjects(`${paths.rayjobs(profile)}?fieldSelector=metadata.name%3D${encodeURIComponent(name)}`);
  const item = items?.[0];
  const runs = useRuns(profile, name, item ? phaseOf(item) : "");
  const leaving = useLater().some((one) => one.key === `RayJob/${profile}/${name}` && !one.failed);
  const [ask, setAsk] = useState<JobAsk>(null);
  const [failed, setFailed] = useState<Problem | null>(null);
  const back = { text: t.rayJobs.title, href: `/p/${profile}/rayjobs` };
  const dialog = <JobDialog profile={profile} ask={ask} items={items ?? []} close={() => setAsk(null)} />;
  if (!item) {
    const kept = Boolean(runs.data?.length);
    return (
      <Page title={name} crumb={back} lead={items && kept ? t.rayJobs.gone : null}>
        <Alert problem={problem} />
        {!items || !(runs.data || runs.problem) ? (problem ? null : <Loading />) : kept || runs.problem ? <Runs runs={runs} ask={setAsk} /> : <Empty>{t.menu.missingText}</Empty>}
        {dialog}
      </Page>
    );
  }
  const began = item.status?.startTime;
  const ended = item.status?.endTime;
  return (
    <Page title={name} crumb={back} lead={<State phase={phaseOf(item)} text={reasonOf(item)} />}
      actions={leaving ? null : <JobActions item={item} entry={entry} ask={setAsk} failed={setFailed} done={(next) => go(pageOfJob(profile, next))} />}>
      <Alert problem={failed ?? problem} />
      <Announce states={[[name, phaseOf(item)]]} />
      <div class="cards">
        <section>
          <h2>{t.jobs.job}</h2>
          <Facts rows={[
            [t.jobs.entrypoint, item.spec?.entrypoint ? <code>{item.spec.entrypoint}</code> : null], [t.jobs.id, item.status?.jobId], [t.rayJobs.cluster, <ClusterOf item={item} />],
            [t.rayJobs.retries, String(item.spec?.backoffLimit ?? 0)], [t.rayJobs.failures, item.status?.failed ? String(item.status.failed) : null],
            [t.rayJobs.began, began ? <time title={day(began)}>{t.time.ago(age(began))}</time> : null], [t.rayJobs.finished, ended ? <time title={day(ended)}>{t.time.ago(age(ended))}</time> : null],
          ]} />
        </section>
        <Events profile={profile} kind="RayJob" name={name} />
      </div>
      <Runs runs={runs} ask={setAsk} />
      <ManifestView item={item} />
      {dialog}
    </Page>
  );
}
