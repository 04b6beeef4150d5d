// The first visit, where a profile is made; and, for who wants to begin at once, a notebook in it that opens by itself.
import { useRef, useState } from "preact/hooks";
import { get, type KubeObject, type Me, paths, post, Problem } from "../api";
import { Field, Rest, useForm } from "../parts/form";
import { Page } from "../parts/page";
import { go } from "../router";
import { t } from "../text";
import { useImages } from "../versions";
import { notebookOf, unfilled } from "./notebook_parts";

const patience = 120; // looks, half a second apart
const firstName = "lab";

async function makeProfile(name: string): Promise<void> {
  await post(paths.profiles, { apiVersion: "kubeflow.org/v1", kind: "Profile", metadata: { name } });
  for (let looks = 0; looks < patience; looks++) {
    const profile = await get<KubeObject>(`${paths.profiles}/${encodeURIComponent(name)}`);
    if (profile.status?.phase === "Ready") break;
    if (profile.status?.phase === "Failed") throw new Problem(500, String(profile.status?.message ?? t.first.failed));
    await new Promise((resume) => setTimeout(resume, 500));
  }
}

// "alice.smith@example.com" begins with "alice-smith": the server says if it is taken. An account of the machine itself
// (admin@localhost) is nobody's name, and one that is reserved.
const suggestion = (email: string) => email.endsWith("@localhost") ? "" : (email.split("@")[0] ?? "").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^[^a-z]+/, "").slice(0, 40).replace(/-+$/, "");

export function FirstVisit({ me, done }: { me: Me; done: () => Promise<void> }) {
  const first = !me.profiles.some((entry) => entry.owner === me.email);
  const [name, setName] = useState(first ? suggestion(me.email) : "");
  const begin = useRef(false); // which button; Enter presses the one in front
  const image = useImages()[0]?.name ?? "";
  const form = useForm(async () => {
    await makeProfile(name);
    if (begin.current) await post(paths.notebooks(name), notebookOf(name, { ...unfilled, name: firstName, image }));
    await done();
    go(begin.current ? `/p/${name}/notebooks/${firstName}?open` : `/p/${name}`, true);
  });
  return (
    <Page title={t.first.title} lead={t.first.text}>
      <section class="narrow">
        <form onSubmit={form.onSubmit}>
          <Field label={t.first.name} value={name} required maxLength={40} pattern="[a-z]([a-z0-9\-]*[a-z0-9])?" autocomplete="off" autofocus
            onFocus={(event) => event.currentTarget.select()} hint={t.first.hint} problem={form.problem} field="metadata.name" onInput={(event) => setName(event.currentTarget.value)} />
          <Rest problem={form.problem} fields={["metadata.name"]} />
          <footer>
            {image && first ? <button class="primary" disabled={form.busy} onClick={() => (begin.current = true)}>{form.busy ? t.first.busy : t.first.begin}</button> : null}
            <button class={image && first ? undefined : "primary"} disabled={form.busy} onClick={() => (begin.current = false)}>{form.busy && !begin.current ? t.first.busy : t.first.create}</button>
            {image && !first ? <button disabled={form.busy} onClick={() => (begin.current = true)}>{t.first.begin}</button> : null}
          </footer>
        </form>
      </section>
    </Page>
  );
}
