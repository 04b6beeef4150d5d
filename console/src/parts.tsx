// The pieces that pages are made of: alerts, dialogs, fields, states, empty pages.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { follow, type KubeObject, Problem } from "./api";

// The live objects behind a path: null until the first list has arrived.
export function useObjects(path: string): { items: KubeObject[] | null; problem: Problem | null } {
  const [state, setState] = useState<{ path: string; items: KubeObject[] | null; problem: Problem | null }>({ path, items: null, problem: null });
  useEffect(() => {
    setState({ path, items: null, problem: null });
    return follow(path, (items, problem) => {
      const gone = problem?.status === 403 || problem?.status === 404;
      setState((old) => ({ path, items: items ?? (old.path === path && !gone ? old.items : null), problem }));
    });
  }, [path]);
  return state.path === path ? state : { items: null, problem: null };
}

// Data read once for a <key>, again when <stale> changes, and on demand.
export function useData<T>(read: () => Promise<T>, key: string, stale = ""): { data: T | null; problem: Problem | null; again: () => void } {
  const [data, setData] = useState<T | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [round, setRound] = useState(0);
  useEffect(() => setData(null), [key]);
  useEffect(() => {
    let live = true;
    read().then(
      (value) => live && (setData(value), setProblem(null)),
      (error) => live && setProblem(error as Problem),
    );
    return () => {
      live = false;
    };
  }, [key, stale, round]);
  return { data, problem, again: () => setRound((value) => value + 1) };
}

export function Alert({ problem }: { problem: Problem | null }) {
  return problem ? <p class="alert" role="alert">{problem.message}</p> : null;
}

export function Page({ title, actions, children }: { title: string; actions?: ComponentChildren; children: ComponentChildren }) {
  useEffect(() => {
    document.title = `${title} · Atelier`;
  }, [title]);
  return (
    <main id="main" tabIndex={-1}>
      <header class="page">
        <h1>{title}</h1>
        <div class="actions">{actions}</div>
      </header>
      {children}
    </main>
  );
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

const tones: Record<string, string> = { Running: "good", Ready: "good", active: "good", Failed: "bad", Stopped: "off", Stopping: "off" };
export function State({ phase, text }: { phase: string; text?: string }) {
  return (
    <span class={`state ${tones[phase] ?? "wait"}`}>
      <i aria-hidden="true" />
      <span>{phase}</span>
      {text ? <small title={text}>{text}</small> : null}
    </span>
  );
}

export function Progress({ value, label }: { value: number; label: string }) {
  return <progress max={100} value={value} aria-label={label} />;
}

// The server begins with the rule where the field is named apart: "must be …".
const sentence = (label: string, problem: Problem) => (/^(is|must|has|may|can|cannot)\b/.test(problem.message) ? `${label} ${problem.message}.` : problem.message);

export function Field(props: { label: string; hint?: string; problem?: Problem | null; field?: string } & JSX.InputHTMLAttributes<HTMLInputElement>) {
  const { label, hint, problem, field, ...input } = props;
  const id = useId();
  const wrong = Boolean(problem && field && problem.field.startsWith(field));
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input id={id} aria-describedby={hint || wrong ? `${id}-hint` : undefined} aria-invalid={wrong || undefined} title={input.pattern ? hint : undefined} {...input} />
      {wrong ? <small id={`${id}-hint`} class="wrong" role="alert">{problem ? sentence(label, problem) : ""}</small> : hint ? <small id={`${id}-hint`}>{hint}</small> : null}
    </div>
  );
}

export function Choice(props: { label: string; options: [string, string][] } & JSX.SelectHTMLAttributes<HTMLSelectElement>) {
  const { label, options, ...select } = props;
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} {...select}>
        {options.map(([value, text]) => <option key={value} value={value}>{text}</option>)}
      </select>
    </div>
  );
}

// A form whose submit may fail with a problem that belongs to a field, or to the form as a whole.
export function useForm(submit: () => Promise<unknown>): { problem: Problem | null; busy: boolean; onSubmit: (event: Event) => void } {
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const onSubmit = (event: Event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    submit().then(
      () => (setProblem(null), setBusy(false)),
      (error) => (setProblem(error instanceof Problem ? error : new Problem(0, String(error))), setBusy(false)),
    );
  };
  return { problem, busy, onSubmit };
}

export function Dialog({ title, close, children }: { title: string; close: () => void; children: ComponentChildren }) {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    dialog?.querySelector<HTMLElement>("input, select, textarea, pre")?.focus();
    return () => dialog?.close(); // gives the focus back to where it was
  }, []);
  const id = useId();
  return (
    <dialog ref={element} onClose={close} aria-labelledby={id}>
      <header class="page">
        <h2 id={id}>{title}</h2>
        <button type="button" class="quiet" aria-label="Close" onClick={() => element.current?.close()}>✕</button>
      </header>
      {children}
    </dialog>
  );
}

// Asks before something that cannot be taken back; with <confirm>, the name must be typed.
export function Sure({ title, text, confirm, action, close }: { title: string; text: string; confirm?: string; action: () => Promise<unknown>; close: () => void }) {
  const [typed, setTyped] = useState("");
  const form = useForm(async () => {
    await action();
    close();
  });
  return (
    <Dialog title={title} close={close}>
      <form onSubmit={form.onSubmit}>
        <p>{text}</p>
        {confirm ? <Field label={`Type ${confirm} to confirm`} value={typed} autocomplete="off" onInput={(event) => setTyped(event.currentTarget.value)} /> : null}
        <Alert problem={form.problem} />
        <footer>
          <button type="button" onClick={close}>Cancel</button>
          <button class="danger" disabled={form.busy || (confirm !== undefined && typed !== confirm)}>{title}</button>
        </footer>
      </form>
    </Dialog>
  );
}

// A value that is shown once; one click copies it. Only secure contexts have a clipboard to write to.
export function Once({ label, value }: { label: string; value: string }) {
  const [copied, setCopied] = useState(false);
  const box = useRef<HTMLInputElement>(null);
  const id = useId();
  useEffect(() => setCopied(false), [value]);
  const copy = async () => {
    box.current?.select();
    try {
      if (navigator.clipboard) await navigator.clipboard.writeText(value);
      else if (!document.execCommand("copy")) return;
      setCopied(true);
    } catch {
      // The value stays selected: Ctrl-C copies it.
    }
  };
  return (
    <div class="once">
      <label for={id}>{label}</label>
      <div>
        <input id={id} ref={box} readOnly value={value} onFocus={(event) => event.currentTarget.select()} />
        <button type="button" onClick={() => void copy()}>{copied ? "Copied" : "Copy"}</button>
      </div>
      <span class="unseen" role="status">{copied ? "Copied" : ""}</span>
    </div>
  );
}

// A table whose rows become cards on a narrow screen: there the roles are what keeps it a table to a screen reader.
export interface Row {
  key: string;
  cells: ComponentChildren[];
  actions?: ComponentChildren;
}
export function Table({ label, heads, rows, actions = true }: { label: string; heads: string[]; rows: Row[]; actions?: boolean }) {
  return (
    <div class="scroll">
      <table role="table" aria-label={label}>
        <thead role="rowgroup">
          <tr role="row">
            {heads.map((head) => <th key={head} role="columnheader" scope="col">{head}</th>)}
            {actions ? <th role="columnheader" scope="col"><span class="unseen">Actions</span></th> : null}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((row) => (
            <tr key={row.key} role="row">
              {row.cells.map((cell, at) => at === 0
                ? <th key={at} role="rowheader" scope="row">{cell}</th>
                : <td key={at} role="cell" data-label={heads[at]}>{cell}</td>)}
              {actions ? <td role="cell" class="row-actions">{row.actions}</td> : null}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

// Tells a screen reader what has changed since the last look: "lab: Running".
export function Announce({ states }: { states: [string, string][] }) {
  const before = useRef<Map<string, string> | null>(null);
  const [text, setText] = useState("");
  const now = states.map(([name, state]) => `${name}: ${state}`).join(", ");
  useEffect(() => {
    const old = before.current;
    if (old) setText(states.filter(([name, state]) => old.get(name) !== state).map(([name, state]) => `${name}: ${state}`).join(", "));
    before.current = new Map(states);
  }, [now]);
  return <p class="unseen" role="status">{text}</p>;
}
