"""The pods of a RayCluster: what KubeRay puts into a head's and a worker's, and what their states mean."""
import copy
import math
import re

AUTOSCALER = {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"cpu": "500m", "memory": "512Mi"}}
UNITS = {"": 1, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def number(quantity):
    digits, unit = re.fullmatch(r"([0-9.]+)([a-zA-Z]*)", str(quantity)).groups()
    return float(digits) * UNITS[unit]


def text(value):
    return str(int(value)) if value == int(value) else f"{math.ceil(value * 1000)}m"


def wanted(group, scales=False):
    """Pods of a worker group: replicas within their bounds, times hosts. 0 while suspended."""
    replicas = min(max(group.get("replicas", 0), group.get("minReplicas", 0)), group.get("maxReplicas", 2147483647))
    return 0 if group.get("suspend") and not scales else replicas * group.get("numOfHosts", 1)


def desired(spec):
    return sum(wanted(group) for group in spec.get("workerGroupSpecs", []))


def totals(spec):
    """status.desiredCPU and desiredMemory."""
    sums = {"cpu": 0.0, "memory": 0.0}
    for group, count in [(spec["headGroupSpec"], 1)] + [(g, wanted(g)) for g in spec.get("workerGroupSpecs", [])]:
        for container in group["template"]["spec"]["containers"]:
            resources = container.get("resources", {})
            for key in sums:
                sums[key] += count * number({**resources.get("limits", {}), **resources.get("requests", {})}.get(key, 0))
    return {"desiredCPU": text(sums["cpu"]), "desiredMemory": text(sums["memory"]), "desiredGPU": "0", "desiredTPU": "0"}


# --- what they are made of -----------------------------------------------------------------------------------------------

def token_env(item):
    auth = item["spec"].get("authOptions", {})
    if auth.get("mode") != "token":  # {} does not count: it leaves Ray open
        return []
    secret = {"name": auth.get("secretName") or item["metadata"]["name"], "key": "auth_token"}
    return [{"name": "RAY_AUTH_MODE", "value": "token"},
            {"name": "RAY_AUTH_TOKEN", "valueFrom": {"secretKeyRef": secret}}]


def start_params(group, container, head, address):
    params = dict(group.get("rayStartParams", {}))
    limits = container.get("resources", {}).get("limits", {})
    requests = container.get("resources", {}).get("requests", {})
    if "cpu" in limits or "cpu" in requests:
        params.setdefault("num-cpus", str(math.ceil(number(limits.get("cpu") or requests["cpu"]))))
    if "memory" in limits:
        params.setdefault("memory", str(int(number(limits["memory"]))))
    params.update({"block": "true", "metrics-export-port": "8080", "dashboard-agent-listen-port": "52365"})
    params.update({"dashboard-host": "0.0.0.0"} if head else {"address": address})
    words = [f"--{key}" if value == "true" and key == "block" else f"--{key}={value}"
             for key, value in sorted(params.items())]
    return "ray start " + " ".join(["--head"] * head + words)


def build(item, group, kind, group_name, prefix, service):
    meta, template = item["metadata"], copy.deepcopy(group["template"])
    labels = template.setdefault("metadata", {}).setdefault("labels", {})
    labels.update({"ray.io/is-ray-node": "yes", "ray.io/cluster": meta["name"], "ray.io/node-type": kind,
                   "ray.io/group": group_name, "ray.io/identifier": f"{meta['name']}-{kind}",
                   "app.kubernetes.io/name": "kuberay", "app.kubernetes.io/created-by": "kuberay-operator"})
    domain = f"{service}.{meta['namespace']}.svc.cluster.local"
    container = template["spec"]["containers"][0]
    container["env"] = container.get("env", []) + token_env(item) + [
        {"name": "RAY_CLUSTER_NAME", "value": meta["name"]}, {"name": "RAY_PORT", "value": "6379"},
        {"name": "FQ_RAY_IP", "value": domain},
        {"name": "RAY_ADDRESS", "value": "127.0.0.1:6379" if kind == "head" else f"{domain}:6379"}]
    command = start_params(group, container, kind == "head", f"{domain}:6379")
    container.update({"command": ["/bin/bash", "-c", "--"], "args": [f"ulimit -n 65536; {command}"]})
    template["spec"].setdefault("volumes", []).append({"name": "shared-mem", "emptyDir": {"medium": "Memory"}})
    container.setdefault("volumeMounts", []).append({"name": "shared-mem", "mountPath": "/dev/shm"})
    reference = {"apiVersion": "ray.io/v1", "kind": "RayCluster", "name": meta["name"], "uid": meta["uid"],
                 "controller": True, "blockOwnerDeletion": True}
    return {"metadata": {"generateName": prefix, "labels": labels, "ownerReferences": [reference],
                         "annotations": template["metadata"].get("annotations", {})}, "spec": template["spec"]}


def head(item, service):
    pod = build(item, item["spec"]["headGroupSpec"], "head", "headgroup", item["metadata"]["name"][:50] + "-head-",
                service)
    if item["spec"].get("enableInTreeAutoscaling"):
        options = item["spec"].get("autoscalerOptions", {})
        ray = pod["spec"]["containers"][0]
        pod["spec"].setdefault("serviceAccountName", item["metadata"]["name"])
        pod["spec"]["containers"].append({
            "name": "autoscaler", "image": options.get("image") or ray["image"],
            "resources": options.get("resources") or AUTOSCALER, "env": token_env(item) + options.get("env", []),
            "securityContext": options.get("securityContext", {}), "command": ["/bin/bash", "-c", "--"],
            "args": [f"ray kuberay-autoscaler --cluster-name {item['metadata']['name']}"]})
    return pod


def worker(item, group, service):
    name = f"{item['metadata']['name']}-{group['groupName']}"[:50] + "-worker-"
    pod = build(item, group, "worker", group["groupName"], name, service)
    ray = pod["spec"]["containers"][0]
    address = f"{service}.{item['metadata']['namespace']}.svc.cluster.local:6379"
    pod["spec"].setdefault("initContainers", []).append({
        "name": "wait-gcs-ready", "image": ray["image"], "command": ["/bin/bash", "-c", "--"],
        "args": [f"until ray health-check --address {address} --skip-version-check; do sleep 2; done"], "env": token_env(item),
        "securityContext": ray.get("securityContext", {}),
        "resources": {"requests": {"cpu": "200m", "memory": "256Mi"}, "limits": {"cpu": "200m", "memory": "256Mi"}}})
    return pod


# --- what they say -------------------------------------------------------------------------------------------------------

def is_head(pod):
    return pod["metadata"]["labels"].get("ray.io/node-type") == "head"


def has_ended(pod):
    return pod["status"].get("phase") in ("Failed", "Succeeded")


def is_ready(pod):
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))


def head_condition(pod):
    """(status, reason, message) of HeadPodReady: the pod's Ready, and a container's word for it. KubeRay says nothing of a
    pod that has no such condition, as one that no node takes."""
    if not pod:
        return "False", "HeadPodNotFound", "Head Pod not found"
    ready = next((c for c in pod["status"].get("conditions", []) if c["type"] == "Ready"), None)
    if not ready:
        return "False", "Unknown", ""
    reason, message = ready.get("reason", ""), ready.get("message", "")
    if ready["status"] == "True":
        return "True", reason or "HeadPodRunningAndReady", message
    for status in pod["status"].get("containerStatuses", []) if reason == "ContainersNotReady" else []:
        found = next((status["state"][word] for word in ("waiting", "terminated") if status.get("state", {}).get(word)), None)
        if found:
            return "False", found.get("reason") or "Unknown", f"{message}; {status['name']}: {found.get('message', '')}"
    return "False", reason or "Unknown", message
