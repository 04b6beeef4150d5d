// Ray clusters: the form (or YAML), nodes and state, dashboard, how to connect, scale, logs, delete.
import { useState } from "preact/hooks";
import { call, type KubeObject, mergePatch, paths, post, type ProfileEntry, remove } from "./api";
import { age } from "./format";
import { phaseOf } from "./home";
import { Logs } from "./logs";
import { useImages } from "./notebooks";
import { Alert, Announce, Choice, Dialog, Empty, Field, Page, type Row, State, Sure, Table, useForm, useObjects } from "./parts";
import { may } from "./rights";

interface Form {
  name: string;
  image: string;
  rayVersion: string;
  headCpu: string;
  headMemory: string;
  group: string;
  replicas: number;
  min: number;
  max: number;
  workerCpu: string;
  workerMemory: string;
}

function manifest(profile: string, form: Form): unknown {
  const container = (name: string, cpu: string, memory: string) => ({
    name, image: form.image, resources: { requests: { cpu, memory }, limits: { cpu, memory } },
  });
  return {
    apiVersion: "ray.io/v1",
    kind: "RayCluster",
    metadata: { name: form.name, namespace: profile },
    spec: {
      rayVersion: form.rayVersion,
      headGroupSpec: { rayStartParams: { "num-cpus": "0" }, template: { spec: { containers: [container("ray-head", form.headCpu, form.headMemory)] } } },
      workerGroupSpecs: [{
        groupName: form.group, replicas: form.replicas, minReplicas: form.min, maxReplicas: form.max, rayStartParams: {},
        template: { spec: { containers: [container("ray-worker", form.workerCpu, form.workerMemory)] } },
      }],
    },
  };
}

function NewCluster({ profile, close }: { profile: string; close: () => void }) {
  const images = useImages().filter((image) => image.rayVersion);
  const [form, setForm] = useState<Form>({
    name: "", image: "", rayVersion: "", headCpu: "2", headMemory: "4Gi", group: "workers", replicas: 1, min: 0, max: 4, workerCpu: "4", workerMemory: "8Gi",
  });
  const [yaml, setYaml] = useState<string | null>(null);
  const filled = { ...form, image: form.image || (images[0]?.name ?? ""), rayVersion: form.rayVersion || (images[0]?.rayVersion ?? "") };
  const text = (key: keyof Form) => ({ value: String(filled[key]), onInput: (event: Event) => setForm({ ...form, [key]: (event.currentTarget as HTMLInputElement).value }) });
  const number = (key: keyof Form) => ({ type: "number", min: 0, max: 100, value: Number(filled[key]), onInput: (event: Event) => setForm({ ...form, [key]: Number((event.currentTarget as HTMLInputElement).value) }) });
  const submit = useForm(async () => {
    if (yaml === null) await post(paths.rayclusters(profile), manifest(profile, filled));
    else await call("POST", paths.rayclusters(profile), yaml, "application/yaml");
    close();
  });
  return (
    <Dialog title="New Ray cluster" close={close}>
      <form onSubmit={submit.onSubmit}>
        {yaml === null ? (
          <>
            <Field label="Name" required maxLength={53} autocomplete="off" problem={submit.problem} field="metadata.name" {...text("name")} />
            <div class="pair">
              <Choice label="Image" options={images.map((item) => [item.name, item.name])} {...text("image")} />
              <Field label="Ray version" required {...text("rayVersion")} />
            </div>
            <fieldset><legend>Head</legend><div class="pair"><Field label="Head CPU" required {...text("headCpu")} /><Field label="Head memory" required {...text("headMemory")} /></div><p class="hint">No tasks are scheduled on the head.</p></fieldset>
            <fieldset>
              <legend>Workers</legend>
              <Field label="Group" required {...text("group")} />
              <div class="pair"><Field label="Worker CPU" required {...text("workerCpu")} /><Field label="Worker memory" required {...text("workerMemory")} /></div>
              <div class="pair three"><Field label="Replicas" required {...number("replicas")} /><Field label="Min" required {...number("min")} /><Field label="Max" required {...number("max")} /></div>
            </fieldset>
          </>
        ) : (
          <div class="field"><label for="manifest">Manifest (YAML or JSON)</label><textarea id="manifest" rows={18} spellcheck={false} value={yaml} onInput={(event) => setYaml(event.currentTarget.value)} /></div>
        )}
        <Alert problem={submit.problem} />
        <footer>
          <button type="button" onClick={() => setYaml(yaml === null ? JSON.stringify(manifest(profile, filled), null, 2) : null)}>{yaml === null ? "Show manifest" : "Back to the form"}</button>
          <button class="primary" disabled={submit.busy}>Create</button>
        </footer>
      </form>
    </Dialog>
  );
}

function Scale({ cluster, close }: { cluster: KubeObject; close: () => void }) {
  const groups = (cluster.spec?.workerGroupSpecs ?? []) as { groupName: string; replicas?: number; minReplicas?: number; maxReplicas?: number }[];
  const [counts, setCounts] = useState(groups.map((group) => group.replicas ?? 0));
  const form = useForm(async () => {
    await mergePatch(`${paths.rayclusters(cluster.metadata.namespace ?? "")}/${cluster.metadata.name}`, {
      spec: { workerGroupSpecs: groups.map((group, at) => ({ ...group, replicas: counts[at] })) },
    });
    close();
  });
  return (
    <Dialog title={`Scale ${cluster.metadata.name}`} close={close}>
      <form onSubmit={form.onSubmit}>
        {groups.map((group, at) => (
          <Field key={group.groupName} label={`Replicas of ${group.groupName}`} type="number" min={group.minReplicas ?? 0} max={group.maxReplicas ?? 100} value={counts[at]}
            hint={`between ${group.minReplicas ?? 0} and ${group.maxReplicas ?? "any"}`} onInput={(event) => setCounts(counts.map((old, index) => (index === at ? Number(event.currentTarget.value) : old)))} />
        ))}
        <Alert problem={form.problem} />
        <footer><button class="primary" disabled={form.busy}>Scale</button></footer>
      </form>
    </Dialog>
  );
}

function Connect({ cluster, profile, close }: { cluster: KubeObject; profile: string; close: () => void }) {
  const service = cluster.status?.head?.serviceName ?? `${cluster.metadata.name}-head-svc`;
  const address = `${location.origin}/api/v1/namespaces/${profile}/services/http:${service}:dashboard/proxy/`;
  return (
    <Dialog title={`Connect to ${cluster.metadata.name}`} close={close}>
      <h3>From a notebook of this profile</h3>
      <pre class="code" tabIndex={0} aria-label="Python">{`import ray\nray.init("ray://${service}:10001")`}</pre>
      <h3>From a laptop with Ray installed</h3>
      <p>Make a token on the page Tokens first, and put it in place of TOKEN.</p>
      <pre class="code" tabIndex={0} aria-label="Shell command">{`ray job submit --address ${address} \\\n  --headers '{"Authorization":"Bearer TOKEN"}' --working-dir . -- python train.py`}</pre>
    </Dialog>
  );
}

type Ask = { what: "new" } | { what: "delete" | "logs" | "scale" | "connect"; item: KubeObject } | null;

export function RayClusters({ entry }: { entry: ProfileEntry }) {
  const profile = entry.name;
  const { items, problem } = useObjects(paths.rayclusters(profile));
  const [ask, setAsk] = useState<Ask>(null);
  const close = () => setAsk(null);

  const actions = (item: KubeObject) => {
    const name = item.metadata.name;
    if (item.metadata.deletionTimestamp) return null;
    const mayChange = may("change", entry, "RayCluster", name);
    return (
      <>
        {phaseOf(item) === "Running" && may("open", entry, "RayCluster", name) ? (
          <a class="button primary" href={`/ray/${profile}/${name}/`} target="_blank" rel="noopener" aria-label={`Dashboard of ${name} in a new tab`}>Dashboard</a>
        ) : null}
        {mayChange ? (
          <>
            <button aria-label={`Connect to ${name}`} onClick={() => setAsk({ what: "connect", item })}>Connect</button>
            {item.spec?.workerGroupSpecs?.length ? <button aria-label={`Scale ${name}`} onClick={() => setAsk({ what: "scale", item })}>Scale</button> : null}
          </>
        ) : null}
        <button aria-label={`Logs of ${name}`} onClick={() => setAsk({ what: "logs", item })}>Logs</button>
        {may("delete", entry, "RayCluster", name) ? <button class="danger" aria-label={`Delete ${name}`} onClick={() => setAsk({ what: "delete", item })}>Delete</button> : null}
      </>
    );
  };
  const row = (item: KubeObject): Row => {
    const phase = phaseOf(item);
    return {
      key: item.metadata.uid,
      cells: [
        item.metadata.name,
        <State phase={phase} text={phase === "Running" ? undefined : item.status?.reason} />,
        `${item.status?.readyWorkerReplicas ?? 0} of ${item.status?.desiredWorkerReplicas ?? 0}`,
        item.spec?.rayVersion,
        <span class="short">{age(item.metadata.creationTimestamp)}</span>,
      ],
      actions: actions(item),
    };
  };
  return (
    <Page title="Ray clusters" actions={may("create", entry) ? <button class="primary" onClick={() => setAsk({ what: "new" })}>New Ray cluster</button> : null}>
      <Alert problem={problem} />
      <Announce states={(items ?? []).map((item) => [item.metadata.name, phaseOf(item)])} />
      {items === null ? (problem ? null : <Empty>Loading…</Empty>) : items.length === 0 ? (
        <Empty>No Ray clusters yet.{may("create", entry) ? <> KubeRay's manifests work here too: <code>atelier apply -f cluster.yaml</code>.</> : null}</Empty>
      ) : <Table label="Ray clusters" heads={["Name", "State", "Workers", "Ray", "Age"]} rows={items.map(row)} />}
      {ask?.what === "new" ? <NewCluster profile={profile} close={close} /> : null}
      {ask?.what === "scale" ? <Scale cluster={ask.item} close={close} /> : null}
      {ask?.what === "connect" ? <Connect cluster={ask.item} profile={profile} close={close} /> : null}
      {ask?.what === "logs" ? <Logs namespace={profile} selector={`ray.io/cluster=${ask.item.metadata.name}`} title={`Logs of ${ask.item.metadata.name}`} close={close} /> : null}
      {ask?.what === "delete" ? (
        <Sure title="Delete Ray cluster" text={`${ask.item.metadata.name}, its jobs and everything in its memory are removed.`} action={() => remove(`${paths.rayclusters(profile)}/${ask.item.metadata.name}`)} close={close} />
      ) : null}
    </Page>
  );
}
