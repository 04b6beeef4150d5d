// How is a page kept true? Lists, then watches, for as long as someone looks; and says when the line to the server is down.
import { useEffect, useState } from "preact/hooks";
import { get, type KubeObject, type List, Problem, problemOf, refusedNow } from "./api";
import { t } from "./text";

// --- is the line up? -------------------------------------------------------------------------------------------------

const broken = new Set<object>();
const listeners = new Set<() => void>();
function mark(watch: object, down: boolean): void {
  if (broken.has(watch) === down) return;
  if (down) broken.add(watch);
  else broken.delete(watch);
  listeners.forEach((listener) => listener());
}
// True while what is shown may be older than what is: a watch is being begun again.
export function useReconnecting(): boolean {
  const [down, setDown] = useState(broken.size > 0);
  useEffect(() => {
    const update = () => setDown(broken.size > 0);
    listeners.add(update);
    update();
    return () => void listeners.delete(update);
  }, []);
  return down;
}

// --- a watch ---------------------------------------------------------------------------------------------------------

// A hidden tab lets go of its watch: over HTTP/1.1 a browser has six connections to a host, for all tabs together. For
// the same reason a page holds two watches at most.
const visible = () =>
  new Promise<void>((resume) => {
    if (!document.hidden) return resume();
    document.addEventListener("visibilitychange", () => resume(), { once: true });
  });

// One stream after the other, for as long as somebody looks: <run> opens one, and returns or throws when it has ended.
// It is begun again from the start, with a pause that grows to 10 s; none lives longer than five minutes, so one that has
// silently died is noticed.
const watch_s = 300;
const longest_pause_ms = 10_000;
const settled_ms = 5_000; // a stream that has lasted so long is begun again without a long pause
type Run = (signal: AbortSignal, begun: () => void) => Promise<void>;
function hold(run: Run, failed: (problem: Problem) => void): () => void {
  const me = {};
  let stopped = false;
  let abort = new AbortController();
  const hidden = () => document.hidden && abort.abort();
  document.addEventListener("visibilitychange", hidden);
  const online = () => wake();
  addEventListener("online", online);
  let wake: () => void = () => {};
  let pause = 500;
  const once = (): Promise<void> => {
    abort = new AbortController();
    const overdue = setTimeout(() => abort.abort(), (watch_s + 10) * 1000);
    abort.signal.addEventListener("abort", () => clearTimeout(overdue));
    return run(abort.signal, () => stopped || mark(me, false));
  };
  const loop = async (): Promise<void> => {
    for (;;) {
      await visible();
      if (stopped) return;
      const began = Date.now();
      try {
        await once();
      } catch (error) {
        if (stopped) return;
        if (abort.signal.aborted) continue;
        const problem = error instanceof Problem ? error : new Problem(0, t.errors.unreachable);
        if (problem.status === 404 || problem.status === 403) {
          refusedNow();
          pause = longest_pause_ms;
        } else mark(me, true);
        failed(problem);
      }
      if (stopped) return;
      if (Date.now() - began > settled_ms) pause = 500;
      await new Promise<void>((resume) => {
        wake = resume;
        setTimeout(resume, pause);
      });
      pause = Math.min(pause * 2, longest_pause_ms);
    }
  };
  void loop();
  return () => {
    stopped = true;
    mark(me, false);
    document.removeEventListener("visibilitychange", hidden);
    removeEventListener("online", online);
    abort.abort();
  };
}

// The lines of an answer, as they come, some at a time; until <each> returns false, or the end.
async function readLines(path: string, signal: AbortSignal, each: (lines: string[]) => boolean): Promise<void> {
  const response = await fetch(path, { signal, credentials: "same-origin" });
  if (!response.ok || !response.body) throw problemOf(response.status, await response.json().catch(() => null));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop() ?? "";
    if (!each(lines.filter(Boolean))) return;
  }
}

// Every change calls <changed> with all objects, sorted by name.
export function follow(path: string, changed: (items: KubeObject[] | null, problem: Problem | null) => void): () => void {
  const [base, selection] = path.split("?");
  const run: Run = async (signal, begun) => {
    const items = new Map<string, KubeObject>();
    const tell = () => signal.aborted || changed([...items.values()].sort((a, b) => a.metadata.name.localeCompare(b.metadata.name)), null);
    const list = await get<List>(path);
    if (signal.aborted) return;
    begun();
    const kind = list.kind.replace(/List$/, ""); // a cluster's API leaves it out of the items
    for (const item of list.items) items.set(item.metadata.uid, { ...item, kind: item.kind ?? kind });
    tell();
    const query = new URLSearchParams(selection);
    for (const [key, value] of Object.entries({ watch: "1", allowWatchBookmarks: "true", timeoutSeconds: String(watch_s), resourceVersion: list.metadata.resourceVersion ?? "" }))
      query.set(key, value);
    await readLines(`${base}?${query}`, signal, (lines) => {
      for (const line of lines) {
        const event = JSON.parse(line) as { type: string; object: KubeObject };
        if (event.type === "BOOKMARK") continue;
        if (event.type === "ERROR") return false;
        if (event.type === "DELETED") items.delete(event.object.metadata.uid);
        else items.set(event.object.metadata.uid, event.object);
      }
      tell();
      return true;
    });
  };
  return hold(run, (problem) => changed(null, problem));
}

// --- what pages use --------------------------------------------------------------------------------------------------

export interface Live {
  items: KubeObject[] | null;
  problem: Problem | null;
}
// The live objects behind a path: null until the first list has arrived. While the line is down what was seen stays.
export function useObjects(path: string): Live {
  const [state, setState] = useState<Live & { path: string }>({ path, items: null, problem: null });
  useEffect(() => {
    setState({ path, items: null, problem: null });
    return follow(path, (items, problem) => {
      const gone = problem?.status === 403 || problem?.status === 404;
      setState((old) => {
        const kept = old.path === path && !gone ? old.items : null;
        return { path, items: items ?? kept, problem: kept ? null : problem };
      });
    });
  }, [path]);
  return state.path === path ? state : { items: null, problem: null };
}

// A list of the people API, which is sent anew whenever it is another one: null until it has come for the first time.
export function useList<T>(path: string): { data: T | null; problem: Problem | null } {
  const [state, setState] = useState<{ path: string; data: T | null; problem: Problem | null }>({ path, data: null, problem: null });
  useEffect(() => {
    const query = `watch=1&timeoutSeconds=${watch_s}`;
    const run: Run = (signal, begun) =>
      readLines(`${path}${path.includes("?") ? "&" : "?"}${query}`, signal, (lines) => {
        const latest = lines.at(-1);
        if (!latest || signal.aborted) return true;
        begun();
        setState({ path, data: JSON.parse(latest) as T, problem: null });
        return true;
      });
    return hold(run, (problem) => setState((old) => ({ path, data: old.path === path ? old.data : null, problem })));
  }, [path]);
  return state.path === path ? state : { data: null, problem: null };
}

export interface Read<T> {
  data: T | null;
  problem: Problem | null;
  again: () => void;
}
// Data read for a <key>, again when <stale> changes, on demand, and every <every_ms> while somebody looks (0: never).
export function useData<T>(read: () => Promise<T>, key: string, { stale = "", every_ms = 0 } = {}): Read<T> {
  const [state, setState] = useState<{ key: string; data: T | null; problem: Problem | null }>({ key, data: null, problem: null });
  const [round, setRound] = useState(0);
  useEffect(() => {
    let live = true;
    read().then(
      (data) => live && setState({ key, data, problem: null }),
      (problem) => live && setState((old) => ({ key, data: old.key === key ? old.data : null, problem: problem as Problem })),
    );
    return () => {
      live = false;
    };
  }, [key, stale, round]);
  useEffect(() => {
    if (!every_ms) return;
    const timer = setInterval(() => document.hidden || setRound((value) => value + 1), every_ms);
    return () => clearInterval(timer);
  }, [every_ms]);
  const mine = state.key === key ? state : { data: null, problem: null };
  return { data: mine.data, problem: mine.problem, again: () => setRound((value) => value + 1) };
}
