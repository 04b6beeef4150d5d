// How is a notebook or a Ray cluster started and stopped? Each by the word its own controllers know.
import { type KubeObject, mergePatch, paths } from "./api";
import { stopped } from "./workload";

export function turn(item: KubeObject, on: boolean): Promise<unknown> {
  const { name, namespace = "" } = item.metadata;
  if (item.kind === "RayCluster") return mergePatch(`${paths.rayclusters(namespace)}/${name}`, { spec: { suspend: !on } });
  return mergePatch(`${paths.notebooks(namespace)}/${name}`, { metadata: { annotations: { [stopped]: on ? null : new Date().toISOString() } } });
}
