// The form of a Ray cluster: head, groups of workers, scaling by itself; folded away environment, volumes, labels, nodes, what a head remembers.
import { useState } from "preact/hooks";
import { get, type Me, paths, type RayDefaults } from "../api";
import { useData } from "../live";
import { type Box, environment, fieldsOf, lineProblem, nowhere, pairs, type Place, placeProblem, placing, resources, vendors, volumes } from "../manifest";
import { Check, Choice, Field, Folded, Lines } from "../parts/form";
import { Maker } from "../parts/maker";
import { Skew } from "../parts/skew";
import { t } from "../text";
import { useImages } from "../versions";
import { Memory, memoryFields, memoryOf, memoryProblem, type Remembered, Where, whereFields } from "./ray_more";

interface Group extends Box {
  place: Place;
  name: string;
  replicas: number;
  min: number;
  max: number;
}
interface Form {
  name: string;
  image: string;
  rayVersion: string;
  head: Box;
  headPlace: Place;
  headTasks: boolean;
  groups: Group[];
  autoscale: boolean;
  idle: number;
  total: string; // the most workers of all groups together; "": the sum of theirs
  env: string;
  runtime: string;
  volumes: string;
  labels: string;
  memory: Remembered;
}
const most = 1000;
const runtimeEnv = "atelier.dev/runtime-env", maxWorkers = "atelier.dev/max-workers";
const runtimeField = `metadata.annotations.${runtimeEnv}`, totalField = `metadata.annotations.${maxWorkers}`;
const fresh = (at: number): Group => ({ name: at === 1 ? "workers" : `workers-${at}`, replicas: 1, min: 0, max: 4, cpu: "4", memory: "8Gi", gpu: "0", place: nowhere });

// What the form says, as it will be sent. A head that runs no tasks tells Ray it has no CPU to give.
export function rayManifest(profile: string, form: Form, defaults?: RayDefaults) {
  const total = form.groups.length > 1 ? form.total.trim() : "";
  const annotations = { ...(form.runtime.trim() ? { [runtimeEnv]: form.runtime } : {}), ...(total ? { [maxWorkers]: total } : {}) };
  const { volumes: claims, volumeMounts } = volumes(form.volumes);
  const template = (name: string, box: Box, place: Place) => ({
    ...(place.labels.trim() ? { metadata: { labels: pairs(place.labels) } } : {}),
    spec: { ...placing(place), containers: [{ name, image: form.image, resources: resources(box), env: environment(form.env), volumeMounts }], volumes: claims },
  });
  return {
    apiVersion: "ray.io/v1",
    kind: "RayCluster",
    metadata: { name: form.name, namespace: profile, labels: pairs(form.labels), ...(Object.keys(annotations).length ? { annotations } : {}) },
    spec: {
      rayVersion: form.rayVersion,
      gcsFaultToleranceOptions: memoryOf(form.memory, defaults),
      ...(form.autoscale ? { enableInTreeAutoscaling: true, autoscalerOptions: { idleTimeoutSeconds: form.idle } } : {}),
      headGroupSpec: { rayStartParams: form.headTasks ? {} : { "num-cpus": "0" }, template: template("ray-head", form.head, form.headPlace) },
      workerGroupSpecs: form.groups.map((group) => ({
        groupName: group.name, replicas: group.replicas, minReplicas: group.min, maxReplicas: group.max, rayStartParams: {}, template: template("ray-worker", group, group.place),
      })),
    },
  };
}

const number = (event: { currentTarget: HTMLInputElement }) => Number(event.currentTarget.value);

function Sizes({ box, at, labels, problem, change }: { box: Box; at: string; labels: [string, string, string]; problem: Parameters<typeof Field>[0]["problem"]; change: (part: Partial<Box>) => void }) {
  const fields = fieldsOf(`${at}.template.spec.containers[0]`);
  return (
    <>
      <div class="pair three">
        <Field label={labels[0]} required value={box.cpu} problem={problem} field={fields.cpu} onInput={(event) => change({ cpu: event.currentTarget.value })} />
        <Field label={labels[1]} required value={box.memory} problem={problem} field={fields.memory} onInput={(event) => change({ memory: event.currentTarget.value })} />
        <Field label={labels[2]} type="number" min={0} max={64} value={box.gpu} problem={problem} field={fields.gpu} onInput={(event) => change({ gpu: event.currentTarget.value })} />
      </div>
      {box.gpu && box.gpu !== "0" ? <Choice label={t.ray.vendorOf(labels[2])} options={vendors.map(([key, name]) => [key, `${name} (${key})`])} value={box.vendor ?? "nvidia.com/gpu"} problem={problem} field={[]} onChange={(event) => change({ vendor: event.currentTarget.value })} /> : null}
    </>
  );
}

export function NewCluster({ profile, taken, close }: { profile: string; taken: string[]; close: () => void }) {
  const images = useImages().filter((image) => image.rayVersion);
  const defaults = useData(() => get<Me>("/api/atelier/v1/whoami"), "whoami").data?.settings.ray;
  const [form, setForm] = useState<Form>({
    name: "", image: "", rayVersion: "", head: { cpu: "2", memory: "4Gi", gpu: "0" }, headTasks: false, groups: [fresh(1)], autoscale: false, idle: 60, total: "", env: "", runtime: "", volumes: "",
    headPlace: nowhere, labels: "", memory: { address: "", secret: "" },
  });
  const change = (part: Partial<Form>) => setForm({ ...form, ...part });
  const image = images.find((one) => one.name === form.image) ?? images[0];
  const filled = { ...form, image: image?.name ?? "", rayVersion: form.rayVersion || (image?.rayVersion ?? "") };
  const group = (at: number, part: Partial<Group>) => change({ groups: form.groups.map((old, index) => (index === at ? { ...old, ...part } : old)) });
  const places: [string, Place, (part: Partial<Place>) => void][] = [
    [t.ray.head, form.headPlace, (part) => change({ headPlace: { ...form.headPlace, ...part } })],
    ...form.groups.map((one, at): [string, Place, (part: Partial<Place>) => void] => [t.ray.groupTitle(at + 1), one.place, (part) => group(at, { place: { ...one.place, ...part } })]),
  ];
  const templates = ["spec.headGroupSpec", ...form.groups.map((_, at) => `spec.workerGroupSpecs[${at}]`)];
  const own = lineProblem(form.env, form.volumes) ?? memoryProblem(form.memory, defaults) ?? placeProblem({ ...nowhere, labels: form.labels }, "spec")
    ?? places.reduce((found: ReturnType<typeof placeProblem>, [, place], at) => found ?? placeProblem(place, templates[at] ?? ""), null);
  const inner = (key: "env" | "mounts") => templates.flatMap((at) => fieldsOf(`${at}.template.spec.containers[0]`)[key]);
  const claims = templates.map((at) => `${at}.template.spec.volumes`);
  const boxes = templates.flatMap((at) => {
    const { cpu, memory, gpu, image: named } = fieldsOf(`${at}.template.spec.containers[0]`);
    return [...cpu, ...memory, ...gpu, named];
  });
  const groupFields = form.groups.flatMap((_, at) => ["groupName", "replicas", "minReplicas", "maxReplicas"].map((key) => `spec.workerGroupSpecs[${at}].${key}`));
  const folded = ["form", "metadata.labels", runtimeField, ...memoryFields, ...inner("env"), ...inner("mounts"), ...claims, ...templates.flatMap(whereFields)];
  const fields = ["metadata.name", "spec.rayVersion", "spec.autoscalerOptions.idleTimeoutSeconds", totalField, ...boxes, ...groupFields, ...folded];
  return (
    <Maker title={t.ray.new} path={paths.rayclusters(profile)} manifest={rayManifest(profile, filled, defaults)} own={own} taken={taken} fields={fields} close={close}>
      {(problem) => (
        <>
          <Field label={t.form.name} required maxLength={53} autocomplete="off" hint={t.form.nameHint} value={form.name} problem={problem} field="metadata.name" onInput={(event) => change({ name: event.currentTarget.value })} />
          <div class="pair">
            <Choice label={t.form.image} options={images.map((item) => [item.name, item.name])} value={filled.image} problem={problem} field={templates.map((at) => `${at}.template.spec.containers[0].image`)} onChange={(event) => change({ image: event.currentTarget.value, rayVersion: "" })} />
            <Field label={t.ray.version} required value={filled.rayVersion} problem={problem} field="spec.rayVersion" onInput={(event) => change({ rayVersion: event.currentTarget.value })} />
          </div>
          <Skew profile={profile} kind="RayCluster" image={filled.image} />
          <fieldset>
            <legend>{t.ray.head}</legend>
            <Sizes box={form.head} at="spec.headGroupSpec" labels={[t.ray.headCpu, t.ray.headMemory, t.ray.headGpu]} problem={problem} change={(part) => change({ head: { ...form.head, ...part } })} />
            <Check label={t.ray.headTasks} checked={form.headTasks} onChange={(event) => change({ headTasks: event.currentTarget.checked })} />
            <p class="hint">{t.ray.headHint}</p>
          </fieldset>
          {form.groups.map((one, at) => {
            const path = `spec.workerGroupSpecs[${at}]`;
            const more = at > 0 ? ` ${at + 1}` : ""; // so that every control of the form has a name of its own
            const count = (key: "replicas" | "min" | "max", label: string, field: string) => (
              <Field label={label + more} type="number" min={0} max={most} required value={one[key]} problem={problem} field={`${path}.${field}`} onInput={(event) => group(at, { [key]: number(event) })} />
            );
            return (
              <fieldset key={at}>
                <legend>{t.ray.groupTitle(at + 1)}</legend>
                <Field label={t.ray.group + more} required value={one.name} problem={problem} field={`${path}.groupName`} onInput={(event) => group(at, { name: event.currentTarget.value })} />
                <Sizes box={one} at={path} labels={[t.ray.workerCpu + more, t.ray.workerMemory + more, t.ray.workerGpu + more]} problem={problem} change={(part) => group(at, part)} />
                <div class="pair three">{count("replicas", t.ray.replicas, "replicas")}{count("min", t.ray.min, "minReplicas")}{count("max", t.ray.max, "maxReplicas")}</div>
                {form.groups.length > 1 ? <button type="button" onClick={() => change({ groups: form.groups.filter((_, index) => index !== at) })}>{t.ray.removeGroup(one.name)}</button> : null}
              </fieldset>
            );
          })}
          <p><button type="button" onClick={() => change({ groups: [...form.groups, fresh(form.groups.length + 1)] })}>{t.ray.addGroup}</button></p>
          {form.groups.length > 1 ? <Field label={t.ray.total} type="number" min={0} max={most} hint={t.ray.totalHint} value={form.total} problem={problem} field={totalField} onInput={(event) => change({ total: event.currentTarget.value })} /> : null}
          <Check label={t.ray.autoscale} checked={form.autoscale} onChange={(event) => change({ autoscale: event.currentTarget.checked })} />
          <p class="hint">{t.ray.autoscaleHint}</p>
          {form.autoscale ? <Field label={t.ray.idle} type="number" min={1} max={31536000} required value={form.idle} problem={problem} field="spec.autoscalerOptions.idleTimeoutSeconds" onInput={(event) => change({ idle: number(event) })} /> : null}
          <Folded problem={problem} fields={folded}>
            <Lines label={t.form.env} rows={3} value={form.env} hint={t.ray.envHint} problem={problem} field={["form.env", ...inner("env")]} onInput={(event) => change({ env: event.currentTarget.value })} />
            <Lines label={t.ray.runtime} rows={3} value={form.runtime} hint={t.ray.runtimeHint} problem={problem} field={runtimeField} onInput={(event) => change({ runtime: event.currentTarget.value })} />
            <Lines label={t.form.volumes} rows={2} value={form.volumes} hint={t.form.volumesHint} problem={problem} field={["form.volumes", ...inner("mounts"), ...claims]} onInput={(event) => change({ volumes: event.currentTarget.value })} />
            <Lines label={t.ray.labels} rows={2} value={form.labels} hint={t.form.labelsHint} problem={problem} field={["form.spec.labels", "metadata.labels"]} onInput={(event) => change({ labels: event.currentTarget.value })} />
            <Memory kept={form.memory} defaults={defaults} problem={problem} change={(part) => change({ memory: { ...form.memory, ...part } })} />
            {places.map(([title, place, put], at) => <Where key={at} title={title} spot={at > 0 ? { nodes: defaults?.nodes ?? false } : undefined} at={templates[at] ?? ""} place={place} problem={problem} change={put} />)}
          </Folded>
        </>
      )}
    </Maker>
  );
}
