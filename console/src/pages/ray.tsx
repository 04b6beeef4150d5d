// Ray clusters: what there is, in which state and why.
import { useState } from "preact/hooks";
import { type KubeObject, paths, type Problem, type ProfileEntry } from "../api";
import { age, held } from "../format";
import { useLater } from "../later";
import { useObjects } from "../live";
import { Alert, Announce, Blank, Loading, Page, State } from "../parts/page";
import { type Row, Table } from "../parts/table";
import { may } from "../rights";
import { stay, useQuery } from "../router";
import { t } from "../text";
import { pageOf, phaseOf, reasonOf, sizeOf } from "../workload";
import { NewCluster } from "./ray_form";
import { ClusterActions, type ClusterAsk, ClusterDialog } from "./ray_parts";

export function RayClusters({ entry }: { entry: ProfileEntry }) {
  const profile = entry.name;
  const { items, problem } = useObjects(paths.rayclusters(profile));
  const waiting = useLater();
  const [making, setMaking] = useQuery("new");
  const [ask, setAsk] = useState<ClusterAsk>(null);
  const [failed, setFailed] = useState<Problem | null>(null);
  const mayMake = may("create", entry);
  const make = mayMake ? <button class="primary" onClick={() => setMaking(true)}>{t.ray.new}</button> : null;
  const row = (item: KubeObject): Row => {
    const { name, uid, creationTimestamp } = item.metadata;
    const leaving = waiting.find((one) => one.key === `RayCluster/${profile}/${name}` && !one.failed);
    return {
      key: uid,
      leaving: Boolean(leaving),
      cells: [
        <a href={pageOf(item)} onClick={stay}>{name}</a>,
        leaving ? <State phase="Deleting" text={`${t.undo.leaving(leaving.left_s)}. ${t.ray.warning}`} /> : <State phase={phaseOf(item)} text={reasonOf(item)} />,
        <span class="short">{t.ray.ready(item.status?.readyWorkerReplicas ?? 0, item.status?.desiredWorkerReplicas ?? 0)}</span>,
        <span class="short">{held(sizeOf(item))}</span>,
        <span class="short">{age(creationTimestamp)}</span>,
      ],
      actions: leaving ? null : <ClusterActions item={item} entry={entry} ask={setAsk} failed={setFailed} />,
    };
  };
  return (
    <Page title={t.ray.title} actions={items?.length ? make : null}>
      <Alert problem={failed ?? problem} />
      <Announce states={(items ?? []).map((item) => [item.metadata.name, phaseOf(item)])} />
      {items === null ? (problem ? null : <Loading />) : items.length === 0 ? <Blank title={t.ray.none} text={t.ray.noneText}>{make}</Blank>
        : <Table label={t.ray.title} heads={[t.form.name, t.form.state, t.ray.workers, t.form.size, t.form.age]} rows={items.map(row)} />}
      {making && mayMake && items ? <NewCluster profile={profile} taken={items.map((item) => item.metadata.name)} close={() => setMaking(false)} /> : null}
      <ClusterDialog ask={ask} close={() => setAsk(null)} />
    </Page>
  );
}
