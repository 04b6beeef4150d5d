// Home: what runs, what the machine has left and who holds it; and the first visit, where a profile is made.
import { useState } from "preact/hooks";
import { get, type KubeObject, type Me, paths, post, type ProfileEntry, type Usage, Problem } from "./api";
import { bytesOf, cpus, cpusOf, gib } from "./format";
import { Alert, Empty, Field, Page, State, useData, useForm, useObjects } from "./parts";
import { may } from "./rights";
import { go, stay } from "./router";

function Meter({ label, used, of, text }: { label: string; used: number; of: number; text: string }) {
  return (
    <div class="meter">
      <span>{label}</span>
      <meter min={0} max={of || 1} value={used} aria-label={label} />
      <span>{text}</span>
    </div>
  );
}

function Running({ objects, href, what, mayMake }: { objects: ReturnType<typeof useObjects>; href: string; what: string; mayMake: boolean }) {
  const { items, problem } = objects;
  if (!items) return problem ? <Alert problem={problem} /> : <Empty>Loading…</Empty>;
  if (items.length === 0) return <Empty>No {what} yet. {mayMake ? <a href={href} onClick={stay}>Make one</a> : null}</Empty>;
  return (
    <ul class="plain">
      {items.map((item) => (
        <li key={item.metadata.uid}>
          <a href={href} onClick={stay}>{item.metadata.name}</a> <State phase={phaseOf(item)} />
        </li>
      ))}
    </ul>
  );
}

export function phaseOf(item: KubeObject): string {
  if (item.metadata.deletionTimestamp) return "Deleting";
  if (item.kind !== "RayCluster") return String(item.status?.phase ?? "Pending");
  if (item.status?.state === "suspended") return "Stopped";
  const conditions = (item.status?.conditions ?? []) as { type: string; status: string }[];
  return conditions.some((c) => c.type === "HeadPodReady" && c.status === "True") ? "Running" : "Starting";
}

export function Home({ me, entry }: { me: Me; entry: ProfileEntry }) {
  const profile = entry.name;
  const mayMake = may("create", entry);
  const notebooks = useObjects(paths.notebooks(profile));
  const clusters = useObjects(paths.rayclusters(profile));
  const usage = useData(() => get<Usage>("/api/atelier/v1/usage"), "usage", held(notebooks.items) + held(clusters.items));
  const free = usage.data;
  return (
    <Page title="Home">
      <div class="cards">
        <section><h2>Notebooks</h2><Running objects={notebooks} href={`/p/${profile}/notebooks`} what="notebooks" mayMake={mayMake} /></section>
        <section><h2>Ray clusters</h2><Running objects={clusters} href={`/p/${profile}/ray`} what="Ray clusters" mayMake={mayMake} /></section>
        <section>
          <h2>The machine</h2>
          <Alert problem={usage.problem} />
          {free ? (
            <>
              <Meter label="Memory" used={bytesOf(free.requested.memory)} of={bytesOf(free.allocatable.memory)}
                text={`${gib(bytesOf(free.allocatable.memory) - bytesOf(free.requested.memory))} of ${gib(bytesOf(free.allocatable.memory))} free`} />
              <Meter label="CPU" used={cpusOf(free.requested.cpu)} of={cpusOf(free.allocatable.cpu)}
                text={`${cpus(cpusOf(free.allocatable.cpu) - cpusOf(free.requested.cpu))} of ${cpus(cpusOf(free.allocatable.cpu))} free`} />
              {free.profiles.length === 0 ? <p class="hint">None of your profiles holds anything.</p> : <table>
                <caption>{me.platformAdmin ? "Held by" : "Held by your profiles"}</caption>
                <thead><tr><th scope="col">Profile</th><th scope="col">CPU</th><th scope="col">Memory</th></tr></thead>
                <tbody>
                  {free.profiles.map((row) => (
                    <tr key={row.name}><th scope="row">{row.name}</th><td>{cpus(cpusOf(row.cpu))}</td><td>{gib(bytesOf(row.memory))}</td></tr>
                  ))}
                </tbody>
              </table>}
            </>
          ) : null}
        </section>
      </div>
    </Page>
  );
}

// What changes when something begins or ends to hold a part of the machine.
const held = (items: KubeObject[] | null) => (items ?? []).map((item) => `${item.metadata.name}:${phaseOf(item)}:${item.status?.desiredWorkerReplicas ?? ""} `).join("");

export function FirstVisit({ done }: { done: () => Promise<void> }) {
  const [name, setName] = useState("");
  const form = useForm(async () => {
    await post(paths.profiles, { apiVersion: "kubeflow.org/v1", kind: "Profile", metadata: { name } });
    for (let waited = 0; waited < 60; waited++) {
      const profile = await get<KubeObject>(`${paths.profiles}/${encodeURIComponent(name)}`);
      if (profile.status?.phase === "Ready") break;
      if (profile.status?.phase === "Failed") throw new Problem(500, String(profile.status?.message ?? "The profile could not be made."));
      await new Promise((resume) => setTimeout(resume, 500));
    }
    await done();
    go(`/p/${name}`, true);
  });
  return (
    <Page title="Name your profile">
      <p>A profile is your space: notebooks, Ray clusters and files live in it, and nobody else gets in unless you invite them.</p>
      <form class="narrow" onSubmit={form.onSubmit}>
        <Field label="Profile name" value={name} required maxLength={40} pattern="[a-z]([a-z0-9\-]*[a-z0-9])?" autocomplete="off" autofocus
          hint="Lower-case letters, digits and '-', a letter first; it appears in addresses." problem={form.problem} field="metadata.name"
          onInput={(event) => setName(event.currentTarget.value)} />
        {form.problem && form.problem.field !== "metadata.name" ? <Alert problem={form.problem} /> : null}
        <footer><button class="primary" disabled={form.busy}>{form.busy ? "Making it…" : "Create profile"}</button></footer>
      </form>
    </Page>
  );
}
