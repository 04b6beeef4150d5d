"""Files of Ray's cluster launcher: shown as a RayCluster, started for real, used and taken down."""
import json

import pytest
from atelier import running

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


def test_a_minimal_file_runs_is_used_and_goes(own, tmp_path):
    path = write(tmp_path, "gcp", setup_commands=["echo set-up > /tmp/set-up"])
    own.cli("ray", "up", path, "-n", "alice", "--wait", "--timeout", "5m", *SIZES, user=ALICE)
    script = "import ray; ray.init(); print('workers', len([n for n in ray.nodes() if n['Alive']]) - 1)"
    done = own.cli("ray", "exec", path, "-n", "alice", "--", "sh", "-c", f'cat /tmp/set-up; python -c "{script}"', user=ALICE)
    assert "set-up" in done.stdout and "workers " in done.stdout
    assert own.cli("ray", "get-head-ip", path, "-n", "alice", user=ALICE).stdout.startswith("10.")
    again = own.cli("ray", "up", path, "-n", "alice", *SIZES, user=ALICE)
    assert "unchanged" in again.stdout
    own.cli("ray", "down", path, "-n", "alice", "--yes", "--wait", user=ALICE)
    assert "up-gcp" not in own.cli("get", "rayclusters", "-n", "alice", user=ALICE).stdout
