// What a guest sees of a profile: the notebooks and clusters that are shared with them, alive, and how to open them.
import { type KubeObject, paths, type ProfileEntry } from "./api";
import { phaseOf } from "./home";
import { Alert, Empty, Page, type Row, State, Table, useObjects } from "./parts";
import { may } from "./rights";

const folders: Record<string, string> = { Notebook: "notebook", RayCluster: "ray" };
const titles: Record<string, string> = { Notebook: "Notebook", RayCluster: "Ray cluster" };

export function Shared({ entry }: { entry: ProfileEntry }) {
  const notebooks = useObjects(paths.notebooks(entry.name));
  const clusters = useObjects(paths.rayclusters(entry.name));
  const items = [...(notebooks.items ?? []), ...(clusters.items ?? [])];
  const row = (item: KubeObject): Row => {
    const { name, uid } = item.metadata;
    const role = entry.resources?.find((grant) => grant.kind === item.kind && grant.name === name)?.role ?? "";
    const open = may("open", entry, item.kind, name);
    return {
      key: uid,
      cells: [name, titles[item.kind], role, <State phase={phaseOf(item)} />],
      actions: open && phaseOf(item) === "Running" ? (
        <a class="button primary" target="_blank" rel="noopener" aria-label={`Open ${name} in a new tab`} href={`/${folders[item.kind]}/${entry.name}/${name}/`}>Open</a>
      ) : null,
    };
  };
  return (
    <Page title={`Shared with you in ${entry.name}`}>
      <Alert problem={notebooks.problem ?? clusters.problem} />
      {items.length > 0 ? <Table label="Shared with you" heads={["Name", "What", "Your role", "State"]} rows={items.map(row)} />
        : notebooks.items && clusters.items ? <Empty>What was shared with you is gone.</Empty> : <Empty>Loading…</Empty>}
    </Page>
  );
}
