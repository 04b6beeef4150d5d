"""Notebooks and Ray clusters: what is filled in, what is refused and how, and what is said while they come and go."""
import json

import pytest

from asking import ALICE, CAROL, CLUSTERS, CORE, MERGE, NOTEBOOKS, PROFILES, Watch, names, notebook, raycluster, wait_for


def container_of(body):
    return body["spec"]["template"]["spec"]["containers"][0]


# --- notebooks --------------------------------------------------------------------------------------------------------

def test_a_notebook_is_completed(platform):
    body = notebook("plain")
    del container_of(body)["image"]
    made = platform.http("POST", NOTEBOOKS, user=ALICE, body=body)
    assert made.status == 201, made
    container = container_of(made.json)
    assert container["image"] and container["resources"]["limits"] == container["resources"]["requests"]
    assert container["resources"]["limits"] == {"cpu": "500m", "memory": "1Gi"}
    stopped = platform.wait_notebook("alice", "plain", ALICE, "Stopped")
    assert stopped["status"]["readyReplicas"] == 0 and stopped["status"]["conditions"]
    template = platform.get("/apis/apps/v1/namespaces/alice/statefulsets/plain", ALICE).json["spec"]["template"]["spec"]
    assert any(mount["mountPath"] == "/home/atelier" for mount in template["containers"][0]["volumeMounts"])
    assert {"name": "NB_PREFIX", "value": "/notebook/alice/plain"} in template["containers"][0]["env"]
    assert platform.http("DELETE", f"{NOTEBOOKS}/plain", user=ALICE).status == 200


def test_a_notebook_goes_through_its_phases(platform):
    watch = Watch(platform, NOTEBOOKS + "?fieldSelector=metadata.name%3Dphases", ALICE)
    phases = []

    def until(wanted):
        while not phases or phases[-1] != wanted:
            event = watch.next()
            phase = event["object"].get("status", {}).get("phase")
            if phase and (not phases or phases[-1] != phase):
                phases.append(phase)
        return event["object"]
    size = {"cpu": "250m", "memory": "512Mi"}
    assert platform.http("POST", NOTEBOOKS, user=ALICE, body=notebook("phases", stopped=False, resources={
        "limits": size, "requests": size})).status == 201
    running = until("Running")
    assert running["status"]["readyReplicas"] == 1 and running["status"]["progress"] == 100
    assert phases[:-1] and set(phases[:-1]) <= {"Pending", "Starting"}, phases
    platform.ask(ALICE, "PATCH", f"{NOTEBOOKS}/phases", {"metadata": {"annotations": {"kubeflow-resource-stopped": "now"}}}, MERGE)
    assert until("Stopped")["status"]["readyReplicas"] == 0
    wait_for("its pod is gone", lambda: platform.get(f"{CORE}/pods/phases-0", ALICE).status == 404, 60)
    platform.ask(ALICE, "PATCH", f"{NOTEBOOKS}/phases", {"metadata": {"annotations": {"kubeflow-resource-stopped": None}}}, MERGE)
    until("Running")
    assert set(phases) <= {"Pending", "Starting", "Running", "Stopping", "Stopped"}, phases
    assert platform.http("DELETE", f"{NOTEBOOKS}/phases", user=ALICE).status == 200
    watch.close()
    for path in (f"{CORE}/services/phases", "/apis/apps/v1/namespaces/alice/statefulsets/phases", f"{CORE}/pods/phases-0"):
        wait_for("what it had is gone", lambda: platform.get(path, ALICE).status == 404, 60)


@pytest.mark.parametrize("name, change, words", [
    ("a--b", {}, "metadata.name"), ("x" * 41, {}, "metadata.name"), ("Upper", {}, "metadata.name"),
    ("none", {"containers": []}, "containers"),
    ("odd", {"containers": [{"name": "odd", "resources": {"limits": {"cpu": "lots"}}}]}, "resources.limits.cpu"),
    ("twice", {"containers": [{"name": "a"}, {"name": "b"}]}, "containers")])
def test_a_notebook_that_makes_no_sense_is_refused_by_its_field(platform, name, change, words):
    body = notebook(name)
    body["spec"]["template"]["spec"].update(change)
    status, refused = platform.ask(ALICE, "POST", NOTEBOOKS, body)
    assert status == 422 and refused["kind"] == "Status" and refused["reason"] == "Invalid" and words in json.dumps(refused), refused


@pytest.mark.only_on("local")
@pytest.mark.parametrize("change, path", [
    ({"hostNetwork": True}, "spec.template.spec.hostNetwork"), ({"hostPID": True}, "spec.template.spec.hostPID"),
    ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, "spec.template.spec.volumes[0]"),
    ({"containers": [{"name": "n", "securityContext": {"privileged": True}}]}, "containers[0].securityContext.privileged"),
    ({"containers": [{"name": "n", "securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}]}, "containers[0].securityContext"),
    ({"containers": [{"name": "n", "image": "no-such-image"}]}, "ray-2.60"),
    ({"containers": [{"name": "n", "unheardOf": 1}]}, "containers[0].unheardOf")])
def test_what_a_pod_may_not_ask_for_is_named(platform, change, path):
    body = notebook("n")
    body["spec"]["template"]["spec"].update(change)
    status, refused = platform.ask(ALICE, "POST", NOTEBOOKS, body)
    assert status == 422 and path in json.dumps(refused), refused


def test_a_quota_is_named_and_asked_again(platform):
    """More than the profile's quota: it waits and says for what; with less it runs."""
    quota = platform.get(f"{CORE}/resourcequotas/kf-resource-quota", ALICE).json["spec"]["hard"]
    assert "cpu" in quota
    size = {"cpu": "1000", "memory": "512Mi"}
    made = platform.http("POST", NOTEBOOKS, user=ALICE, body=notebook("greedy", stopped=False, resources={"limits": size, "requests": size}))
    assert made.status == 201, made

    def waits():
        status = (platform.notebook("alice", "greedy", ALICE) or {}).get("status", {})
        return status if status.get("reason") == "QuotaExceeded" else None
    status = wait_for("it says what is in the way", waits, 60)
    assert status["phase"] == "Pending" and "cpu" in status["message"], status
    small = {"cpu": "250m", "memory": "512Mi"}
    platform.ask(ALICE, "PATCH", f"{NOTEBOOKS}/greedy", [{"op": "replace", "path": "/spec/template/spec/containers/0/resources",
                                                         "value": {"limits": small, "requests": small}}], "application/json-patch+json")
    platform.wait_notebook("alice", "greedy", ALICE)
    assert platform.http("DELETE", f"{NOTEBOOKS}/greedy", user=ALICE).status == 200


# --- Ray clusters -----------------------------------------------------------------------------------------------------

def test_a_cluster_is_completed_and_otherwise_stays_as_written(platform):
    body = raycluster("as-written", suspend=True)
    made = platform.http("POST", CLUSTERS, user=ALICE, body=body)
    assert made.status == 201, made
    spec = made.json["spec"]
    assert spec["authOptions"] == {"mode": "token", "secretName": "ray-auth"}
    assert spec["headGroupSpec"]["rayStartParams"] == {}  # no num-cpus of ours in somebody's manifest
    assert spec["headGroupSpec"]["template"]["spec"]["containers"][0]["resources"] == \
        body["spec"]["headGroupSpec"]["template"]["spec"]["containers"][0]["resources"]
    assert platform.http("DELETE", f"{CLUSTERS}/as-written", user=ALICE).status == 200


def test_the_command_line_s_cluster_keeps_work_off_its_head(platform):
    platform.cli("-n", "alice", "ray", "create", "by-form", "--head-cpu", "500m", "--head-memory", "1Gi", "--worker-cpu", "500m",
                 "--worker-memory", "1Gi", "--replicas", "0", user=ALICE)
    spec = platform.raycluster("alice", "by-form", ALICE)["spec"]
    assert spec["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert platform.http("DELETE", f"{CLUSTERS}/by-form", user=ALICE).status == 200


@pytest.mark.parametrize("change, words", [
    ({"authOptions": {"mode": "disabled"}}, "spec.authOptions.mode"), ({"headGroupSpec": None}, "spec.headGroupSpec"),
    ({"workerGroupSpecs": [{"groupName": "w", "replicas": 1, "minReplicas": 3, "maxReplicas": 2, "rayStartParams": {}}]},
     "spec.workerGroupSpecs[0]")])
def test_a_cluster_that_kuberay_would_leave_lying_is_refused(platform, change, words):
    body = raycluster("wrong", **change)
    for group in body["spec"]["workerGroupSpecs"]:
        group["template"] = body["spec"]["headGroupSpec"]["template"]
    status, refused = platform.ask(ALICE, "POST", CLUSTERS, body)
    assert status == 422 and words in json.dumps(refused), refused
    assert platform.raycluster("alice", "wrong", ALICE) is None


def test_a_version_that_differs_from_the_image_is_remarked_on(platform):
    assert platform.http("POST", CLUSTERS, user=ALICE, body=raycluster("skewed", rayVersion="2.59.0", suspend=True)).status == 201

    def warned():
        events = platform.get(f"{CORE}/events", ALICE).json["items"]
        return [event for event in events if event["type"] == "Warning" and event["involvedObject"]["name"] == "skewed" and
                "2.59.0" in event["message"]]
    wait_for("a warning", warned, 30)
    assert platform.http("DELETE", f"{CLUSTERS}/skewed", user=ALICE).status == 200


def test_a_request_starts_a_suspended_cluster_again(platform):
    body = raycluster("asleep")
    body["metadata"]["annotations"] = {"atelier.dev/resume-on-request": "always"}
    assert platform.http("POST", CLUSTERS, user=ALICE, body=body).status == 201
    wait_for("its service", lambda: platform.get(f"{CORE}/services/asleep-head-svc", ALICE).status == 200, 60)
    assert platform.ask(ALICE, "PATCH", f"{CLUSTERS}/asleep", {"spec": {"suspend": True}}, MERGE)[0] == 200
    wait_for("no pod", lambda: not platform.get(f"{CORE}/pods?labelSelector=ray.io/cluster=asleep", ALICE).json["items"], 90)
    path = f"{CORE}/services/http:asleep-head-svc:dashboard/proxy/api/version"
    assert platform.get(path, CAROL).status in (403, 404)
    assert platform.raycluster("alice", "asleep", ALICE)["spec"]["suspend"] is True

    def started():
        answer = platform.get(path, ALICE)
        assert answer.status in (404, 503), answer  # the gateway learns of a new service a moment later
        return not platform.raycluster("alice", "asleep", ALICE)["spec"]["suspend"] and answer
    assert "the cluster is starting" in wait_for("it starts", started, 30, 0.2).text
    wait_for("who did it is told", lambda: any(
        event["reason"] == "Resumed" and ALICE in event["message"] for event in platform.get(f"{CORE}/events", ALICE).json["items"]), 30)
    assert platform.http("DELETE", f"{CLUSTERS}/asleep", user=ALICE).status == 200


# --- profiles ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["kube-system", "default", "istio-system", "Alice", "a--b", "-a", "x" * 64, ""])
def test_a_profile_has_a_name_that_can_be_one(platform, name):
    status, refused = platform.ask(ALICE, "POST", PROFILES, {"apiVersion": "kubeflow.org/v1", "kind": "Profile", "metadata": {"name": name}})
    assert status == 422 and "metadata.name" in json.dumps(refused), refused


def test_how_many_profiles_one_may_own_is_limited(platform):
    made = []
    for index in range(4):
        body = {"apiVersion": "kubeflow.org/v1", "kind": "Profile", "metadata": {"name": f"carol-{index}"}}
        answer = platform.http("POST", PROFILES, user="carol@example.com", body=body)
        if answer.status != 201:
            break
        made.append(body["metadata"]["name"])
    assert answer.status == 403 and "3" in answer.text and len(made) == 3, answer
    assert names(platform.get(PROFILES, "carol@example.com")) == made
    for name in made:
        platform.cli("profile", "delete", name, "--confirm", name, user="carol@example.com")
    wait_for("all are gone", lambda: not platform.get(PROFILES, "carol@example.com").json["items"], 120)


# --- scale ------------------------------------------------------------------------------------------------------------

def workers(name, count):
    template = raycluster("any")["spec"]["headGroupSpec"]["template"]
    return {"groupName": name, "replicas": count, "minReplicas": 0, "maxReplicas": 5, "rayStartParams": {}, "template": template}


def test_a_cluster_with_one_worker_group_has_a_scale(platform):
    path = f"{CLUSTERS}/scaled/scale"
    assert platform.http("POST", CLUSTERS, user=ALICE, body=raycluster("scaled", suspend=True, workerGroupSpecs=[workers("w", 1)])).status == 201
    wait_for("its scale", lambda: platform.get(path, ALICE).status == 200, 30)
    scale = platform.get(path, ALICE).json
    assert (scale["kind"], scale["apiVersion"], scale["metadata"]["name"]) == ("Scale", "autoscaling/v1", "scaled")
    assert scale["spec"] == {"replicas": 1} and scale["status"]["replicas"] == 0
    assert "ray.io/cluster=scaled" in scale["status"]["selector"]
    status, scale = platform.ask(ALICE, "PATCH", path, {"spec": {"replicas": 3}}, MERGE)
    assert (status, scale["kind"], scale["spec"]["replicas"]) == (200, "Scale", 3), scale
    spec = platform.raycluster("alice", "scaled", ALICE)["spec"]
    assert [group["replicas"] for group in spec["workerGroupSpecs"]] == [3] and spec["suspend"] is True

    def replaced():
        """Of the version that is there: what controllers write meanwhile makes it another."""
        now = platform.get(path, ALICE).json
        return now if platform.ask(ALICE, "PUT", path, {**now, "spec": {"replicas": 2}})[0] == 200 else None
    old = wait_for("it is replaced", replaced, 30)
    assert platform.raycluster("alice", "scaled", ALICE)["spec"]["workerGroupSpecs"][0]["replicas"] == 2
    assert platform.ask(ALICE, "PUT", path, {**old, "spec": {"replicas": 4}})[0] == 409  # of a version that is gone
    assert platform.ask(ALICE, "PATCH", path + "?dryRun=All", {"spec": {"replicas": 5}}, MERGE)[0] == 200
    for wanted, status in ((6, 422), (-1, 422), ("2", 422), (1.5, 422)):  # the group's most is 5
        refused, answer = platform.ask(ALICE, "PATCH", path, {"spec": {"replicas": wanted}}, MERGE)
        assert (refused, answer["kind"]) == (status, "Status") and "replicas" in answer["message"], (wanted, answer)
    assert platform.ask(CAROL, "PATCH", path, {"spec": {"replicas": 0}}, MERGE)[0] == 404  # she has no part in it
    assert platform.raycluster("alice", "scaled", ALICE)["spec"]["workerGroupSpecs"][0]["replicas"] == 2
    assert platform.http("DELETE", f"{CLUSTERS}/scaled", user=ALICE).status == 200


def test_a_cluster_of_several_groups_says_what_scales_them(platform):
    body = raycluster("several", suspend=True, workerGroupSpecs=[workers("a", 1), workers("b", 1)])
    assert platform.http("POST", CLUSTERS, user=ALICE, body=body).status == 201
    for method, change in (("GET", None), ("PATCH", {"spec": {"replicas": 2}})):
        status, refused = platform.ask(ALICE, method, f"{CLUSTERS}/several/scale", change, MERGE)
        assert status == 400 and "2 worker groups" in refused["message"] and "atelier ray scale" in refused["message"], refused
    assert platform.http("DELETE", f"{CLUSTERS}/several", user=ALICE).status == 200


def test_a_notebook_is_scaled_to_nothing_and_back(platform):
    path = f"{NOTEBOOKS}/scaled/scale"
    assert platform.http("POST", NOTEBOOKS, user=ALICE, body=notebook("scaled")).status == 201
    platform.wait_notebook("alice", "scaled", ALICE, "Stopped")
    assert platform.get(path, ALICE).json["spec"]["replicas"] == 0
    status, scale = platform.ask(ALICE, "PATCH", path, {"spec": {"replicas": 1}}, MERGE)
    assert (status, scale["kind"], scale["spec"]["replicas"]) == (200, "Scale", 1), scale
    assert "kubeflow-resource-stopped" not in platform.notebook("alice", "scaled", ALICE)["metadata"].get("annotations", {})
    assert platform.ask(ALICE, "PATCH", path, {"spec": {"replicas": 2}}, MERGE)[0] == 422
    assert platform.ask(ALICE, "PATCH", path, [{"op": "replace", "path": "/spec/replicas", "value": 0}], "application/json-patch+json")[0] == 200
    platform.wait_notebook("alice", "scaled", ALICE, "Stopped")
    assert platform.ask(ALICE, "GET", f"{NOTEBOOKS}/absent/scale")[0] == 404
    assert platform.http("DELETE", f"{NOTEBOOKS}/scaled", user=ALICE).status == 200
