// The form of a Ray service: what Serve is to run, and the cluster that it is given.
import { useState } from "preact/hooks";
import { paths } from "../api";
import { Field, Lines } from "../parts/form";
import { Maker } from "../parts/maker";
import { t } from "../text";
import { useHead } from "./ray_head";

const template = "applications:\n- name: hello\n  import_path: hello:app\n  route_prefix: /hello\n";

export function NewRayService({ profile, taken, close }: { profile: string; taken: string[]; close: () => void }) {
  const head = useHead("spec.rayClusterConfig");
  const [name, setName] = useState("");
  const [config, setConfig] = useState(template);
  const manifest = { apiVersion: "ray.io/v1", kind: "RayService", metadata: { name, namespace: profile }, spec: { serveConfigV2: config, rayClusterConfig: head.spec } };
  const known = ["metadata.name", "spec.serveConfigV2", ...head.fields];
  return (
    <Maker title={t.rayServices.new} path={paths.rayservices(profile)} manifest={manifest} own={head.own} taken={taken} fields={known} close={close}>
      {(problem) => (
        <>
          <Field label={t.form.name} required maxLength={47} autocomplete="off" hint={t.form.nameHint} value={name} problem={problem} field="metadata.name" onInput={(event) => setName(event.currentTarget.value)} />
          <Lines label={t.rayServices.config} required rows={8} hint={t.rayServices.configHint} value={config} problem={problem} field="spec.serveConfigV2" onInput={(event) => setConfig(event.currentTarget.value)} />
          {head.image({ problem })}
          {head.size({ problem })}
          <p class="hint">{t.rayServices.madeFor}</p>
          {head.more({ problem })}
        </>
      )}
    </Maker>
  );
}
