"""Ray's own autoscaler beside the head, against the API inside the sandbox: workers come with work and go without."""
import base64
import json
import os
import re
import signal

import pytest
from atelier import running, wait_for

ALICE = "alice@example.com"


def cluster(name, most):
    def container(role, memory):
        size = {"cpu": "500m", "memory": memory}
        return {"spec": {"containers": [{"name": role, "image": "ray-2.60", "resources": {"requests": size, "limits": size}}]}}
    small = {"cpu": "100m", "memory": "512Mi"}
    return json.dumps({
        "apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": name}, "spec": {
            "enableInTreeAutoscaling": True,
            "autoscalerOptions": {"version": "v2", "idleTimeoutSeconds": 5, "resources": {"requests": small, "limits": small}},
            "headGroupSpec": {"rayStartParams": {"num-cpus": "0"}, "template": container("ray-head", "2Gi")},
            "workerGroupSpecs": [{"groupName": "w", "replicas": 0, "minReplicas": 0, "maxReplicas": most,
                                  "rayStartParams": {"num-cpus": "1"}, "template": container("ray-worker", "1Gi")}]}})


@pytest.fixture(scope="module")
def own():
    with running(ALICE) as instance:
        instance.cli("apply", "-n", "alice", "-f", "-", input=cluster("auto", 1), user=ALICE)
        instance.cli("wait", "raycluster", "auto", "-n", "alice", "--timeout", "4m", user=ALICE, timeout=300)
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
