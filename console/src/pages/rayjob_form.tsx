// The form of a Ray job: what it runs, and the cluster that is made for it and goes with it.
import { useState } from "preact/hooks";
import { paths } from "../api";
import { environment, fieldsOf, lineProblem, resources, volumes } from "../manifest";
import { Choice, Field, Lines } from "../parts/form";
import { Maker } from "../parts/maker";
import { t } from "../text";
import { useImages } from "./notebook_parts";

const head = "spec.rayClusterSpec.headGroupSpec.template.spec";

export function NewRayJob({ profile, taken, close }: { profile: string; taken: string[]; close: () => void }) {
  const images = useImages().filter((image) => image.rayVersion);
  const [form, setForm] = useState({ name: "", entrypoint: "", image: "", cpu: "2", memory: "4Gi", gpu: "0", retries: "0", deadline: "", env: "", volumes: "" });
  const set = (key: keyof typeof form) => (event: { currentTarget: { value: string } }) => setForm({ ...form, [key]: event.currentTarget.value });
  const image = images.find((one) => one.name === form.image) ?? images[0];
  const { volumes: claims, volumeMounts } = volumes(form.volumes);
  const container = { name: "ray-head", image: image?.name ?? "", resources: resources(form), env: environment(form.env), volumeMounts };
  const manifest = {
    apiVersion: "ray.io/v1",
    kind: "RayJob",
    metadata: { name: form.name, namespace: profile },
    spec: {
      entrypoint: form.entrypoint,
      backoffLimit: Number(form.retries),
      ...(form.deadline ? { activeDeadlineSeconds: Number(form.deadline) } : {}),
      shutdownAfterJobFinishes: true,
      rayClusterSpec: { rayVersion: image?.rayVersion, headGroupSpec: { rayStartParams: {}, template: { spec: { containers: [container], volumes: claims } } } },
    },
  };
  const fields = fieldsOf(`${head}.containers[0]`);
  const own = lineProblem(form.env, form.volumes);
  const known = ["metadata.name", "spec.entrypoint", "spec.backoffLimit", "spec.activeDeadlineSeconds", "form", ...fields.cpu, ...fields.memory, ...fields.gpu, fields.image, fields.env, ...fields.mounts, `${head}.volumes`];
  return (
    <Maker title={t.rayJobs.new} path={paths.rayjobs(profile)} manifest={manifest} own={own} taken={taken} fields={known} close={close}>
      {(problem) => (
        <>
          <Field label={t.form.name} required maxLength={47} autocomplete="off" hint={t.form.nameHint} value={form.name} problem={problem} field="metadata.name" onInput={set("name")} />
          <Field label={t.jobs.entrypoint} required maxLength={4000} autocomplete="off" spellcheck={false} hint={t.jobs.entrypointHint} value={form.entrypoint} problem={form.entrypoint ? problem : null} field="spec.entrypoint" onInput={set("entrypoint")} />
          <div class="pair three">
            <Choice label={t.form.image} options={images.map((item) => [item.name, item.name])} value={container.image} problem={problem} field={fields.image} onChange={set("image")} />
            <Field label={t.rayJobs.retries} type="number" min={0} required hint={t.rayJobs.retriesHint} value={form.retries} problem={problem} field="spec.backoffLimit" onInput={set("retries")} />
            <Field label={t.rayJobs.deadline} type="number" min={1} hint={t.rayJobs.deadlineHint} value={form.deadline} problem={problem} field="spec.activeDeadlineSeconds" onInput={set("deadline")} />
          </div>
          <div class="pair three">
            <Field label={t.form.cpu} required hint={t.form.cpuHint} value={form.cpu} problem={problem} field={fields.cpu} onInput={set("cpu")} />
            <Field label={t.form.memory} required hint={t.form.memoryHint} value={form.memory} problem={problem} field={fields.memory} onInput={set("memory")} />
            <Field label={t.form.gpu} type="number" min={0} max={64} value={form.gpu} problem={problem} field={fields.gpu} onInput={set("gpu")} />
          </div>
          <p class="hint">{t.rayJobs.madeFor}</p>
          <details open={own !== null || undefined}>
            <summary>{t.form.more}</summary>
            <Lines label={t.form.env} rows={3} value={form.env} hint={t.form.envHint} problem={problem} field={["form.env", fields.env]} onInput={set("env")} />
            <Lines label={t.form.volumes} rows={2} value={form.volumes} hint={t.form.volumesHint} problem={problem} field={["form.volumes", ...fields.mounts, `${head}.volumes`]} onInput={set("volumes")} />
          </details>
        </>
      )}
    </Maker>
  );
}
