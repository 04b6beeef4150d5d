"""Files of Ray's cluster launcher: shown as a RayCluster, started for real, used and taken down."""
import json
import pathlib

import pytest
from atelier import IMAGES, running, wait_for

ALICE = "alice@example.com"
MINIMAL = {
    "gcp": {"type": "gcp", "region": "us-west1", "availability_zone": "us-west1-a", "project_id": "p1"},
    "azure": {"type": "azure", "location": "westus2", "resource_group": "ray"},
}
SIZES = ["--max-cpu", "500m", "--max-memory", "2Gi"]


@pytest.fixture(scope="module")
def own():
    with running(ALICE) as instance:
        yield instance


def write(tmp_path, cloud, **more):
    path = tmp_path / f"{cloud}.yaml"
    path.write_text(json.dumps({"cluster_name": f"up-{cloud}", "max_workers": 1, "provider": MINIMAL[cloud],
                                    "auth": {"ssh_user": "ubuntu"}, **more}))
    return str(path)


@pytest.mark.parametrize("provider", MINIMAL)
def test_dry_run_prints_the_cluster_and_makes_nothing(own, tmp_path, provider):
    shown = own.cli("ray", "up", write(tmp_path, provider), "--dry-run", "-o", "json", "-n", "alice", user=ALICE)
    cluster = json.loads(shown.stdout)
    assert cluster["kind"] == "RayCluster" and cluster["spec"]["enableInTreeAutoscaling"] is True
    assert cluster["spec"]["workerGroupSpecs"][0]["maxReplicas"] == 1
    assert "auth: not used" in shown.stderr
    assert "up-" not in own.cli("get", "rayclusters", "-n", "alice", user=ALICE).stdout


def test_a_file_of_another_tenant_is_refused(own, tmp_path):
    path = write(tmp_path, "gcp", provider={**MINIMAL["gcp"], "namespace": "bob"})
    refused = own.cli("ray", "up", path, "-n", "alice", user=ALICE, check=False)
    assert refused.returncode == 1 and "provider.namespace" in refused.stderr


def test_other_bounds_of_a_file_move_what_the_autoscaler_made(own, tmp_path):
    def up(least, most, dry_run):
        path = write(tmp_path, "gcp", min_workers=least, max_workers=most)
        return json.loads(own.cli("ray", "up", path, "-n", "alice", dry_run, "-o", "json", *SIZES, user=ALICE).stdout)
    there = up(0, 3, "--dry-run")
    there["spec"]["suspend"] = True
    there["spec"]["workerGroupSpecs"][0]["replicas"] = 2
    own.cli("apply", "-n", "alice", "-f", "-", user=ALICE, input=json.dumps(there))
    for least, replicas, most in ((0, 2, 3), (3, 3, 4), (0, 1, 1)):
        group, = up(least, most, "--dry-run=server")["spec"]["workerGroupSpecs"]
        assert (group["minReplicas"], group["replicas"], group["maxReplicas"]) == (least, replicas, most)
    own.cli("ray", "delete", "up-gcp", "-n", "alice", "--wait", user=ALICE)


BUSY = """
import ray, time
ray.init(log_to_driver=False)
@ray.remote(num_cpus=1)
class Here:
    def where(self): return ray.get_runtime_context().get_node_id()
here = [Here.remote() for _ in range(2)]
print("nodes", len(set(ray.get([one.where.remote() for one in here]))), flush=True)
time.sleep(900)
"""


def workers(own, cluster):
    pods = own.get(f"/api/v1/namespaces/alice/pods?labelSelector=ray.io/cluster={cluster},ray.io/node-type=worker", ALICE).json["items"]
    return [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def test_a_minimal_file_runs_is_used_and_goes(own, tmp_path):
    path = write(tmp_path, "gcp", setup_commands=["echo set-up > /tmp/set-up"])
    own.cli("ray", "up", path, "-n", "alice", "--wait", "--timeout", "5m", *SIZES, user=ALICE, timeout=320)
    assert workers(own, "up-gcp") == []
    done = own.cli("ray", "exec", path, "-n", "alice", "--", "cat", "/tmp/set-up", user=ALICE, timeout=300)
    assert "set-up" in done.stdout
    assert own.cli("ray", "get-head-ip", path, "-n", "alice", user=ALICE).stdout.startswith("10.")
    # Work for two nodes brings the one worker that there may be; the file once more takes nothing away from it.
    own.cli("ray", "submit", "up-gcp", "-n", "alice", "--no-wait", "--submission-id", "busy", "--", "python", "-c", BUSY, user=ALICE)
    wait_for("the worker", lambda: "nodes 2" in own.cli("ray", "logs", "up-gcp", "busy", "-n", "alice", user=ALICE).stdout, 240, 1)
    worker, = workers(own, "up-gcp")
    again = own.cli("ray", "up", path, "-n", "alice", *SIZES, user=ALICE)
    assert "unchanged" in again.stdout
    assert own.raycluster("alice", "up-gcp", ALICE)["spec"]["workerGroupSpecs"][0]["replicas"] == 1 and workers(own, "up-gcp") == [worker]
    own.cli("ray", "down", path, "-n", "alice", "--yes", "--wait", user=ALICE, timeout=300)
    assert "up-gcp" not in own.cli("get", "rayclusters", "-n", "alice", user=ALICE).stdout


def test_a_changed_file_replaces_what_runs_if_told_to_and_a_stopped_cluster_starts(own, tmp_path):
    def up(word, *more, **how):
        path = write(tmp_path, "azure", setup_commands=[f"echo {word} > /tmp/set-up"])
        return path, own.cli("ray", "up", path, "-n", "alice", *SIZES, *more, user=ALICE, timeout=920, **how)

    def set_up():
        return own.cli("exec", "raycluster/up-azure", "-n", "alice", "--", "cat", "/tmp/set-up", user=ALICE, check=False).stdout.strip()
    path, _ = up("first", "--wait", "--timeout", "15m")
    _, refused = up("second", check=False)
    assert refused.returncode == 1 and "replaces its pods" in refused.stderr and "give --yes" in refused.stderr, refused
    _, shown = up("second", "--dry-run=server", "-o", "json")
    assert json.loads(shown.stdout)["spec"]["upgradeStrategy"] == {"type": "Recreate"}
    assert set_up() == "first"
    up("second", "--yes")
    wait_for("the new set-up", lambda: set_up() == "second", 240, 1)
    own.cli("ray", "suspend", "up-azure", "-n", "alice", user=ALICE)
    wait_for("suspended", lambda: own.raycluster("alice", "up-azure", ALICE)["status"].get("state") == "suspended", 120, 0.5)
    up("second", "--wait", "--timeout", "15m")
    wait_for("it started", lambda: set_up() == "second", 240, 1)
    assert "upgradeStrategy" not in own.raycluster("alice", "up-azure", ALICE)["spec"]
    own.cli("ray", "down", path, "-n", "alice", "--yes", "--wait", user=ALICE, timeout=300)


LAUNCHER = sorted(pathlib.Path(__file__).with_name("launcher").glob("*.yaml"))  # the full examples of Ray's documentation
# What `ray up` itself takes for what a file leaves out.
DEFAULTS = sorted((IMAGES / "ray-2.60/venv/lib").glob("python3.*/site-packages/ray/autoscaler/[ag][zc]*/defaults.yaml"))


@pytest.mark.parametrize("path", LAUNCHER + DEFAULTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_whole_files_convert_and_say_what_is_left_out(own, path):
    shown = own.cli("ray", "up", path, "--dry-run", "-o", "json", "--image", "ray-2.60", "-n", "alice", user=ALICE)
    cluster = json.loads(shown.stdout)
    groups = cluster["spec"]["workerGroupSpecs"]
    assert [group["maxReplicas"] for group in groups] == [2] and cluster["spec"]["enableInTreeAutoscaling"]
    assert "spot" in json.dumps(groups[0]["template"]["spec"]["nodeSelector"])
    for left_out in ("auth: not used", "head_setup_commands[0]: not run", "head_start_ray_commands: not run"):
        assert left_out in shown.stderr, shown.stderr


@pytest.mark.parametrize("path", LAUNCHER, ids=lambda path: path.stem)
def test_whole_files_run_with_sizes_clamped(own, path):
    own.cli("ray", "up", path, "-n", "alice", "--image", "ray-2.60", "--wait", "--timeout", "8m", *SIZES, user=ALICE, timeout=500)
    script = "import ray; ray.init(); print('cpus', ray.available_resources()['CPU'])"
    done = own.cli("ray", "exec", path, "-n", "alice", "--", "python", "-c", script, user=ALICE, timeout=500)
    assert "cpus" in done.stdout
    inside = own.cli("ray", "attach", path, "-n", "alice", user=ALICE, check=False, input="ray --version\n", timeout=300)
    assert "ray, version" in inside.stdout, inside
    own.cli("ray", "down", path, "-n", "alice", "--yes", "--wait", user=ALICE, timeout=300)


GROUPS = ["--autoscale", "--max-workers", "6", "--spot", "--toleration", "pool=ray:NoSchedule", "--runtime-env", "{pip: [emoji]}",
          "--worker-group", "name=gpu,replicas=0,max=4,cpu=8,memory=32Gi,gpus=2,gpu-key=amd.com/gpu"]


def created(own, *more):
    return own.cli("ray", "create", "mixed", "-n", "alice", "--dry-run=server", "-o", "json", *more, user=ALICE, check=False)


def test_options_describe_several_groups_gpus_and_spot_nodes(own):
    cluster = json.loads(created(own, *GROUPS).stdout)
    assert cluster["metadata"]["annotations"] == {"atelier.dev/max-workers": "6", "atelier.dev/runtime-env": "{pip: [emoji]}"}
    plain, gpu = cluster["spec"]["workerGroupSpecs"]
    taint = {"key": "pool", "operator": "Equal", "value": "ray", "effect": "NoSchedule"}
    spot = "cloud.google.com/gke-spot"
    assert plain["template"]["spec"]["nodeSelector"] == {spot: "true"}
    assert plain["template"]["spec"]["tolerations"] == [taint, {"key": spot, "operator": "Equal", "value": "true", "effect": "NoSchedule"}]
    assert (gpu["groupName"], gpu["replicas"], gpu["maxReplicas"]) == ("gpu", 0, 4)
    assert gpu["template"]["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "8", "memory": "32Gi", "amd.com/gpu": "2"}
    assert "nodeSelector" not in gpu["template"]["spec"] and "nodeSelector" not in cluster["spec"]["headGroupSpec"]["template"]["spec"]


PLACED = ["--node-selector", "pool=ray", "--node-selector", "zone=b", "--toleration", "ray:NoSchedule", "--worker-group",
          "name=gpu,gpus=1,spot,node-selector=pool=gpu,node-selector=example.com/a.b=c=d,toleration=gpu=a100:NoExecute,toleration=old"]


def test_a_group_has_nodes_of_its_own(own):
    """As the command line would send it, and as the service takes it."""
    ray = {"key": "ray", "operator": "Exists", "effect": "NoSchedule"}
    spot = "cloud.google.com/gke-spot"
    for dry_run in ("client", "server"):
        spec = json.loads(own.cli("ray", "create", "placed", "-n", "alice", f"--dry-run={dry_run}" if dry_run == "server" else "--dry-run",
                                  "-o", "json", *PLACED, user=ALICE).stdout)["spec"]
        head, plain, gpu = (group["template"]["spec"] for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]))
        for shared in (head, plain):
            assert shared["nodeSelector"] == {"pool": "ray", "zone": "b"} and shared["tolerations"] == [ray]
        assert gpu["nodeSelector"] == {"pool": "gpu", "zone": "b", "example.com/a.b": "c=d", spot: "true"}
        assert gpu["tolerations"] == [ray, {"key": "gpu", "operator": "Equal", "value": "a100", "effect": "NoExecute"},
                                      {"key": "old", "operator": "Exists"},
                                      {"key": spot, "operator": "Equal", "value": "true", "effect": "NoSchedule"}]
    tpu = "name=tpu,gpus=4,gpu-key=google.com/tpu,node-selector=cloud.google.com/compute-class=tpu"
    assert created(own, "--worker-group", tpu).returncode == 0


@pytest.mark.parametrize("options,code,says", [
    (["--worker-gpus", "1", "--gpu-key", "nvidia"], 2, '"nvidia" is no GPU of a vendor'),
    (["--worker-gpus", "1", "--gpu-key", "google.com/tpu"], 2, "needs both --node-selector cloud.google.com/gke-tpu-accelerator"),
    (["--worker-group", "replicas=1"], 2, "a group needs name=NAME"),
    (["--worker-group", "name=a,gpu=1"], 2, "expected name=NAME and any of"),
    (["--worker-group", "name=a,node-selector=pool"], 2, "--worker-group: node-selector: expected NAME=VALUE"),
    (["--worker-group", "name=a,toleration=gpu:Never"], 2, "--worker-group: toleration: expected KEY[=VALUE][:EFFECT]"),
    (["--worker-group", "name=a,toleration"], 2, "expected name=NAME and any of"),
    (["--max-workers", "1", "--replicas", "2"], 1, "together are 2, and atelier.dev/max-workers is 1"),
    (["--runtime-env", "{pipp: [emoji]}"], 1, "pipp"),
    (["--runtime-env", "no-such-file"], 1, "--runtime-env")])
def test_options_that_could_not_start_are_refused(own, options, code, says):
    refused = created(own, *options)
    assert refused.returncode == code and says in refused.stderr, refused
