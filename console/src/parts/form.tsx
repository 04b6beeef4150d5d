// How is something asked of a person, and how is a mistake shown where it was made?
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useState } from "preact/hooks";
import { call, Problem } from "../api";
import { t } from "../text";

// A control may stand for several fields of an object: requests and limits are one number to a person.
export type Fields = string | string[];
const covers = (fields: Fields | undefined, problem: Problem | null | undefined) =>
  Boolean(problem?.field && fields && [fields].flat().some((field) => problem.field === field || problem.field.startsWith(`${field}.`) || problem.field.startsWith(`${field}[`)));

// The server begins with the rule where the field is named apart ("must be …"), or with the field's path: a person sees the label.
function sentence(label: string, problem: Problem): string {
  const path = [`${problem.field}: `, `${problem.field} `].find((prefix) => problem.field && problem.message.startsWith(prefix)) ?? "";
  const rule = problem.message.slice(path.length);
  return /^(is|must|has|may|can|cannot)\b/.test(rule) ? `${label} ${rule}${/[.!?]$/.test(rule) ? "" : "."}` : rule;
}

interface Around {
  label: string;
  hint?: string;
  problem?: Problem | null;
  field?: Fields;
}
function useAround({ label, hint, problem, field }: Around) {
  const id = useId();
  const wrong = covers(field, problem);
  const note = wrong && problem ? <small id={`${id}-hint`} class="wrong" role="alert">{sentence(label, problem)}</small> : hint ? <small id={`${id}-hint`}>{hint}</small> : null;
  return { id, note, aria: { id, "aria-describedby": note ? `${id}-hint` : undefined, "aria-invalid": wrong || undefined } };
}

export function Field(props: Around & JSX.InputHTMLAttributes<HTMLInputElement>) {
  const { label, hint, problem, field, ...input } = props;
  const { id, note, aria } = useAround(props);
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input {...aria} title={input.pattern ? hint : undefined} {...input} />
      {note}
    </div>
  );
}

export function Choice(props: Around & { options: [string, string][] } & JSX.SelectHTMLAttributes<HTMLSelectElement>) {
  const { label, hint, problem, field, options, ...select } = props;
  const { id, note, aria } = useAround(props);
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select {...aria} {...select}>
        {options.map(([value, text]) => <option key={value} value={value}>{text}</option>)}
      </select>
      {note}
    </div>
  );
}

export function Lines(props: Around & JSX.TextareaHTMLAttributes<HTMLTextAreaElement>) {
  const { label, hint, problem, field, ...area } = props;
  const { id, note, aria } = useAround(props);
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea {...aria} spellcheck={false} {...area} />
      {note}
    </div>
  );
}

export function Check({ label, ...input }: { label: string } & JSX.InputHTMLAttributes<HTMLInputElement>) {
  return <label class="check"><input type="checkbox" {...input} /> {label}</label>;
}

// What is folded away until somebody wants it, or something in it is wrong. It never folds by itself under somebody's hands.
export function Folded({ problem, fields, children }: { problem: Problem | null; fields: string[]; children: ComponentChildren }) {
  const [open, setOpen] = useState(false);
  const wrong = covers(fields, problem);
  useEffect(() => {
    if (wrong) setOpen(true);
  }, [wrong]);
  return (
    <details open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t.form.more}</summary>
      {children}
    </details>
  );
}

// What no control of the form stands for is said at its end.
export function Rest({ problem, fields = [] }: { problem: Problem | null; fields?: string[] }) {
  return problem && !covers(fields, problem) ? <p class="alert" role="alert">{problem.message}</p> : null;
}

// A form whose submit may fail with a problem that belongs to a field, or to the form as a whole. What was wrong is
// forgotten when <content> changes.
export function useForm(submit: () => Promise<unknown>, content = ""): { problem: Problem | null; busy: boolean; onSubmit: (event: Event) => void } {
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => setProblem(null), [content]);
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

// Asks the server itself, while somebody writes, whether it would take <yaml> (a dry run): its own rules, none of ours.
const calm_ms = 400;
export function useVerdict(path: string, yaml: string): { problem: Problem | null; asked: boolean } {
  const [verdict, setVerdict] = useState<{ yaml: string; problem: Problem | null }>({ yaml: "", problem: null });
  useEffect(() => {
    let live = true;
    const timer = setTimeout(() => {
      const told = (problem: Problem | null) => live && setVerdict({ yaml, problem });
      call("POST", `${path}?dryRun=All`, yaml, "application/yaml").then(
        () => told(null),
        (error) => told(error instanceof Problem && error.status >= 400 && error.status < 500 ? error : null),
      );
    }, calm_ms);
    return () => {
      live = false;
      clearTimeout(timer);
    };
  }, [path, yaml]);
  return verdict.yaml === yaml ? { problem: verdict.problem, asked: true } : { problem: null, asked: false };
}

// A manifest: made by the form until somebody writes in it. Exactly this text is sent.
export function Manifest({ value, edited, onInput }: { value: string; edited: boolean; onInput: (value: string) => void }) {
  return <Lines label={t.manifest.label} hint={edited ? t.manifest.edited : t.manifest.hint} rows={20} value={value} onInput={(event) => onInput(event.currentTarget.value)} />;
}
