// What a form's lines mean in a manifest: a container's size, its environment, the volumes it mounts.
import { Problem } from "./api";
import { t } from "./text";

export interface Box {
  cpu: string;
  memory: string;
  gpu: string;
}
export function resources({ cpu, memory, gpu }: Box) {
  const size = { cpu, memory, ...(gpu && gpu !== "0" ? { "nvidia.com/gpu": gpu } : {}) };
  return { requests: size, limits: size };
}
// The fields of a container at <path> that one control each stands for.
export function fieldsOf(path: string) {
  const both = (key: string) => [`${path}.resources.requests.${key}`, `${path}.resources.limits.${key}`];
  return { cpu: both("cpu"), memory: both("memory"), gpu: both("nvidia.com/gpu"), image: `${path}.image`, env: `${path}.env`, mounts: [`${path}.volumeMounts`] };
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
