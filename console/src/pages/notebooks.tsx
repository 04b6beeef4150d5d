// Notebooks: what there is, in which state and why.
import { useState } from "preact/hooks";
import { type KubeObject, paths, type Problem, type ProfileEntry } from "../api";
import { age, held } from "../format";
import { useLater } from "../later";
import { useObjects } from "../live";
import { Idle } from "../parts/idle";
import { Alert, Announce, Blank, Loading, Page, Progress, State } from "../parts/page";
import { type Row, Table } from "../parts/table";
import { may } from "../rights";
import { stay, useQuery } from "../router";
import { t } from "../text";
import { pageOf, phaseOf, reasonOf, sizeOf } from "../workload";
import { NewNotebook, NotebookActions, type NotebookAsk, NotebookDialog } from "./notebook_parts";

export function NotebookState({ item }: { item: KubeObject }) {
  const phase = phaseOf(item);
  return (
    <>
      <State phase={phase} text={reasonOf(item)} />
      {phase === "Starting" || phase === "Pending" ? <Progress label={t.notebooks.isStarting(item.metadata.name)} value={Number(item.status?.progress ?? 0)} /> : null}
    </>
  );
}

export function Notebooks({ entry }: { entry: ProfileEntry }) {
  const profile = entry.name;
  const { items, problem } = useObjects(paths.notebooks(profile));
  const waiting = useLater();
  const [making, setMaking] = useQuery("new");
  const [ask, setAsk] = useState<NotebookAsk>(null);
  const [failed, setFailed] = useState<Problem | null>(null);
  const mayMake = may("create", entry);
  const make = mayMake ? <button class="primary" onClick={() => setMaking(true)}>{t.notebooks.new}</button> : null;
  const row = (item: KubeObject): Row => {
    const { name, uid, creationTimestamp } = item.metadata;
    const leaving = waiting.find((one) => one.key === `Notebook/${profile}/${name}` && !one.failed);
    return {
      key: uid,
      leaving: Boolean(leaving),
      cells: [
        <a href={pageOf(item)} onClick={stay}>{name}</a>,
        leaving ? <State phase="Deleting" text={t.undo.leaving(leaving.left_s)} /> : <NotebookState item={item} />,
        <span class="short">{held(sizeOf(item))}</span>,
        <span class="short">{item.spec?.template?.spec?.containers?.[0]?.image}</span>,
        <span class="short">{age(creationTimestamp)}</span>,
      ],
      actions: leaving ? null : <NotebookActions item={item} entry={entry} ask={setAsk} failed={setFailed} />,
    };
  };
  return (
    <Page title={t.notebooks.title} actions={items?.length ? make : null}>
      <Alert problem={failed ?? problem} />
      <Announce states={(items ?? []).map((item) => [item.metadata.name, phaseOf(item)])} />
      <Idle items={items ?? []} entry={entry} />
      {items === null ? (problem ? null : <Loading />) : items.length === 0 ? <Blank title={t.notebooks.none} text={t.notebooks.noneText}>{make}</Blank>
        : <Table label={t.notebooks.title} heads={[t.form.name, t.form.state, t.form.size, t.form.image, t.form.age]} rows={items.map(row)} />}
      {making && mayMake && items ? <NewNotebook profile={profile} taken={items.map((item) => item.metadata.name)} close={() => setMaking(false)} /> : null}
      <NotebookDialog ask={ask} close={() => setAsk(null)} />
    </Page>
  );
}
