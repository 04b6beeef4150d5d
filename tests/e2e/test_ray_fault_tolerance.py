"""A head that is killed comes back with what it knew: its workers stay, detached actors and jobs live on."""
import contextlib
import json
import os
import re
import time

import pytest
from atelier import kill_container, running, wait_for

ALICE = "alice@example.com"
CORE = "/api/v1/namespaces/alice"
STORE = "ray-gcs-store"


def template(role, memory):
    size = {"cpu": "1", "memory": memory}
    return {"spec": {"containers": [{"name": role, "image": "ray-2.60", "resources": {"requests": size, "limits": size}}]}}


CLUSTER = json.dumps({
    "apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": "ft"}, "spec": {
        "gcsFaultToleranceOptions": {},
        "headGroupSpec": {"rayStartParams": {"num-cpus": "0"}, "template": template("ray-head", "2Gi")},
        "workerGroupSpecs": [{"groupName": "w", "replicas": 1, "minReplicas": 1, "maxReplicas": 1,
                              "rayStartParams": {"num-cpus": "2"}, "template": template("ray-worker", "2Gi")}]}})


@pytest.fixture(scope="module")
def own():
    with running(ALICE) as instance:
        instance.cli("apply", "-n", "alice", "-f", "-", input=CLUSTER, user=ALICE)
        instance.wait_raycluster("alice", "ft", ALICE, workers=1, timeout_s=400)
        yield instance


def pods(own, role):
    found = own.get(f"{CORE}/pods?labelSelector=ray.io/cluster=ft,ray.io/node-type={role}", ALICE).json["items"]
    return {pod["metadata"]["name"]: pod["status"].get("containerStatuses", [{}])[0].get("restartCount", 0)
            for pod in found if "deletionTimestamp" not in pod["metadata"]}


FIRST = """
import os, ray, time
ray.init(namespace="n", log_to_driver=False)
@ray.remote(num_cpus=0.1)
class Counter:
    value = 0
    def more(self): self.value += 1; return self.value, os.getpid()
    def get(self): return self.value
counter = Counter.options(name="c", lifetime="detached").remote()
print("first", *ray.get(counter.more.remote()), flush=True)
while ray.get(counter.get.remote()) < 3: time.sleep(1)
print("saw three", flush=True)
"""
NEXT = """
import ray
ray.init(namespace="n", log_to_driver=False)
print("counted", *ray.get(ray.get_actor("c").more.remote()))
"""


def counted(own):
    """What the detached actor counts to, asked by a new driver: (value, pid)."""
    out = own.cli("ray", "exec", "ft", "-n", "alice", "--", "python", "-c", NEXT, user=ALICE, timeout=300).stdout
    return tuple(map(int, re.search(r"counted (\d+) (\d+)", out).groups()))


def is_ready(pod):
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))


def head_is_back(own, before):
    """The new head itself is ready, and its cluster says so: a moment after the old one's end it may still say it of that."""
    def look():
        now = pods(own, "head")
        if not now or now == before or not all(is_ready(own.get(f"{CORE}/pods/{name}", ALICE).json) for name in now):
            return None
        conditions = own.raycluster("alice", "ft", ALICE)["status"]["conditions"]
        ready = any(c["type"] == "HeadPodReady" and c["status"] == "True" for c in conditions)
        return now if ready and pods(own, "head") == now else None
    return wait_for("the head is back", look, 300, 0.5)


def test_detached_actors_and_jobs_outlive_the_head(own):
    store = own.get(f"{CORE}/pods/{STORE}", ALICE).json
    assert store["status"]["phase"] == "Running"
    # Its driver asks for CPUs, of which the head has none: it runs on the worker.
    own.cli("apply", "-n", "alice", "-f", "-", user=ALICE, input=json.dumps({
        "apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": {"name": "long"},
        "spec": {"entrypoint": f"python -c '{FIRST}'", "entrypointNumCpus": 0.1,
                 "clusterSelector": {"ray.io/cluster": "ft"}}}))

    def log():
        return own.cli("job", "logs", "long", "-n", "alice", user=ALICE, check=False).stdout
    wait_for("the actor", lambda: re.search(r"^first \d+ \d+$", log(), re.M), 240, 1)
    pid = int(re.search(r"^first 1 (\d+)$", log(), re.M).group(1))
    workers, heads = pods(own, "worker"), pods(own, "head")

    kill_container(own, *heads)
    again = head_is_back(own, heads)
    assert list(again) == list(heads), "a killed head starts again in its pod"
    told = wait_for("it is told", lambda: [
        event for event in own.get(f"{CORE}/events", ALICE).json["items"] if event["reason"] == "HeadEnded"], 30)
    assert told[0]["involvedObject"]["kind"] == "RayCluster" and "in its store" in told[0]["message"], told
    assert counted(own) == (2, pid)

    own.cli("delete", "pod", *again, "-n", "alice", user=ALICE)
    replaced = head_is_back(own, again)
    assert list(replaced) != list(again)
    assert counted(own) == (3, pid)

    def job():
        return own.get("/apis/ray.io/v1/namespaces/alice/rayjobs/long", ALICE).json["status"]
    done = wait_for("the job ends", lambda: job().get("jobDeploymentStatus") in ("Complete", "Failed") and job(), 120, 0.5)
    assert done["jobStatus"] == "SUCCEEDED", done
    assert "saw three" in own.cli("job", "logs", "long", "-n", "alice", user=ALICE).stdout
    assert pods(own, "worker") == workers, "the worker was not touched"


def test_working_directories_fit_into_the_store(own):
    """Ray keeps them in its GCS, which is in Redis here, and ends when Redis has no room: five at once, and the largest."""
    heads = pods(own, "head")
    for number in range(5):
        path = f"/ray/alice/ft/api/packages/gcs/_ray_pkg_{number:016x}.zip"
        answer = own.http("PUT", path, ALICE, body=os.urandom(1 << 20) * 100, timeout=120, headers={
            "Content-Type": "application/octet-stream"})
        assert answer.status == 200, (number, answer.status, answer.text)
        assert own.http("GET", path, ALICE, timeout=120).status == 200
    assert pods(own, "head") == heads, "no head ended"


def made(own, *more):
    shown = own.cli("ray", "create", "usual", "-n", "alice", "--dry-run", "-o", "json", *more, user=ALICE)
    return json.loads(shown.stdout)["spec"].get("gcsFaultToleranceOptions")


def test_it_is_usual_where_there_is_a_store(own, tmp_path):
    """For the command line, a launcher's file and the form; not for a manifest, which keeps what it says."""
    assert own.get("/api/atelier/v1/whoami", ALICE).json["settings"]["ray"] == {
        "faultTolerance": True, "gcsFaultToleranceOptions": {}, "nodes": False}
    assert made(own) == {} and made(own, "--fault-tolerance=off") is None
    assert made(own, "--fault-tolerance=redis:6379") == {"redisAddress": "redis:6379"}
    file = tmp_path / "up.yaml"
    file.write_text("cluster_name: up\nprovider: {type: gcp, region: r, project_id: p}\n")
    for more, has in ([], True), (["--fault-tolerance=off"], False):
        shown = own.cli("ray", "up", file, "--dry-run", "-o", "json", "-n", "alice", *more, user=ALICE)
        assert ("gcsFaultToleranceOptions" in json.loads(shown.stdout)["spec"]) is has
    plain = json.loads(CLUSTER)
    del plain["spec"]["gcsFaultToleranceOptions"]
    plain["metadata"]["name"] = "plain"
    plain["spec"]["suspend"] = True
    own.cli("apply", "-n", "alice", "-f", "-", input=json.dumps(plain), user=ALICE)
    assert "gcsFaultToleranceOptions" not in own.raycluster("alice", "plain", ALICE)["spec"]
    assert "off: a head that ends starts afresh" in own.cli("describe", "raycluster", "plain", "-n", "alice", user=ALICE).stdout
    own.cli("delete", "raycluster", "plain", "-n", "alice", user=ALICE)
    patch = {"spec": {"gcsFaultToleranceOptions": None}}
    refused = own.http("PATCH", "/apis/ray.io/v1/namespaces/alice/rayclusters/ft", ALICE, body=json.dumps(patch),
                       headers={"Content-Type": "application/merge-patch+json"})
    assert refused.status == 422 and "would not reach the head that runs" in refused.text


def redis(own, *words):
    line = " ".join(["redis-cli", "-h", STORE, "--no-auth-warning", "-a", '"$REDIS_PASSWORD"', *words])
    return own.cli("exec", "raycluster/ft", "-n", "alice", "--", "sh", "-c", line, user=ALICE).stdout.split()


def test_the_store_forgets_clusters_that_are_gone(own):
    """What another cluster of the profile left there goes with it; this one's stays."""
    uid = own.raycluster("alice", "ft", ALICE)["metadata"]["uid"]

    def left():  # the cluster of the test before may be tidied up after just now
        assert redis(own, "SET", "RAYgone@NODE", "x") == ["OK"]
        time.sleep(2)
        keys = redis(own, "KEYS", "'*'")
        return keys if "RAYgone@NODE" in keys else None
    keys = wait_for("a key that stays", left, 30, 0)
    kept = {key for key in keys if key.startswith(f"RAY{uid}@")}
    assert len(kept) > 3 and set(keys) == kept | {"RAYgone@NODE"}, keys
    other = json.loads(CLUSTER.replace('"2Gi"', '"800Gi"'))  # fits nowhere
    other["metadata"]["name"] = "other"
    own.cli("apply", "-n", "alice", "-f", "-", input=json.dumps(other), user=ALICE)
    own.cli("delete", "raycluster", "other", "-n", "alice", user=ALICE)
    wait_for("the key is gone", lambda: "RAYgone@NODE" not in redis(own, "KEYS", "'*'"), 60, 1)
    assert kept <= set(redis(own, "KEYS", "'*'"))


def test_a_killed_store_comes_back_with_what_it_held(own):
    before = own.get(f"{CORE}/pods/{STORE}", ALICE).json["metadata"]["uid"]
    own.cli("delete", "pod", STORE, "-n", "alice", user=ALICE)

    def back():
        answer = own.get(f"{CORE}/pods/{STORE}", ALICE)
        return answer.status == 200 and answer.json["metadata"]["uid"] != before and is_ready(answer.json)
    wait_for("the store is back", back, 60, 0.5)

    def killed():  # Ray may have ended with its store, and not be up again
        heads = pods(own, "head")
        with contextlib.suppress(FileNotFoundError, AssertionError):
            kill_container(own, *heads)
            return heads
        return None
    head_is_back(own, wait_for("a head is killed", killed, 60, 0.5))
    assert counted(own)[0] == 4


def test_a_killed_worker_is_replaced(own):
    before = pods(own, "worker")
    own.cli("delete", "pod", *before, "-n", "alice", user=ALICE)

    def another():
        now = pods(own, "worker")
        return now if now and not set(now) & set(before) and all(is_ready(own.get(f"{CORE}/pods/{name}", ALICE).json) for name in now) else None
    assert len(wait_for("another worker", another, 240, 0.5)) == 1
    code = "import ray; ray.init(log_to_driver=False); print('ran', ray.get(ray.remote(num_cpus=1)(lambda: 6 * 7).remote()))"
    assert "ran 42" in own.cli("ray", "exec", "ft", "-n", "alice", "--", "python", "-c", code, user=ALICE, timeout=300).stdout


def test_the_store_is_the_platforms_and_goes_with_the_last_cluster_that_runs(own):
    for path in (f"{CORE}/secrets/{STORE}", f"{CORE}/persistentvolumeclaims/{STORE}"):
        assert own.http("DELETE", path, ALICE).status == 403, path
    own.cli("ray", "suspend", "ft", "-n", "alice", user=ALICE)  # a suspended one costs nothing, and begins anew
    for plural in ("pods", "services", "secrets", "persistentvolumeclaims"):
        wait_for(f"{plural} gone", lambda: own.get(f"{CORE}/{plural}/{STORE}", ALICE).status == 404, 60, 0.25)


def test_a_store_that_cannot_be_is_said(own):
    """The profile's quota has no room for it: the cluster says so, and may do without."""
    merge = {"Content-Type": "application/merge-patch+json"}
    quota = json.dumps({"spec": {"resourceQuotaSpec": {"hard": {"pods": "0"}}}})
    done = own.http("PATCH", "/apis/kubeflow.org/v1/profiles/alice", ALICE, body=quota, headers=merge)
    assert done.status == 200, done.text
    wait_for("the quota", lambda: any(item["spec"]["hard"].get("pods") == "0" for item in own.get(
        f"{CORE}/resourcequotas", ALICE).json["items"]), 30)
    own.cli("ray", "resume", "ft", "-n", "alice", user=ALICE)

    def status():
        return own.raycluster("alice", "ft", ALICE).get("status", {})
    wait_for("it is said", lambda: "exceeded quota" in status().get("reason", ""), 30)
    wait_for("and told", lambda: any(event["reason"] == "GcsStoreNotReady" and "without gcsFaultToleranceOptions" in event["message"]
                                    for event in own.get(f"{CORE}/events", ALICE).json["items"]), 30)
    patch = {"spec": {"gcsFaultToleranceOptions": None}}
    done = own.http("PATCH", "/apis/ray.io/v1/namespaces/alice/rayclusters/ft", ALICE, body=json.dumps(patch), headers=merge)
    assert done.status == 200, done.text
    wait_for("the store is no longer waited for", lambda: STORE not in status().get("reason", ""), 30)
    own.cli("delete", "raycluster", "ft", "-n", "alice", "--wait", user=ALICE)
