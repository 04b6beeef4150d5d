"""Notebooks and Ray on a real cluster: what is made, what is said about it, and that kubectl's objects are first-class."""
import json

import house
import live
import pytest

REQUESTS = {"limits": {"cpu": "500m", "memory": "1Gi"}, "requests": {"cpu": "500m", "memory": "1Gi"}}


@pytest.fixture(scope="module")
def cluster():
    made = live.Cluster()
    yield made
    made.close()


@pytest.fixture(scope="module")
def atelier(cluster):
    made = house.House(cluster)
    yield made
    made.close()


@pytest.fixture(scope="module")
def alice(cluster, atelier):
    token = atelier.person("alice@example.com")
    status, answer = atelier.call("POST", "/apis/kubeflow.org/v1/profiles", token=token, body={
        "apiVersion": "kubeflow.org/v1", "kind": "Profile", "metadata": {"name": "alice"}, "spec": {}})
    assert status == 201, answer
    house.wait_profile(cluster, "alice")
    return token


def notebook(name, image="example/jupyter:1", annotations=None, **container):
    return {"apiVersion": "kubeflow.org/v1", "kind": "Notebook",
            "metadata": {"name": name, "namespace": "alice", "annotations": annotations or {}},
            "spec": {"template": {"spec": {"containers": [{"name": name, "image": image, "resources": REQUESTS,
                                                           **container}]}}}}


def said(cluster, name, phase, reason=None):
    def check():
        status = (cluster.get("notebook", name) or {}).get("status", {})
        return status if status.get("phase") == phase and reason in (None, status.get("reason")) else None
    try:
        return cluster.wait(f"{name} is {phase} {reason}", check)
    except AssertionError as failed:
        raise AssertionError(f"{failed}: {cluster.get('notebook', name)}\n{cluster.said_by('kube-scheduler')}") from failed


def test_kubectls_notebook_runs_and_is_listed_and_shared(cluster, atelier, alice):
    cluster.apply(notebook("nb1"))
    said(cluster, "nb1", "Running")
    pod = cluster.get("pod", "nb1-0")
    assert pod["spec"]["serviceAccountName"] == "default-editor"
    assert pod["spec"]["securityContext"]["fsGroup"] == 100
    assert not [v for v in pod["spec"]["volumes"] if "serviceAccountToken" in str(v)]
    status, answer = atelier.call("GET", "/apis/kubeflow.org/v1/namespaces/alice/notebooks", token=alice)
    assert status == 200 and [n["metadata"]["name"] for n in answer["items"]] == ["nb1"]
    # Its path is known: nothing answers in a pod that only says that it runs, which is not "there is no such thing".
    status, _ = atelier.call("GET", "/notebook/alice/nb1/api", token=alice)
    assert status in (502, 503, 504)
    assert atelier.call("GET", "/notebook/alice/nb2/api", token=alice)[0] == 404
    bob = atelier.person("bob@example.com")
    assert atelier.call("GET", "/notebook/alice/nb1/api", token=bob)[0] == 404
    atelier.call("POST", "/api/atelier/v1/profiles/alice/members", token=alice, body={
        "subject": {"kind": "User", "name": "bob@example.com"}, "role": "editor",
        "resource": {"kind": "Notebook", "name": "nb1"}})
    cluster.wait("bob may open it", lambda: atelier.call("GET", "/notebook/alice/nb1/api", token=bob)[0] != 404)


def test_a_notebook_stops_starts_and_grows(cluster, alice):
    cluster.kubectl("annotate", "notebook", "nb1", "-n", "alice", "kubeflow-resource-stopped=now")
    said(cluster, "nb1", "Stopped")
    assert not cluster.get("pod", "nb1-0")
    cluster.kubectl("annotate", "notebook", "nb1", "-n", "alice", "kubeflow-resource-stopped-")
    said(cluster, "nb1", "Running")
    before = cluster.get("pod", "nb1-0")["metadata"]["uid"]
    cluster.kubectl("label", "notebook", "nb1", "-n", "alice", "team=red")
    bigger = notebook("nb1", resources={"limits": {"cpu": "1", "memory": "2Gi"}, "requests": {"cpu": "1", "memory": "2Gi"}})
    cluster.apply(bigger)
    cluster.wait("a bigger pod", lambda: (cluster.get("pod", "nb1-0") or {"metadata": {"uid": before}})["metadata"]["uid"]
                 != before)
    said(cluster, "nb1", "Running")
    assert cluster.get("pod", "nb1-0")["spec"]["containers"][0]["resources"]["limits"]["memory"] == "2Gi"


def test_hands_off_is_undone(cluster, alice):
    cluster.kubectl("delete", "service", "nb1", "-n", "alice")
    cluster.wait("the service is back", lambda: cluster.get("service", "nb1"))
    cluster.kubectl("patch", "statefulset", "nb1", "-n", "alice", "--type", "json", "-p",
                    '[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"example/evil"}]')
    cluster.wait("the image is as it was", lambda: cluster.get("statefulset", "nb1")["spec"]["template"]["spec"]
                 ["containers"][0]["image"] == "example/jupyter:1")


def test_at_rest_nothing_is_written(cluster, alice):
    what = (("notebook", "nb1"), ("statefulset", "nb1"), ("service", "nb1"), ("secret", "notebook-nb1"))

    def versions(items=None):
        return [item["metadata"]["resourceVersion"] for item in items or [cluster.get(kind, name) for kind, name in what]]

    def settled():
        """The controllers have replaced the pod of the test before, and the notebook says what that one does."""
        items, pod = [cluster.get(kind, name) for kind, name in what], cluster.get("pod", "nb1-0")
        says, rolled = items[0]["status"], items[1]["status"]
        return pod and not pod["metadata"].get("deletionTimestamp") and rolled.get("availableReplicas") == 1 and \
            rolled["observedGeneration"] == items[1]["metadata"]["generation"] and \
            rolled["currentRevision"] == rolled["updateRevision"] == pod["metadata"]["labels"]["controller-revision-hash"] and \
            says["phase"] == "Running" and says["containerState"] == pod["status"]["containerStatuses"][0]["state"] and \
            versions(items) == versions() and versions(items)
    before = cluster.wait("it has settled", settled)
    cluster.kubectl("label", "pod", "nb1-0", "-n", "alice", "looked=at")  # news that change nothing
    cluster.wait("the news has passed", lambda: cluster.get("pod", "nb1-0")["metadata"]["labels"].get("looked"))
    cluster.apply(notebook("nb2"))  # and work that comes after them
    said(cluster, "nb2", "Running")
    assert versions() == before
    cluster.kubectl("delete", "notebook", "nb2", "-n", "alice")


def test_a_quota_is_named_and_asked_again(cluster, alice):
    cluster.kubectl("create", "quota", "small", "-n", "alice", "--hard=pods=1")
    cluster.wait("the quota counts", lambda: cluster.get("quota", "small")["status"].get("used", {}).get("pods") == "1")
    cluster.wait_quota("small")
    cluster.apply(notebook("nb3"))
    status = said(cluster, "nb3", "Pending", "QuotaExceeded")
    assert "pods: 1 asked for, 1 of 1 in use" in status["message"]
    cluster.kubectl("delete", "quota", "small", "-n", "alice")
    said(cluster, "nb3", "Running")
    cluster.kubectl("delete", "notebook", "nb3", "-n", "alice")


def test_no_room_is_named(cluster, alice):
    item = notebook("nb5")
    item["spec"]["template"]["spec"]["nodeSelector"] = {"gpu": "yes"}
    cluster.apply(item)
    status = said(cluster, "nb5", "Pending", "Unschedulable")
    assert "no node that it may use" in status["message"]
    del item["spec"]["template"]["spec"]["nodeSelector"]
    cluster.apply(item)  # a pod that never became ready is replaced by the mended one
    said(cluster, "nb5", "Running")
    cluster.kubectl("delete", "notebook", "nb5", "-n", "alice")


def test_an_image_that_is_not_there_is_named(cluster, alice):
    cluster.apply(notebook("nb6"))
    said(cluster, "nb6", "Running")
    pod = cluster.get("pod", "nb6-0")
    container = {"name": "nb6", "image": "example/jupyter:1", "imageID": "", "ready": False, "restartCount": 0,
                 "started": False, "state": {"waiting": {"reason": "ErrImagePull", "message": "x: not found"}}}
    conditions = [{**c, "status": "False"} if c["type"] in ("Ready", "ContainersReady") else c
                  for c in pod["status"]["conditions"]]
    live.write_status(cluster, pod, {"phase": "Pending", "containerStatuses": [container], "conditions": conditions})
    status = said(cluster, "nb6", "Failed", "ImagePullBackOff")
    assert "example/jupyter:1 cannot be used: there is no such image" in status["message"]
    cluster.kubectl("delete", "notebook", "nb6", "-n", "alice")


def test_what_cannot_run_is_said_to_be_invalid_and_can_be_stopped(cluster, alice):
    cluster.apply(notebook("nb7"))
    said(cluster, "nb7", "Running")
    wrong = notebook("nb8")
    wrong["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    cluster.apply(wrong)
    status = said(cluster, "nb8", "Failed", "Invalid")
    assert "restartPolicy" in status["message"] and not cluster.get("statefulset", "nb8")
    broken = notebook("nb7", annotations={"kubeflow-resource-stopped": "now"})
    broken["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    cluster.apply(broken)
    cluster.wait("it stops all the same", lambda: not cluster.get("pod", "nb7-0"))


def test_nothing_is_left_of_a_deleted_notebook(cluster, alice):
    for name in ("nb1", "nb7", "nb8"):
        cluster.kubectl("delete", "notebook", name, "-n", "alice")
    cluster.wait("all it owned is gone", lambda: not any(
        cluster.list(kind, selector="notebook-name") for kind in ("statefulset", "service", "secret", "pod")))
    assert cluster.get("pvc", "home")["status"]["phase"] == "Bound"


def ray_cluster(name):
    def template(container):
        return {"spec": {"containers": [{"name": container, "image": "rayproject/ray:2.60.0", "resources": REQUESTS}]}}
    return {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": name, "namespace": "alice"},
            "spec": {"headGroupSpec": {"rayStartParams": {}, "template": template("head")}, "workerGroupSpecs": [
                {"groupName": "w", "replicas": 1, "minReplicas": 1, "maxReplicas": 2, "rayStartParams": {},
                 "template": template("worker")}]}}


def ready(cluster, name):
    return cluster.wait(f"{name} is ready", lambda: live.condition(cluster.get("raycluster", name), "HeadPodReady")
                        .get("status") == "True")


def test_a_ray_cluster_through_this_platform_is_completed_or_refused(cluster, atelier, alice):
    path = "/apis/ray.io/v1/namespaces/alice/rayclusters"
    status, answer = atelier.call("POST", path, ray_cluster("rc1"), token=alice)
    assert status == 201, answer
    assert answer["spec"]["authOptions"] == {"mode": "token", "secretName": "ray-auth"}
    assert answer["spec"]["rayVersion"] == "2.60.0"
    ready(cluster, "rc1")
    open_one = {**ray_cluster("rc2"), "spec": {**ray_cluster("rc2")["spec"], "authOptions": {"mode": "disabled"}}}
    status, answer = atelier.call("POST", path, open_one, token=alice)
    assert status == 422 and "authOptions.mode" in answer["message"]


def test_kubectls_ray_objects_are_listed_and_reachable(cluster, atelier, alice):
    spec = {**ray_cluster("x")["spec"], "rayVersion": "2.60.0", "authOptions": {"mode": "token"}}
    cluster.apply({**ray_cluster("rc3"), "spec": spec},
                  {"apiVersion": "ray.io/v1", "kind": "RayService", "metadata": {"name": "s1", "namespace": "alice"},
                   "spec": {"serveConfigV2": "applications: [{name: a, import_path: a:b}]", "rayClusterConfig": spec}},
                  {"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": {"name": "j1", "namespace": "alice"},
                   "spec": {"entrypoint": "python -c 1", "rayClusterSpec": spec}})
    ready(cluster, "rc3")
    for plural, name in (("rayclusters", "rc3"), ("rayservices", "s1"), ("rayjobs", "j1")):
        status, answer = atelier.call("GET", f"/apis/ray.io/v1/namespaces/alice/{plural}", token=alice)
        assert status == 200 and name in [i["metadata"]["name"] for i in answer["items"]]
    for path in ("/ray/alice/rc3/api/version", "/serve/alice/rc3/", "/ray/alice/s1/api/version", "/serve/alice/s1/"):
        cluster.wait(f"{path} is a route", lambda: atelier.call("GET", path, token=alice)[0] in (502, 503, 504))
    status, answer = atelier.call("POST", "/apis/kubeflow.org/v1/namespaces/alice/notebooks", token=alice,
                                  body=notebook("older", image="rayproject/ray:2.55.1-py310"))
    assert status == 201, answer
    warned = cluster.wait("a word about the notebook's Ray", lambda: [
        event["message"] for event in cluster.list("events") if event["reason"] == "RayVersionSkew" and "rc3" in event["message"]])
    assert "from the notebook older" in warned[0] and "the notebook has Ray 2.55.1 with Python 3.10 and the cluster Ray 2.60.0" in warned[0]
    carol = atelier.person("carol@example.com")
    assert atelier.call("GET", "/ray/alice/rc3/api/version", token=carol)[0] == 404
    assert atelier.call("GET", "/apis/ray.io/v1/namespaces/alice/rayclusters", token=carol)[0] == 404


def test_a_profile_goes_with_clusters_whose_redis_must_be_emptied_first(cluster, atelier, alice):
    """By a Job, which a namespace that is being deleted would refuse: KubeRay would wait for ever."""
    assert atelier.call("POST", "/apis/kubeflow.org/v1/profiles", token=alice, body={
        "apiVersion": "kubeflow.org/v1", "kind": "Profile", "metadata": {"name": "alice-2"}, "spec": {}})[0] == 201
    house.wait_profile(cluster, "alice-2")
    body = ray_cluster("rc5")
    body["metadata"]["namespace"] = "alice-2"
    body["spec"]["gcsFaultToleranceOptions"] = {"redisAddress": "redis:6379"}
    status, answer = atelier.call("POST", "/apis/ray.io/v1/namespaces/alice-2/rayclusters", body, token=alice)
    assert status == 201, answer
    kept = cluster.wait("KubeRay keeps it", lambda: (cluster.get("raycluster", "rc5", "alice-2") or {"metadata": {}})
                        ["metadata"].get("finalizers"))
    assert kept == ["ray.io/gcs-ft-redis-cleanup-finalizer"]
    assert atelier.call("DELETE", "/apis/kubeflow.org/v1/profiles/alice-2", token=alice)[0] == 200
    cluster.wait("the profile is gone", lambda: not cluster.kubectl("get", "profile,ns", "-o", "name").count("alice-2"))


def test_after_a_restart_all_goes_on_and_fits_restricted(cluster, atelier, alice):
    cluster.apply(notebook("nb9"))
    said(cluster, "nb9", "Running")
    atelier.stop()
    cluster.kubectl("delete", "service", "nb9", "-n", "alice")  # while nobody looks
    atelier.environment.update(ATELIER_POD_SECURITY="restricted", ATELIER_ISTIO_GATEWAY="istio-system/main")
    atelier.start()
    cluster.wait("the service is back", lambda: cluster.get("service", "nb9"))
    cluster.wait("the label is there", lambda: json.loads(cluster.kubectl("get", "ns", "alice", "-o", "json"))
                 ["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted")
    mesh = cluster.wait("a virtual service", lambda: cluster.get("virtualservice", "notebook-alice-nb9"))
    to_us = [{"destination": {"host": "atelier.atelier-system.svc.cluster.local", "port": {"number": 80}}}]
    assert mesh["spec"]["http"][0]["route"] == to_us
    for name, workload in (("raycluster-alice-rc3", "rc3"), ("rayservice-alice-s1", "s1")):
        mesh = cluster.wait(f"{name} is there", lambda: cluster.get("virtualservice", name))
        assert [match["uri"]["prefix"] for match in mesh["spec"]["http"][0]["match"]] == [f"/ray/alice/{workload}/", f"/serve/alice/{workload}/"]
        assert mesh["spec"]["gateways"] == ["istio-system/main"] and mesh["spec"]["http"][0]["route"] == to_us
    for name in ("notebook-alice-nb9", "raycluster-alice-rc3"):  # by hand, one and the other
        cluster.kubectl("delete", "virtualservice", name, "-n", "alice")
        cluster.wait(f"{name} is back", lambda: cluster.get("virtualservice", name))
    cluster.kubectl("patch", "virtualservice", "raycluster-alice-rc3", "-n", "alice", "--type", "merge", "-p", '{"spec":{"gateways":["evil/gateway"]}}')
    cluster.wait("the gateway is as it was", lambda: cluster.get("virtualservice", "raycluster-alice-rc3")["spec"]["gateways"] == ["istio-system/main"])
    for route, is_there in (("off", False), ("on", True)):  # where somebody's own VirtualService has the path
        cluster.kubectl("annotate", "rayservice", "s1", "-n", "alice", "--overwrite", f"atelier.dev/istio-route={route}")
        cluster.wait(f"its route is {route}", lambda: bool(cluster.get("virtualservice", "rayservice-alice-s1")) == is_there)
    cluster.kubectl("delete", "rayservice", "s1", "-n", "alice")
    cluster.wait("its route goes with it", lambda: not cluster.get("virtualservice", "rayservice-alice-s1"))
    cluster.apply(notebook("nb10"))
    said(cluster, "nb10", "Running")
    assert cluster.get("pod", "nb10-0")["spec"]["securityContext"]["runAsNonRoot"] is True
    body = ray_cluster("rc4")
    body["spec"].update(enableInTreeAutoscaling=True)
    status, answer = atelier.call("POST", "/apis/ray.io/v1/namespaces/alice/rayclusters", body, token=alice)
    assert status == 201, answer
    ready(cluster, "rc4")
    head = cluster.list("pod", selector="ray.io/cluster=rc4,ray.io/node-type=head")[0]
    assert [c["name"] for c in head["spec"]["containers"]] == ["head", "autoscaler"]


def test_routes_go_with_the_gateway_s_name(cluster, atelier, alice):
    atelier.stop()
    del atelier.environment["ATELIER_ISTIO_GATEWAY"]
    atelier.start()
    cluster.wait("none is left", lambda: not cluster.list("virtualservice"))
