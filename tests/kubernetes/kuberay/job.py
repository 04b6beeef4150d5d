"""A RayJob to a RayCluster of its own, a submitter Job, and a status (rayjob_controller.go). What the submitter's Job says
is taken for what the Ray job says."""
import random
import string

import api
import cluster

RETRY_SECONDS = 1
FINISHED = ("Complete", "Failed")


def short_name(name):
    return name + "-" + "".join(random.choices(string.ascii_lowercase, k=5))


def make_cluster(client, item, status):
    meta = item["metadata"]
    found = client.get("rayclusters", meta["namespace"], status["rayClusterName"])
    if found or item["spec"].get("clusterSelector"):
        return found
    return client.create("rayclusters", meta["namespace"], {
        "apiVersion": "ray.io/v1", "kind": "RayCluster", "spec": item["spec"]["rayClusterSpec"],
        "metadata": {"name": status["rayClusterName"], "ownerReferences": api.owner("RayJob", item),
                     "labels": {"ray.io/originated-from-cr-name": meta["name"],
                                "ray.io/originated-from-crd": "RayJob"}}})


def make_submitter(client, item, ray):
    meta, spec = item["metadata"], item["spec"]
    template = spec.get("submitterPodTemplate") or {"spec": {"restartPolicy": "Never", "containers": [{
        "name": "ray-job-submitter", "resources": {"requests": {"cpu": "500m", "memory": "200Mi"},
                                                   "limits": {"cpu": "1", "memory": "1Gi"}}}]}}
    container = template["spec"]["containers"][0]
    container.setdefault("image", ray["spec"]["headGroupSpec"]["template"]["spec"]["containers"][0]["image"])
    container.setdefault("command", ["/bin/bash", "-ce", "--", f"ray job submit -- {spec['entrypoint']}"])
    return client.make("jobs", meta["namespace"], {
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": meta["name"], "ownerReferences": api.owner("RayJob", item)},
        "spec": {"backoffLimit": spec.get("submitterConfig", {}).get("backoffLimit", 2), "template": template}})


def finished(submitter):
    for condition in (submitter or {}).get("status", {}).get("conditions", []):
        if condition["status"] == "True" and condition["type"] in FINISHED:
            return condition["type"]
    return None


def end(item, status, submitter):
    outcome = finished(submitter)
    if not outcome:
        return
    status.update({"jobDeploymentStatus": outcome, "jobStatus": "SUCCEEDED" if outcome == "Complete" else "FAILED",
                   "endTime": cluster.now(), "succeeded": int(outcome == "Complete"), "failed": int(outcome == "Failed")})
    if outcome == "Failed":
        status["reason"] = "AppFailed"


def advance(client, item, status):
    """One step of its state; returns when to look again."""
    meta, state = item["metadata"], status.get("jobDeploymentStatus", "")
    if item["spec"].get("suspend") and state not in FINISHED:
        client.delete("jobs", meta["namespace"], meta["name"])
        if status.get("rayClusterName"):
            client.delete("rayclusters", meta["namespace"], status["rayClusterName"])
        status.clear()
        status["jobDeploymentStatus"] = "Suspended"
    elif state in ("", "Suspended"):
        chosen = item["spec"].get("clusterSelector", {}).get("ray.io/cluster")
        status.update({"jobDeploymentStatus": "Initializing", "jobId": short_name(meta["name"]),
                       "rayClusterName": chosen or short_name(meta["name"]), "startTime": cluster.now()})
        return 0.1
    elif state == "Initializing":
        ray = make_cluster(client, item, status)
        status["rayClusterStatus"] = (ray or {}).get("status", {})
        if (ray or {}).get("status", {}).get("state") == "ready":
            make_submitter(client, item, ray)
            service = f"{status['rayClusterName']}-head-svc.{meta['namespace']}.svc.cluster.local:8265"
            status.update({"jobDeploymentStatus": "Running", "jobStatus": "RUNNING", "dashboardURL": service})
        return RETRY_SECONDS
    elif state == "Running":
        end(item, status, client.get("jobs", meta["namespace"], meta["name"]))
        return RETRY_SECONDS
    elif item["spec"].get("shutdownAfterJobFinishes") and not item["spec"].get("clusterSelector"):
        client.delete("rayclusters", meta["namespace"], status["rayClusterName"])
    return None


def reconcile(client, item):
    if "deletionTimestamp" in item["metadata"]:
        return None
    status = dict(item.get("status", {}))
    again = advance(client, item, status)
    client.write_status("rayjobs", item, status)
    return again
