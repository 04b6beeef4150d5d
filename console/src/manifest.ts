// What a form's lines mean in a manifest: a container's size, its environment, the volumes it mounts, the nodes it may stand on.
import { Problem } from "./api";
import { t } from "./text";
import { toYaml } from "./yaml";

export interface Box {
  cpu: string;
  memory: string;
  gpu: string;
  vendor?: string; // the GPUs' key; NVIDIA's where it is not said
}
export const vendors: [string, string][] = [["nvidia.com/gpu", "NVIDIA"], ["amd.com/gpu", "AMD"], ["gpu.intel.com/xe", "Intel"], ["google.com/tpu", "Google TPU"], ["aws.amazon.com/neuroncore", "AWS Neuron"]];
export function resources({ cpu, memory, gpu, vendor = "nvidia.com/gpu" }: Box) {
  const size = { cpu, memory, ...(gpu && gpu !== "0" ? { [vendor]: gpu } : {}) };
  return { requests: size, limits: size };
}
// The fields of a container at <path> that one control each stands for.
export function fieldsOf(path: string) {
  const both = (key: string) => [`${path}.resources.requests.${key}`, `${path}.resources.limits.${key}`];
  return { cpu: both("cpu"), memory: both("memory"), gpu: vendors.flatMap(([key]) => both(key)), image: `${path}.image`, env: `${path}.env`, mounts: [`${path}.volumeMounts`] };
}

const linesOf = (text: string) => text.split("\n").map((line) => line.trim()).filter(Boolean);

export function environment(text: string): { name: string; value: string }[] | undefined {
  const list = linesOf(text).map((line) => {
    const [, name = "", value = ""] = /^([^=]+)=(.*)$/.exec(line) ?? [];
    return { name: name || line, value };
  });
  return list.length ? list : undefined;
}

// "data:/mnt/data" mounts the claim `data` there.
export function volumes(text: string): { volumes?: unknown[]; volumeMounts?: unknown[] } {
  const pairs = linesOf(text).map((line) => {
    const at = line.indexOf(":");
    return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + 1)];
  });
  if (pairs.length === 0) return {};
  return {
    volumes: [...new Set(pairs.map(([claim]) => claim))].map((claim) => ({ name: claim, persistentVolumeClaim: { claimName: claim } })),
    volumeMounts: pairs.map(([claim, path]) => ({ name: claim, mountPath: path })),
  };
}

// What the lines' own form gets wrong, before the server is asked.
export function lineProblem(env: string, mounts: string): Problem | null {
  const wrongEnv = linesOf(env).find((line) => !/^[^=\s]+=/.test(line));
  if (wrongEnv) return new Problem(422, t.form.envLine(wrongEnv), "form.env");
  const wrongMount = linesOf(mounts).find((line) => !/^[^:\s]+:\/\S*$/.test(line));
  return wrongMount ? new Problem(422, t.form.volumeLine(wrongMount), "form.volumes") : null;
}

// --- where pods may stand, and what they are called by ------------------------------------------------------------------

export interface Place {
  labels: string;
  selector: string;
  tolerations: string;
  spot?: boolean;
}
// GKE's label, and taint, of nodes that may be taken back at any time.
const spot = "cloud.google.com/gke-spot";
export function placing(place: Place) {
  const tolerated = tolerations(place.tolerations);
  if (!place.spot) return { nodeSelector: pairs(place.selector), tolerations: tolerated };
  return { nodeSelector: { ...pairs(place.selector), [spot]: "true" }, tolerations: [...(tolerated ?? []), { key: spot, operator: "Equal", value: "true", effect: "NoSchedule" }] };
}
export const nowhere: Place = { labels: "", selector: "", tolerations: "" };

// "team=vision" a line, as a map.
export function pairs(text: string): Record<string, string> | undefined {
  const list = environment(text)?.map(({ name, value }) => [name.trim(), value.trim()]);
  return list && Object.fromEntries(list);
}

// A taint as kubectl writes it: key=value:Effect; without a value any value is tolerated, without an effect any effect.
const taint = /^([^=:\s]+)(?:=([^=:\s]*))?(?::(NoSchedule|PreferNoSchedule|NoExecute))?$/;
export function tolerations(text: string): unknown[] | undefined {
  const list = linesOf(text).map((line) => {
    const [, key = line, value, effect] = taint.exec(line) ?? [];
    return { key, operator: value === undefined ? "Exists" : "Equal", value, effect };
  });
  return list.length ? list : undefined;
}

// What Kubernetes takes as a label; the server looks at those of pods only when it makes them, which a form comes before.
const label = /^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?=([A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?)?$/;
export function placeProblem(place: Place, at: string): Problem | null {
  for (const key of ["labels", "selector"] as const) {
    const wrong = linesOf(place[key]).find((line) => !label.test(line));
    if (wrong) return new Problem(422, t.form.labelLine(wrong), `form.${at}.${key}`);
  }
  const wrong = linesOf(place.tolerations).find((line) => !taint.test(line));
  return wrong ? new Problem(422, t.form.taintLine(wrong), `form.${at}.tolerations`) : null;
}

// Packages as pip names them, as a runtime environment of Ray.
export function packages(text: string): string | undefined {
  const pip = linesOf(text);
  return pip.length ? toYaml({ pip }) : undefined;
}
