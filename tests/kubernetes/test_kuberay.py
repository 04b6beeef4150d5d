"""The double of KubeRay keeps to KubeRay's contract: names, labels, ports, conditions, and its silences. The same tests
hold for the operator that ATELIER_KUBERAY_OPERATOR names."""
import live
import pytest
import rayoperator

# kwok's pods only say that they run: an operator that asks Ray itself gets no answer.
asks_ray = pytest.mark.skipif(rayoperator.PROGRAM is not None, reason="the operator asks Ray's dashboard, and no Ray runs here")

LIMITS = {"limits": {"cpu": "1", "memory": "2Gi"}, "requests": {"cpu": "1", "memory": "2Gi"}}


@pytest.fixture(scope="module")
def cluster():
    made = live.Cluster()
    try:
        made.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "alice"}})
        yield made
    finally:
        made.close()


def template(name):
    return {"spec": {"containers": [{"name": name, "image": "rayproject/ray:2.60.0", "resources": LIMITS}]}}


def spec(workers=1, **more):
    return {"rayVersion": "2.60.0", "authOptions": {"mode": "token", "secretName": "ray-auth"},
            "headGroupSpec": {"rayStartParams": {"num-cpus": "0"}, "template": template("ray-head")},
            "workerGroupSpecs": [{"groupName": "w", "replicas": workers, "minReplicas": 0, "maxReplicas": 4,
                                  "rayStartParams": {}, "template": template("ray-worker")}], **more}


def ray(kind, name, body):
    return {"apiVersion": "ray.io/v1", "kind": kind, "metadata": {"name": name, "namespace": "alice"}, "spec": body}


def ready(cluster, name):
    def is_ready():
        item = cluster.get("raycluster", name)
        return item if live.condition(item, "RayClusterProvisioned").get("status") == "True" else None
    return cluster.wait(f"{name} is provisioned", is_ready)


def test_a_cluster_comes_up_scales_and_is_suspended(cluster):
    cluster.apply(ray("RayCluster", "rc1", spec(2, enableInTreeAutoscaling=True)))
    item = ready(cluster, "rc1")
    assert item["status"]["readyWorkerReplicas"] == 2 and item["status"]["state"] == "ready"
    service = cluster.get("service", "rc1-head-svc")
    assert service["spec"]["clusterIP"] == "None" and service["spec"]["selector"]["ray.io/node-type"] == "head"
    assert {p["name"] for p in service["spec"]["ports"]} == {"client", "dashboard", "gcs-server", "metrics", "serve"}
    head = cluster.list("pod", selector="ray.io/cluster=rc1,ray.io/node-type=head")[0]
    sidecar = head["spec"]["containers"][1]
    assert sidecar["name"] == "autoscaler" and sidecar["resources"]["requests"] == {"cpu": "500m", "memory": "512Mi"}
    env = {e["name"]: e for e in head["spec"]["containers"][0]["env"]}
    assert env["RAY_AUTH_TOKEN"]["valueFrom"]["secretKeyRef"] == {"name": "ray-auth", "key": "auth_token"}

    cluster.apply(ray("RayCluster", "rc1", spec(1)))
    cluster.wait("one worker", lambda: len(cluster.list("pod", selector="ray.io/node-type=worker")) == 1)
    cluster.apply(ray("RayCluster", "rc1", spec(1, suspend=True)))
    cluster.wait("suspended", lambda: live.condition(cluster.get("raycluster", "rc1"), "RayClusterSuspended")
                 .get("status") == "True" and not cluster.list("pod", selector="ray.io/cluster=rc1"))
    cluster.apply(ray("RayCluster", "rc1", spec(1, suspend=False)))
    ready(cluster, "rc1")
    cluster.kubectl("delete", "raycluster", "rc1", "-n", "alice")
    cluster.wait("nothing is left", lambda: not cluster.list("pod", selector="ray.io/cluster=rc1") and
                 not cluster.get("service", "rc1-head-svc"))


def test_a_head_that_is_gone_shows_in_conditions_and_never_in_state(cluster):
    cluster.apply(ray("RayCluster", "rc2", spec(0)))
    ready(cluster, "rc2")
    cluster.kubectl("create", "quota", "none", "-n", "alice", "--hard=pods=0")
    cluster.wait_quota("none")
    cluster.kubectl("delete", "pod", "-n", "alice", "-l", "ray.io/cluster=rc2,ray.io/node-type=head")

    def refused():
        item = cluster.get("raycluster", "rc2")
        return item if live.condition(item, "ReplicaFailure") else None
    item = cluster.wait("the quota refuses a head", refused)
    assert live.condition(item, "ReplicaFailure")["reason"] == "FailedCreateHeadPod"
    assert "exceeded quota: none" in live.condition(item, "ReplicaFailure")["message"]
    assert live.condition(item, "HeadPodReady")["reason"] == "HeadPodNotFound"
    assert item["status"]["state"] == "ready"
    cluster.kubectl("delete", "quota", "none", "-n", "alice")
    cluster.wait("it is back", lambda: live.condition(cluster.get("raycluster", "rc2"), "HeadPodReady")
                 .get("status") == "True" and not live.condition(cluster.get("raycluster", "rc2"), "ReplicaFailure"))
    cluster.kubectl("delete", "raycluster", "rc2", "-n", "alice")


def test_a_head_that_no_node_takes_is_left_unsaid(cluster):
    body = spec(0)
    body["headGroupSpec"]["template"]["spec"]["nodeSelector"] = {"nowhere": "yes"}
    cluster.apply(ray("RayCluster", "rc3", body))

    def waits():
        pods = cluster.list("pod", selector="ray.io/cluster=rc3")
        return pods and live.condition(pods[0], "PodScheduled").get("reason") == "Unschedulable" and cluster.get("raycluster", "rc3")
    cluster.wait("the scheduler has looked", waits)
    head = cluster.wait("the head is spoken of", lambda: live.condition(cluster.get("raycluster", "rc3"), "HeadPodReady"))
    assert (head["status"], head["reason"], head["message"]) == ("False", "Unknown", "")
    cluster.kubectl("delete", "raycluster", "rc3", "-n", "alice")


def test_a_mistake_is_an_event_and_then_silence(cluster):
    body = spec(0)
    del body["rayVersion"]
    cluster.apply(ray("RayCluster", "wrong", body))
    events = cluster.wait("an event", lambda: [e for e in cluster.list("event")
                                               if e["involvedObject"]["name"] == "wrong"])
    assert events[0]["reason"] == "InvalidRayClusterSpec"
    assert "status" not in cluster.get("raycluster", "wrong") and not cluster.get("service", "wrong-head-svc")
    cluster.kubectl("delete", "raycluster", "wrong", "-n", "alice")


@asks_ray
def test_a_job_has_a_cluster_of_its_own(cluster):
    cluster.apply(ray("RayJob", "j1", {"entrypoint": "python -c 1", "rayClusterSpec": spec(1),
                                       "shutdownAfterJobFinishes": True}))
    done = cluster.wait("the job is complete", lambda: (cluster.get("rayjob", "j1") or {}).get("status", {})
                        .get("jobDeploymentStatus") == "Complete" and cluster.get("rayjob", "j1"))
    assert done["status"]["jobStatus"] == "SUCCEEDED" and done["status"]["rayClusterName"].startswith("j1-")
    cluster.wait("its cluster is gone", lambda: not cluster.get("raycluster", done["status"]["rayClusterName"]))
    cluster.kubectl("delete", "rayjob", "j1", "-n", "alice")


@asks_ray
def test_a_service_changes_clusters_when_its_config_changes(cluster):
    config = "applications: [{name: text, import_path: app:graph}]"
    cluster.apply(ray("RayService", "s1", {"serveConfigV2": config, "rayClusterConfig": spec(1)}))

    def serving(other_than=None):
        status = (cluster.get("rayservice", "s1") or {}).get("status", {})
        active = status.get("activeServiceStatus", {}).get("rayClusterName")
        return status if active and active != other_than and "pendingServiceStatus" not in status else None
    status = cluster.wait("it serves", serving)
    first = status["activeServiceStatus"]["rayClusterName"]
    assert status["activeServiceStatus"]["applicationStatuses"]["text"]["status"] == "RUNNING"
    assert cluster.get("service", "s1-serve-svc")["spec"]["selector"]["ray.io/cluster"] == first
    body = spec(1)
    body["headGroupSpec"]["rayStartParams"]["num-cpus"] = "1"
    cluster.apply(ray("RayService", "s1", {"serveConfigV2": config, "rayClusterConfig": body}))
    second = cluster.wait("it serves from another cluster", lambda: serving(first))["activeServiceStatus"]
    assert cluster.get("service", "s1-serve-svc")["spec"]["selector"]["ray.io/cluster"] == second["rayClusterName"]
    cluster.wait("the first is gone", lambda: not cluster.get("raycluster", first))
