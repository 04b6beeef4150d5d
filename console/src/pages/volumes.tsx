// Volumes: what there is, how large, and who mounts it; new, delete.
import { useState } from "preact/hooks";
import { type KubeObject, paths, type Problem, type ProfileEntry, remove } from "../api";
import { age } from "../format";
import { useObjects } from "../live";
import { Sure } from "../parts/dialog";
import { Field } from "../parts/form";
import { Maker } from "../parts/maker";
import { Alert, Announce, Blank, Loading, Page, State } from "../parts/page";
import { type Row, Table } from "../parts/table";
import { may } from "../rights";
import { useQuery } from "../router";
import { t } from "../text";
import { claimsOf } from "../workload";

const home = "home"; // the platform's own claim: it comes and goes with the profile

// claim -> the notebooks and clusters whose pods mount it now.
function mounts(pods: KubeObject[]): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const pod of pods) {
    const owner = pod.metadata.labels?.["notebook-name"] ?? pod.metadata.labels?.["ray.io/cluster"] ?? pod.metadata.name;
    for (const claim of claimsOf(pod.spec)) found.set(claim, (found.get(claim) ?? new Set()).add(owner));
  }
  return found;
}

function NewVolume({ profile, taken, close }: { profile: string; taken: string[]; close: () => void }) {
  const [name, setName] = useState("");
  const [size, setSize] = useState("10Gi");
  const storage = "spec.resources.requests.storage";
  const manifest = {
    apiVersion: "v1", kind: "PersistentVolumeClaim", metadata: { name, namespace: profile },
    spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: size } } },
  };
  return (
    <Maker title={t.volumes.new} path={paths.core(profile, "persistentvolumeclaims")} manifest={manifest} taken={taken} fields={["metadata.name", storage]} close={close}>
      {(problem) => (
        <>
          <Field label={t.form.name} value={name} required maxLength={63} autocomplete="off" hint={t.form.nameHint} problem={problem} field="metadata.name" onInput={(event) => setName(event.currentTarget.value)} />
          <Field label={t.volumes.size} value={size} required hint={t.volumes.sizeHint} problem={problem} field={storage} onInput={(event) => setSize(event.currentTarget.value)} />
          <p class="hint">{t.volumes.howTo}</p>
        </>
      )}
    </Maker>
  );
}

export function Volumes({ entry }: { entry: ProfileEntry }) {
  const profile = entry.name;
  const path = paths.core(profile, "persistentvolumeclaims");
  const { items, problem } = useObjects(path);
  const pods = useObjects(paths.core(profile, "pods"));
  const [making, setMaking] = useQuery("new");
  const [ask, setAsk] = useState<string | null>(null);
  const [failed, setFailed] = useState<Problem | null>(null);
  const used = mounts(pods.items ?? []);
  const users = (name: string) => [...(used.get(name) ?? [])].sort().join(", ");
  const mayMake = may("create", entry);
  const make = mayMake ? <button class="primary" onClick={() => setMaking(true)}>{t.volumes.new}</button> : null;
  const phaseOf = (item: KubeObject) => (item.metadata.deletionTimestamp ? "Deleting" : String(item.status?.phase ?? "Pending"));
  const row = (item: KubeObject): Row => {
    const { name, uid, creationTimestamp, deletionTimestamp } = item.metadata;
    return {
      key: uid,
      cells: [
        name, <State phase={phaseOf(item)} text={name === home ? t.volumes.own : undefined} />,
        <span class="short">{item.status?.capacity?.storage ?? item.spec?.resources?.requests?.storage}</span>,
        pods.items ? users(name) || t.volumes.nobody : "", <span class="short">{age(creationTimestamp)}</span>,
      ],
      actions: mayMake && name !== home && !deletionTimestamp ? <button class="danger" aria-label={`${t.volumes.delete} ${name}`} onClick={() => (setFailed(null), setAsk(name))}>{t.volumes.delete}</button> : null,
    };
  };
  return (
    <Page title={t.volumes.title} actions={items?.length ? make : null}>
      <Alert problem={failed ?? problem} />
      <Announce states={(items ?? []).map((item) => [item.metadata.name, phaseOf(item)])} />
      {items === null ? (problem ? null : <Loading />) : items.length === 0 ? <Blank title={t.volumes.none} text={t.volumes.noneText}>{make}</Blank>
        : <Table label={t.volumes.title} heads={[t.form.name, t.form.state, t.volumes.size, t.volumes.usedBy, t.form.age]} rows={items.map(row)} actions={mayMake} />}
      {making && mayMake && items ? <NewVolume profile={profile} taken={items.map((item) => item.metadata.name)} close={() => setMaking(false)} /> : null}
      {ask ? (
        <Sure title={t.volumes.deleteTitle} confirm={ask} text={`${t.volumes.deleteText(ask)} ${users(ask) ? t.volumes.inUse(users(ask)) : ""}`} action={() => remove(`${path}/${encodeURIComponent(ask)}`)} close={() => setAsk(null)} />
      ) : null}
    </Page>
  );
}
