// One notebook: how it is, what it uses, what has happened to it, and its manifest.
import { useEffect, useState } from "preact/hooks";
import { firstDocument } from "../begin";
import { paths, type Problem, type ProfileEntry } from "../api";
import { age, held } from "../format";
import { useLater } from "../later";
import { useObjects } from "../live";
import { Events } from "../parts/events";
import { Idle } from "../parts/idle";
import { ManifestView } from "../parts/manifest";
import { Alert, Announce, Empty, Facts, Loading, Page } from "../parts/page";
import { Usage } from "../parts/usage";
import { may } from "../rights";
import { useQuery } from "../router";
import { t } from "../text";
import { claimsOf, doorOf, phaseOf, sizeOf } from "../workload";
import { NotebookActions, type NotebookAsk, NotebookDialog } from "./notebook_parts";
import { NotebookState } from "./notebooks";

export function NotebookPage({ entry, name }: { entry: ProfileEntry; name: string }) {
  const { items, problem } = useObjects(`${paths.notebooks(entry.name)}?fieldSelector=metadata.name%3D${encodeURIComponent(name)}`);
  const leaving = useLater().some((one) => one.key === `Notebook/${entry.name}/${name}` && !one.failed);
  const [ask, setAsk] = useState<NotebookAsk>(null);
  const [failed, setFailed] = useState<Problem | null>(null);
  const item = items?.[0];
  const [opening] = useQuery("open");
  const door = opening && item && may("open", entry, "Notebook", name) ? doorOf(item) : "";
  const runs = item !== undefined && phaseOf(item) === "Running";
  useEffect(() => {
    let here = true;
    if (door && runs) void firstDocument(door).then((place) => here && location.replace(place));
    return () => {
      here = false;
    };
  }, [door, runs]);
  const back = { text: t.notebooks.title, href: `/p/${entry.name}/notebooks` };
  if (!item) return <Page title={name} crumb={back}>{items ? <Empty>{t.menu.missingText}</Empty> : problem ? <Alert problem={problem} /> : <Loading />}</Page>;
  const member = entry.role !== "";
  return (
    <Page title={name} crumb={back} lead={<NotebookState item={item} />} actions={leaving ? null : <NotebookActions item={item} entry={entry} ask={setAsk} failed={setFailed} />}>
      <Alert problem={failed ?? problem} />
      <Announce states={[[name, phaseOf(item)]]} />
      <Idle items={[item]} entry={entry} />
      {door ? <p class="hint" role="status">{t.notebooks.opensItself}</p> : null}
      <div class="cards">
        <section>
          <h2>{t.form.size}</h2>
          <Facts rows={[
            [t.form.size, held(sizeOf(item))], [t.form.image, item.spec?.template?.spec?.containers?.[0]?.image],
            [t.form.volumes, claimsOf(item.spec?.template?.spec).join(", ")], [t.notebooks.made, t.time.ago(age(item.metadata.creationTimestamp))],
          ]} />
          <p class="hint">{t.notebooks.kept}</p>
        </section>
        {member ? <Events profile={entry.name} kind="Notebook" name={name} /> : null}
      </div>
      {member ? <Usage profile={entry.name} kind="Notebook" name={name} /> : null}
      <ManifestView item={item} />
      <NotebookDialog ask={ask} close={() => setAsk(null)} />
    </Page>
  );
}
