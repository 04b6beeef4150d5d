// A container's log, live, in a dialog that stays at the end unless one scrolls up.
import { useEffect, useRef, useState } from "preact/hooks";
import { get, type KubeObject, paths, Problem } from "./api";
import { Alert, Choice, Dialog } from "./parts";

const kept = 200_000;

export function Logs({ namespace, selector, title, close }: { namespace: string; selector: string; title: string; close: () => void }) {
  const [pods, setPods] = useState<string[]>([]);
  const [pod, setPod] = useState("");
  const [text, setText] = useState("");
  const [problem, setProblem] = useState<Problem | null>(null);
  const box = useRef<HTMLPreElement>(null);

  useEffect(() => {
    get<{ items: KubeObject[] }>(`${paths.core(namespace, "pods")}?labelSelector=${encodeURIComponent(selector)}`).then(
      (list) => {
        const names = list.items.map((item) => item.metadata.name).sort();
        setPods(names);
        setPod(names[0] ?? "");
        if (names.length === 0) setProblem(new Problem(404, "Nothing runs at the moment, so there is no log."));
      },
      (error) => setProblem(error as Problem),
    );
  }, [namespace, selector]);

  useEffect(() => {
    if (!pod) return;
    const abort = new AbortController();
    setText("");
    setProblem(null);
    const read = async () => {
      const response = await fetch(`${paths.core(namespace, "pods")}/${pod}/log?follow=true&tailLines=500`, { signal: abort.signal });
      if (!response.ok || !response.body) throw new Problem(response.status, `There is no log yet (${response.status}).`);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        setText((old) => (old + value).slice(-kept));
      }
    };
    read().catch((error) => abort.signal.aborted || setProblem(error instanceof Problem ? error : new Problem(0, "The log was interrupted.")));
    return () => abort.abort();
  }, [pod]);

  useEffect(() => {
    const element = box.current;
    if (element && element.scrollHeight - element.scrollTop - element.clientHeight < 200) element.scrollTop = element.scrollHeight;
  }, [text]);

  return (
    <Dialog title={title} close={close}>
      {pods.length > 1 ? <Choice label="Pod" options={pods.map((name) => [name, name])} value={pod} onChange={(event) => setPod(event.currentTarget.value)} /> : null}
      <Alert problem={problem} />
      <pre class="log" ref={box} tabIndex={0} aria-label="log">{text}</pre>
    </Dialog>
  );
}
