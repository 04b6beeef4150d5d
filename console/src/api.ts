// How the console speaks to the REST API: JSON, the CSRF header, problems as errors that name their field.

import { t } from "./text";

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
export const refusedNow = () => refused();

let csrf = "";
export function setCsrf(value: string): void {
  csrf = value;
}

export function problemOf(status: number, body: unknown): Problem {
  const record = (body ?? {}) as Record<string, unknown>;
  const details = record.details as { causes?: { field?: string }[] } | undefined;
  const message = String(record.detail ?? record.message ?? record.title ?? t.errors.answered(status));
  return new Problem(status, message, String(record.field ?? details?.causes?.[0]?.field ?? ""));
}

async function ask(method: string, path: string, body?: unknown, type = "application/json"): Promise<{ text: string; parsed: unknown }> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = type;
  if (csrf) headers["X-Atelier-CSRF"] = csrf;
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers,
      credentials: "same-origin",
      redirect: "error", // a workload that is asked (jobs, documents) must not choose what else this person's credentials ask
      body: body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body),
    });
  } catch {
    throw new Problem(0, t.errors.unreachable);
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
  return { text, parsed };
}
export const call = async <T>(method: string, path: string, body?: unknown, type?: string): Promise<T> => (await ask(method, path, body, type)).parsed as T;

export const get = <T>(path: string) => call<T>("GET", path);
// What is answered as it stands, such as a log.
export const getText = async (path: string) => (await ask("GET", path)).text;
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
export interface List {
  kind: string;
  metadata: { resourceVersion?: string };
  items: KubeObject[];
}

export const paths = {
  notebooks: (ns: string) => `/apis/kubeflow.org/v1/namespaces/${encodeURIComponent(ns)}/notebooks`,
  rayclusters: (ns: string) => `/apis/ray.io/v1/namespaces/${encodeURIComponent(ns)}/rayclusters`,
  rayjobs: (ns: string) => `/apis/ray.io/v1/namespaces/${encodeURIComponent(ns)}/rayjobs`,
  rayservices: (ns: string) => `/apis/ray.io/v1/namespaces/${encodeURIComponent(ns)}/rayservices`,
  profiles: "/apis/kubeflow.org/v1/profiles",
  core: (ns: string, plural: string) => `/api/v1/namespaces/${encodeURIComponent(ns)}/${plural}`,
};

// --- people ----------------------------------------------------------------------------------------------------------

export interface ProfileEntry {
  name: string;
  role: string;
  owner?: string;
  resources?: { kind: string; name: string; role: string }[];
}
// What a Ray cluster is given that its maker says nothing about, and whether there are nodes to choose for it.
export interface RayDefaults {
  faultTolerance: boolean;
  gcsFaultToleranceOptions?: Record<string, unknown>;
  nodes: boolean;
}
export interface Me {
  email: string;
  platformAdmin: boolean;
  mustSetPassword: boolean;
  csrf: string;
  kind: string;
  profiles: ProfileEntry[];
  settings: { profilesPerUser: number; baseDomain: string; version: string; publicApps: boolean; ray: RayDefaults };
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
  application?: { namespace: string; kind: string; name: string; prefix: string }; // all that it opens
  token?: string;
  named?: string;
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
  disk?: { total: string; free: string; reserved: string; short: boolean; message?: string };
}
