// A container's log, live, in a dialog that stays at the end unless one scrolls up.
import { useEffect, useRef, useState } from "preact/hooks";
import { get, type KubeObject, type List, paths, Problem } from "../api";
import { t } from "../text";
import { Dialog } from "./dialog";
import { Choice } from "./form";
import { Alert } from "./page";

const kept = 200_000;
const pause_ms = 2_000;

export function LogBox({ text }: { text: string }) {
  const box = useRef<HTMLPreElement>(null);
  useEffect(() => {
    const element = box.current;
    if (element && element.scrollHeight - element.scrollTop - element.clientHeight < 200) element.scrollTop = element.scrollHeight;
  }, [text]);
  return <pre class="log" ref={box} tabIndex={0} aria-label={t.logs.box}>{text}</pre>;
}
const lastOf = (text: string) => text.slice(-kept);

// "pod/container" of everything that a selector finds; the container is left out where there is only one.
const sourcesOf = (pods: KubeObject[]): [string, string][] =>
  pods.flatMap((pod) => {
    const containers = (pod.spec?.containers ?? []) as { name: string }[];
    return containers.map(({ name }): [string, string] => [`${pod.metadata.name}/${name}`, containers.length > 1 ? `${pod.metadata.name}, ${name}` : pod.metadata.name]);
  }).sort((a, b) => a[1].localeCompare(b[1]));

export function Logs({ namespace, selector, title, close }: { namespace: string; selector: string; title: string; close: () => void }) {
  const [sources, setSources] = useState<[string, string][]>([]);
  const [source, setSource] = useState("");
  const [text, setText] = useState("");
  const [problem, setProblem] = useState<Problem | null>(null);

  useEffect(() => {
    get<List>(`${paths.core(namespace, "pods")}?labelSelector=${encodeURIComponent(selector)}`).then(
      (list) => {
        const found = sourcesOf(list.items);
        setSources(found);
        setSource(found[0]?.[0] ?? "");
        if (found.length === 0) setProblem(new Problem(404, t.logs.nothing));
      },
      (error) => setProblem(error as Problem),
    );
  }, [namespace, selector]);

  useEffect(() => {
    if (!source) return;
    const abort = new AbortController();
    const [pod, container] = source.split("/");
    const read = async () => {
      const response = await fetch(`${paths.core(namespace, "pods")}/${pod}/log?container=${container}&follow=true&tailLines=500`, { signal: abort.signal });
      if (!response.ok || !response.body) throw new Problem(response.status, t.logs.none(response.status));
      setText("");
      setProblem(null);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        setText((old) => lastOf(old + value));
      }
    };
    // A log ends with its container: what replaces it is looked for, without a rush.
    const loop = async () => {
      while (!abort.signal.aborted) {
        await read().catch((error) => abort.signal.aborted || setProblem(error instanceof Problem ? error : new Problem(0, t.logs.interrupted)));
        await new Promise((resume) => setTimeout(resume, pause_ms));
      }
    };
    setText("");
    void loop();
    return () => abort.abort();
  }, [source]);

  return (
    <Dialog title={title} close={close} wide>
      {sources.length > 1 ? <Choice label={t.logs.pod} options={sources} value={source} onChange={(event) => setSource(event.currentTarget.value)} /> : null}
      <Alert problem={problem} />
      <LogBox text={text} />
    </Dialog>
  );
}

// A log that is handed out as a whole is asked for again until it is <over>, the less often the longer it takes to come.
interface Followed {
  title: string;
  read: () => Promise<string>;
  source: string; // whose log it is
  over: boolean;
  close: () => void;
}
export function FollowedLog({ title, read, source, over, close }: Followed) {
  const [text, setText] = useState("");
  const [problem, setProblem] = useState<Problem | null>(null);
  useEffect(() => {
    let timer = 0;
    let live = true;
    const look = async () => {
      const began = Date.now();
      try {
        const found = await read();
        if (!live) return;
        setText(lastOf(found));
        setProblem(null);
      } catch (error) {
        if (live) setProblem(error as Problem);
      }
      if (live && !over) timer = setTimeout(look, Math.max(1_500, 5 * (Date.now() - began)));
    };
    void look();
    return () => {
      live = false;
      clearTimeout(timer);
    };
  }, [source, over]);
  return (
    <Dialog title={title} close={close} wide>
      <Alert problem={problem} />
      <LogBox text={text} />
    </Dialog>
  );
}
