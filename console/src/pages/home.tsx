// Home: what runs and what it holds, what needs a look, what is left; and the first steps, while there is nothing yet.
import { useEffect, useRef, useState } from "preact/hooks";
import { get, type KubeObject, type List, type Me, paths, type Problem, type ProfileEntry, type Usage } from "../api";
import { takeArrival } from "../begin";
import { bytesOf, cpus, cpusOf, gib, held } from "../format";
import { Icon } from "../icons";
import { useData, useObjects } from "../live";
import { Capacity } from "../parts/capacity";
import { EventList, useEvents } from "../parts/events";
import { Idle } from "../parts/idle";
import { Alert, Announce, Loading, Meter, Page, State } from "../parts/page";
import { Usage as Plots } from "../parts/usage";
import { turn } from "../power";
import { may } from "../rights";
import { stay } from "../router";
import { t } from "../text";
import { doorOf, isOn, pageOf, phaseOf, reasonOf, sizeOf, sum } from "../workload";

const again_ms = 10_000;
const recent_ms = 30 * 60_000;

function Steps({ base }: { base: string }) {
  const steps: [string, string, string, string][] = [
    ["notebook", `${base}/notebooks?new`, t.home.stepNotebook, t.home.stepNotebookText],
    ["job", `${base}/notebooks`, t.home.stepOpen, t.home.stepOpenText],
    ["ray", `${base}/ray?new`, t.home.stepRay, t.home.stepRayText],
  ];
  return (
    <section>
      <h2>{t.home.start}</h2>
      <ol class="steps">
        {steps.map(([icon, href, title, text]) => <li key={title}><a href={href} onClick={stay}><Icon name={icon} /><strong>{title}</strong></a><span>{text}</span></li>)}
      </ol>
    </section>
  );
}

function Running({ items, entry, failed }: { items: KubeObject[]; entry: ProfileEntry; failed: (problem: Problem | null) => void }) {
  const on = items.filter(isOn);
  const off = items.length - on.length;
  const list = useRef<HTMLUListElement>(null);
  // Who has just signed in most likely wants the notebook that runs: Enter opens it.
  useEffect(() => {
    if (takeArrival()) list.current?.querySelector<HTMLElement>('a.button[href^="/notebook/"]')?.focus();
  }, []);
  return (
    <section>
      <h2>{t.home.running}</h2>
      {items.length === 0 ? <p class="empty">{t.home.nothing}</p> : (
        <ul class="workloads" ref={list}>
          {items.map((item) => (
            <li key={item.metadata.uid}>
              <Icon name={item.kind === "RayCluster" ? "ray" : "notebook"} />
              <a href={pageOf(item)} onClick={stay}>{item.metadata.name}</a>
              <State phase={phaseOf(item)} text={reasonOf(item)} />
              <span class="figure">{isOn(item) ? held(sizeOf(item)) : "–"}</span>
              {phaseOf(item) === "Running" && may("open", entry, item.kind, item.metadata.name) ? (
                <a class="button" href={doorOf(item)} target="_blank" rel="noopener" aria-label={t.newTab(item.kind === "RayCluster" ? t.ray.dashboardOf : t.notebooks.open, item.metadata.name)}>{item.kind === "RayCluster" ? t.ray.dashboard : t.notebooks.open}</a>
              ) : phaseOf(item) === "Stopped" && may("change", entry, item.kind, item.metadata.name) ? (
                <button class="button" aria-label={t.palette.start(item.metadata.name)} onClick={() => void turn(item, true).then(() => failed(null), failed)}>{t.notebooks.start}</button>
              ) : <span />}
            </li>
          ))}
        </ul>
      )}
      {on.length > 0 ? <p class="hint">{t.home.holding(held(sum(on.map(sizeOf))))}{off > 0 ? ` ${t.home.stoppedToo(off)}.` : ""}</p> : null}
    </section>
  );
}

// What a quota counts, as people read it; whatever else it counts is a plain number.
function Quota({ quota }: { quota: KubeObject }) {
  const hard = (quota.status?.hard ?? {}) as Record<string, string>;
  const used = (quota.status?.used ?? {}) as Record<string, string>;
  const names: Record<string, string> = { cpu: t.home.cpu, memory: t.home.memory, "requests.storage": t.home.storage, pods: t.home.pods, "requests.nvidia.com/gpu": t.home.gpu };
  const sized = (key: string) => /memory|storage/.test(key);
  const number = (key: string, value: string | undefined) => (sized(key) ? bytesOf(value) : cpusOf(value));
  const text = (key: string, value: number) => (sized(key) ? gib(value) : /cpu/.test(key) ? cpus(value) : String(value));
  return (
    <>
      {Object.entries(hard).map(([key, value]) => {
        const of = number(key, value);
        const taken = number(key, used[key]);
        return <Meter key={key} label={names[key] ?? key} used={taken} of={of} text={t.home.used(text(key, taken), text(key, of))} />;
      })}
    </>
  );
}

export function Home({ me, entry }: { me: Me; entry: ProfileEntry }) {
  const profile = entry.name;
  const base = `/p/${profile}`;
  const mayMake = may("create", entry);
  const notebooks = useObjects(paths.notebooks(profile));
  const clusters = useObjects(paths.rayclusters(profile));
  const ready = notebooks.items !== null && clusters.items !== null;
  const items = [...(notebooks.items ?? []), ...(clusters.items ?? [])];
  const stale = items.map((item) => `${item.metadata.name} ${phaseOf(item)} ${item.status?.desiredWorkerReplicas ?? ""}`).join();
  const usage = useData(() => get<Usage>("/api/atelier/v1/usage"), "usage", { stale, every_ms: again_ms });
  const quotas = useData(() => get<List>(paths.core(profile, "resourcequotas")), `quota of ${profile}`, { stale, every_ms: again_ms });
  const quota = quotas.data?.items.find((item) => Object.keys(item.status?.hard ?? {}).length > 0);
  const { events } = useEvents(profile, (event) => event.type === "Warning" && Date.now() - Date.parse(event.lastTimestamp ?? "") < recent_ms);
  const [failed, setFailed] = useState<Problem | null>(null);
  const problem = failed ?? notebooks.problem ?? clusters.problem;
  return (
    <Page title={t.home.title} actions={mayMake ? (
      <>
        <a class="button primary" href={`${base}/notebooks?new`} onClick={stay}>{t.notebooks.new}</a>
        <a class="button" href={`${base}/ray?new`} onClick={stay}>{t.ray.new}</a>
      </>
    ) : null}>
      <Alert problem={problem} />
      <Announce states={items.map((item) => [item.metadata.name, phaseOf(item)])} />
      <Idle items={items} entry={entry} />
      {ready && items.length === 0 && mayMake ? <Steps base={base} /> : null}
      {mayMake ? null : <p class="hint">{t.home.readOnly}</p>}
      {ready ? (items.length > 0 || !mayMake ? <Running items={items} entry={entry} failed={setFailed} /> : null) : problem ? null : <Loading />}
      <div class="cards">
        {events.length > 0 ? <section><h2>{t.home.trouble}</h2><EventList events={events.slice(0, 5)} /></section> : null}
        <section>
          <h2>{t.home.quota}</h2>
          <Alert problem={quotas.problem} />
          {quotas.data ? (quota ? <Quota quota={quota} /> : <p class="hint">{t.home.quotaNone}</p>) : quotas.problem ? null : <Loading />}
        </section>
        <section>
          <h2>{t.home.machine}</h2>
          <Alert problem={usage.problem} />
          {usage.data ? <Capacity usage={usage.data} all={me.platformAdmin} /> : usage.problem ? null : <Loading />}
        </section>
      </div>
      <Plots profile={profile} />
    </Page>
  );
}
