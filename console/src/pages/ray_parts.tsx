// What can be done with a Ray cluster, wherever it is shown: dashboard, connect, scale, stop, start, logs, delete.
import { useState } from "preact/hooks";
import { get, type KubeObject, mergePatch, paths, type Problem, type ProfileEntry, remove } from "../api";
import { later } from "../later";
import { useData } from "../live";
import { Dialog } from "../parts/dialog";
import { Field, Rest, useForm } from "../parts/form";
import { Logs } from "../parts/logs";
import { Skew } from "../parts/skew";
import { turn } from "../power";
import { may } from "../rights";
import { t } from "../text";
import { imageOf } from "../versions";
import { doorOf, phaseOf } from "../workload";

interface Group {
  groupName: string;
  replicas?: number;
  minReplicas?: number;
  maxReplicas?: number;
}
const groupsOf = (cluster: KubeObject) => (cluster.spec?.workerGroupSpecs ?? []) as Group[];

function Scale({ cluster, close }: { cluster: KubeObject; close: () => void }) {
  const groups = groupsOf(cluster);
  const [counts, setCounts] = useState(groups.map((group) => group.replicas ?? 0));
  const form = useForm(async () => {
    await mergePatch(`${paths.rayclusters(cluster.metadata.namespace ?? "")}/${cluster.metadata.name}`, {
      spec: { workerGroupSpecs: groups.map((group, at) => ({ ...group, replicas: counts[at] })) },
    });
    close();
  }, counts.join());
  return (
    <Dialog title={t.ray.scaleOf(cluster.metadata.name)} close={close}>
      <form onSubmit={form.onSubmit}>
        {groups.map((group, at) => (
          <Field key={group.groupName} label={t.ray.replicasOf(group.groupName)} type="number" min={group.minReplicas ?? 0} max={group.maxReplicas ?? 1000} value={counts[at]} problem={form.problem} field={`spec.workerGroupSpecs[${at}]`}
            hint={t.ray.between(group.minReplicas ?? 0, group.maxReplicas ?? t.ray.any)} onInput={(event) => setCounts(counts.map((old, index) => (index === at ? Number(event.currentTarget.value) : old)))} />
        ))}
        <Rest problem={form.problem} fields={groups.map((_, at) => `spec.workerGroupSpecs[${at}]`)} />
        <footer><button class="primary" disabled={form.busy}>{t.ray.scale}</button></footer>
      </form>
    </Dialog>
  );
}

// Ray Client and Serve's gRPC from outside, at hosts of their own; absent where nothing speaks https.
function Grpc({ cluster }: { cluster: KubeObject }) {
  const { name, namespace = "" } = cluster.metadata;
  const path = `/api/atelier/v1/open?kind=RayCluster&namespace=${namespace}&name=${name}`;
  const { rayClient, serveGrpc } = useData(() => get<{ rayClient?: string; serveGrpc?: string }>(path), path).data ?? {};
  if (!rayClient || !serveGrpc) return null;
  return (
    <>
      <h3>{t.ray.overGrpc}</h3>
      <p>{t.ray.grpcTells}</p>
      <pre class="code" tabIndex={0} aria-label={t.ray.client}>{`import grpc, ray\nca = grpc.ssl_channel_credentials(open("ca.crt", "rb").read())\nray.init("ray://${rayClient}", _credentials=ca,\n         _metadata=[("authorization", "Bearer TOKEN")])`}</pre>
      <pre class="code" tabIndex={0} aria-label={t.ray.serveGrpc}>{`channel = grpc.secure_channel("${serveGrpc}", ca)\n# metadata=[("authorization", "Bearer TOKEN"), ("application", "NAME")]`}</pre>
    </>
  );
}

function Connect({ cluster, close }: { cluster: KubeObject; close: () => void }) {
  const service = cluster.status?.head?.serviceName ?? `${cluster.metadata.name}-head-svc`;
  const address = `${location.origin}/api/v1/namespaces/${cluster.metadata.namespace}/services/http:${service}:dashboard/proxy/`;
  return (
    <Dialog title={t.ray.connectTo(cluster.metadata.name)} close={close}>
      <h3>{t.ray.fromNotebook}</h3>
      <Skew profile={cluster.metadata.namespace ?? ""} kind="RayCluster" image={imageOf(cluster)} />
      <pre class="code" tabIndex={0} aria-label={t.ray.python}>{`import ray\nray.init("ray://${service}:10001")`}</pre>
      <h3>{t.ray.fromLaptop}</h3>
      <p>{t.ray.tokenFirst}</p>
      <pre class="code" tabIndex={0} aria-label={t.ray.shell}>{`ray job submit --address ${address} \\\n  --headers '{"Authorization":"Bearer TOKEN"}' --working-dir . -- python train.py`}</pre>
      <Grpc cluster={cluster} />
    </Dialog>
  );
}

export type ClusterAsk = { what: "logs" | "scale" | "connect"; item: KubeObject } | null;

export function ClusterDialog({ ask, close }: { ask: ClusterAsk; close: () => void }) {
  if (!ask) return null;
  const { name, namespace = "" } = ask.item.metadata;
  if (ask.what === "scale") return <Scale cluster={ask.item} close={close} />;
  if (ask.what === "connect") return <Connect cluster={ask.item} close={close} />;
  return <Logs namespace={namespace} selector={`ray.io/cluster=${name}`} title={t.logs.of(name)} close={close} />;
}

export function ClusterActions({ item, entry, ask, failed }: { item: KubeObject; entry: ProfileEntry; ask: (what: ClusterAsk) => void; failed: (problem: Problem | null) => void }) {
  const { name } = item.metadata;
  const path = `${paths.rayclusters(entry.name)}/${name}`;
  const power = (on: boolean) => turn(item, on).then(() => failed(null), failed);
  if (item.metadata.deletionTimestamp) return null;
  const off = item.spec?.suspend === true;
  return (
    <>
      {phaseOf(item) === "Running" && may("open", entry, "RayCluster", name) ? (
        <a class="button primary" href={doorOf(item)} target="_blank" rel="noopener" aria-label={t.newTab(t.ray.dashboardOf, name)}>{t.ray.dashboard}</a>
      ) : null}
      {may("change", entry, "RayCluster", name) ? (
        <>
          <button aria-label={t.ray.connectTo(name)} onClick={() => ask({ what: "connect", item })}>{t.ray.connect}</button>
          {groupsOf(item).length ? <button aria-label={t.ray.scaleOf(name)} onClick={() => ask({ what: "scale", item })}>{t.ray.scale}</button> : null}
          <button aria-label={off ? t.palette.start(name) : t.palette.stop(name)} onClick={() => void power(off)}>{off ? t.notebooks.start : t.notebooks.stop}</button>
        </>
      ) : null}
      <button aria-label={t.logs.of(name)} onClick={() => ask({ what: "logs", item })}>{t.logs.button}</button>
      {may("delete", entry, "RayCluster", name) ? (
        <button class="danger" aria-label={`${t.notebooks.delete} ${name}`} onClick={() => later(`RayCluster/${entry.name}/${name}`, t.undo.delete(t.ray.what, name), () => remove(path))}>{t.notebooks.delete}</button>
      ) : null}
    </>
  );
}
