"""Ray's own autoscaler beside the head, against the API inside the sandbox: workers come with work and go without."""
import base64
import json
import os
import re
import signal
import threading
import time

import pytest
from atelier import PATIENCE, running, wait_for

ALICE = "alice@example.com"


RUNTIME_ENV = {"env_vars": {"FROM": "cluster", "KEPT": "cluster"}}


def cluster(name, most):
    """Two groups, one of them with a resource of its own, of at most <most> workers together: one less than they may have
    each. What runs there and brings no runtime_env has the cluster's."""
    def container(role, memory):
        size = {"cpu": "500m", "memory": memory}
        return {"spec": {"containers": [{"name": role, "image": "ray-2.60", "resources": {"requests": size, "limits": size}}]}}
    small = {"cpu": "100m", "memory": "512Mi"}
    return json.dumps({
        "apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": name, "annotations": {
            "atelier.dev/max-workers": str(most), "atelier.dev/runtime-env": json.dumps(RUNTIME_ENV)}}, "spec": {
            "enableInTreeAutoscaling": True,
            "autoscalerOptions": {"version": "v2", "idleTimeoutSeconds": 5, "resources": {"requests": small, "limits": small}},
            "headGroupSpec": {"rayStartParams": {"num-cpus": "0"}, "template": container("ray-head", "2Gi")},
            "workerGroupSpecs": [{"groupName": "w", "replicas": 0, "minReplicas": 0, "maxReplicas": 1,
                                  "rayStartParams": {"num-cpus": "1"}, "template": container("ray-worker", "1Gi")},
                                 {"groupName": "v", "replicas": 0, "minReplicas": 0, "maxReplicas": most,
                                  "rayStartParams": {"num-cpus": "0", "resources": '"{\\"v\\": 1}"'},
                                  "template": container("ray-worker", "1Gi")}]}})


@pytest.fixture(scope="module")
def own():
    with running(ALICE) as instance:
        instance.cli("apply", "-n", "alice", "-f", "-", input=cluster("auto", 2), user=ALICE)
        instance.cli("wait", "raycluster", "auto", "-n", "alice", "--timeout", f"{240 * PATIENCE:g}s", user=ALICE, timeout=300)
        yield instance


def workers(own):
    pods = own.get("/api/v1/namespaces/alice/pods?labelSelector=ray.io/cluster=auto,ray.io/node-type=worker", user=ALICE)
    return [pod["metadata"]["name"] for pod in pods.json["items"]]


def run(own, script, **more):
    return own.cli("ray", "exec", "auto", "-n", "alice", "--", "python", "-c", script, user=ALICE, timeout=300, **more)


WORK = """
import os, ray
ray.init(log_to_driver=False)
@ray.remote(num_cpus=1)
def where(): return os.environ["RAY_CLOUD_INSTANCE_ID"]
print("ran on", *sorted(set(ray.get([where.remote() for _ in range(4)]))))
"""


def test_work_brings_workers_up_to_the_most_and_idleness_takes_them_away(own):
    assert workers(own) == []
    said = run(own, WORK).stdout
    # Only the line of our own: Ray tells the driver there as well when a node leaves.
    ran = re.findall(r"^ran on (.*)$", said, re.MULTILINE)
    assert len(ran) == 1 and re.fullmatch(r"auto-w-worker-\w+", ran[0]), said
    wait_for("no worker", lambda: not workers(own), 120, 1)
    spec = own.get("/apis/ray.io/v1/namespaces/alice/rayclusters/auto", user=ALICE).json["spec"]
    assert spec["workerGroupSpecs"][0]["replicas"] == 0


SHARED = """
import ray, time
ray.init(log_to_driver=False)
@ray.remote(num_cpus=1)
def cpu(): time.sleep(4); return "cpu"
@ray.remote(num_cpus=0, resources={"v": 1})
def special(): time.sleep(4); return "v"
print("all ran", *sorted(ray.get([special.remote(), special.remote(), cpu.remote()])))
"""


def restarts(own):
    """Of the autoscaler beside the head."""
    head, = own.get("/api/v1/namespaces/alice/pods?labelSelector=ray.io/cluster=auto,ray.io/node-type=head", ALICE).json["items"]
    return head["metadata"]["name"], [status["restartCount"] for status in head["status"]["containerStatuses"]
                                      if status["name"] == "autoscaler"]


def test_groups_share_what_the_cluster_may_have(own):
    """Work for three workers, of which there may be two: the autoscaler itself keeps to that, and all of it is done."""
    seen, done, before = [], threading.Event(), restarts(own)

    def look():
        while not done.is_set():
            groups = own.raycluster("alice", "auto", ALICE)["spec"]["workerGroupSpecs"]
            seen.append(({group["groupName"]: group["replicas"] for group in groups}, workers(own)))
            time.sleep(0.2)
    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        assert "all ran cpu v v" in run(own, SHARED).stdout
    finally:
        done.set()
        watcher.join()
    totals = [sum(replicas.values()) for replicas, _ in seen]
    assert max(totals) == 2, totals
    assert {group for replicas, _ in seen for group, count in replicas.items() if count} == {"w", "v"}
    assert restarts(own) == before


def test_more_than_all_groups_may_have_is_refused_and_a_limit_may_be_lowered(own):
    wait_for("no worker", lambda: not workers(own), 120, 1)
    own.cli("ray", "scale", "auto", "-n", "alice", "-g", "v", "-r", "2", user=ALICE)
    refused = own.cli("ray", "scale", "auto", "-n", "alice", "-g", "w", "-r", "1", user=ALICE, check=False)
    assert refused.returncode == 1 and "replicas of all worker groups together are 3, and atelier.dev/max-workers is 2" in refused.stderr
    merge = {"Content-Type": "application/merge-patch+json"}

    def limit(text):
        return own.http("PATCH", f"{CLUSTERS}/auto", ALICE, headers=merge,
                        body=json.dumps({"metadata": {"annotations": {"atelier.dev/max-workers": text}}}))
    assert limit("many").status == 422 and limit("1").status == 200
    wait_for("workers above the limit are gone",
             lambda: sum(g["replicas"] for g in own.raycluster("alice", "auto", ALICE)["spec"]["workerGroupSpecs"]) <= 1, 120, 1)
    assert limit("2").status == 200


def test_the_least_workers_come_without_work_and_stay_though_idle(own):
    def least(count):
        change = [{"op": "replace", "path": "/spec/workerGroupSpecs/1/minReplicas", "value": count}]
        answer = own.http("PATCH", f"{CLUSTERS}/auto", ALICE, headers={"Content-Type": "application/json-patch+json"}, body=json.dumps(change))
        assert answer.status == 200, answer
    wait_for("no worker", lambda: not workers(own), 120, 1)
    least(1)
    own.wait_raycluster("alice", "auto", ALICE, workers=1)
    one = workers(own)
    assert len(one) == 1 and one[0].startswith("auto-v-worker-")
    time.sleep(20)  # idle for four times as long as a worker of no such group may be
    assert workers(own) == one
    least(0)
    wait_for("it goes", lambda: not workers(own), 120, 1)


ENVIRONMENTS = """
import os, subprocess, sys
if len(sys.argv) == 1:  # of a job, then of sessions of Ray Client
    subprocess.run([sys.executable, "-c", os.environ["SCRIPT"], "auto"], check=True)
    subprocess.run([sys.executable, "-c", os.environ["SCRIPT"], "ray://auto-head-svc:10001"], check=True)
    subprocess.run([sys.executable, "-c", os.environ["SCRIPT"], "ray://auto-head-svc:10001", "own"], check=True)
else:
    import ray
    own = {"runtime_env": {"env_vars": {"FROM": "session"}}} if len(sys.argv) > 2 else {}
    ray.init(sys.argv[1], log_to_driver=False, **own)
    @ray.remote(num_cpus=1)
    def told(): return [os.environ.get(name) for name in ("FROM", "KEPT", "JOB")]
    print("told", *sys.argv[1:], *ray.get(told.remote()), flush=True)
"""


def test_a_clusters_runtime_env_is_that_of_jobs_and_of_sessions_and_theirs_goes_before(own):
    said = own.cli("ray", "exec", "auto", "-n", "alice", "-e", "JOB=mine", "-e", f"SCRIPT={ENVIRONMENTS}", "--", "python", "-c",
                   ENVIRONMENTS, user=ALICE, timeout=400).stdout
    lines = re.findall(r"^told (.*)$", said, re.MULTILINE)
    assert lines == ["auto cluster cluster mine", "ray://auto-head-svc:10001 cluster cluster None",
                     "ray://auto-head-svc:10001 own session cluster None"], said


def test_a_killed_control_plane_is_only_a_pause(own):
    os.kill(own.pid_of("atelierd"), signal.SIGKILL)
    wait_for("service ready", own.ready, 30)
    assert "ran on auto-w-worker-" in run(own, WORK).stdout


ASK = """
import json, ssl, sys, urllib.error, urllib.request
context = ssl.create_default_context(cadata=%(ca)r)
def ask(method, path, token, body=None, type="application/json"):
    headers = {"Content-Type": type, **({"Authorization": "Bearer " + token} if token else {})}
    request = urllib.request.Request("https://kubernetes.default" + path, method=method, headers=headers,
                                     data=body.encode() if body else None)
    try:
        with urllib.request.urlopen(request, context=context, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
for line in json.loads(%(asks)r):
    print("answer", json.dumps(ask(*line)))
"""
CLUSTERS = "/apis/ray.io/v1/namespaces/alice/rayclusters"
CORE = "/api/v1/namespaces/alice"


def test_the_door_lets_a_cluster_see_itself_and_nothing_else(own):
    """From inside the head, which has no token of its own: with none, with a wrong one, and with the autoscaler's."""
    own.cli("apply", "-n", "alice", "-f", "-", user=ALICE, input=json.dumps({
        "apiVersion": "kubeflow.org/v1", "kind": "Notebook",
        "metadata": {"name": "nb1", "annotations": {"kubeflow-resource-stopped": "yes"}},
        "spec": {"template": {"spec": {"containers": [{"name": "nb1", "image": "ray-2.60"}]}}}}))
    data = own.get(CORE + "/secrets/auto-autoscaler", user=ALICE).json["data"]
    token, ca = (base64.b64decode(data[key]).decode() for key in ("token", "ca.crt"))
    merge = "application/merge-patch+json"
    cases = [
        (["GET", f"{CLUSTERS}/auto", ""], 401),
        (["GET", f"{CLUSTERS}/auto", token[:-1] + "x"], 401),
        (["GET", f"{CLUSTERS}/auto", "auto."], 401),
        (["GET", f"{CLUSTERS}/auto", own.tokens[ALICE]], 401),  # a person's token is for the front door
        (["GET", f"{CLUSTERS}/auto", token], 200),
        (["PATCH", f"{CLUSTERS}/auto", token, '{"metadata":{"annotations":{"seen":"yes"}}}', merge], 200),
        (["GET", f"{CLUSTERS}/other", token], 404),
        (["DELETE", f"{CLUSTERS}/auto", token], 404),
        (["GET", f"{CORE}/secrets", token], 200),
        (["GET", f"{CORE}/secrets/ray-auth", token], 404),
        (["GET", "/apis/kubeflow.org/v1/namespaces/alice/notebooks/nb1", token], 404),
        (["POST", f"{CORE}/pods", token, "{}"], 404),
        (["GET", "/api/v1/namespaces/bob/pods", token], 404),
        (["GET", "/api/v1/pods", token], 404),
        (["GET", "/api/atelier/v1/whoami", token], 404),
        (["GET", "/", token], 404),
        (["GET", "/notebook/alice/nb1/", token], 404),
        (["GET", f"{CORE}/services/http:auto-head-svc:dashboard/proxy/", token], 404),
        (["GET", f"{CORE}/pods?labelSelector=ray.io/cluster=auto", token], 200),
    ]
    out = run(own, ASK % {"ca": ca, "asks": json.dumps([ask for ask, _ in cases])}).stdout
    answers = [json.loads(line.split("answer ", 1)[1]) for line in out.splitlines() if line.startswith("answer ")]
    assert [status for status, _ in answers] == [expected for _, expected in cases], answers
    pods = json.loads(answers[-1][1])["items"]
    assert pods and all(pod["metadata"]["labels"]["ray.io/cluster"] == "auto" for pod in pods)
    secrets = json.loads(answers[8][1])["items"]
    assert all("ray-auth" != secret["metadata"]["name"] for secret in secrets)
