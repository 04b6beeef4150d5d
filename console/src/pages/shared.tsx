// What a guest sees of a profile: the notebooks and clusters that are shared with them, alive, and how to open them.
import { type KubeObject, paths, type ProfileEntry } from "../api";
import { useObjects } from "../live";
import { Alert, Empty, Loading, Page, State } from "../parts/page";
import { type Row, Table } from "../parts/table";
import { may, roleName } from "../rights";
import { stay } from "../router";
import { t } from "../text";
import { doorOf, pageOf, phaseOf } from "../workload";

export function Shared({ entry }: { entry: ProfileEntry }) {
  const notebooks = useObjects(paths.notebooks(entry.name));
  const clusters = useObjects(paths.rayclusters(entry.name));
  const items = [...(notebooks.items ?? []), ...(clusters.items ?? [])];
  const titles: Record<string, string> = { Notebook: t.notebooks.what, RayCluster: t.ray.what };
  const row = (item: KubeObject): Row => {
    const { name, uid } = item.metadata;
    const role = entry.resources?.find((grant) => grant.kind === item.kind && grant.name === name)?.role ?? "";
    const open = may("open", entry, item.kind, name);
    return {
      key: uid,
      cells: [<a href={pageOf(item)} onClick={stay}>{name}</a>, titles[item.kind], roleName(role), <State phase={phaseOf(item)} />],
      actions: open && phaseOf(item) === "Running" ? (
        <a class="button primary" target="_blank" rel="noopener" aria-label={t.newTab(t.notebooks.open, name)} href={doorOf(item)}>{t.notebooks.open}</a>
      ) : null,
    };
  };
  return (
    <Page title={t.shared.title(entry.name)}>
      <Alert problem={notebooks.problem ?? clusters.problem} />
      {items.length > 0 ? <Table label={t.menu.sharedWithYou} heads={[t.shared.name, t.shared.what, t.shared.role, t.shared.state]} rows={items.map(row)} />
        : notebooks.items && clusters.items ? <Empty>{t.shared.gone}</Empty> : <Loading />}
    </Page>
  );
}
