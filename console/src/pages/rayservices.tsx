// Ray services: what each RayService is at, with its applications, and the form that makes one.
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
import { NewRayService } from "./rayservice_form";
import { applicationsOf, ServiceActions, type ServiceAsk, ServiceDialog } from "./rayservice_parts";

export function RayServices({ entry }: { entry: ProfileEntry }) {
  const profile = entry.name;
  const { items, problem } = useObjects(paths.rayservices(profile));
  const waiting = useLater();
  const [making, setMaking] = useQuery("new");
  const [ask, setAsk] = useState<ServiceAsk>(null);
  const [failed, setFailed] = useState<Problem | null>(null);
  const mayMake = may("create", entry);
  const make = mayMake ? <button class="primary" onClick={() => setMaking(true)}>{t.rayServices.new}</button> : null;
  const row = (item: KubeObject): Row => {
    const { name, uid, creationTimestamp } = item.metadata;
    const leaving = waiting.find((one) => one.key === `RayService/${profile}/${name}` && !one.failed);
    return {
      key: uid,
      leaving: Boolean(leaving),
      cells: [
        <a href={pageOf(item)} onClick={stay}>{name}</a>,
        leaving ? <State phase="Deleting" text={t.undo.leaving(leaving.left_s)} /> : <State phase={phaseOf(item)} text={reasonOf(item)} />,
        <>{applicationsOf(item, "activeServiceStatus").map((one) => <div key={one.name}>{one.name} <State phase={one.status} /></div>)}</>,
        <span class="short">{age(creationTimestamp)}</span>,
      ],
      actions: leaving ? null : <ServiceActions item={item} entry={entry} ask={setAsk} failed={setFailed} />,
    };
  };
  return (
    <Page title={t.rayServices.title} actions={items?.length ? make : null}>
      <Alert problem={failed ?? problem} />
      <Announce states={(items ?? []).map((item) => [item.metadata.name, phaseOf(item)])} />
      {items === null ? (problem ? null : <Loading />) : items.length === 0 ? <Blank title={t.rayServices.none} text={t.rayServices.noneText}>{make}</Blank>
        : <Table label={t.rayServices.title} heads={[t.rayServices.what, t.form.state, t.rayServices.applications, t.form.age]} rows={items.map(row)} />}
      {making && mayMake && items ? <NewRayService profile={profile} taken={items.map((item) => item.metadata.name)} close={() => setMaking(false)} /> : null}
      <ServiceDialog ask={ask} close={() => setAsk(null)} />
    </Page>
  );
}
