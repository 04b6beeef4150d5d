// What has happened to a thing, or around a whole profile, of late, in the words of those who did it.
import { get, type KubeObject, type List, paths } from "../api";
import { age } from "../format";
import { useData } from "../live";
import { t } from "../text";
import { Alert, Empty, Loading } from "./page";

const again_ms = 5_000;
const shown = 12;

interface EventObject extends KubeObject {
  type?: string;
  reason?: string;
  message?: string;
  count?: number;
  lastTimestamp?: string;
  involvedObject?: { kind: string; name: string };
}
const timeOf = (event: EventObject) => event.lastTimestamp ?? event.metadata.creationTimestamp ?? "";

// A warning that comes back, with other figures in it each time, is told once: the latest of its kind, and how many there were.
function latestWarnings(events: EventObject[]): EventObject[] {
  const kept = new Map<string, EventObject>();
  for (const event of events) {
    const key = event.type === "Warning" ? `${event.involvedObject?.kind}/${event.involvedObject?.name} ${event.reason}` : event.metadata.uid;
    const later = kept.get(key);
    kept.set(key, later ? { ...later, count: (later.count ?? 1) + (event.count ?? 1) } : event);
  }
  return [...kept.values()];
}

// <about>: whether an event is meant. Pods carry the name of what they belong to in front of theirs.
export function useEvents(profile: string, about: (event: EventObject) => boolean) {
  const path = paths.core(profile, "events");
  const read = useData(() => get<List>(path), path, { every_ms: again_ms });
  const latest = ((read.data?.items ?? []) as EventObject[]).filter(about).sort((a, b) => timeOf(b).localeCompare(timeOf(a)));
  const events = latestWarnings(latest).slice(0, shown);
  return { events, read };
}

export function EventList({ events }: { events: EventObject[] }) {
  return (
    <ul class="events">
      {events.map((event) => (
        <li key={event.metadata.uid} class={event.type === "Warning" ? "bad" : undefined}>
          <strong>{event.reason}</strong> <span>{event.message}</span>
          <small>{event.involvedObject?.name} · {t.time.ago(age(timeOf(event)))}{(event.count ?? 1) > 1 ? ` · ×${event.count}` : ""}</small>
        </li>
      ))}
    </ul>
  );
}

export function Events({ profile, kind, name }: { profile: string; kind: string; name: string }) {
  const { events, read } = useEvents(profile, ({ involvedObject, metadata }) => {
    const about = involvedObject?.name ?? "";
    return (about === name && involvedObject?.kind === kind) || metadata.labels?.["notebook-name"] === name || metadata.labels?.["ray.io/cluster"] === name || new RegExp(`^${name}-\\d+$`).test(about);
  });
  return (
    <section>
      <h2>{t.events.title}</h2>
      <Alert problem={read.problem} />
      {!read.data ? (read.problem ? null : <Loading />) : events.length === 0 ? <Empty>{t.events.none}</Empty> : <EventList events={events} />}
    </section>
  );
}
