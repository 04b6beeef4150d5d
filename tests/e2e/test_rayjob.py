"""RayJobs on the local engine with real Ray: retries on fresh clusters, deadlines, suspension, what is removed when, and
what is kept of a job when its cluster is gone. The control plane is killed wherever it hurts."""
import datetime
import json

import pytest
from atelier import running, wait_for

ALICE, BOB, CAROL = "alice@example.com", "bob@example.com", "carol@example.com"
JOBS = "/apis/ray.io/v1/namespaces/alice/rayjobs"
CLUSTERS = "/apis/ray.io/v1/namespaces/alice/rayclusters"
RUNS = "/api/atelier/v1/profiles/alice/jobs"


def head(volume=None):
    size = {"cpu": "1", "memory": "2Gi"}
    container = {"name": "ray-head", "image": "ray-2.60", "resources": {"requests": size, "limits": size}}
    spec = {"containers": [container]}
    if volume:
        container["volumeMounts"] = [{"name": "v", "mountPath": "/data"}]
        spec["volumes"] = [{"name": "v", "persistentVolumeClaim": {"claimName": volume}}]
    return {"headGroupSpec": {"rayStartParams": {"num-cpus": "1"}, "template": {"spec": spec}}}


def job(name, entrypoint, **spec):
    spec.setdefault("rayClusterSpec", None if "clusterSelector" in spec else head())
    return json.dumps({"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": {"name": name},
                       "spec": {k: v for k, v in {"entrypoint": entrypoint, **spec}.items() if v is not None}})


@pytest.fixture(scope="module")
def own():
    with running(ALICE, BOB, CAROL) as instance:
        instance.cli("apply", "-n", "alice", "-f", "-", user=ALICE, input=json.dumps(
            {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": "shared"}, "spec": head()}))
        instance.wait_raycluster("alice", "shared", ALICE, workers=0, timeout_s=300)
        yield instance


def apply(own, text):
    own.cli("apply", "-n", "alice", "-f", "-", user=ALICE, input=text)


def status(own, name):
    answer = own.get(f"{JOBS}/{name}", ALICE)
    return answer.json.get("status", {}) if answer.status == 200 else None


def wait_state(own, name, *states, timeout_s=600):
    def look():
        found = status(own, name)
        return found if found and found.get("jobDeploymentStatus") in states else None
    try:
        return wait_for(f"RayJob {name} {'|'.join(states)}", look, timeout_s, 0.2)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{json.dumps(status(own, name))}\n{own.log_tail()}") from None


def runs(own, name, user=ALICE):
    answer = own.get(f"{RUNS}/{name}", user)
    return answer.json["items"] if answer.status == 200 else []


def ray_jobs(own, cluster):
    return own.get(f"/ray/alice/{cluster}/api/jobs/", ALICE).json


FAIL_ONCE = "echo attempt; sleep 4; test -e /data/seen && echo second time lucky || { touch /data/seen; exit 3; }"


def test_a_failed_job_is_tried_again_on_a_fresh_cluster_though_the_control_plane_is_killed_all_the_time(own):
    apply(own, json.dumps({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "seen"},
                           "spec": {"resources": {"requests": {"storage": "16Mi"}}}}))
    apply(own, job("twice", FAIL_ONCE, rayClusterSpec=head("seen"), backoffLimit=1, shutdownAfterJobFinishes=True))
    first = wait_state(own, "twice", "Initializing")
    own.kill_control_plane()
    wait_for("its cluster", lambda: own.raycluster("alice", first["rayClusterName"], ALICE), 30)
    running = wait_state(own, "twice", "Running")
    wait_for("it is told", lambda: any(  # else that may die with the control plane
        event["reason"] == "Submitted" and event["involvedObject"]["name"] == "twice"
        for event in own.get("/api/v1/namespaces/alice/events", ALICE).json["items"]), 30)
    own.kill_control_plane()
    assert running["rayClusterName"] == first["rayClusterName"] and running["jobId"] == first["jobId"]
    assert running["dashboardURL"] == f"{first['rayClusterName']}-head-svc.alice.svc.cluster.local:8265"
    wait_for("a second run", lambda: (status(own, "twice") or {}).get("rayClusterName") not in
             (None, first["rayClusterName"]), 300, 0.2)
    own.kill_control_plane()
    assert own.raycluster("alice", first["rayClusterName"], ALICE) is None
    wait_state(own, "twice", "Running", "Complete")
    own.kill_control_plane()
    done = wait_state(own, "twice", "Complete", "Failed")
    assert (done["jobDeploymentStatus"], done["jobStatus"]) == ("Complete", "SUCCEEDED"), done
    assert (done["succeeded"], done["failed"]) == (1, 1)
    assert done["startTime"] <= done["endTime"] and done["rayJobInfo"]["endTime"]
    wait_for("its cluster gone", lambda: own.raycluster("alice", done["rayClusterName"], ALICE) is None, 60)

    last, earlier = runs(own, "twice")
    assert (last["status"]["jobStatus"], earlier["status"]["jobStatus"]) == ("SUCCEEDED", "FAILED")
    assert earlier["jobId"] == first["jobId"] and earlier["status"]["reason"] == "AppFailed"
    assert {"Submitted"} <= {event["reason"] for event in earlier["events"]}
    printed = own.cli("job", "logs", "twice", "-n", "alice", user=ALICE).stdout.splitlines()
    assert printed.count("attempt") == 1 and printed.count("second time lucky") == 1  # Ray prints the entrypoint, too
    printed = own.cli("job", "logs", "twice", "-n", "alice", "--run", earlier["jobId"], user=ALICE).stdout.splitlines()
    assert printed.count("attempt") == 1 and printed.count("second time lucky") == 0
    table = own.cli("get", "rayjobs", "-n", "alice", user=ALICE).stdout
    assert "twice" in table and "SUCCEEDED" in table


def test_a_job_on_a_cluster_that_is_there_and_what_is_removed_after_it(own):
    rules = [{"policy": "DeleteSelf", "condition": {"jobStatus": "SUCCEEDED", "ttlSeconds": 1}}]
    apply(own, job("brief", "python -c 'print(\"been here\", 6 * 7)'", clusterSelector={"ray.io/cluster": "shared"},
                   submissionMode="HTTPMode", jobId="brief-1", metadata={"team": "blue"},
                   deletionStrategy={"deletionRules": rules}))
    wait_for("the RayJob gone", lambda: status(own, "brief") is None, 240, 0.5)
    (run,) = runs(own, "brief")
    assert run["jobId"] == "brief-1" and run["status"]["jobStatus"] == "SUCCEEDED"
    assert "been here 42" in own.cli("job", "logs", "brief", "-n", "alice", user=ALICE).stdout
    assert "brief-1" in own.cli("job", "list", "-n", "alice", user=ALICE).stdout
    assert own.raycluster("alice", "shared", ALICE)
    (told,) = [one for one in ray_jobs(own, "shared") if one["submission_id"] == "brief-1"]
    assert told["metadata"] == {"team": "blue"}


def rule(policy, job_status, ttl_s):
    return {"policy": policy, "condition": {"jobStatus": job_status, "ttlSeconds": ttl_s}}


def test_rules_remove_workers_then_the_cluster_then_the_job_itself(own):
    """Each at its time after the end and not before, also past a control plane that is killed; rules about another end do
    nothing."""
    size = {"cpu": "500m", "memory": "1Gi"}
    worker = {"containers": [{"name": "ray-worker", "image": "ray-2.60", "resources": {"requests": size, "limits": size}}]}
    group = {"groupName": "w", "replicas": 1, "minReplicas": 1, "maxReplicas": 1, "rayStartParams": {}, "template": {"spec": worker}}
    # The first leaves time to look, and the next to kill the control plane before it.
    late = [rule("DeleteSelf", "SUCCEEDED", 35), rule("DeleteCluster", "SUCCEEDED", 25), rule("DeleteWorkers", "SUCCEEDED", 8),
            rule("DeleteSelf", "FAILED", 0)]
    apply(own, job("steps", "echo well", rayClusterSpec={**head(), "workerGroupSpecs": [group]}, deletionStrategy={"deletionRules": late}))
    apply(own, job("wrong", "exit 3", deletionStrategy={"deletionRules": [
        rule("DeleteSelf", "SUCCEEDED", 0), rule("DeleteWorkers", "FAILED", 0), rule("DeleteCluster", "FAILED", 0)]}))
    done = wait_state(own, "steps", "Complete", "Failed")
    assert done["jobStatus"] == "SUCCEEDED", done
    name, ended = done["rayClusterName"], datetime.datetime.fromisoformat(done["endTime"])

    def pods():
        listed = own.get(f"/api/v1/namespaces/alice/pods?labelSelector=ray.io/cluster={name}", ALICE).json["items"]
        return sorted(pod["metadata"]["labels"]["ray.io/node-type"] for pod in listed)

    def after(what, condition):
        wait_for(what, condition, 60, 0.1)
        return (datetime.datetime.now(datetime.timezone.utc) - ended).total_seconds()
    assert pods() == ["head", "worker"]
    own.kill_control_plane()
    wait_for("the control plane", lambda: status(own, "steps"), 30)
    at = [after("the workers gone", lambda: pods() == ["head"])]
    groups = own.raycluster("alice", name, ALICE)["spec"]["workerGroupSpecs"]
    assert [one["suspend"] for one in groups] == [True] and groups[0]["replicas"] == 1
    at.append(after("the cluster gone", lambda: own.raycluster("alice", name, ALICE) is None))
    assert status(own, "steps")["jobStatus"] == "SUCCEEDED"
    at.append(after("the RayJob gone", lambda: status(own, "steps") is None))
    assert all(moment >= ttl for moment, ttl in zip(at, (8, 25, 35))), at
    assert "well" in own.cli("job", "logs", "steps", "-n", "alice", user=ALICE).stdout
    failed = wait_state(own, "wrong", "Failed")
    wait_for("its cluster gone", lambda: own.raycluster("alice", failed["rayClusterName"], ALICE) is None, 60)
    assert status(own, "wrong")["jobStatus"] == "FAILED"


def test_a_deadline_ends_a_job_and_a_deleted_job_is_stopped(own):
    apply(own, job("late", "echo began; sleep 600", clusterSelector={"ray.io/cluster": "shared"},
                   activeDeadlineSeconds=45))
    apply(own, job("gone", "echo also began; sleep 600", clusterSelector={"ray.io/cluster": "shared"}))
    for name in ("late", "gone"):
        wait_for(f"{name} runs", lambda: (status(own, name) or {}).get("jobStatus") == "RUNNING", 60, 0.2)
    wait_for("its log", lambda: "also began" in own.cli("job", "logs", "gone", "-n", "alice", user=ALICE).stdout, 60)
    ids = {name: status(own, name)["jobId"] for name in ("late", "gone")}
    own.cli("delete", "rayjob", "gone", "-n", "alice", "--wait", user=ALICE)
    late = wait_state(own, "late", "Failed", "Complete", timeout_s=110)
    assert (late["jobDeploymentStatus"], late["reason"]) == ("Failed", "DeadlineExceeded")
    for name in ("late", "gone"):
        wait_for(f"{name} stopped", lambda: {one["submission_id"]: one["status"] for one in ray_jobs(own, "shared")}
                 [ids[name]] == "STOPPED", 60, 0.5)
        assert runs(own, name) and "began" in own.cli("job", "logs", name, "-n", "alice", user=ALICE).stdout


def test_a_suspended_job_has_no_cluster(own):
    apply(own, job("asleep", "true", suspend=True, shutdownAfterJobFinishes=True))
    wait_state(own, "asleep", "Suspended")
    assert "rayClusterName" not in status(own, "asleep")

    def suspend(yes):
        answer = own.http("PATCH", f"{JOBS}/asleep", ALICE, body=json.dumps({"spec": {"suspend": yes}}),
                          headers={"Content-Type": "application/merge-patch+json"})
        assert answer.status == 200, answer
    suspend(False)
    name = wait_state(own, "asleep", "Initializing")["rayClusterName"]
    wait_for("its cluster", lambda: own.raycluster("alice", name, ALICE), 30)
    suspend(True)
    wait_state(own, "asleep", "Suspended")
    assert own.raycluster("alice", name, ALICE) is None
    own.cli("delete", "rayjob", "asleep", "-n", "alice", "--wait", user=ALICE)


def test_an_interactive_job_waits_for_what_a_person_submits(own):
    apply(own, job("mine", None, clusterSelector={"ray.io/cluster": "shared"}, submissionMode="InteractiveMode"))
    wait_state(own, "mine", "Waiting")
    own.cli("ray", "submit", "shared", "-n", "alice", "--no-wait", "--submission-id", "by-hand", "--", "echo", "typed",
            user=ALICE)
    answer = own.http("PATCH", f"{JOBS}/mine", ALICE, body='{"spec":{"jobId":"by-hand"}}',
                      headers={"Content-Type": "application/merge-patch+json"})
    assert answer.status == 200, answer
    assert wait_state(own, "mine", "Complete")["jobId"] == "by-hand"
    assert "typed" in own.cli("job", "logs", "mine", "-n", "alice", user=ALICE).stdout


def test_what_cannot_be_here_is_refused_by_name(own):
    template = {"spec": {"containers": [{"name": "s", "image": "ray-2.60"}]}}
    for spec, field in (({"submitterPodTemplate": template}, "spec.submitterPodTemplate"),
                        ({"entrypoint": ""}, "spec.entrypoint"), ({"suspend": True}, "spec.suspend")):
        body = json.loads(job("bad", "true"))
        body["spec"].update(spec)
        answer = own.http("POST", JOBS, ALICE, body=body)
        assert answer.status == 422 and field in answer.json["message"], answer


def test_a_viewer_reads_an_editor_of_one_cluster_does_not(own):
    """A grant on one RayCluster opens neither its RayJobs nor what is kept of them."""
    own.cli("share", "alice", BOB, "--role", "viewer", user=ALICE)
    own.cli("share", "alice", CAROL, "--ray", "shared", user=ALICE)
    assert own.get(f"{JOBS}/twice", BOB).status == 200
    assert own.get(f"{RUNS}/twice", BOB).status == 200 and own.get(f"{RUNS}/twice/log", BOB).status == 200
    assert {run["name"] for run in own.get(RUNS, BOB).json["items"]} >= {"twice", "brief", "late", "gone"}
    assert own.http("POST", JOBS, BOB, body=json.loads(job("no", "true"))).status == 403
    assert own.http("DELETE", f"{JOBS}/twice", BOB).status == 403
    for path in (f"{JOBS}/twice", f"{RUNS}/twice", f"{RUNS}/twice/log", f"{RUNS}/never"):
        assert own.get(path, CAROL).status == 404, path
    assert own.get(RUNS, CAROL).status != 200 or own.get(RUNS, CAROL).json["items"] == []
    assert own.get(f"{RUNS}/never", ALICE).status == 404
    assert own.get(RUNS).status == 401


def test_history_goes_with_its_profile(own):
    own.cli("profile", "delete", "alice", "--confirm", "alice", "--wait", user=ALICE, timeout=180)
    own.cli("profile", "create", "alice", "--wait", user=BOB)
    assert own.get(RUNS, BOB).json["items"] == []
    assert own.get(f"{RUNS}/twice/log", BOB).status == 404
