// Every profile of the platform, for its admins: whose it is, how it stands, what it holds.
import { get, type KubeObject, type Me, paths, type Usage } from "../api";
import { age, bytesOf, cpusOf, held } from "../format";
import { useData, useObjects } from "../live";
import { Alert, Announce, Empty, Loading, Page, State } from "../parts/page";
import { type Row, Table } from "../parts/table";
import { stay } from "../router";
import { t } from "../text";

const again_ms = 10_000;

export function Profiles({ me }: { me: Me }) {
  const { items, problem } = useObjects(paths.profiles);
  const usage = useData(() => get<Usage>("/api/atelier/v1/usage"), "usage", { every_ms: again_ms });
  const stateOf = (item: KubeObject) => (item.metadata.deletionTimestamp ? "Deleting" : String(item.status?.phase ?? "Pending"));
  const row = (item: KubeObject): Row => {
    const { name, uid, creationTimestamp } = item.metadata;
    const holds = usage.data?.profiles.find((one) => one.name === name);
    const hard = item.spec?.resourceQuotaSpec?.hard as Record<string, string> | undefined;
    const seen = me.profiles.some((entry) => entry.name === name);
    return {
      key: uid,
      cells: [
        seen ? <a href={`/p/${name}`} onClick={stay}>{name}</a> : name, item.spec?.owner?.name, <State phase={stateOf(item)} text={stateOf(item) === "Ready" ? undefined : item.status?.message} />,
        usage.data ? held({ cpu: cpusOf(holds?.cpu), memory: bytesOf(holds?.memory), gpu: 0 }) : "",
        Object.entries(hard ?? {}).map(([key, value]) => `${key} ${value}`).join(", "), <span class="short">{age(creationTimestamp)}</span>,
      ],
      actions: seen ? <a class="button" href={`/p/${name}/members`} onClick={stay} aria-label={t.profiles.membersOf(name)}>{t.profiles.members}</a> : null,
    };
  };
  return (
    <Page title={t.profiles.title}>
      <Alert problem={problem ?? usage.problem} />
      <Announce states={(items ?? []).map((item) => [item.metadata.name, stateOf(item)])} />
      {items === null ? (problem ? null : <Loading />) : items.length === 0 ? <Empty>{t.profiles.none}</Empty>
        : <Table label={t.profiles.title} heads={[t.profiles.name, t.profiles.owner, t.profiles.state, t.profiles.holds, t.profiles.quota, t.profiles.age]} rows={items.map(row)} />}
    </Page>
  );
}
