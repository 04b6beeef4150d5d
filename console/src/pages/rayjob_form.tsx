// The form of a Ray job: what it runs, and the cluster that is made for it and goes with it.
import { useState } from "preact/hooks";
import { paths } from "../api";
import { packages } from "../manifest";
import { Field, Lines } from "../parts/form";
import { Maker } from "../parts/maker";
import { t } from "../text";
import { useHead } from "./ray_head";

export function NewRayJob({ profile, taken, close }: { profile: string; taken: string[]; close: () => void }) {
  const head = useHead("spec.rayClusterSpec");
  const [form, setForm] = useState({ name: "", entrypoint: "", retries: "0", deadline: "", pip: "" });
  const set = (key: keyof typeof form) => (event: { currentTarget: { value: string } }) => setForm({ ...form, [key]: event.currentTarget.value });
  const manifest = {
    apiVersion: "ray.io/v1",
    kind: "RayJob",
    metadata: { name: form.name, namespace: profile },
    spec: {
      entrypoint: form.entrypoint,
      runtimeEnvYAML: packages(form.pip),
      backoffLimit: Number(form.retries),
      ...(form.deadline ? { activeDeadlineSeconds: Number(form.deadline) } : {}),
      shutdownAfterJobFinishes: true,
      rayClusterSpec: head.spec,
    },
  };
  const known = ["metadata.name", "spec.entrypoint", "spec.runtimeEnvYAML", "spec.backoffLimit", "spec.activeDeadlineSeconds", ...head.fields];
  return (
    <Maker title={t.rayJobs.new} path={paths.rayjobs(profile)} manifest={manifest} own={head.own} taken={taken} fields={known} close={close}>
      {(problem) => (
        <>
          <Field label={t.form.name} required maxLength={47} autocomplete="off" hint={t.form.nameHint} value={form.name} problem={problem} field="metadata.name" onInput={set("name")} />
          <Field label={t.jobs.entrypoint} required maxLength={4000} autocomplete="off" spellcheck={false} hint={t.jobs.entrypointHint} value={form.entrypoint} problem={form.entrypoint ? problem : null} field="spec.entrypoint" onInput={set("entrypoint")} />
          <div class="pair three">
            {head.image({ problem })}
            <Field label={t.rayJobs.retries} type="number" min={0} required hint={t.rayJobs.retriesHint} value={form.retries} problem={problem} field="spec.backoffLimit" onInput={set("retries")} />
            <Field label={t.rayJobs.deadline} type="number" min={1} hint={t.rayJobs.deadlineHint} value={form.deadline} problem={problem} field="spec.activeDeadlineSeconds" onInput={set("deadline")} />
          </div>
          {head.size({ problem })}
          <p class="hint">{t.rayJobs.madeFor}</p>
          {head.more({ problem, also: ["spec.runtimeEnvYAML"], children: <Lines label={t.jobs.pip} rows={2} value={form.pip} hint={t.jobs.pipHint} problem={problem} field="spec.runtimeEnvYAML" onInput={set("pip")} /> })}
        </>
      )}
    </Maker>
  );
}
