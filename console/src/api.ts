// How the console speaks to the REST API: JSON, the CSRF header, problems as errors that name their field.

export class Problem extends Error {
  constructor(readonly status: number, message: string, readonly field = "") {
    super(message);
  }
}

// Told whenever the server refuses: the person may have been signed out, removed, or given another role.
let refused: () => void = () => {};
export function onRefused(listener: () => void): void {
  refused = listener;
}

let csrf = "";
export function setCsrf(value: string): void {
  csrf = value;
}

function problemOf(status: number, body: unknown): Problem {
  const record = (body ?? {}) as Record<string, unknown>;
  const details = record.details as { causes?: { field?: string }[] } | undefined;
  const message = String(record.detail ?? record.message ?? record.title ?? `The server answered ${status}.`);
  return new Problem(status, message, String(record.field ?? details?.causes?.[0]?.field ?? ""));
}

export async function call<T>(method: string, path: string, body?: unknown, type = "application/json"): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = type;
  if (method !== "GET" && csrf) headers["X-Atelier-CSRF"] = csrf;
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers,
      credentials: "same-origin",
      body: body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body),
    });
  } catch {
    throw new Problem(0, "The server cannot be reached. Is it running?");
  }
  const text = await response.text();
  let parsed: unknown = undefined;
  try {
    parsed = text ? JSON.parse(text) : undefined;
  } catch {
    parsed = { detail: text.slice(0, 300) };
  }
  if (!response.ok) {
    if (response.status === 401 || (method !== "GET" && (response.status === 403 || response.status === 404))) refused();
    throw problemOf(response.status, parsed);
  }
  return parsed as T;
}

export const get = <T>(path: string) => call<T>("GET", path);
export const post = <T>(path: string, body: unknown) => call<T>("POST", path, body);
export const remove = (path: string) => call<unknown>("DELETE", path);
export const mergePatch = <T>(path: string, patch: unknown) => call<T>("PATCH", path, patch, "application/merge-patch+json");

// --- objects ---------------------------------------------------------------------------------------------------------

export interface Meta {
  name: string;
  namespace?: string;
  uid: string;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  resourceVersion?: string;
  annotations?: Record<string, string>;
  labels?: Record<string, string>;
}
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: Meta;
  // Objects of every kind pass through here; each page reads the fields it knows.
  spec?: any;
  status?: any;
}
interface List {
  metadata: { resourceVersion?: string };
  items: KubeObject[];
}

export const paths = {
  notebooks: (ns: string) => `/apis/kubeflow.org/v1/namespaces/${encodeURIComponent(ns)}/notebooks`,
  rayclusters: (ns: string) => `/apis/ray.io/v1/namespaces/${encodeURIComponent(ns)}/rayclusters`,
  profiles: "/apis/kubeflow.org/v1/profiles",
  core: (ns: string, plural: string) => `/api/v1/namespaces/${encodeURIComponent(ns)}/${plural}`,
};

// A hidden tab lets go of its watch: over HTTP/1.1 a browser has six connections to a host, for all tabs together.
const visible = () =>
  new Promise<void>((resume) => {
    if (!document.hidden) return resume();
    document.addEventListener("visibilitychange", () => resume(), { once: true });
  });

// Lists, then watches, for as long as someone looks; every change calls <changed> with all objects, sorted by name.
// A watch that ends or fails is begun again from a fresh list, with a pause that grows to 10 s; none lives longer than
// five minutes, so one that has silently died is noticed.
const watch_s = 300;
export function follow(path: string, changed: (items: KubeObject[] | null, problem: Problem | null) => void): () => void {
  let stopped = false;
  let abort = new AbortController();
  const hidden = () => document.hidden && abort.abort();
  document.addEventListener("visibilitychange", hidden);
  let pause = 500;
  const run = async (): Promise<void> => {
    abort = new AbortController();
    const overdue = setTimeout(() => abort.abort(), (watch_s + 10) * 1000);
    abort.signal.addEventListener("abort", () => clearTimeout(overdue));
    const items = new Map<string, KubeObject>();
    const tell = () => changed([...items.values()].sort((a, b) => a.metadata.name.localeCompare(b.metadata.name)), null);
    const list = await get<List>(path);
    if (stopped) return;
    for (const item of list.items) items.set(item.metadata.uid, item);
    tell();
    const version = encodeURIComponent(list.metadata.resourceVersion ?? "");
    const response = await fetch(`${path}?watch=1&allowWatchBookmarks=true&timeoutSeconds=${watch_s}&resourceVersion=${version}`, {
      signal: abort.signal,
      credentials: "same-origin",
    });
    if (!response.ok || !response.body) throw new Problem(response.status, "The live view was interrupted.");
    pause = 500;
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (!line) continue;
        const event = JSON.parse(line) as { type: string; object: KubeObject };
        if (event.type === "BOOKMARK") continue;
        if (event.type === "ERROR") return;
        if (event.type === "DELETED") items.delete(event.object.metadata.uid);
        else items.set(event.object.metadata.uid, event.object);
      }
      tell();
    }
  };
  const loop = async (): Promise<void> => {
    for (;;) {
      await visible();
      if (stopped) return;
      try {
        await run();
      } catch (error) {
        if (stopped) return;
        if (abort.signal.aborted) continue;
        const problem = error instanceof Problem ? error : new Problem(0, "The server cannot be reached. It is tried again.");
        changed(null, problem);
        if (problem.status === 404 || problem.status === 403) {
          refused();
          pause = 10000;
        }
      }
      if (stopped) return;
      await new Promise((resume) => setTimeout(resume, pause));
      pause = Math.min(pause * 2, 10000);
    }
  };
  void loop();
  return () => {
    stopped = true;
    document.removeEventListener("visibilitychange", hidden);
    abort.abort();
  };
}

// --- people ----------------------------------------------------------------------------------------------------------

export interface ProfileEntry {
  name: string;
  role: string;
  owner?: string;
  resources?: { kind: string; name: string; role: string }[];
}
export interface Me {
  email: string;
  platformAdmin: boolean;
  mustSetPassword: boolean;
  csrf: string;
  kind: string;
  profiles: ProfileEntry[];
  settings: { profilesPerUser: number; baseDomain: string; version: string };
}
export interface Member {
  id: number;
  subject: { kind: string; name: string };
  role: string;
  resource?: { kind: string; name: string } | null;
  state: string;
  expiresAt?: string | null;
}
export interface Token {
  id: number;
  name: string;
  email: string;
  createdAt: string;
  expiresAt?: string | null;
  lastUsedAt?: string | null;
  token?: string;
}
export interface User {
  email: string;
  platformAdmin: boolean;
  state: string;
  createdAt: string;
  invitationUrl?: string;
}
export interface Usage {
  allocatable: { cpu: string; memory: string };
  requested: { cpu: string; memory: string };
  profiles: { name: string; cpu: string; memory: string }[];
}
