// One Ray cluster: its nodes, its jobs, what it uses, what has happened to it, and its manifest.
import { useState } from "preact/hooks";
import { type KubeObject, paths, type Problem, type ProfileEntry } from "../api";
import { age, held } from "../format";
import { useLater } from "../later";
import { useObjects } from "../live";
import { Events } from "../parts/events";
import { ManifestView } from "../parts/manifest";
import { Alert, Announce, Empty, Facts, Loading, Page, State } from "../parts/page";
import { type Row, Table } from "../parts/table";
import { Usage } from "../parts/usage";
import { t } from "../text";
import { claimsOf, phaseOf, reasonOf, sizeOf } from "../workload";
import { Jobs } from "./jobs";
import { ClusterActions, type ClusterAsk, ClusterDialog } from "./ray_parts";

const restartsOf = (pod: KubeObject) => ((pod.status?.containerStatuses ?? []) as { restartCount?: number }[]).reduce((all, one) => all + (one.restartCount ?? 0), 0);
const waitsFor = (pod: KubeObject) => ((pod.status?.containerStatuses ?? []) as { state?: { waiting?: { message?: string; reason?: string } } }[]).map((one) => one.state?.waiting).find(Boolean);

function Nodes({ profile, name }: { profile: string; name: string }) {
  const { items, problem } = useObjects(`${paths.core(profile, "pods")}?labelSelector=${encodeURIComponent(`ray.io/cluster=${name},ray.io/node-type`)}`);
  const row = (pod: KubeObject): Row => ({
    key: pod.metadata.uid,
    cells: [
      pod.metadata.name, pod.metadata.labels?.["ray.io/group"] ?? pod.metadata.labels?.["ray.io/node-type"],
      <State phase={pod.metadata.deletionTimestamp ? "Deleting" : String(pod.status?.phase ?? "Pending")} text={waitsFor(pod)?.message ?? waitsFor(pod)?.reason} />,
      String(restartsOf(pod)), <span class="short">{age(pod.metadata.creationTimestamp)}</span>,
    ],
  });
  return (
    <>
      <h2>{t.ray.nodes}</h2>
      <Alert problem={problem} />
      {items === null ? (problem ? null : <Loading />) : items.length === 0 ? <Empty>{t.ray.noNodes}</Empty>
        : <Table label={t.ray.nodes} heads={[t.ray.node, t.ray.group, t.form.state, t.ray.restarts, t.form.age]} rows={items.map(row)} actions={false} />}
    </>
  );
}

export function ClusterPage({ entry, name }: { entry: ProfileEntry; name: string }) {
  const { items, problem } = useObjects(`${paths.rayclusters(entry.name)}?fieldSelector=metadata.name%3D${encodeURIComponent(name)}`);
  const leaving = useLater().some((one) => one.key === `RayCluster/${entry.name}/${name}` && !one.failed);
  const [ask, setAsk] = useState<ClusterAsk>(null);
  const [failed, setFailed] = useState<Problem | null>(null);
  const item = items?.[0];
  const back = { text: t.ray.title, href: `/p/${entry.name}/ray` };
  if (!item) return <Page title={name} crumb={back}>{items ? <Empty>{t.menu.missingText}</Empty> : problem ? <Alert problem={problem} /> : <Loading />}</Page>;
  const member = entry.role !== "";
  return (
    <Page title={name} crumb={back} lead={<State phase={phaseOf(item)} text={reasonOf(item)} />} actions={leaving ? null : <ClusterActions item={item} entry={entry} ask={setAsk} failed={setFailed} />}>
      <Alert problem={failed ?? problem} />
      <Announce states={[[name, phaseOf(item)]]} />
      <div class="cards">
        <section>
          <h2>{t.form.size}</h2>
          <Facts rows={[
            [t.form.size, held(sizeOf(item))], [t.ray.workers, t.ray.ready(item.status?.readyWorkerReplicas ?? 0, item.status?.desiredWorkerReplicas ?? 0)],
            [t.ray.version, item.spec?.rayVersion], [t.form.image, item.spec?.headGroupSpec?.template?.spec?.containers?.[0]?.image],
            [t.form.volumes, claimsOf(item.spec?.headGroupSpec?.template?.spec).join(", ")], [t.notebooks.made, t.time.ago(age(item.metadata.creationTimestamp))],
          ]} />
        </section>
        {member ? <Events profile={entry.name} kind="RayCluster" name={name} /> : null}
      </div>
      <Jobs item={item} entry={entry} />
      {member ? <Nodes profile={entry.name} name={name} /> : null}
      {member ? <Usage profile={entry.name} kind="RayCluster" name={name} /> : null}
      <ManifestView item={item} />
      <ClusterDialog ask={ask} close={() => setAsk(null)} />
    </Page>
  );
}
