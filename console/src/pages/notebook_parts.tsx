// What can be done with a notebook, wherever it is shown: make, resize, stop, start, delete.
import { useState } from "preact/hooks";
import { chooseOpensItself, opensItself } from "../begin";
import { type KubeObject, mergePatch, paths, type Problem, type ProfileEntry, remove } from "../api";
import { later } from "../later";
import { environment, fieldsOf, lineProblem, resources, volumes } from "../manifest";
import { Dialog } from "../parts/dialog";
import { Check, Choice, Field, Folded, Lines, Rest, useForm } from "../parts/form";
import { Logs } from "../parts/logs";
import { Maker } from "../parts/maker";
import { Skew } from "../parts/skew";
import { turn } from "../power";
import { may } from "../rights";
import { go } from "../router";
import { t } from "../text";
import { useImages } from "../versions";
import { doorOf, phaseOf, stopped } from "../workload";

const container = "spec.template.spec.containers[0]";

// The form as it begins, and the object that it means.
export const unfilled = { name: "", image: "", cpu: "0.5", memory: "1Gi", gpu: "0", env: "", volumes: "" };
export function notebookOf(profile: string, form: typeof unfilled) {
  const { volumes: claims, volumeMounts } = volumes(form.volumes);
  const container = { name: form.name || "notebook", image: form.image, resources: resources(form), env: environment(form.env), volumeMounts };
  return { apiVersion: "kubeflow.org/v1", kind: "Notebook", metadata: { name: form.name, namespace: profile }, spec: { template: { spec: { containers: [container], volumes: claims } } } };
}

export function NewNotebook({ profile, taken, close }: { profile: string; taken: string[]; close: () => void }) {
  const images = useImages();
  const [form, setForm] = useState(unfilled);
  const [opens, setOpens] = useState(opensItself);
  const image = form.image || (images[0]?.name ?? "");
  const set = (key: keyof typeof form) => (event: { currentTarget: { value: string } }) => setForm({ ...form, [key]: event.currentTarget.value });
  const manifest = notebookOf(profile, { ...form, image });
  const fields = fieldsOf(container);
  const own = lineProblem(form.env, form.volumes);
  const folded = ["form", fields.env, "spec.template.spec.volumes", ...fields.mounts];
  const made = (name: string) => {
    chooseOpensItself(opens);
    if (opens) go(`/p/${profile}/notebooks/${name}?open`);
  };
  const known = ["metadata.name", ...fields.cpu, ...fields.memory, ...fields.gpu, fields.image, ...folded];
  return (
    <Maker title={t.notebooks.new} path={paths.notebooks(profile)} manifest={manifest} own={own} taken={taken} fields={known} close={close} made={made}>
      {(problem) => (
        <>
          <Field label={t.form.name} value={form.name} required maxLength={40} autocomplete="off" hint={t.form.nameHint} problem={problem} field="metadata.name" onInput={set("name")} />
          <Choice label={t.form.image} options={images.map((item) => [item.name, item.name])} value={image} problem={problem} field={fields.image} onChange={set("image")} />
          <Skew profile={profile} kind="Notebook" image={image} />
          <div class="pair three">
            <Field label={t.form.cpu} value={form.cpu} required hint={t.form.cpuHint} problem={problem} field={fields.cpu} onInput={set("cpu")} />
            <Field label={t.form.memory} value={form.memory} required hint={t.form.memoryHint} problem={problem} field={fields.memory} onInput={set("memory")} />
            <Field label={t.form.gpu} type="number" min={0} max={64} value={form.gpu} problem={problem} field={fields.gpu} onInput={set("gpu")} />
          </div>
          <Folded problem={problem} fields={folded}>
            <Lines label={t.form.env} rows={3} value={form.env} hint={t.form.envHint} problem={problem} field={["form.env", fields.env]} onInput={set("env")} />
            <Lines label={t.form.volumes} rows={2} value={form.volumes} hint={t.form.volumesHint} problem={problem} field={["form.volumes", "spec.template.spec.volumes", ...fields.mounts]} onInput={set("volumes")} />
          </Folded>
          <Check label={t.notebooks.opens} checked={opens} onChange={(event) => setOpens(event.currentTarget.checked)} />
          <p class="hint">{t.notebooks.opensHint} {t.notebooks.kept}</p>
        </>
      )}
    </Maker>
  );
}

export function Resize({ notebook, close }: { notebook: KubeObject; close: () => void }) {
  const old = notebook.spec?.template?.spec?.containers?.[0] ?? {};
  const limits = old.resources?.limits ?? {};
  const held = { ...old.resources?.requests, ...limits }; // a limit that is left out is what is asked for
  const [cpu, setCpu] = useState(String(held.cpu ?? "0.5"));
  const [memory, setMemory] = useState(String(held.memory ?? "1Gi"));
  const path = `${paths.notebooks(notebook.metadata.namespace ?? "")}/${notebook.metadata.name}`;
  const fields = fieldsOf(container);
  const form = useForm(async () => {
    const containers = [{ ...old, resources: resources({ cpu, memory, gpu: String(limits["nvidia.com/gpu"] ?? "0") }) }, ...notebook.spec.template.spec.containers.slice(1)];
    await mergePatch(path, { spec: { template: { spec: { containers } } } });
    close();
  }, `${cpu} ${memory}`);
  return (
    <Dialog title={t.notebooks.resizeOf(notebook.metadata.name)} close={close}>
      <form onSubmit={form.onSubmit}>
        <p>{t.notebooks.resizeText}</p>
        <div class="pair">
          <Field label={t.form.cpu} value={cpu} required problem={form.problem} field={fields.cpu} onInput={(event) => setCpu(event.currentTarget.value)} />
          <Field label={t.form.memory} value={memory} required problem={form.problem} field={fields.memory} onInput={(event) => setMemory(event.currentTarget.value)} />
        </div>
        <Rest problem={form.problem} fields={[...fields.cpu, ...fields.memory]} />
        <footer><button class="primary" disabled={form.busy}>{t.notebooks.resize}</button></footer>
      </form>
    </Dialog>
  );
}

export type NotebookAsk = { what: "logs" | "resize"; item: KubeObject } | null;

export function NotebookDialog({ ask, close }: { ask: NotebookAsk; close: () => void }) {
  if (!ask) return null;
  const { name, namespace = "" } = ask.item.metadata;
  if (ask.what === "resize") return <Resize notebook={ask.item} close={close} />;
  return <Logs namespace={namespace} selector={`notebook-name=${name}`} title={t.logs.of(name)} close={close} />;
}

export function NotebookActions({ item, entry, ask, failed }: { item: KubeObject; entry: ProfileEntry; ask: (what: NotebookAsk) => void; failed: (problem: Problem | null) => void }) {
  const { name } = item.metadata;
  const path = `${paths.notebooks(entry.name)}/${name}`;
  const power = (on: boolean) => turn(item, on).then(() => failed(null), failed);
  if (item.metadata.deletionTimestamp) return null;
  const off = item.metadata.annotations?.[stopped] !== undefined;
  return (
    <>
      {phaseOf(item) === "Running" && may("open", entry, "Notebook", name) ? (
        <a class="button primary" href={doorOf(item)} target="_blank" rel="noopener" aria-label={t.newTab(t.notebooks.open, name)}>{t.notebooks.open}</a>
      ) : null}
      {may("change", entry, "Notebook", name) ? (
        <>
          {off ? <button aria-label={`${t.notebooks.start} ${name}`} onClick={() => void power(true)}>{t.notebooks.start}</button>
            : <button aria-label={`${t.notebooks.stop} ${name}`} onClick={() => void power(false)}>{t.notebooks.stop}</button>}
          <button aria-label={`${t.notebooks.resize} ${name}`} onClick={() => ask({ what: "resize", item })}>{t.notebooks.resize}</button>
        </>
      ) : null}
      <button aria-label={t.logs.of(name)} onClick={() => ask({ what: "logs", item })}>{t.logs.button}</button>
      {may("delete", entry, "Notebook", name) ? (
        <button class="danger" aria-label={`${t.notebooks.delete} ${name}`} onClick={() => later(`Notebook/${entry.name}/${name}`, t.undo.delete(t.notebooks.what, name), () => remove(path))}>{t.notebooks.delete}</button>
      ) : null}
    </>
  );
}
