"""A RayService to a RayCluster of its own, two services, and a status (rayservice_controller.go): a changed
rayClusterConfig becomes a second cluster that takes the first one's place once it is ready."""
import hashlib
import json

import api
import cluster
import job
import yaml

RETRY_SECONDS = 1
HASH = "ray.io/hash-without-replicas-and-workers-to-delete"


def config_hash(item):
    config = json.loads(json.dumps(item["spec"]["rayClusterConfig"]))
    for group in config.get("workerGroupSpecs", []):
        for key in ("replicas", "minReplicas", "maxReplicas", "scaleStrategy"):
            group.pop(key, None)
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:32]


def make_cluster(client, item, name):
    meta = item["metadata"]
    return client.make("rayclusters", meta["namespace"], {
        "apiVersion": "ray.io/v1", "kind": "RayCluster", "spec": item["spec"]["rayClusterConfig"],
        "metadata": {"name": name, "ownerReferences": api.owner("RayService", item),
                     "annotations": {HASH: config_hash(item)},
                     "labels": {"ray.io/originated-from-cr-name": meta["name"],
                                "ray.io/originated-from-crd": "RayService"}}})


def applications(item):
    config = yaml.safe_load(item["spec"].get("serveConfigV2", "")) or {}
    return {one["name"]: {"status": "RUNNING", "message": ""} for one in config.get("applications", [])}


def point_services(client, item, name):
    """<service>-head-svc to the head, <service>-serve-svc to every pod that serves."""
    meta = item["metadata"]
    for suffix, ports, selector in (
            ("head-svc", {"dashboard": 8265, "serve": 8000, "client": 10001, "gcs-server": 6379},
             {"ray.io/cluster": name, "ray.io/node-type": "head"}),
            ("serve-svc", {"serve": 8000}, {"ray.io/cluster": name, "ray.io/serve": "true"})):
        full = f"{meta['name']}-{suffix}"
        labels = {"ray.io/originated-from-cr-name": meta["name"], "ray.io/originated-from-crd": "RayService"}
        if suffix == "serve-svc":
            labels["ray.io/serve"] = full
        made = client.make("services", meta["namespace"], {
            "metadata": {"name": full, "labels": labels, "ownerReferences": api.owner("RayService", item)},
            "spec": {"selector": selector, "ports": [{"name": key, "port": port, "targetPort": port}
                                                     for key, port in ports.items()]}})
        if made["spec"]["selector"] != selector:
            client.merge("services", meta["namespace"], full, {"spec": {"selector": selector}})


def part(item, ray):
    return {"rayClusterName": ray["metadata"]["name"], "rayClusterStatus": ray.get("status", {}),
            "applicationStatuses": applications(item)}


def mark_serving(client, ray):
    meta = ray["metadata"]
    for pod in client.list("pods", meta["namespace"], f"ray.io/cluster={meta['name']}"):
        if pod["metadata"]["labels"].get("ray.io/serve") != "true":
            client.merge("pods", meta["namespace"], pod["metadata"]["name"],
                         {"metadata": {"labels": {"ray.io/serve": "true"}}})


def reconcile(client, item):
    meta = item["metadata"]
    if "deletionTimestamp" in meta or item["spec"].get("suspend"):
        return None
    status = json.loads(json.dumps(item.get("status", {})))
    active = status.get("activeServiceStatus", {}).get("rayClusterName")
    pending = status.get("pendingServiceStatus", {}).get("rayClusterName")
    running = client.get("rayclusters", meta["namespace"], active) if active else None
    current = running and running["metadata"].get("annotations", {}).get(HASH) == config_hash(item)
    if current:
        status["activeServiceStatus"] = part(item, running)
        mark_serving(client, running)
    elif not pending:
        status["pendingServiceStatus"] = {"rayClusterName": job.short_name(meta["name"])}
    else:
        next_one = make_cluster(client, item, pending)
        status["pendingServiceStatus"] = part(item, next_one)
        if next_one.get("status", {}).get("state") == "ready":
            point_services(client, item, pending)
            status["activeServiceStatus"] = status.pop("pendingServiceStatus")
            if running:
                client.delete("rayclusters", meta["namespace"], active)
    served = "activeServiceStatus" in status
    old = status.get("conditions", [])
    upgrading = served and "pendingServiceStatus" in status
    status.update({
        "serviceStatus": "Running" if served else "", "observedGeneration": meta["generation"],
        "conditions": [
            cluster.condition(old, "Ready", "True" if served else "False",
                              "NonZeroServeEndpoints" if served else "Initializing"),
            cluster.condition(old, "UpgradeInProgress", "True" if upgrading else "False",
                              "BothActivePendingClustersExist" if upgrading else "NoPendingCluster")]})
    client.write_status("rayservices", item, status)
    return None if served and not upgrading and current else RETRY_SECONDS
