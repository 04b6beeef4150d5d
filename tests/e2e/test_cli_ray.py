"""What the command line does with Ray clusters and RayJobs that stand: suspended, resumed, stopped, run again."""
import json

import pytest
from atelier import running, wait_for

ALICE = "alice@example.com"


@pytest.fixture(scope="module")
def own():
    with running(ALICE) as instance:
        alice = Alice(instance)
        alice("ray", "create", "rc1", "--head-cpu", "1", "--head-memory", "2Gi", "--replicas", "0", "--schedule-on-head", "--label",
              "team=a", "--env", "GREETING=hello there", "--wait", "--timeout", "15m", timeout=920)
        yield alice


class Alice:
    """The command line as alice, in her profile; returns what it printed."""

    def __init__(self, instance):
        self.instance = instance

    def __call__(self, *words, fails=False, timeout=120):
        done = self.instance.cli(*words, "-n", "alice", user=ALICE, check=not fails, timeout=timeout) if "--" not in words else \
            self.instance.cli("-n", "alice", *words, user=ALICE, check=not fails, timeout=timeout)
        assert not fails or done.returncode in (1, 2), done
        return done.stderr if fails else done.stdout

    def object(self, kind, name):
        return json.loads(self("get", kind, name, "-o", "json"))

    def wait_job(self, name, check):
        return wait_for(f"rayjob {name}", lambda: (lambda job: job if check(job.get("status", {})) else None)(self.object("rayjob", name)), 120, 1)


def rendered(alice, *words):
    return json.loads(alice(*words[:3], "--dry-run", "-o", "json", *words[3:]))


def test_options_become_the_manifest(own):
    made = rendered(own, "ray", "create", "big", "--replicas", "1", "--max", "4", "--idle-timeout", "90", "--fault-tolerance", "--worker-gpus",
                    "2", "--volume", "data:/data", "--node-selector", "pool=gpu", "--env", "A=b=c")
    spec = made["spec"]
    group = spec["workerGroupSpecs"][0]
    worker = group["template"]["spec"]["containers"][0]
    assert (group["minReplicas"], group["replicas"], group["maxReplicas"]) == (0, 1, 4)
    assert spec["enableInTreeAutoscaling"] and spec["autoscalerOptions"]["idleTimeoutSeconds"] == 90
    assert spec["gcsFaultToleranceOptions"] == {} and spec["headGroupSpec"]["rayStartParams"] == {"num-cpus": "0"}
    assert worker["resources"]["limits"]["nvidia.com/gpu"] == worker["resources"]["requests"]["nvidia.com/gpu"] == "2"
    assert worker["env"] == [{"name": "A", "value": "b=c"}]
    assert worker["volumeMounts"] == [{"name": "data", "mountPath": "/data"}]
    assert group["template"]["spec"]["nodeSelector"] == {"pool": "gpu"}
    for words, said in ((("--volume", "data"), "--volume: expected VOLUME:/PATH"), (("--env", "=x"), "--env: expected NAME=VALUE"),
                        (("--label", "x"), "--label: expected NAME=VALUE"), (("--idle-timeout", "0"), "idle-timeout"),
                        (("--min", "3"), "must rise in that order")):
        assert said in own("ray", "create", "big", *words, "--dry-run", fails=True)


def test_a_job_runs_on_a_standing_cluster_and_once_more(own):
    assert own.object("raycluster", "rc1")["metadata"]["labels"]["team"] == "a"
    own("job", "create", "greet", "--cluster", "rc1", "--", "python", "-c", "import os; print(os.environ['GREETING'])")
    own.wait_job("greet", lambda status: status.get("jobStatus") == "SUCCEEDED")
    wait_for("the job's log is kept", lambda: "hello there" in own("job", "logs", "greet"), 60, 1)
    assert own("job", "rerun", "greet") == "rayjob.ray.io/greet-2 created\n"
    own.wait_job("greet-2", lambda status: status.get("jobStatus") == "SUCCEEDED")
    assert own("job", "rerun", "greet-2", "-o", "name") == "rayjob.ray.io/greet-3\n"
    assert "does not run now" in own("job", "stop", "greet", fails=True)
    own("job", "delete", "greet", "greet-2", "greet-3", "--wait")
    assert "not found" in own("job", "rerun", "greet", fails=True)


def test_a_job_brings_files_variables_and_a_runtime_environment(own, tmp_path):
    (tmp_path / "say.py").write_text("import os\nprint('said', os.environ['A'], os.environ['B'])\n")
    for name, words in (("brings", ("job", "create", "brings", "--cluster", "rc1")), ("", ("ray", "submit", "rc1"))):
        said = own(*words, "--working-dir", str(tmp_path), "--env", "B=line", "--runtime-env", "{env_vars: {A: file, B: under}}", "--",
                   "python", "say.py", timeout=240)
        if name:
            own.wait_job(name, lambda status: status.get("jobStatus") == "SUCCEEDED")
            said = wait_for("the job's log is kept", lambda: own("job", "logs", name), 60, 1)
        assert "said file line" in said, (words, said)
    wrong = own("ray", "submit", "rc1", "--runtime-env", "{pip: [./nowhere-to-be-found]}", "--", "true", fails=True, timeout=240)
    assert "nowhere-to-be-found" in wrong and "Traceback" not in wrong and "runtime_env_agent.py" not in wrong, wrong
    told = rendered(own, "job", "create", "own", "--runtime-env", "{pip: [emoji]}", "--head-cpu", "1", "--", "true")
    assert told["spec"]["runtimeEnvYAML"] == "pip:\n- emoji\n"
    for words, said in ((("--cluster", "rc1", "--head-cpu", "4"), "--head-cpu is about a cluster made for the job"),
                        (("--working-dir", str(tmp_path)), "--cluster names it"),
                        (("--cluster", "rc1", "--working-dir", ".", "--runtime-env", "{working_dir: ./x}"), "exclude each other"),
                        (("--runtime-env", "[pip]"), "--runtime-env")):
        assert said in own("job", "create", "own", *words, "--", "true", fails=True), words
    own("job", "delete", "brings", "--wait")


def test_files_go_to_a_head_and_come_back(own, tmp_path):
    (tmp_path / "there.txt").write_text("there and back")
    own("ray", "cp", str(tmp_path / "there.txt"), "rc1:/tmp/kept.txt")
    own("ray", "cp", "rc1:/tmp/kept.txt", str(tmp_path / "back.txt"))
    assert (tmp_path / "back.txt").read_text() == "there and back"
    assert "CLUSTER:PATH" in own("ray", "cp", "a", "b", fails=True)


def test_a_running_job_is_stopped(own):
    own("job", "create", "long", "--cluster", "rc1", "--", "sleep", "1000")
    own.wait_job("long", lambda status: status.get("jobDeploymentStatus") == "Running" and status.get("jobStatus") == "RUNNING")
    assert own("job", "stop", "long") == "rayjob.ray.io/long stopping\n"
    own.wait_job("long", lambda status: status.get("jobStatus") == "STOPPED")


def test_a_job_with_a_cluster_of_its_own_waits_suspended(own):
    assert "after --" in own("job", "create", "own", fails=True)
    own("job", "create", "own", "--head-cpu", "1", "--head-memory", "2Gi", "--deadline", "600", "--", "true")
    own("job", "suspend", "own")
    own.wait_job("own", lambda status: status.get("jobDeploymentStatus") == "Suspended")
    assert own.object("rayjob", "own")["spec"]["activeDeadlineSeconds"] == 600
    assert own("job", "resume", "own") == "rayjob.ray.io/own resumed\n"
    own.wait_job("own", lambda status: status.get("jobDeploymentStatus") != "Suspended")
    own("job", "delete", "own", "--wait")


def test_a_cluster_is_suspended_and_resumed(own):
    own("ray", "suspend", "rc1")
    wait_for("no pod of it is left", lambda: not json.loads(own("get", "pods", "-o", "json"))["items"], 120, 1)
    wait_for("it says so", lambda: own.object("raycluster", "rc1")["status"].get("state") == "suspended", 60, 1)
    own("ray", "resume", "rc1", "--wait", "--timeout", "15m", timeout=920)
    pods = json.loads(own("get", "pods", "-o", "json"))["items"]
    assert sorted(p["metadata"]["labels"].get("ray.io/node-type", p["metadata"]["name"]) for p in pods) == ["head", "ray-gcs-store"]


def test_a_notebook_is_given_more(own):
    own("notebook", "create", "nb1", "--wait", timeout=200)
    assert "--cpu, --memory or both" in own("notebook", "resize", "nb1", fails=True)
    own("notebook", "resize", "nb1", "--memory", "1536Mi", "--wait", timeout=200)
    resources = own.object("notebook", "nb1")["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert resources["limits"]["memory"] == resources["requests"]["memory"] == "1536Mi" and resources["limits"]["cpu"] == "500m"
    (container,) = own.object("pod", "nb1-0")["spec"]["containers"]
    assert container["resources"]["limits"]["memory"] == "1536Mi"  # the pod of now, not the one before
