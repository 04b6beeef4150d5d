"""A RayCluster to its head service, pods and status: names, labels, ports and conditions as KubeRay 1.7 has them
(ray-operator/controllers/ray: raycluster_controller.go, common/pod.go, common/service.go, utils/validation.go)."""
import base64
import copy
import os
import re
import time

import api
import pods

RETRY_SECONDS = 2


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


# --- what KubeRay refuses, in an event and nowhere else ------------------------------------------------------------------

def mistake(item):
    """(event reason, message), or None."""
    spec, name = item["spec"], item["metadata"]["name"]
    if len(name) > 53 or not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name):
        return "InvalidRayClusterMetadata", f"RayCluster name {name} should be a DNS-1035 label of at most 53 bytes"
    groups = [spec["headGroupSpec"]] + spec.get("workerGroupSpecs", [])
    scales = spec.get("enableInTreeAutoscaling")
    for group in groups:
        if not group["template"]["spec"].get("containers"):
            return "InvalidRayClusterSpec", "a group should have at least one container"
        if "labels" in group.get("rayStartParams", {}):
            return "InvalidRayClusterSpec", "rayStartParams.labels is not supported"
    for group in groups[1:]:
        low, high = group.get("minReplicas", 0), group.get("maxReplicas", 2147483647)
        if low < 0 or high < low:
            return "InvalidRayClusterSpec", f"worker group {group['groupName']} has maxReplicas < minReplicas"
        if scales and group.get("suspend"):
            return "InvalidRayClusterSpec", f"worker group {group['groupName']} cannot be suspended with autoscaling"
    auth = spec.get("authOptions", {})
    if auth.get("mode") == "token" and not spec.get("rayVersion"):
        return "InvalidRayClusterSpec", "authOptions.mode is 'token' but RayVersion was not specified"
    return None


# --- what it makes -------------------------------------------------------------------------------------------------------

DEFAULT_PORTS = {"gcs-server": 6379, "dashboard": 8265, "client": 10001, "metrics": 8080, "serve": 8000}


def head_ports(spec):
    declared = spec["headGroupSpec"]["template"]["spec"]["containers"][0].get("ports", [])
    ports = {p["name"]: p["containerPort"] for p in declared if p.get("name")}
    if not ports:
        ports = dict(DEFAULT_PORTS)
    ports.setdefault("metrics", 8080)
    return ports


def service_name(item):
    return item["metadata"]["name"] + "-head-svc"


def make_service(client, item):
    meta = item["metadata"]
    selector = {"ray.io/cluster": meta["name"], "ray.io/node-type": "head",
                "ray.io/identifier": f"{meta['name']}-head", "app.kubernetes.io/name": "kuberay",
                "app.kubernetes.io/created-by": "kuberay-operator"}
    kind = item["spec"]["headGroupSpec"].get("serviceType", "")
    spec = {"selector": selector, "publishNotReadyAddresses": True,
            "ports": [{"name": name, "port": port, "targetPort": port, "appProtocol": "tcp"}
                      for name, port in sorted(head_ports(item["spec"]).items())]}
    spec.update({"clusterIP": "None"} if kind in ("", "ClusterIP") else {"type": kind})
    return client.make("services", meta["namespace"], {
        "metadata": {"name": service_name(item), "labels": selector, "ownerReferences": api.owner("RayCluster", item),
                     "annotations": item["spec"].get("headServiceAnnotations", {})}, "spec": spec})


def make_secret(client, item):
    auth = item["spec"].get("authOptions", {})
    if not auth or auth.get("secretName"):
        return
    meta = item["metadata"]
    token = base64.b64encode(base64.b64encode(os.urandom(32))).decode()
    client.make("secrets", meta["namespace"], {
        "metadata": {"name": meta["name"], "labels": {"ray.io/cluster": meta["name"]},
                     "ownerReferences": api.owner("RayCluster", item)}, "data": {"auth_token": token}})


def make_account(client, item):
    """The autoscaler speaks to the API server; its account is the cluster's own unless the head names one."""
    if not item["spec"].get("enableInTreeAutoscaling"):
        return
    if item["spec"]["headGroupSpec"]["template"]["spec"].get("serviceAccountName"):
        return
    meta = item["metadata"]
    common = {"name": meta["name"], "ownerReferences": api.owner("RayCluster", item)}
    client.make("serviceaccounts", meta["namespace"], {"metadata": common})
    client.make("roles", meta["namespace"], {"metadata": common, "rules": [
        {"apiGroups": [""], "resources": ["pods", "pods/resize"], "verbs": ["get", "list", "watch", "patch"]},
        {"apiGroups": ["ray.io"], "resources": ["rayclusters"], "verbs": ["get", "patch"]}]})
    client.make("rolebindings", meta["namespace"], {
        "metadata": common, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": meta["name"]},
        "subjects": [{"kind": "ServiceAccount", "name": meta["name"], "namespace": meta["namespace"]}]})


class Failure(Exception):
    def __init__(self, reason, message):
        super().__init__(message)
        self.reason = reason


def change_pods(client, item, mine):
    """Makes what is missing, removes what is too many or has ended. Failure: the API server refused a pod."""
    meta, spec = item["metadata"], item["spec"]
    ended = [p for p in mine if pods.has_ended(p)]
    for pod in ended:
        client.delete("pods", meta["namespace"], pod["metadata"]["name"])
    alive = [p for p in mine if p not in ended and "deletionTimestamp" not in p["metadata"]]
    if not [p for p in alive if pods.is_head(p)]:
        create(client, item, pods.head(item, service_name(item)), "Head")
    for group in spec.get("workerGroupSpecs", []):
        there = [p for p in alive if p["metadata"]["labels"].get("ray.io/group") == group["groupName"]]
        there = remove_chosen(client, meta["namespace"], group, there)
        wanted = pods.wanted(group, spec.get("enableInTreeAutoscaling"))
        for pod in there[wanted:]:
            client.delete("pods", meta["namespace"], pod["metadata"]["name"])
        for _ in range(wanted - len(there)):
            create(client, item, pods.worker(item, group, service_name(item)), "Worker")


def remove_chosen(client, namespace, group, there):
    """The autoscaler names the workers that are to go."""
    chosen = group.get("scaleStrategy", {}).get("workersToDelete", [])
    for pod in there:
        if pod["metadata"]["name"] in chosen:
            client.delete("pods", namespace, pod["metadata"]["name"])
    return [p for p in there if p["metadata"]["name"] not in chosen]


def create(client, item, pod, what):
    try:
        meta = client.create("pods", item["metadata"]["namespace"], pod)["metadata"]
    except api.Refused as refused:
        raise Failure(f"FailedCreate{what}Pod", str(refused)) from refused
    client.event(item, "RayCluster", f"Created{what}Pod", f"Created {what.lower()} Pod {meta['namespace']}/{meta['name']}", now(),
                 "Normal")


# --- its status ----------------------------------------------------------------------------------------------------------

def condition(old, kind, value, reason, message=""):
    was = next((c for c in old if c["type"] == kind), {})
    since = was["lastTransitionTime"] if was.get("status") == value else now()
    return {"type": kind, "status": value, "reason": reason, "message": message, "lastTransitionTime": since}


def conditions_of(item, mine, failure, suspension):
    old = item.get("status", {}).get("conditions", [])
    head = next((p for p in mine if pods.is_head(p)), None)
    complete = all(map(pods.is_ready, mine)) and len(mine) == 1 + pods.desired(item["spec"])
    was = any(c["type"] == "RayClusterProvisioned" and c["status"] == "True" for c in old)
    made = (complete or was) and not suspension
    ready = [condition(old, "HeadPodReady", *pods.head_condition(head)),
             condition(old, "RayClusterProvisioned", "True" if made else "False",
                       "AllPodRunningAndReadyFirstTime" if made else "RayClusterPodsProvisioning")]
    if failure:
        ready.append(condition(old, "ReplicaFailure", "True", failure.reason, str(failure)))
    for kind in ("RayClusterSuspending", "RayClusterSuspended"):
        ready.append(condition(old, kind, "True" if suspension == kind else "False", kind))
    return ready, complete


def status_of(item, mine, failure, suspension, service):
    old = item.get("status", {})
    status = copy.deepcopy(old)
    workers = [p for p in mine if not pods.is_head(p)]
    head = next((p for p in mine if pods.is_head(p)), None)
    status["conditions"], complete = conditions_of(item, mine, failure, suspension)
    status.update({
        "desiredWorkerReplicas": pods.desired(item["spec"]), "observedGeneration": item["metadata"]["generation"],
        "availableWorkerReplicas": sum(p["status"].get("phase") == "Running" for p in workers),
        "readyWorkerReplicas": sum(map(pods.is_ready, workers)),
        "endpoints": {name: str(port) for name, port in head_ports(item["spec"]).items()},
        **pods.totals(item["spec"])})
    if service:
        status["head"] = {"serviceName": service_name(item), "podName": head["metadata"]["name"] if head else "",
                          "podIP": head["status"].get("podIP", "") if head else ""}
        status["head"]["serviceIP"] = status["head"]["podIP"]
    if suspension == "RayClusterSuspended":
        status["state"] = "suspended"
    elif complete:
        status["state"] = "ready"  # and never back: that is KubeRay's, not a mistake here
    if {**status, "lastUpdateTime": None} != {**old, "lastUpdateTime": None}:
        status["lastUpdateTime"] = now()
    return status


def suspension_of(item, mine):
    """Once it has begun it finishes, whatever is asked meanwhile."""
    old = item.get("status", {}).get("conditions", [])
    begun = any(c["type"] == "RayClusterSuspending" and c["status"] == "True" for c in old)
    done = any(c["type"] == "RayClusterSuspended" and c["status"] == "True" for c in old)
    wanted = item["spec"].get("suspend", False)
    if begun or (wanted and not done):
        return "RayClusterSuspended" if not mine and begun else "RayClusterSuspending"
    return "RayClusterSuspended" if done and wanted else None


FINALIZER = "ray.io/gcs-ft-redis-cleanup-finalizer"


def keep_until_redis_is_empty(client, item):
    """What KubeRay adds to a cluster with GCS fault tolerance, so that it can run a Job before that one is gone."""
    meta = item["metadata"]
    if "gcsFaultToleranceOptions" in item["spec"] and FINALIZER not in meta.get("finalizers", []):
        client.merge("rayclusters", meta["namespace"], meta["name"],
                     {"metadata": {"finalizers": meta.get("finalizers", []) + [FINALIZER]}})


def let_go(client, item):
    """Pods first, then the Job, which the API server refuses in a namespace that is going; here it empties nothing."""
    meta = item["metadata"]
    if FINALIZER not in meta.get("finalizers", []):
        return None
    mine = [p for p in client.list("pods", meta["namespace"], f"ray.io/cluster={meta['name']}") if api.owned_by(p, meta["uid"])]
    for pod in mine:
        client.delete("pods", meta["namespace"], pod["metadata"]["name"])
    if mine:
        return 0.5
    head = pods.head(item, service_name(item))
    client.make("jobs", meta["namespace"], {
        "metadata": {"name": f"{meta['name']}-redis-cleanup", "ownerReferences": api.owner("RayCluster", item)},
        "spec": {"suspend": True, "template": {"metadata": {}, "spec": {**head["spec"], "restartPolicy": "Never"}}}})
    client.merge("rayclusters", meta["namespace"], meta["name"],
                 {"metadata": {"finalizers": [name for name in meta["finalizers"] if name != FINALIZER]}})
    return None


def reconcile(client, item):
    meta = item["metadata"]
    if item["spec"].get("managedBy", "").startswith("kueue"):
        return None
    if "deletionTimestamp" in meta:
        return let_go(client, item)
    keep_until_redis_is_empty(client, item)
    wrong = mistake(item)
    if wrong:
        client.event(item, "RayCluster", *wrong, now())
        return None
    selector = f"ray.io/cluster={meta['name']}"
    mine = [p for p in client.list("pods", meta["namespace"], selector) if api.owned_by(p, meta["uid"])]
    suspension = suspension_of(item, mine)
    service, failure = None, None
    if suspension:
        for pod in mine:
            client.delete("pods", meta["namespace"], pod["metadata"]["name"])
    else:
        service = make_service(client, item)
        make_secret(client, item)
        make_account(client, item)
        try:
            change_pods(client, item, mine)
        except Failure as failed:
            failure = failed
            client.event(item, "RayCluster", failed.reason.replace("FailedCreate", "FailedToCreate"), str(failed), now())
        mine = [p for p in client.list("pods", meta["namespace"], selector) if api.owned_by(p, meta["uid"])]
    client.write_status("rayclusters", item, status_of(item, mine, failure, suspension, service))
    return RETRY_SECONDS if failure else 0.5 if suspension == "RayClusterSuspending" else None
