"""kubectl, unmodified, against the local engine: `atelier kubeconfig`, then what people type."""
import hashlib
import json
import pathlib
import re
import time

import pytest
import websocket
from atelier import PATIENCE, wait_for
from kubectl import Kubectl

ALICE, BOB, CAROL, DAVE = (f"{name}@example.com" for name in ("alice", "bob", "carol", "dave"))


@pytest.fixture(scope="module")
def place(house):
    """alice's profile with two notebooks; bob is an editor, carol a viewer, dave an editor of nb2 only."""
    house.env["ATELIER_SAMPLE_S"] = "3"  # how often what pods use is measured
    house.up()
    house.cookies = {user: house.add_user(user) for user in (ALICE, BOB, CAROL, DAVE)}
    house.cli("profile", "create", "alice", user=ALICE)
    for name in ("nb1", "nb2"):
        house.cli("-n", "alice", "notebook", "create", name, user=ALICE)
    house.cli("share", "alice", BOB, "--role", "editor", user=ALICE)
    house.cli("share", "alice", CAROL, "--role", "viewer", user=ALICE)
    house.cli("share", "alice", DAVE, "--role", "editor", "--notebook", "nb2", user=ALICE)
    kubectl = Kubectl(house, ALICE, "alice")
    for name in ("nb1", "nb2"):
        house.wait_notebook("alice", name, ALICE, timeout_s=180)
        wait_for(f"it is told that {name} has begun", lambda: {"Scheduled", "Started"} <= set(kubectl.out(
            "get", "events", "--field-selector", f"involvedObject.name={name}-0", "-o", "jsonpath={.items[*].reason}").split()), 30, 0.5)
    return house


@pytest.fixture(scope="module")
def alice(place):
    return Kubectl(place, ALICE, "alice")


def has_process(argument):
    """Whether some process of this machine was started with exactly that argument."""
    for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if argument.encode() in command and b"kubectl" not in command[0]:
            return True
    return False


# --- looking ----------------------------------------------------------------------------------------------------------
def table(text):
    """[{COLUMN: cell}] of what kubectl prints; columns are divided by at least two spaces."""
    lines = text.splitlines()
    starts = [match.start() for match in re.finditer(r"(?:^|(?<=  ))\S", lines[0])]
    cut = [slice(start, end) for start, end in zip(starts, [*starts[1:], None])]
    return [{lines[0][part].strip(): line[part].strip() for part in cut} for line in lines[1:]]


def test_get_shows_each_kinds_own_columns(alice):
    pods = {row["NAME"]: row for row in table(alice.out("get", "pods"))}
    assert list(pods["nb1-0"]) == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert pods["nb1-0"]["STATUS"] == "Running" and pods["nb1-0"]["RESTARTS"] == "0"
    wide = table(alice.out("get", "pod", "nb1-0", "-o", "wide"))[0]
    assert wide["NODE"] == "local"
    assert wide["IP"] == alice.out("get", "pod", "nb1-0", "-o", "jsonpath={.status.podIP}")
    assert table(alice.out("get", "svc", "nb1"))[0]["PORT(S)"] == "80/TCP"
    claim = table(alice.out("get", "pvc"))[0]
    assert (claim["NAME"], claim["STATUS"], claim["ACCESS MODES"]) == ("home", "Bound", "RWO")
    notebook = table(alice.out("get", "nb", "nb1"))[0]
    assert notebook["STATUS"] == "Running"
    assert list(table(alice.out("get", "events"))[0]) == ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert {row["OBJECT"] for row in table(alice.out("get", "events"))} >= {"pod/nb1-0"}
    assert table(alice.out("get", "profiles"))[0]["OWNER"] == ALICE
    everywhere = table(alice.out("get", "pods", "-A"))
    assert {row["NAMESPACE"] for row in everywhere} == {"alice"}
    assert "statefulset.apps/nb1" in alice.out("get", "all")


def test_get_selects(alice):
    def names(*args):
        return sorted(alice.out("get", "pods", "-o", "name", *args).split())

    assert names("-l", "notebook-name=nb1") == ["pod/nb1-0"]
    assert names("-l", "notebook-name in (nb1,nb2)") == ["pod/nb1-0", "pod/nb2-0"]
    assert names("--field-selector", "metadata.name=nb2-0") == ["pod/nb2-0"]
    assert names("--field-selector", "status.phase=Failed") == []
    assert names("--field-selector", "status.phase=Running") == ["pod/nb1-0", "pod/nb2-0"]


def test_get_prints_as_it_is_told(alice):
    assert alice.json("get", "nb", "nb1")["kind"] == "Notebook"
    assert "kind: Notebook" in alice.out("get", "nb", "nb1", "-o", "yaml")
    assert alice.out("get", "nb", "-o", "jsonpath={.items[*].metadata.name}") == "nb1 nb2"
    assert alice.out("get", "nb", "-o", "custom-columns=N:.metadata.name", "--no-headers").split() == ["nb1", "nb2"]


def test_watching_prints_rows_as_things_change(alice):
    alice("create", "configmap", "watched", "--from-literal=a=b")
    watch = alice.start("get", "configmap", "watched", "-w")
    assert watch.stdout.readline().split() == ["NAME", "DATA", "AGE"]
    assert watch.stdout.readline().split()[:2] == ["watched", "1"]
    alice("patch", "configmap", "watched", "--type", "merge", "-p", '{"data":{"c":"d"}}')
    assert watch.stdout.readline().split()[:2] == ["watched", "2"]
    watch.kill()
    watch.communicate()
    alice("delete", "configmap", "watched", "--wait")
    assert "not found" in alice("get", "configmap", "watched", check=False).stderr


def test_describe_tells_what_happened(alice):
    told = alice.out("describe", "pod", "nb1-0")
    assert "Controlled By:  StatefulSet/nb1" in told
    assert re.search(r"^Node: +local/10\.64\.0\.1$", told, re.MULTILINE)
    assert "Scheduled" in told.split("Events:")[1] and "Started" in told.split("Events:")[1]
    assert "Phase:" in alice.out("describe", "nb", "nb1")


def test_wait_for_conditions_and_deletion(alice):
    alice("wait", "--for=condition=Ready", "pod/nb1-0", "nb/nb1", "--timeout=5m")
    alice("wait", "--for=jsonpath={.status.phase}=Running", "nb/nb1", "--timeout=5m")
    alice("create", "configmap", "brief", "--from-literal=a=b")
    waiting = alice.start("wait", "--for=delete", "configmap/brief", "--timeout=5m")
    alice("delete", "configmap", "brief", "--wait=false")
    assert waiting.wait(60 * PATIENCE) == 0, waiting.communicate()
    waiting.communicate()
    late = alice("wait", "--for=condition=Nonsense", "pod/nb1-0", "--timeout=1s", check=False)
    assert late.returncode == 1 and "timed out" in late.stderr


def test_watching_as_json_gives_whole_objects(alice):
    watch = alice.start("get", "nb", "nb1", "-w", "-o", "json")
    seen = ""
    while True:
        seen += watch.stdout.readline()
        try:
            found = json.loads(seen)
            break
        except ValueError:
            continue
    assert found["kind"] == "Notebook" and found["metadata"]["name"] == "nb1"
    watch.kill()
    watch.communicate()


SUSPENDED = """apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: idle}
spec:
  suspend: true
  headGroupSpec: {rayStartParams: {}, template: {spec: {containers: [{name: ray-head, image: ray-2.60}]}}}
  workerGroupSpecs:
  - {groupName: w, replicas: 1, maxReplicas: 4, rayStartParams: {}, template: {spec: {containers: [{name: ray-worker, image: ray-2.60}]}}}
"""


def test_scale_stops_starts_and_makes_workers(place, alice):
    """Of a notebook 0 or 1; of a Ray cluster its one worker group. Whose group is one of several is asked which."""
    alice("apply", "-f", "-", input=SUSPENDED)
    assert alice.out("scale", "raycluster", "idle", "--replicas", "2") == "raycluster.ray.io/idle scaled\n"
    assert alice.out("get", "raycluster", "idle", "-o", "jsonpath={.spec.workerGroupSpecs[0].replicas}") == "2"
    assert alice.out("scale", "raycluster/idle", "--current-replicas", "2", "--replicas", "1") == "raycluster.ray.io/idle scaled\n"
    late = alice("scale", "raycluster/idle", "--current-replicas", "2", "--replicas", "0", check=False)
    assert late.returncode == 1 and "Expected replicas to be 2, was 1" in late.stderr, late
    more = alice("scale", "raycluster", "idle", "--replicas", "7", check=False)
    assert more.returncode == 1 and "maxReplicas" in more.stderr, more
    alice("patch", "raycluster", "idle", "--type", "json", "-p",
          '[{"op": "copy", "from": "/spec/workerGroupSpecs/0", "path": "/spec/workerGroupSpecs/1"}, '
          '{"op": "replace", "path": "/spec/workerGroupSpecs/1/groupName", "value": "other"}]')
    which = alice("scale", "raycluster", "idle", "--replicas", "2", check=False)
    assert which.returncode == 1 and "2 worker groups" in which.stderr and "atelier ray scale" in which.stderr, which
    alice("delete", "raycluster", "idle")
    assert alice.out("scale", "notebook", "nb1", "--replicas", "1") == "notebook.kubeflow.org/nb1 scaled\n"  # as it is
    refused = Kubectl(place, CAROL, "alice")("scale", "notebook", "nb1", "--replicas", "0", check=False)
    assert refused.returncode == 1 and "your role on this profile does not allow this" in refused.stderr, refused
    both = alice("scale", "notebook", "nb1", "--replicas", "2", check=False)
    assert both.returncode == 1 and "a notebook runs or is stopped" in both.stderr, both
    assert alice.json("get", "nb", "nb1")["status"]["phase"] == "Running"
    assert alice.out("auth", "can-i", "update", "notebooks", "--subresource=scale").strip() == "yes"


def test_what_kubectl_cannot_do_here_it_says(alice):
    """What Atelier makes is scaled by what it was made for; pods here take no ephemeral containers."""
    for args, words in ((("scale", "statefulset", "nb1", "--replicas", "0"), "the notebook of that name runs or is stopped"),
                        (("debug", "nb1-0", "--profile", "general", "--image", "busybox", "--", "true"), "ephemeral containers are disabled"),
                        (("run", "x", "--image", "busybox"), "pods are written by Atelier only"),
                        (("set", "env", "statefulset/nb1", "A=b"), "statefulsets are written by Atelier only"),
                        (("delete", "statefulset", "nb1"), "statefulsets are written by Atelier only"),
                        (("get", "nodes"), "nodes are for platform admins"),
                        (("top", "nodes"), "nodes are for platform admins")):
        refused = alice(*args, check=False)
        assert refused.returncode == 1 and words in refused.stderr, (args, refused.stderr)
    absent = alice("scale", "notebook", "absent", "--replicas", "0", check=False)
    assert absent.returncode == 1 and 'notebooks.kubeflow.org "absent" not found' in absent.stderr


def test_who_one_is(place, alice):
    assert ALICE in alice.out("auth", "whoami")
    assert CAROL in Kubectl(place, CAROL, "alice").out("auth", "whoami")
    assert place.http("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body={}).status == 401


def test_what_there_is_and_what_one_may(place, alice):
    kinds = table(alice.out("api-resources"))
    assert {"notebooks", "rayclusters", "pods", "configmaps"} <= {row["NAME"] for row in kinds}
    viewer = Kubectl(place, CAROL, "alice")
    assert alice.out("auth", "can-i", "create", "notebooks").strip() == "yes"
    assert alice.out("auth", "can-i", "create", "pods", "--subresource=exec").strip() == "yes"
    for args in (("create", "notebooks"), ("create", "pods", "--subresource=exec"), ("get", "secrets")):
        refused = viewer("auth", "can-i", *args, check=False)
        assert refused.returncode == 1 and refused.stdout.startswith("no"), args
    rules = table(alice.out("auth", "can-i", "--list"))
    assert any(row["Resources"] == "notebooks.kubeflow.org" and "create" in row["Verbs"] for row in rules)
    assert {"pods/exec", "pods/attach", "pods/portforward", "pods/log"} <= {row["Resources"] for row in rules}
    looking = {row["Resources"] for row in table(viewer.out("auth", "can-i", "--list"))}
    assert "notebooks.kubeflow.org" in looking and not looking & {"pods/exec", "pods/attach", "pods/portforward", "secrets"}


def test_probes_answer_as_a_clusters_do(place, alice):
    for path, check in (("healthz", "ping"), ("livez", "ping"), ("readyz", "policy")):
        assert alice.out("get", "--raw", f"/{path}") == "ok\n" and place.get(f"/{path}").status == 200
        assert alice.out("get", "--raw", f"/{path}?verbose") == f"[+]{check} ok\n{path} check passed\n"
        assert alice.out("auth", "can-i", "get", f"/{path}").strip() == "yes"


def test_cluster_info_names_the_service(place, alice):
    for kubectl in (alice, Kubectl(place, DAVE, "alice")):
        assert f"https://localhost:{place.tls_port}" in kubectl.out("cluster-info")
    own = "/api/v1/namespaces/kube-system/services?labelSelector=kubernetes.io%2Fcluster-service%3Dtrue"
    assert place.get(own, DAVE).json["items"] == [] and place.get(own).status == 401
    assert "NotFound" in alice("get", "services", "-n", "kube-system", check=False).stderr  # the namespace is nobody's


def test_nobody_is_taken_for_somebody_else(alice):
    for args in (("get", "pods"), ("auth", "can-i", "get", "pods"), ("exec", "nb1-0", "--", "true")):
        refused = alice("--as", BOB, *args, check=False)
        assert refused.returncode == 1 and "nobody is impersonated here" in refused.stderr, (args, refused)


def test_logs_of_a_pod(alice):
    assert "Jupyter Server" in alice.out("logs", "nb1-0", "--tail=200")
    stamped = alice.out("logs", "nb1-0", "--tail=1", "--timestamps").split()[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", stamped), stamped
    following = alice.start("logs", "-f", "nb1-0", "--tail=1")
    assert following.stdout.readline()
    following.kill()
    following.communicate()


# --- top --------------------------------------------------------------------------------------------------------------
METRICS = "/apis/metrics.k8s.io/v1beta1"


def test_top_shows_what_pods_use(place, alice):
    wait_for("both are measured", lambda: len(alice.out("top", "pods", "--no-headers", check=False).splitlines()) == 2, 60, 1)
    first = table(alice.out("top", "pod", "nb1-0"))[0]
    assert list(first) == ["NAME", "CPU(cores)", "MEMORY(bytes)"] and first["NAME"] == "nb1-0"
    assert first["CPU(cores)"].endswith("m") and 20 < int(first["MEMORY(bytes)"].removesuffix("Mi")) < 2000
    inside = table(alice.out("top", "pod", "-l", "notebook-name=nb2", "--containers"))
    assert [(row["POD"], row["NAME"]) for row in inside] == [("nb2-0", "nb2")]
    item = json.loads(alice.out("get", "--raw", f"{METRICS}/namespaces/alice/pods/nb1-0"))
    assert item["kind"] == "PodMetrics" and item["metadata"]["labels"]["notebook-name"] == "nb1"
    assert re.fullmatch(r"\d+\.\d{3}s", item["window"]) and item["timestamp"].endswith("Z")
    assert [one["name"] for one in item["containers"]] == ["nb1"]
    assert {row["NAME"] for row in table(alice.out("get", "podmetrics"))} == {"nb1-0", "nb2-0"}


def test_top_of_workloads_goes_on(place):
    wait_for("both are measured", lambda: len(place.cli("top", "-n", "alice", user=ALICE).stdout.splitlines()) == 3, 60, 1)
    with place.cli_beside("top", "-n", "alice", "--watch", user=ALICE) as seen:
        assert seen.readline().split() == ["WORKLOAD", "CPU", "MEMORY", "NODES", "MEASURED"]
        assert {seen.readline().split()[0] for _ in range(6)} == {"notebook/nb1", "notebook/nb2"}


def test_top_shows_what_one_may_see(place, alice):
    """A grant on one notebook shows its pod; the machine is the administrators'."""
    for user, pods in ((CAROL, ["nb1-0", "nb2-0"]), (DAVE, ["nb2-0"])):
        seen = json.loads(Kubectl(place, user, "alice").out("get", "--raw", f"{METRICS}/namespaces/alice/pods"))
        assert sorted(item["metadata"]["name"] for item in seen["items"]) == pods, user
    dave = Kubectl(place, DAVE, "alice")
    hidden = [dave("get", "--raw", f"{METRICS}/namespaces/{path}", check=False).stderr.replace(path, "PATH")
              for path in ("alice/pods/nb1-0", "nobody/pods/nb1-0")]
    assert hidden[0] == hidden[1] and "NotFound" in hidden[0]
    assert alice.out("auth", "can-i", "list", "pods.metrics.k8s.io").strip() == "yes"
    assert alice("auth", "can-i", "list", "nodes", check=False).stdout.startswith("no")
    assert alice("get", "--raw", f"{METRICS}/namespaces/alice/nodes", check=False).returncode == 1
    refused = alice("create", "--raw", f"{METRICS}/namespaces/alice/pods", "-f", "/dev/null", check=False)
    assert refused.returncode == 1


def test_top_of_the_machine(place):
    place.add_user("root@example.com", admin=True)
    admin = Kubectl(place, "root@example.com", "alice")
    node = table(admin.out("get", "nodes"))[0]
    assert (node["NAME"], node["STATUS"]) == ("local", "Ready")
    used = table(admin.out("top", "nodes"))[0]
    assert used["NAME"] == "local" and 0 <= int(used["CPU(%)"].removesuffix("%")) <= 101
    assert 0 < int(used["MEMORY(%)"].removesuffix("%"))
    assert table(admin.out("top", "node", "local", "--show-capacity"))[0]["NAME"] == "local"
    assert admin("top", "node", "other", check=False).returncode == 1
    assert admin.out("top", "nodes", "-l", "no=such", check=False) == ""
    assert {row["NAMESPACE"] for row in table(admin.out("top", "pods", "-A"))} == {"alice"}
    assert "kubernetes.io/hostname=local" in admin.out("describe", "node", "local")
    assert "NodeMetrics" in admin.out("explain", "nodemetrics")


# --- rollout ----------------------------------------------------------------------------------------------------------
def test_rollout_restarts_and_tells_how_far_it_is(place, alice):
    def uid():
        return alice.out("get", "pod", "nb2-0", "-o", "jsonpath={.metadata.uid}", check=False)

    first = uid()
    assert "roll out complete: 1 new pods" in alice.out("rollout", "status", "statefulset/nb2", "--timeout=5m")
    before = alice.json("get", "statefulset", "nb2")
    assert before["spec"]["updateStrategy"]["type"] == "RollingUpdate"
    refused = Kubectl(place, CAROL, "alice")("rollout", "restart", "statefulset/nb2", check=False)
    assert refused.returncode == 1 and "your role on this profile does not allow this" in refused.stderr
    Kubectl(place, DAVE, "alice")("rollout", "restart", "statefulset/nb2")  # whose notebook it is to change
    assert "roll out complete: 1 new pods" in alice.out("rollout", "status", "statefulset/nb2", "--timeout=5m")
    second = uid()
    assert first and second and second != first
    now = alice.json("get", "statefulset", "nb2")
    status = now["status"]
    assert status["observedGeneration"] == now["metadata"]["generation"] > before["metadata"]["generation"]
    assert status["currentRevision"] == status["updateRevision"] != before["status"]["updateRevision"]
    assert status["updatedReplicas"] == status["currentReplicas"] == status["readyReplicas"] == 1
    assert alice.out("get", "pod", "nb2-0", "-o", "jsonpath={.metadata.labels.controller-revision-hash}") == status["updateRevision"]
    # What Atelier wants of the set for other reasons leaves the restart in place, and makes no further one.
    alice("annotate", "notebook", "nb2", "example.com/note=hello")
    alice("annotate", "statefulset", "nb2", "kubernetes.io/change-cause=more memory")
    time.sleep(3)
    assert uid() == second
    assert "kubectl.kubernetes.io/restartedAt" in alice.json("get", "statefulset", "nb2")["spec"]["template"]["metadata"]["annotations"]


def test_rollout_history_shows_former_templates(place, alice):
    history = alice.out("rollout", "history", "statefulset/nb2")
    assert [line.split()[0] for line in history.splitlines()[2:] if line.strip()] == ["1", "2"], history
    assert "restartedAt" not in alice.out("rollout", "history", "statefulset/nb2", "--revision=1")
    assert "restartedAt" in alice.out("rollout", "history", "statefulset/nb2", "--revision=2")
    rows = table(alice.out("get", "controllerrevisions", "-l", "statefulset=nb2"))
    assert {(row["CONTROLLER"], row["REVISION"]) for row in rows} == {("statefulset.apps/nb2", "1"), ("statefulset.apps/nb2", "2")}
    assert len(table(Kubectl(place, DAVE, "alice").out("get", "controllerrevisions"))) == 2  # nb2's alone
    refused = alice("rollout", "undo", "statefulset/nb2", check=False)
    assert refused.returncode == 1


# --- exec -------------------------------------------------------------------------------------------------------------
def test_exec_runs_a_command_as_the_pods_own_user(alice):
    done = alice("exec", "nb1-0", "--", "sh", "-c", "id -un; echo to-stderr >&2; pwd; exit 3", check=False)
    assert done.returncode == 3
    assert done.stdout.split() == ["atelier", "/home/atelier"]
    assert "to-stderr" in done.stderr
    capabilities = alice.out("exec", "nb1-0", "--", "grep", "-E", "CapEff|NoNewPrivs|Seccomp:", "/proc/self/status").split()
    assert capabilities == ["CapEff:", "0000000000000000", "NoNewPrivs:", "1", "Seccomp:", "2"]


def test_exec_counts_against_the_containers_own_limits(alice):
    ours = alice.out("exec", "nb1-0", "--", "cat", "/proc/self/cgroup")
    its = alice.out("exec", "nb1-0", "--", "cat", "/proc/1/cgroup")
    assert ours == its


def test_exec_says_what_cannot_run(alice):
    done = alice("exec", "nb1-0", "--", "no-such-program", check=False)
    assert done.returncode != 0 and "no-such-program" in done.stderr and "not found" in done.stderr
    done = alice("exec", "nb1-0", "-c", "nobody", "--", "true", check=False)
    assert done.returncode != 0 and "nobody" in done.stderr
    done = alice("exec", "nb9-0", "--", "true", check=False)
    assert done.returncode != 0 and 'pods "nb9-0" not found' in done.stderr


def test_exec_passes_what_it_is_fed_and_its_end(alice):
    content = bytes(range(256)) * 40000
    done = alice("exec", "-i", "nb1-0", "--", "sha256sum", input=content)
    assert done.stdout.split()[0] == hashlib.sha256(content).hexdigest().encode()
    done = alice("exec", "-i", "nb1-0", "--", "cat", input=content)
    assert done.stdout == content


def test_exec_on_a_terminal(alice):
    shell = alice.terminal("exec", "-it", "nb1-0", "--", "bash", "--norc", rows=31, columns=97)
    shell.until("$ ")
    shell.type("PS1='ready> '\n")
    shell.until("ready> ")
    shell.until("ready> ")
    shell.type("stty size; tty\n")
    assert "31 97" in shell.until("/dev/pts/")
    shell.resize(17, 83)
    shell.type("until [ \"$(stty size)\" = '17 83' ]; do sleep 0.1; done; echo resi$((1))zed\n")
    shell.until("resi1zed")
    shell.type("sh -c 'echo up$((1 + 1)); exec sleep 1000'\n")
    shell.until("up2")  # it runs: what is typed while a shell still starts a command is nobody's
    shell.type("\x03")  # the terminal's own signals arrive
    shell.type("echo $((700 + 77))\n")
    shell.until("777")
    shell.type("exit 5\n")
    assert shell.wait() == 5


def test_cp_there_and_back(alice, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "large").write_bytes(bytes(range(256)) * 20000)
    (folder / "a name").write_text("with a space\n")
    alice("cp", folder, "nb1-0:/home/atelier/data")
    alice("cp", "nb1-0:/home/atelier/data", tmp_path / "back")
    for file in ("large", "a name"):
        assert (tmp_path / "back" / file).read_bytes() == (folder / file).read_bytes()


def test_whoever_goes_ends_what_they_began(alice):
    running = alice.start("exec", "nb1-0", "--", "sh", "-c", "sleep 71001 & sleep 71002")
    wait_for("both run", lambda: has_process("71001") and has_process("71002"), 30)
    running.kill()
    running.communicate()
    wait_for("neither runs", lambda: not has_process("71001") and not has_process("71002"), 30)


# --- restarts ---------------------------------------------------------------------------------------------------------
def test_the_log_of_before_a_restart(place, alice):
    none = alice("logs", "-p", "nb1-0", check=False)
    assert none.returncode == 1 and 'previous terminated container "nb1" in pod "nb1-0" not found' in none.stderr, none
    alice("exec", "nb2-0", "--", "sh", "-c", "echo last words >/proc/1/fd/1; kill 1", check=False)
    wait_for("it runs again", lambda: alice.json("get", "pod", "nb2-0")["status"]["containerStatuses"][0]["restartCount"] == 1, 60, 0.5)
    alice("wait", "--for=condition=Ready", "pod/nb2-0", "--timeout=5m")
    assert "last words\n" in alice.out("logs", "-p", "nb2-0") and "last words" in alice.out("logs", "nb2-0")
    assert len(alice.out("logs", "-p", "nb2-0", "--tail=2").splitlines()) == 2
    assert "last words\n" in place.cli("logs", "notebook/nb2", "-n", "alice", "--previous", user=ALICE).stdout
    assert place.cli("logs", "nb2-0", "-n", "alice", "--since", "1h", user=ALICE).stdout != ""
    assert place.cli("logs", "nb2-0", "-n", "alice", "--since", "soon", user=ALICE, check=False).returncode == 2


# --- who may ----------------------------------------------------------------------------------------------------------
def test_exec_is_for_editors_of_the_profile(place):
    assert "atelier" in Kubectl(place, BOB, "alice").out("exec", "nb1-0", "--", "id", "-un")
    refused = Kubectl(place, CAROL, "alice")("exec", "nb1-0", "--", "true", check=False)
    assert refused.returncode != 0 and "forbidden" in refused.stderr.lower()
    for user, namespace in ((DAVE, "alice"), (DAVE, "nobodys")):
        done = Kubectl(place, user, namespace)("exec", "nb1-0", "--", "true", check=False)
        assert done.returncode != 0 and "not found" in done.stderr.lower(), done.stderr


def handshake(place, path, status, **more):
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        place.websocket(path, **more).close()
    assert refused.value.status_code == status


def test_exec_takes_no_cookie_and_no_other_protocol(place):
    path = "/api/v1/namespaces/alice/pods/nb1-0/exec?command=id&stdout=true"
    channels = "Sec-WebSocket-Protocol: v5.channel.k8s.io"
    cookie = f"Cookie: {place.cookies[ALICE]}"
    handshake(place, path, 401, headers=[channels])
    handshake(place, path, 403, headers=[channels, cookie])
    handshake(place, path, 403, headers=[channels, cookie, "Origin: http://evil.example"])
    handshake(place, path, 403, headers=[channels, cookie, f"Origin: {place.url}"])
    handshake(place, path, 400, user=ALICE)
    handshake(place, path, 400, user=ALICE, headers=["Sec-WebSocket-Protocol: channel.k8s.io"])
    handshake(place, "/api/v1/namespaces/alice/pods/nb1-0/exec?stdout=true", 400, user=ALICE, headers=[channels])
    handshake(place, path, 404, user=DAVE, headers=[channels])


def test_an_older_client_is_served(place):
    """v4.channel.k8s.io with text messages, as the Kubernetes Python client sends them."""
    socket = place.websocket("/api/v1/namespaces/alice/pods/nb1-0/exec?command=sh&stdin=true&stdout=true", user=ALICE,
                             headers=["Sec-WebSocket-Protocol: v4.channel.k8s.io"])
    socket.send("\0echo from-$((40 + 2)); exit 7\n")
    seen = {}
    while 3 not in seen:
        message = socket.recv()
        seen[message[0]] = seen.get(message[0], b"") + message[1:]
    socket.close()
    assert seen[1] == b"from-42\n"
    assert b'"reason":"NonZeroExitCode"' in seen[3] and b'"message":"7"' in seen[3]


def test_revocation_ends_a_running_command(place):
    running = Kubectl(place, BOB, "alice").start("exec", "nb1-0", "--", "sleep", "72001")
    wait_for("it runs", lambda: has_process("72001"), 30)
    place.cli("unshare", "alice", BOB, user=ALICE)
    started = time.monotonic()
    running.communicate(timeout=20 * PATIENCE)
    assert running.returncode != 0 and time.monotonic() - started < 10 * PATIENCE
    wait_for("it is gone", lambda: not has_process("72001"), 20)
    place.cli("share", "alice", BOB, "--role", "editor", user=ALICE)
