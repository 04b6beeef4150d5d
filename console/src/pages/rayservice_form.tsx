// The form of a Ray service: what Serve is to run, and the cluster that it is given.
import { useState } from "preact/hooks";
import { paths } from "../api";
import { environment, fieldsOf, lineProblem, resources, volumes } from "../manifest";
import { Choice, Field, Lines } from "../parts/form";
import { Maker } from "../parts/maker";
import { t } from "../text";
import { useImages } from "./notebook_parts";

const head = "spec.rayClusterConfig.headGroupSpec.template.spec";
const template = "applications:\n- name: hello\n  import_path: hello:app\n  route_prefix: /hello\n";

export function NewRayService({ profile, taken, close }: { profile: string; taken: string[]; close: () => void }) {
  const images = useImages().filter((image) => image.rayVersion);
  const [form, setForm] = useState({ name: "", config: template, image: "", cpu: "2", memory: "4Gi", gpu: "0", env: "", volumes: "" });
  const set = (key: keyof typeof form) => (event: { currentTarget: { value: string } }) => setForm({ ...form, [key]: event.currentTarget.value });
  const image = images.find((one) => one.name === form.image) ?? images[0];
  const { volumes: claims, volumeMounts } = volumes(form.volumes);
  const container = { name: "ray-head", image: image?.name ?? "", resources: resources(form), env: environment(form.env), volumeMounts };
  const manifest = {
    apiVersion: "ray.io/v1",
    kind: "RayService",
    metadata: { name: form.name, namespace: profile },
    spec: { serveConfigV2: form.config, rayClusterConfig: { rayVersion: image?.rayVersion, headGroupSpec: { rayStartParams: {}, template: { spec: { containers: [container], volumes: claims } } } } },
  };
  const fields = fieldsOf(`${head}.containers[0]`);
  const own = lineProblem(form.env, form.volumes);
  const known = ["metadata.name", "spec.serveConfigV2", "form", ...fields.cpu, ...fields.memory, ...fields.gpu, fields.image, fields.env, ...fields.mounts, `${head}.volumes`];
  return (
    <Maker title={t.rayServices.new} path={paths.rayservices(profile)} manifest={manifest} own={own} taken={taken} fields={known} close={close}>
      {(problem) => (
        <>
          <Field label={t.form.name} required maxLength={47} autocomplete="off" hint={t.form.nameHint} value={form.name} problem={problem} field="metadata.name" onInput={set("name")} />
          <Lines label={t.rayServices.config} required rows={8} hint={t.rayServices.configHint} value={form.config} problem={problem} field="spec.serveConfigV2" onInput={set("config")} />
          <Choice label={t.form.image} value={image?.name} problem={problem} field={fields.image} options={images.map((one) => [one.name, one.name])} onChange={set("image")} />
          <div class="pair three">
            <Field label={t.form.cpu} required hint={t.form.cpuHint} value={form.cpu} problem={problem} field={fields.cpu} onInput={set("cpu")} />
            <Field label={t.form.memory} required hint={t.form.memoryHint} value={form.memory} problem={problem} field={fields.memory} onInput={set("memory")} />
            <Field label={t.form.gpu} type="number" min={0} max={64} value={form.gpu} problem={problem} field={fields.gpu} onInput={set("gpu")} />
          </div>
          <p class="hint">{t.rayServices.madeFor}</p>
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
