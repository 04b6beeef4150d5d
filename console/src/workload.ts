// What does an object of the API mean to a person: its state and why, its size?
import type { KubeObject } from "./api";
import { bytesOf, cpusOf } from "./format";

export const stopped = "kubeflow-resource-stopped";

export interface Condition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
}
export const conditionsOf = (item: KubeObject) => (item.status?.conditions ?? []) as Condition[];
const holds = (item: KubeObject, type: string) => conditionsOf(item).some((one) => one.type === type && one.status === "True");

export function phaseOf(item: KubeObject): string {
  if (item.metadata.deletionTimestamp) return "Deleting";
  switch (item.kind) {
    case "RayCluster":
      if (item.status?.state === "suspended" || holds(item, "RayClusterSuspended")) return "Stopped";
      if (item.spec?.suspend || holds(item, "RayClusterSuspending")) return "Stopping";
      return holds(item, "HeadPodReady") ? "Running" : "Starting";
    case "RayJob": {
      const at = String(item.status?.jobDeploymentStatus || "Initializing"); // until somebody has looked at a new one it says nothing
      return at === "Complete" ? String(item.status?.jobStatus || at) : at;
    }
    case "RayService":
      if (item.spec?.suspend) return holds(item, "Suspended") ? "Stopped" : "Stopping";
      return item.status?.serviceStatus === "Running" ? "Running" : "Starting";
    default:
      return String(item.status?.phase ?? "Pending");
  }
}

// Why it is not what is wanted, in the server's words; nothing while all is well.
export function reasonOf(item: KubeObject): string | undefined {
  if (item.kind === "RayService") {
    const ready = conditionsOf(item).find((one) => one.type === "Ready");
    const well = ready?.status === "True" && ready.reason !== "NotAllApplicationsRunning"; // it may serve, and yet not all that is wanted
    return well || phaseOf(item) === "Stopped" ? undefined : ready?.message || undefined;
  }
  if (phaseOf(item) === "Running") return undefined;
  if (item.kind === "RayJob") return [item.status?.reason, item.status?.message].filter(Boolean).join(": ") || undefined;
  if (item.kind !== "RayCluster") return item.status?.message;
  const told = conditionsOf(item).find((one) => (one.type === "ReplicaFailure" && one.status === "True") || (one.type === "HeadPodReady" && one.status === "False"));
  return phaseOf(item) === "Stopped" ? undefined : (told?.message ?? item.status?.reason);
}

// --- what it holds ---------------------------------------------------------------------------------------------------

export interface Size {
  cpu: number;
  memory: number; // bytes
  gpu: number;
}
const gpuKey = "nvidia.com/gpu";
function sizeOfPod(spec: any): Size {
  const size = { cpu: 0, memory: 0, gpu: 0 };
  for (const container of spec?.containers ?? []) {
    const held = { ...container.resources?.limits, ...container.resources?.requests };
    size.cpu += cpusOf(held.cpu);
    size.memory += bytesOf(held.memory);
    size.gpu += Number(held[gpuKey] ?? 0);
  }
  return size;
}
export const sum = (sizes: Size[]): Size =>
  sizes.reduce((all, one) => ({ cpu: all.cpu + one.cpu, memory: all.memory + one.memory, gpu: all.gpu + one.gpu }), { cpu: 0, memory: 0, gpu: 0 });

// What it holds while it runs, as asked for: a stopped one holds nothing.
export function sizeOf(item: KubeObject): Size {
  if (item.kind !== "RayCluster") return sizeOfPod(item.spec?.template?.spec);
  const groups = (item.spec?.workerGroupSpecs ?? []) as { replicas?: number; template: { spec: unknown } }[];
  return sum([
    sizeOfPod(item.spec?.headGroupSpec?.template?.spec),
    ...groups.map((group) => {
      const one = sizeOfPod(group.template.spec);
      const count = group.replicas ?? 0;
      return { cpu: one.cpu * count, memory: one.memory * count, gpu: one.gpu * count };
    }),
  ]);
}
export const isOn = (item: KubeObject) => !["Stopped", "Failed"].includes(phaseOf(item));

// --- files -----------------------------------------------------------------------------------------------------------

interface PodSpec {
  volumes?: { persistentVolumeClaim?: { claimName: string } }[];
}
export const claimsOf = (spec: PodSpec | undefined) => (spec?.volumes ?? []).flatMap((volume) => volume.persistentVolumeClaim?.claimName ?? []);

// --- where it is -----------------------------------------------------------------------------------------------------

const folders: Record<string, string> = { Notebook: "notebooks", RayCluster: "ray", RayJob: "rayjobs", RayService: "rayservices" };
export const pageOf = (item: KubeObject) => `/p/${item.metadata.namespace}/${folders[item.kind]}/${item.metadata.name}`;
const hosts: Record<string, string> = { Notebook: "notebook", RayCluster: "ray" };
// Jobs have none: what they do is seen at their cluster.
export const doorOf = (item: KubeObject) => hosts[item.kind] && `/${hosts[item.kind]}/${item.metadata.namespace}/${item.metadata.name}/`;
