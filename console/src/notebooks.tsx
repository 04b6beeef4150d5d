// Notebooks: what there is, in which state and why; new, open, stop, start, resize, logs, delete.
import { useState } from "preact/hooks";
import { get, type KubeObject, mergePatch, paths, post, type Problem, type ProfileEntry, remove } from "./api";
import { age } from "./format";
import { phaseOf } from "./home";
import { Logs } from "./logs";
import { Alert, Announce, Choice, Dialog, Empty, Field, Page, Progress, type Row, State, Sure, Table, useData, useForm, useObjects } from "./parts";
import { may } from "./rights";

const stopped = "kubeflow-resource-stopped";

export interface Image {
  name: string;
  rayVersion?: string;
}
export const useImages = () => useData(() => get<{ items: Image[] }>("/api/atelier/v1/images"), "images").data?.items ?? [];

function NewNotebook({ profile, close }: { profile: string; close: () => void }) {
  const images = useImages();
  const [name, setName] = useState("");
  const [image, setImage] = useState("");
  const [cpu, setCpu] = useState("0.5");
  const [memory, setMemory] = useState("1Gi");
  const form = useForm(async () => {
    const resources = { cpu, memory };
    await post(paths.notebooks(profile), {
      apiVersion: "kubeflow.org/v1",
      kind: "Notebook",
      metadata: { name, namespace: profile },
      spec: { template: { spec: { containers: [{ name, image: image || images[0]?.name, resources: { requests: resources, limits: resources } }] } } },
    });
    close();
  });
  return (
    <Dialog title="New notebook" close={close}>
      <form onSubmit={form.onSubmit}>
        <Field label="Name" value={name} required maxLength={40} autocomplete="off" pattern="[a-z]([a-z0-9\-]*[a-z0-9])?" hint="Lower-case letters, digits and '-', a letter first." problem={form.problem} field="metadata.name" onInput={(event) => setName(event.currentTarget.value)} />
        <Choice label="Image" options={images.map((item) => [item.name, item.name])} value={image || images[0]?.name} onChange={(event) => setImage(event.currentTarget.value)} />
        <div class="pair">
          <Field label="CPU" value={cpu} required hint="0.5, 2 …" onInput={(event) => setCpu(event.currentTarget.value)} />
          <Field label="Memory" value={memory} required hint="1Gi, 512Mi …" onInput={(event) => setMemory(event.currentTarget.value)} />
        </div>
        <p class="hint">Files under /home/atelier are kept when the notebook is stopped, resized or deleted.</p>
        {form.problem && form.problem.field !== "metadata.name" ? <Alert problem={form.problem} /> : null}
        <footer><button class="primary" disabled={form.busy}>Create</button></footer>
      </form>
    </Dialog>
  );
}

function Resize({ notebook, close }: { notebook: KubeObject; close: () => void }) {
  const container = notebook.spec?.template?.spec?.containers?.[0] ?? {};
  const [cpu, setCpu] = useState<string>(container.resources?.limits?.cpu ?? "0.5");
  const [memory, setMemory] = useState<string>(container.resources?.limits?.memory ?? "1Gi");
  const path = `${paths.notebooks(notebook.metadata.namespace ?? "")}/${notebook.metadata.name}`;
  const form = useForm(async () => {
    const resources = { cpu, memory };
    const containers = [{ ...container, resources: { requests: resources, limits: resources } }, ...notebook.spec.template.spec.containers.slice(1)];
    await mergePatch(path, { spec: { template: { spec: { containers } } } });
    close();
  });
  return (
    <Dialog title={`Resize ${notebook.metadata.name}`} close={close}>
      <form onSubmit={form.onSubmit}>
        <p>The notebook restarts with the new size. Files are kept, running kernels are not.</p>
        <div class="pair">
          <Field label="CPU" value={cpu} required onInput={(event) => setCpu(event.currentTarget.value)} />
          <Field label="Memory" value={memory} required onInput={(event) => setMemory(event.currentTarget.value)} />
        </div>
        <Alert problem={form.problem} />
        <footer><button class="primary" disabled={form.busy}>Resize</button></footer>
      </form>
    </Dialog>
  );
}

type Ask = { what: "new" } | { what: "delete" | "logs" | "resize"; item: KubeObject } | null;

export function Notebooks({ entry }: { entry: ProfileEntry }) {
  const profile = entry.name;
  const { items, problem } = useObjects(paths.notebooks(profile));
  const [ask, setAsk] = useState<Ask>(null);
  const [failed, setFailed] = useState<Problem | null>(null);
  const path = (item: KubeObject) => `${paths.notebooks(profile)}/${item.metadata.name}`;
  const mark = (item: KubeObject, value: string | null) =>
    mergePatch(path(item), { metadata: { annotations: { [stopped]: value } } }).then(() => setFailed(null), setFailed);
  const close = () => setAsk(null);

  const actions = (item: KubeObject) => {
    const name = item.metadata.name;
    if (item.metadata.deletionTimestamp) return null;
    const off = item.metadata.annotations?.[stopped] !== undefined;
    const ready = phaseOf(item) === "Running";
    return (
      <>
        {ready && may("open", entry, "Notebook", name) ? (
          <a class="button primary" href={`/notebook/${profile}/${name}/`} target="_blank" rel="noopener" aria-label={`Open ${name} in a new tab`}>Open</a>
        ) : null}
        {may("change", entry, "Notebook", name) ? (
          <>
            {off ? <button aria-label={`Start ${name}`} onClick={() => void mark(item, null)}>Start</button>
              : <button aria-label={`Stop ${name}`} onClick={() => void mark(item, new Date().toISOString())}>Stop</button>}
            <button aria-label={`Resize ${name}`} onClick={() => setAsk({ what: "resize", item })}>Resize</button>
          </>
        ) : null}
        <button aria-label={`Logs of ${name}`} onClick={() => setAsk({ what: "logs", item })}>Logs</button>
        {may("delete", entry, "Notebook", name) ? <button class="danger" aria-label={`Delete ${name}`} onClick={() => setAsk({ what: "delete", item })}>Delete</button> : null}
      </>
    );
  };
  const row = (item: KubeObject): Row => {
    const container = item.spec?.template?.spec?.containers?.[0] ?? {};
    const limits = container.resources?.limits ?? {};
    const phase = phaseOf(item);
    const moving = phase === "Starting" || phase === "Pending";
    return {
      key: item.metadata.uid,
      cells: [
        item.metadata.name,
        <>
          <State phase={phase} text={phase === "Running" ? undefined : item.status?.message} />
          {moving ? <Progress label={`${item.metadata.name} is starting`} value={Number(item.status?.progress ?? 0)} /> : null}
        </>,
        <span class="short">{limits.cpu ?? "?"} CPU, {limits.memory ?? "?"}</span>,
        <span class="short">{container.image}</span>,
        <span class="short">{age(item.metadata.creationTimestamp)}</span>,
      ],
      actions: actions(item),
    };
  };
  return (
    <Page title="Notebooks" actions={may("create", entry) ? <button class="primary" onClick={() => setAsk({ what: "new" })}>New notebook</button> : null}>
      <Alert problem={failed ?? problem} />
      <Announce states={(items ?? []).map((item) => [item.metadata.name, phaseOf(item)])} />
      {items === null ? (problem ? null : <Empty>Loading…</Empty>) : items.length === 0 ? (
        <Empty>No notebooks yet. {may("create", entry) ? "A new one is ready in about half a minute." : ""}</Empty>
      ) : <Table label="Notebooks" heads={["Name", "State", "Size", "Image", "Age"]} rows={items.map(row)} />}
      {ask?.what === "new" ? <NewNotebook profile={profile} close={close} /> : null}
      {ask?.what === "resize" ? <Resize notebook={ask.item} close={close} /> : null}
      {ask?.what === "logs" ? <Logs namespace={profile} selector={`notebook-name=${ask.item.metadata.name}`} title={`Log of ${ask.item.metadata.name}`} close={close} /> : null}
      {ask?.what === "delete" ? (
        <Sure title="Delete notebook" text={`${ask.item.metadata.name} is stopped and removed. The files in the profile's home volume are kept.`} action={() => remove(path(ask.item))} close={close} />
      ) : null}
    </Page>
  );
}
