// One Ray service: its applications and deployments, the cluster that serves and the one that follows it, its addresses, and what has happened to it.
import { useState } from "preact/hooks";
import { type KubeObject, paths, type Problem, type ProfileEntry } from "../api";
import { age } from "../format";
import { useLater } from "../later";
import { useObjects } from "../live";
import { Once } from "../parts/dialog";
import { Events } from "../parts/events";
import { ManifestView } from "../parts/manifest";
import { Alert, Announce, Empty, Facts, Loading, Page, State } from "../parts/page";
import { type Row, Table } from "../parts/table";
import { stay } from "../router";
import { t } from "../text";
import { phaseOf, reasonOf } from "../workload";
import { OpenToAll } from "./rayservice_open";
import { applicationsOf, clusterOf, type Part, parts, routesOf, ServiceActions, type ServiceAsk, ServiceDialog } from "./rayservice_parts";

const partText = (part: Part) => (part === "activeServiceStatus" ? t.rayServices.active : t.rayServices.pending);

function Cluster({ item, part }: { item: KubeObject; part: Part }) {
  const name = clusterOf(item, part);
  return name ? <a href={`/p/${item.metadata.namespace}/ray/${name}`} onClick={stay}>{name}</a> : null;
}

// A row an application, then one for each deployment of it; of the cluster that serves first.
function Applications({ item }: { item: KubeObject }) {
  const rows = parts.flatMap((part) => applicationsOf(item, part).flatMap((application): Row[] => {
    const of = (name: string, status: string, message: string | undefined, deployment: string): Row => ({
      key: `${part} ${application.name} ${deployment}`,
      cells: [name, deployment, <State phase={status} text={message} />, <>{partText(part)}<br /><Cluster item={item} part={part} /></>],
    });
    return [of(application.name, application.status, application.message, ""), ...application.deployments.map((one) => of(application.name, one.status, one.message, one.name))];
  }));
  return (
    <>
      <h2>{t.rayServices.applications}</h2>
      {rows.length === 0 ? <Empty>{t.rayServices.noApplications}</Empty>
        : <Table label={t.rayServices.applications} heads={[t.rayServices.application, t.rayServices.deployment, t.form.state, t.rayServices.cluster]} rows={rows} actions={false} />}
    </>
  );
}

export function RayServicePage({ entry, name, mayOpen }: { entry: ProfileEntry; name: string; mayOpen: boolean }) {
  const profile = entry.name;
  const { items, problem } = useObjects(`${paths.rayservices(profile)}?fieldSelector=metadata.name%3D${encodeURIComponent(name)}`);
  const leaving = useLater().some((one) => one.key === `RayService/${profile}/${name}` && !one.failed);
  const [ask, setAsk] = useState<ServiceAsk>(null);
  const [failed, setFailed] = useState<Problem | null>(null);
  const item = items?.[0];
  const back = { text: t.rayServices.title, href: `/p/${profile}/rayservices` };
  if (!item) return <Page title={name} crumb={back}>{items ? <Empty>{t.menu.missingText}</Empty> : problem ? <Alert problem={problem} /> : <Loading />}</Page>;
  return (
    <Page title={name} crumb={back} lead={<State phase={phaseOf(item)} text={reasonOf(item)} />} actions={leaving ? null : <ServiceActions item={item} entry={entry} ask={setAsk} failed={setFailed} />}>
      <Alert problem={failed ?? problem} />
      <Announce states={[[name, phaseOf(item)]]} />
      <div class="cards">
        <section>
          <h2>{t.rayServices.what}</h2>
          <Facts rows={[
            [t.rayServices.active, <Cluster item={item} part="activeServiceStatus" />], [t.rayServices.pending, clusterOf(item, "pendingServiceStatus") ? <Cluster item={item} part="pendingServiceStatus" /> : null],
            [t.notebooks.made, t.time.ago(age(item.metadata.creationTimestamp))],
          ]} />
          {routesOf(item).map((route) => <Once key={route} label={t.rayServices.address(route)} value={`${location.origin}/serve/${profile}/${name}${route}`} />)}
        </section>
        <Events profile={profile} kind="RayService" name={name} />
      </div>
      <Applications item={item} />
      <OpenToAll item={item} entry={entry} allowed={mayOpen} />
      <ManifestView item={item} />
      <ServiceDialog ask={ask} close={() => setAsk(null)} />
    </Page>
  );
}
