"""Real pods on a real node: a JupyterLab, a Ray cluster of head and worker, logs and shells, through Atelier."""
import json
import os
import pathlib
import subprocess
import sys

import pytest

tests = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(tests / "kubernetes"))
import chart  # noqa: E402
import service  # noqa: E402

ALICE, BOB = "alice@example.com", "bob@example.com"
FOLDER = pathlib.Path(os.environ["ATELIER_TEST_NODE"])
PATIENCE = 240


class Node:
    """The cluster that node.sh has started around us."""

    def __init__(self):
        self.kubeconfig = FOLDER / "cluster/admin.kubeconfig"

    kubectl = chart.Cluster.kubectl

    def close(self):
        pass


@pytest.fixture(scope="module")
def house():
    original, chart.Cluster = chart.Cluster, Node
    try:
        running = service.Service()
    finally:
        chart.Cluster = original
    try:
        # From outside the cluster pods are reached through the API server: one right more than the chart gives.
        running.cluster.kubectl("create", "clusterrole", "outside", "--verb=get,create", "--resource=pods/portforward")
        running.cluster.kubectl("create", "clusterrolebinding", "outside", "--clusterrole=outside",
                                "--serviceaccount=atelier-system:atelier")
        running.first.end()
        running.first.env["ATELIER_KUBE_IMAGES"] = str(FOLDER / "images.json")
        running.first.start()
        running.alice, running.bob = running.person("alice"), running.person("bob")
        running.first.cli("profile", "create", "alice", "--owner", ALICE, "--wait", "--timeout", "3m")
        yield running
    finally:
        running.close()


def as_alice(house, *words, timeout=PATIENCE):
    env = {**house.first.env, "ATELIER_URL": f"http://127.0.0.1:{house.first.port}", "ATELIER_TOKEN": house.alice.token}
    done = subprocess.run([service.BUILD / "atelier", *words], env=env, text=True, capture_output=True, timeout=timeout,
                          check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}\n{house.cluster.kubectl('get', 'pods,events', '-n', 'alice')}"
    return done.stdout


def body_of(answer):
    return answer[1].partition("\r\n\r\n")[2]


def test_a_notebook_is_a_real_jupyterlab(house):
    as_alice(house, "notebook", "create", "nb1", "-n", "alice", "--memory", "1Gi", "--wait", "--timeout", "3m")
    answer = house.alice.ask("GET", "/notebook/alice/nb1/api")
    assert answer[0] == 200 and "version" in answer[1], answer
    assert house.alice.ask("GET", "/notebook/alice/nb1/lab")[0] == 200
    assert house.bob.ask("GET", "/notebook/alice/nb1/api")[0] == 404


def test_logs_and_shells_reach_the_pod(house):
    assert "jupyter" in house.alice.kubectl("logs", "nb1-0", "-n", "alice", "--tail", "50").lower()
    out = house.alice.kubectl("exec", "nb1-0", "-n", "alice", "--", "sh", "-c", "id -u; echo $HOME; touch $HOME/kept; ls -d $HOME/kept")
    assert "0" not in out.split()[:1] and "kept" in out
    follower = house.alice.start("logs", "-f", "nb1-0", "-n", "alice", "--tail", "1")
    try:
        assert follower.stdout.readline()
    finally:
        follower.terminate()
        follower.wait(20)
    assert "kept" in house.alice.kubectl("exec", "nb1-0", "-n", "alice", "--", "ls", "/home/atelier")
    house.bob.refused("exec", "nb1-0", "-n", "alice", "--", "id")


def test_a_stopped_notebook_keeps_its_files(house):
    as_alice(house, "notebook", "stop", "nb1", "-n", "alice")
    service.eventually("the pod goes", lambda: "nb1-0" not in house.cluster.kubectl("get", "pods", "-n", "alice"), 120)
    as_alice(house, "notebook", "start", "nb1", "-n", "alice", "--wait", "--timeout", "3m")
    assert "kept" in house.alice.kubectl("exec", "nb1-0", "-n", "alice", "--", "ls", "/home/atelier")
    as_alice(house, "notebook", "stop", "nb1", "-n", "alice")


def test_a_ray_cluster_runs_a_job_on_a_worker(house):
    double = subprocess.Popen([sys.executable, tests / "kubernetes/kuberay", house.cluster.kubeconfig], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)
    try:
        assert double.stdout.readline() == "watching\n"
        as_alice(house, "ray", "create", "rc1", "-n", "alice", "--head-cpu", "500m", "--head-memory", "2Gi", "--worker-cpu",
                 "500m", "--worker-memory", "2Gi", "--replicas", "1", "--wait", "--timeout", "4m", timeout=300)
        # The double of KubeRay gives pods no probes: they are ready before Ray's dashboard is.
        service.eventually("the dashboard answers", lambda: house.alice.ask("GET", "/ray/alice/rc1/api/version")[0] == 200, 120, 1)
        script = ("import ray; ray.init(log_to_driver=False); "
                  "print('nodes', sum(n['Alive'] for n in ray.nodes()), ray.get(ray.remote(lambda: 6 * 7).remote()))")
        out = as_alice(house, "ray", "submit", "rc1", "-n", "alice", "--", "python", "-c", script, timeout=300)
        assert "nodes 2 42" in out, out
        assert house.bob.ask("GET", "/ray/alice/rc1/api/version")[0] == 404
        nodes = json.loads(body_of(house.alice.ask("GET", "/ray/alice/rc1/api/version")))
        assert nodes["ray_version"].startswith("2.60")
    finally:
        double.terminate()
        double.wait(20)
