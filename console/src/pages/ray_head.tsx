// The cluster that a Ray job or service is given by its form: one head, of a size, with an environment and volumes.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { environment, fieldsOf, lineProblem, resources, volumes } from "../manifest";
import { Choice, Field, Folded, Lines } from "../parts/form";
import { t } from "../text";
import { useImages } from "../versions";

type Wrong = Parameters<typeof Field>[0]["problem"];
interface Shown {
  problem: Wrong;
}

// <at> is where the cluster stands in the manifest: "spec.rayClusterSpec". What a form needs of it: the object, the fields
// that its controls stand for, what its lines get wrong, and the controls; called, not
// mounted, as a component made anew at each stroke would lose the focus. <more> takes what a form adds, and <also> its fields.
export function useHead(at: string) {
  const images = useImages().filter((image) => image.rayVersion);
  const [form, setForm] = useState({ image: "", cpu: "2", memory: "4Gi", gpu: "0", env: "", volumes: "" });
  const set = (key: keyof typeof form) => (event: { currentTarget: { value: string } }) => setForm({ ...form, [key]: event.currentTarget.value });
  const image = images.find((one) => one.name === form.image) ?? images[0];
  const { volumes: claims, volumeMounts } = volumes(form.volumes);
  const container = { name: "ray-head", image: image?.name ?? "", resources: resources(form), env: environment(form.env), volumeMounts };
  const pod = `${at}.headGroupSpec.template.spec`;
  const fields = fieldsOf(`${pod}.containers[0]`);
  const folded = ["form", fields.env, ...fields.mounts, `${pod}.volumes`];
  return {
    spec: { rayVersion: image?.rayVersion, headGroupSpec: { rayStartParams: {}, template: { spec: { containers: [container], volumes: claims } } } },
    fields: [...fields.cpu, ...fields.memory, ...fields.gpu, fields.image, ...folded],
    own: lineProblem(form.env, form.volumes),
    image: ({ problem }: Shown) => <Choice label={t.form.image} options={images.map((one) => [one.name, one.name])} value={container.image} problem={problem} field={fields.image} onChange={set("image")} />,
    size: ({ problem }: Shown) => (
      <div class="pair three">
        <Field label={t.form.cpu} required hint={t.form.cpuHint} value={form.cpu} problem={problem} field={fields.cpu} onInput={set("cpu")} />
        <Field label={t.form.memory} required hint={t.form.memoryHint} value={form.memory} problem={problem} field={fields.memory} onInput={set("memory")} />
        <Field label={t.form.gpu} type="number" min={0} max={64} value={form.gpu} problem={problem} field={fields.gpu} onInput={set("gpu")} />
      </div>
    ),
    more: ({ problem, also = [], children }: Shown & { also?: string[]; children?: ComponentChildren }) => (
      <Folded problem={problem ?? null} fields={[...folded, ...also]}>
        {children}
        <Lines label={t.form.env} rows={3} value={form.env} hint={t.form.envHint} problem={problem} field={["form.env", fields.env]} onInput={set("env")} />
        <Lines label={t.form.volumes} rows={2} value={form.volumes} hint={t.form.volumesHint} problem={problem} field={["form.volumes", ...fields.mounts, `${pod}.volumes`]} onInput={set("volumes")} />
      </Folded>
    ),
  };
}
