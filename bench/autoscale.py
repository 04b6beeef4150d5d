#!/usr/bin/env python3
"""How soon four workers are there for work that needs them, and where the time goes: beside Ray's own autoscaler without pods.

The peer is the same autoscaler (v1: with v2 the peer starts nothing) with Ray's fake provider, which starts each node as plain processes out
of the autoscaler's own: no container, and no Python that imports Ray. It stands in one cgroup of the weight of all our pods together."""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "e2e"))
import load  # noqa: E402
from atelier import BUILD, running, wait_for  # noqa: E402
from bare import bare  # noqa: E402

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
ALICE = "alice@example.com"
TOKEN = "t" * 44
WORKERS = 4
IDLE_S = 10
FAKE = "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider"  # by its name, PyPI has not its defaults
# Each task keeps its worker until all have one.
WORK = f"""
import ray, time
ray.init(log_to_driver=False)
@ray.remote(num_cpus=1)
def begin(): now = time.time(); time.sleep(20); return now
asked = time.time()
print("MEASURED", asked, *ray.get([begin.remote() for _ in range({WORKERS})]), flush=True)
"""
SUBMIT = """
import json, sys, time, urllib.request
def ask(path, body=None):
    request = urllib.request.Request("http://127.0.0.1:8265" + path, body, {"Authorization": "Bearer " + sys.argv[1], "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request, timeout=60))
job = ask("/api/jobs/", json.dumps({"entrypoint": sys.argv[2]}).encode())["submission_id"]
while ask("/api/jobs/" + job)["status"] in ("PENDING", "RUNNING"): time.sleep(0.5)
print(ask(f"/api/jobs/{job}/logs")["logs"])
"""


def measured(text):
    """(when the work was there, when each task began)"""
    asked, *begun = (float(word) for line in text.splitlines() if line.startswith("MEASURED ") for word in line.split()[1:])
    assert len(begun) == WORKERS, text
    return asked, begun


def manifest():
    def container(role, cpu, memory):
        return {"spec": {"containers": [{"name": role, "image": "ray-2.60", "resources": {
            "requests": {"cpu": "250m", "memory": memory}, "limits": {"cpu": cpu, "memory": memory}}}]}}
    return json.dumps({"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": "bench"}, "spec": {
        "enableInTreeAutoscaling": True, "autoscalerOptions": {"version": "v1", "idleTimeoutSeconds": IDLE_S},
        "headGroupSpec": {"rayStartParams": {"num-cpus": "0"}, "template": container("ray-head", "2", "3Gi")},
        "workerGroupSpecs": [{"groupName": "w", "replicas": 0, "minReplicas": 0, "maxReplicas": WORKERS,
                              "rayStartParams": {"num-cpus": "1"}, "template": container("ray-worker", "500m", "1Gi")}]}})


class Stages(threading.Thread):
    """When the API first says that the autoscaler has decided, that all containers run, and that all nodes are usable."""

    def __init__(self, house):
        super().__init__(daemon=True)
        self.house, self.seen, self.restarts, self.over = house, {}, 0, False

    def run(self):
        pods = "/api/v1/namespaces/alice/pods?labelSelector=ray.io/cluster=bench,ray.io/node-type=worker"
        while not self.over:
            replicas = self.house.raycluster("alice", "bench", ALICE)["spec"]["workerGroupSpecs"][0]["replicas"]
            states = [state for pod in self.house.get(pods, ALICE).json["items"] for state in pod["status"].get("containerStatuses", [])]
            self.restarts = max(self.restarts, sum(state["restartCount"] for state in states))
            for stage, reached in (("decided", replicas == WORKERS), ("running", sum("running" in state["state"] for state in states) == WORKERS),
                                   ("ready", sum(state["ready"] for state in states) == WORKERS)):
                if reached:
                    self.seen.setdefault(stage, time.time())
            time.sleep(0.2)


def ours(house):
    """Seconds to the last task's begin; those to each stage before; how often containers of workers were started again."""
    stages = Stages(house)
    stages.start()
    done = house.cli("ray", "exec", "bench", "-n", "alice", "--", "python", "-c", WORK, user=ALICE, timeout=600)
    stages.over = True
    stages.join()
    asked, begun = measured(done.stdout)
    wait_for("no worker", lambda: house.raycluster("alice", "bench", ALICE)["spec"]["workerGroupSpecs"][0]["replicas"] == 0, 240, 1)
    return max(begun) - asked, {stage: when - asked for stage, when in stages.seen.items()}, stages.restarts


def theirs(folder):
    """On a head of its own: the provider's workers have no addresses, by which the autoscaler would know that they are idle."""
    with peer(folder) as head:
        weigh_as_pods(head)
        head.wait_http(8265, "/api/jobs/", 180, [("Authorization", "Bearer " + TOKEN)])
        submit = subprocess.run([*head.inside(), "/usr/bin/python3", "-c", SUBMIT, TOKEN, f"python -c '{WORK}'"], check=True, text=True,
                                stdout=subprocess.PIPE, timeout=600)
    asked, begun = measured(submit.stdout)
    return max(begun) - asked


def weigh_as_pods(head):
    for group in head.groups:
        for file, value in (("cpu.shares", 1024 * os.cpu_count()), ("cpu.weight", 100 * os.cpu_count())):
            if (group / file).exists():
                (group / file).write_text(str(value))


def peer(folder):
    lists = ("setup_commands", "head_setup_commands", "worker_setup_commands", "head_start_ray_commands", "worker_start_ray_commands",
             "initialization_commands", "cluster_synced_files", "rsync_exclude", "rsync_filter")
    config = folder / "autoscaling.yaml"
    config.write_text(json.dumps({
        "cluster_name": "bench", "max_workers": WORKERS, "idle_timeout_minutes": IDLE_S / 60, "upscaling_speed": 1000,
        "provider": {"type": "external", "module": FAKE, "launch_multiple": True, "disable_node_updaters": True,
                     "gcs_address": "127.0.0.1:6379"},
        "head_node_type": "ray.head.default", "available_node_types": {
            "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "w": {"resources": {"CPU": 1, "object_store_memory": 300000000}, "node_config": {}, "min_workers": 0, "max_workers": WORKERS}},
        "auth": {}, "docker": {}, "file_mounts": {}, "file_mounts_sync_continuously": False, **{name: [] for name in lists}}))
    return bare("autoscale", ["ray", "start", "--head", "--block", "--node-ip-address=127.0.0.1", "--dashboard-host=127.0.0.1", "--num-cpus=0",
                              "--object-store-memory=300000000", "--disable-usage-stats", f"--autoscaling-config={config}"],
                os.cpu_count(), 8 * 2**30, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "RAY_FAKE_CLUSTER": "1"})


def main():
    results = {"machine": load.machine(), "rounds": []}
    print(results["machine"])
    with running(ALICE) as house:
        house.cli("apply", "-n", "alice", "-f", "-", input=manifest(), user=ALICE)
        house.cli("wait", "raycluster", "bench", "-n", "alice", "--timeout", "5m", user=ALICE, timeout=320)
        for number in range(ROUNDS):
            (begun_s, stages, restarts), bare_s = ours(house), theirs(house.data)
            results["rounds"].append({"ours_s": begun_s, "stages_s": stages, "restarts": restarts, "bare_s": bare_s, "load": os.getloadavg()[0]})
            print(f"round {number + 1}: {begun_s:.1f} s, without Atelier {bare_s:.1f} s; "
                  + ", ".join(f"{stage} {when:.1f}" for stage, when in stages.items())
                  + f"; {restarts} restarts; load {os.getloadavg()[0]:.1f}", flush=True)
    ratio = statistics.median(entry["ours_s"] / entry["bare_s"] for entry in results["rounds"])
    print(f"0 to {WORKERS} workers, Atelier / without, median of pairs: {ratio:.2f}")
    (BUILD / "bench-autoscale.json").write_text(json.dumps(results, indent=1))


main()
