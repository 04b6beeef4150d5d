// The pieces that pages are made of: the frame of a page, alerts, states, meters, announcements.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Problem } from "../api";
import { stay } from "../router";
import { t } from "../text";

export function Alert({ problem }: { problem: Problem | null }) {
  return problem ? <p class="alert" role="alert">{problem.message}</p> : null;
}

export interface Crumb {
  text: string;
  href: string;
}
export function Page({ title, crumb, lead, actions, children }: { title: string; crumb?: Crumb; lead?: ComponentChildren; actions?: ComponentChildren; children: ComponentChildren }) {
  useEffect(() => {
    document.title = `${title} · Atelier`;
  }, [title]);
  return (
    <main id="main" tabIndex={-1}>
      <header class="page">
        <div>
          {crumb ? <p class="crumb"><a href={crumb.href} onClick={stay}>{crumb.text}</a></p> : null}
          <h1>{title}</h1>
          {lead ? <div class="lead">{lead}</div> : null}
        </div>
        {actions ? <div class="actions">{actions}</div> : null}
      </header>
      {children}
    </main>
  );
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}
export const Loading = () => <Empty>{t.loading}</Empty>;

// An empty list says what it is for and what to do first.
export function Blank({ title, text, children }: { title: string; text: string; children?: ComponentChildren }) {
  return (
    <section class="blank">
      <h2>{title}</h2>
      <p>{text}</p>
      {children ? <div class="actions">{children}</div> : null}
    </section>
  );
}

const tones: Record<string, string> = {
  Running: "good", Ready: "good", active: "good", Bound: "good", SUCCEEDED: "good", Complete: "good", Healthy: "good", HEALTHY: "good", allowed: "good", ok: "good",
  Failed: "bad", FAILED: "bad", Lost: "bad", denied: "bad", failed: "bad", UNHEALTHY: "bad", DEPLOY_FAILED: "bad",
  Stopped: "off", Stopping: "off", STOPPED: "off", disabled: "off", Suspended: "off",
};
export function State({ phase, text }: { phase: string; text?: string }) {
  const words = t.states as Record<string, string>;
  return (
    <span class={`state ${tones[phase] ?? "wait"}`}>
      <i aria-hidden="true" />
      <span>{words[phase] ?? phase}</span>
      {text ? <small title={text}>{text}</small> : null}
    </span>
  );
}

export function Progress({ value, label }: { value: number; label: string }) {
  return <progress max={100} value={value} aria-label={label} />;
}

// How much of a whole is taken. Nearly all of it is shown in another colour.
export function Meter({ label, used, of, text }: { label: string; used: number; of: number; text: string }) {
  const max = of || 1;
  return (
    <div class="meter">
      <span>{label}</span>
      <span class="figure">{text}</span>
      <meter min={0} max={max} low={max * 0.8} high={max * 0.95} optimum={0} value={Math.min(used, max)} aria-label={label} />
    </div>
  );
}

// What there is to say about one thing: a list of names and values.
export function Facts({ rows }: { rows: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {rows.filter(([, value]) => value !== null && value !== undefined && value !== "").map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}
    </dl>
  );
}

// Tells a screen reader what has changed since the last look: "lab: Running".
export function Announce({ states }: { states: [string, string][] }) {
  const before = useRef<Map<string, string> | null>(null);
  const [text, setText] = useState("");
  const words = t.states as Record<string, string>;
  const say = ([name, state]: [string, string]) => `${name}: ${words[state] ?? state}`;
  const now = states.map(say).join(", ");
  useEffect(() => {
    const old = before.current;
    if (old) setText(states.filter(([name, state]) => old.get(name) !== state).map(say).join(", "));
    before.current = new Map(states);
  }, [now]);
  return <p class="unseen" role="status">{text}</p>;
}
