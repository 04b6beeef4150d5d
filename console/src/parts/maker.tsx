// A form that makes an object: fields or the manifest itself, judged by the server while it is filled in.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { call, Problem } from "../api";
import { t } from "../text";
import { toYaml } from "../yaml";
import { Dialog } from "./dialog";
import { Manifest, Rest, useForm, useVerdict } from "./form";

interface Named {
  metadata: { name: string };
}
// <manifest> is what the fields say; <own> what they get wrong by themselves; <taken> the names in use; <fields> those
// that <children> shows a problem at.
interface Props {
  title: string;
  path: string;
  manifest: Named;
  own?: Problem | null;
  taken: string[];
  fields: string[];
  close: () => void;
  made?: (name: string) => void; // once it is there
  children: (problem: Problem | null) => ComponentChildren;
}
const standIn = "a-name"; // so that the rest of a form is judged before it has a name

export function Maker({ title, path, manifest, own = null, taken, fields, close, made, children }: Props) {
  const [shown, setShown] = useState(false);
  const [edited, setEdited] = useState<string | null>(null);
  const yaml = edited ?? toYaml(manifest);
  const named = manifest.metadata.name !== "" || edited !== null;
  const verdict = useVerdict(path, named ? yaml : toYaml({ ...manifest, metadata: { ...manifest.metadata, name: standIn } }));
  const exists = edited === null && taken.includes(manifest.metadata.name) ? new Problem(409, t.form.exists, "metadata.name") : null;
  const form = useForm(async () => {
    const wrong = edited === null ? own ?? exists : null;
    if (wrong) throw wrong;
    const stored = await call<Named>("POST", path, yaml, "application/yaml");
    close();
    made?.(stored.metadata.name);
  }, yaml);
  const problem = form.problem ?? (edited === null ? own ?? exists : null) ?? verdict.problem;
  return (
    <Dialog title={title} close={close} wide>
      <form onSubmit={form.onSubmit}>
        {shown ? <Manifest value={yaml} edited={edited !== null} onInput={setEdited} /> : children(problem)}
        <Rest problem={problem} fields={shown ? [] : fields} />
        <p class="verdict" role="status">{problem ? "" : verdict.asked ? (named ? t.manifest.fine : "") : t.manifest.checking}</p>
        <footer>
          <button type="button" onClick={() => (setShown(!shown), setEdited(null))}>{!shown ? t.manifest.show : edited === null ? t.manifest.back : t.manifest.discard}</button>
          <button class="primary" disabled={form.busy}>{t.create}</button>
        </footer>
      </form>
    </Dialog>
  );
}
