"""kubectl against atelierd on a real API server: what owners, editors, viewers and outsiders can do, see, and not see."""
import json
import subprocess
import threading

import pytest
import service

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
      automountServiceAccountToken: false
      containers:
        - name: web
          image: registry.example.com/web:1
          securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
          resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {cpu: 10m, memory: 16Mi}}
"""


def configmap(name, **data):
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})


def shake(world, person, path):
    """The answer to a WebSocket handshake as kubectl's."""
    token = f"Authorization: Bearer {person.token}\r\n" if person else ""
    return world.first.raw(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{token}Connection: Upgrade\r\nUpgrade: websocket\r\n"
                           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                           "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n".encode())


class World:
    """alice owns a profile, bob edits in it, carol looks; dave is nobody there and has one of his own."""

    def __init__(self):
        self.service = service.Service("--controllers")
        self.first = self.service.first
        self.admin = self.service.cluster
        try:
            self.alice, self.bob, self.carol, self.dave = map(self.service.person, ("alice", "bob", "carol", "dave"))
            self.service.profile("alice", self.alice.email)
            self.service.profile("dave", self.dave.email)
            self.first.cli("share", "alice", self.bob.email, "--role", "editor")
            self.first.cli("share", "alice", self.carol.email, "--role", "viewer")
        except BaseException:
            print(self.first.tail())
            self.service.close()
            raise


@pytest.fixture(scope="module")
def world():
    made = World()
    try:
        yield made
    finally:
        print(made.first.tail())
        made.service.close()


# --- looking around ---------------------------------------------------------------------------------------------------

def test_discovery_is_the_cluster_s(world):
    """Its kinds, its documents, its version; also for whoever has no profile."""
    for person in (world.alice, world.dave):
        names = person.kubectl("api-resources", "-o", "name").split()
        assert {"configmaps", "deployments.apps", "notebooks.kubeflow.org", "rayclusters.ray.io"} <= set(names)
        assert "REPLICAS" not in person.kubectl("explain", "deployment.spec.replicas") and \
            "Number of desired pods" in person.kubectl("explain", "deployment.spec.replicas")
        assert "notebook" in person.kubectl("explain", "notebook").lower()
        assert "v1.34" in person.kubectl("version")


def test_nothing_without_a_token(world):
    for path in ("/api", "/apis", "/apis/apps/v1", "/openapi/v2", "/openapi/v3", "/openapi/v3/apis/apps/v1",
                 "/api/v1/namespaces/alice/configmaps", "/apis/apps/v1/namespaces/alice/deployments",
                 "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"):
        answer = world.first.raw(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        assert answer.startswith((b"HTTP/1.1 401 ", b"HTTP/1.1 405 ")), answer


# --- what kubectl does with objects -----------------------------------------------------------------------------------

@pytest.mark.parametrize("who", ["alice", "bob"])
def test_configmaps_by_every_verb(world, who, tmp_path):
    person, name = getattr(world, who), f"settings-{who}"
    person.kubectl("create", "configmap", name, "--from-literal=a=1")
    assert person.get("configmap", name)["data"] == {"a": "1"}
    person.kubectl("apply", "-f", "-", text_in=configmap(name, a="2"))
    person.kubectl("apply", "-f", "-", text_in=configmap(name, a="3", b="x"))
    assert person.get("configmap", name)["data"] == {"a": "3", "b": "x"}
    person.kubectl("apply", "-f", "-", text_in=configmap(name, b="y"))  # three-way: a goes
    assert person.get("configmap", name)["data"] == {"b": "y"}
    person.kubectl("patch", "configmap", name, "--type", "merge", "-p", '{"data":{"c":"m"}}')
    person.kubectl("patch", "configmap", name, "--type", "json", "-p", '[{"op":"replace","path":"/data/c","value":"j"}]')
    person.kubectl("patch", "configmap", name, "-p", '{"data":{"d":"strategic"}}')
    person.kubectl("label", "configmap", name, "colour=red")
    person.kubectl("annotate", "configmap", name, "note=mine")
    editor = tmp_path / "editor.sh"
    editor.write_text("#!/bin/sh\nsed -i 's/strategic/edited/' \"$1\"\n")
    editor.chmod(0o755)
    person.kubectl("edit", "configmap", name, env={"EDITOR": str(editor), "KUBE_EDITOR": str(editor)})
    read = person.get("configmap", name)
    assert read["data"] == {"b": "y", "c": "j", "d": "edited"} and read["metadata"]["labels"]["colour"] == "red"
    person.kubectl("replace", "-f", "-", text_in=configmap(name, only="this"))
    assert person.get("configmap", name)["data"] == {"only": "this"}
    person.kubectl("delete", "configmap", name, "--wait")
    assert "NotFound" in person.refused("get", "configmap", name)


def test_server_side_apply_knows_owners(world):
    """Conflicts are the cluster's: two managers of one field, and force."""
    world.bob.kubectl("apply", "--server-side", "--field-manager=one", "-f", "-", text_in=configmap("shared", k="1"))
    said = world.bob.refused("apply", "--server-side", "--field-manager=two", "-f", "-", text_in=configmap("shared", k="2"))
    assert "conflict" in said and "one" in said
    world.bob.kubectl("apply", "--server-side", "--field-manager=two", "--force-conflicts", "-f", "-",
                      text_in=configmap("shared", k="2"))
    assert world.bob.get("configmap", "shared")["data"] == {"k": "2"}
    # A dry run says what would be and stores nothing; diff rests on it.
    world.bob.kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", text_in=configmap("dry", k="1"))
    assert "NotFound" in world.bob.refused("get", "configmap", "dry")
    world.bob.kubectl("delete", "configmap", "shared")


def test_deployments_are_none_of_ours_and_work(world):
    bob = world.bob
    bob.kubectl("apply", "-f", "-", text_in=DEPLOYMENT)
    bob.kubectl("wait", "deployment/web", "--for=jsonpath={.status.replicas}=1", "--timeout=120s")
    bob.kubectl("scale", "deployment/web", "--replicas=2")
    bob.kubectl("wait", "deployment/web", "--for=jsonpath={.status.replicas}=2", "--timeout=120s")
    assert len(bob.get("pods", "-l", "app=web")["items"]) == 2
    bob.kubectl("set", "image", "deployment/web", "web=registry.example.com/web:2")
    bob.kubectl("patch", "deployment", "web", "-p", '{"spec":{"template":{"metadata":{"labels":{"v":"2"}}}}}')
    assert bob.get("deployment", "web")["spec"]["template"]["metadata"]["labels"] == {"app": "web", "v": "2"}
    assert "web" in world.carol.kubectl("get", "deployments,replicasets,pods")
    assert "Replicas:" in world.carol.kubectl("describe", "deployment", "web")
    for command in (("scale", "deployment/web", "--replicas=0"), ("delete", "deployment", "web"),
                    ("label", "deployment", "web", "x=y"), ("rollout", "restart", "deployment/web")):
        assert "your role on this profile does not allow this" in world.carol.refused(*command)
    bob.kubectl("delete", "deployment", "web", "--wait", "--timeout=120s")


def test_lists_come_in_pages_and_by_selector(world):
    for index in range(5):
        world.bob.kubectl("create", "configmap", f"page-{index}")
        world.bob.kubectl("label", "configmap", f"page-{index}", f"odd={index % 2}")
    names = world.bob.kubectl("get", "configmaps", "--chunk-size=2", "-o", "name").split()
    assert {f"configmap/page-{index}" for index in range(5)} <= set(names)
    assert len(world.bob.get("configmaps", "-l", "odd=1")["items"]) == 2
    assert len(world.bob.get("configmaps", "--field-selector", "metadata.name=page-3")["items"]) == 1
    assert "Table" in world.bob.ask("GET", "/api/v1/namespaces/alice/configmaps",
                                    Accept="application/json;as=Table;g=meta.k8s.io;v=v1")[1]


def test_watches_go_on_and_end_with_the_role(world):
    """Every change comes at once; whoever is taken out of the profile sees no further one."""
    watch = world.carol.start("get", "configmaps", "-w", "-o", "name")
    seen = []
    reader = threading.Thread(target=lambda: [seen.append(line.strip()) for line in watch.stdout], daemon=True)
    reader.start()
    service.eventually("the watch has begun", lambda: "configmap/kube-root-ca.crt" in seen)
    world.bob.kubectl("create", "configmap", "seen")
    service.eventually("a new object is shown", lambda: "configmap/seen" in seen, 20)
    world.first.cli("unshare", "alice", world.carol.email)
    try:
        watch.wait(20 * service.PATIENCE)
        world.bob.kubectl("create", "configmap", "unseen")
        reader.join()
        assert "configmap/unseen" not in seen
    finally:
        watch.kill()
        world.first.cli("share", "alice", world.carol.email, "--role", "viewer")


# --- kinds that Atelier validates -------------------------------------------------------------------------------------

def test_admission_holds_for_every_kind_of_write(world):
    """Whatever the verb and the body's encoding, what is stored has been admitted."""
    bob = world.bob
    reserved = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ours", "labels": {"atelier.dev/x": "y"}}}
    text = json.dumps(reserved)
    assert "atelier.dev/x" in bob.refused("create", "-f", "-", text_in=text)
    assert "atelier.dev/x" in bob.refused("apply", "--server-side", "-f", "-", text_in=text)
    bob.kubectl("create", "configmap", "plain")
    for kind, patch in (("merge", '{"metadata":{"labels":{"atelier.dev/x":"y"}}}'),
                        ("strategic", '{"metadata":{"labels":{"atelier.dev/x":"y"}}}'),
                        ("json", '[{"op":"add","path":"/metadata/labels","value":{"atelier.dev/x":"y"}}]')):
        assert "atelier.dev/x" in bob.refused("patch", "configmap", "plain", "--type", kind, "-p", patch), kind
    assert "managed-by" in bob.refused("label", "configmap", "plain", "app.kubernetes.io/managed-by=atelier")
    assert "labels" not in bob.get("configmap", "plain")["metadata"]
    # Built-in kinds come as protobuf too.
    encoded = b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12\x35\x0a\x33\x0a\x05proto\x12\x00\x1a\x00\x22\x00\x2a\x00\x32\x00\x38\x00" \
              b"\x5a\x12\x0a\x0datelier.dev/x\x12\x01y"
    assert bob.ask("POST", "/api/v1/namespaces/alice/configmaps", encoded,
                   Content_Type="application/vnd.kubernetes.protobuf")[0] in (400, 422)
    assert "NotFound" in bob.refused("get", "configmap", "proto")
    assert "unknown" in bob.refused("create", "-f", "-", text_in=json.dumps(
        {"apiVersion": "kubeflow.org/v1", "kind": "Notebook", "metadata": {"name": "nb"}, "spec": {"tmplate": {}}})).lower()


CRON = """
apiVersion: ray.io/v1
kind: RayCronJob
metadata: {name: nightly}
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    entrypoint: %s
    rayClusterSpec:
      headGroupSpec: {template: {spec: {containers: [{name: h, image: "rayproject/ray:2.60.0"}]}}}
      workerGroupSpecs:
        - groupName: tpus
          template: {spec: {containers: [{name: w, image: "rayproject/ray:2.60.0", resources: {limits: {google.com/tpu: "4"}}}]}}
"""


def test_jobs_of_cron_jobs_are_checked_and_completed(world):
    bob = world.bob
    for command in (("create",), ("apply",), ("apply", "--server-side")):
        said = bob.refused(*command, "-f", "-", text_in=CRON % "''")
        assert "spec.jobTemplate.entrypoint" in said and "its jobs" in said, said
    bob.kubectl("apply", "-f", "-", text_in=CRON % "python a.py")
    spec = bob.get("raycronjob", "nightly")["spec"]
    assert spec["jobTemplate"]["rayClusterSpec"]["authOptions"]["mode"] == "token" and spec["schedule"] == "0 3 * * *"
    bob.kubectl("patch", "raycronjob", "nightly", "--type=merge", "-p", '{"spec":{"suspend":true}}')
    assert "its jobs" in bob.refused("patch", "raycronjob", "nightly", "--type=merge", "-p",
                                     '{"spec":{"jobTemplate":{"entrypoint":null}}}')
    assert bob.get("raycronjob", "nightly")["spec"]["suspend"] is True
    bob.kubectl("delete", "raycronjob", "nightly")


def test_warnings_reach_who_asked(world):
    """Ours, about a TPU without its kind, and the cluster's own."""
    def warned(person, *args, text):
        done = subprocess.run(person.command(*args), input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return [line for line in done.stderr.splitlines() if line.startswith("Warning: ")]

    (line,) = warned(world.bob, "apply", "-f", "-", text=CRON % "python a.py")
    assert "spec.jobTemplate.rayClusterSpec.workerGroupSpecs[0].template asks for google.com/tpu" in line
    world.bob.kubectl("delete", "raycronjob", "nightly")
    twice = DEPLOYMENT.replace("web", "twice").replace("image: registry.example.com/twice:1", "image: registry.example.com/twice:1\n"
                               "          env: [{name: A, value: b}, {name: A, value: c}]")
    (line,) = warned(world.bob, "create", "-f", "-", text=twice)
    assert "hides previous definition" in line, line
    world.bob.kubectl("delete", "deployment", "twice")


def test_what_is_not_kept_is_watched_in_a_namespace_only(world):
    for plural in ("events", "configmaps"):
        status, answer = world.alice.ask("GET", f"/api/v1/{plural}?watch=1&timeoutSeconds=1")
        assert status == 405 and "MethodNotAllowed" in answer, answer
        assert world.alice.ask("GET", f"/api/v1/namespaces/alice/{plural}?watch=1&timeoutSeconds=1")[0] == 200
    assert world.alice.ask("GET", "/api/v1/pods?watch=1&timeoutSeconds=1")[0] == 200


def test_nobody_writes_what_atelier_makes(world):
    """Roles, limits, walls and quotas of a profile: not its owner either."""
    alice = world.alice
    for kind in ("rolebindings", "resourcequotas", "networkpolicies", "limitranges", "serviceaccounts"):
        alice.kubectl("get", kind)
    names = alice.kubectl("get", "rolebindings", "-o", "name").split()
    assert names
    for command in (("delete", "rolebinding", "atelier-admin"), ("label", "rolebinding", "atelier-admin", "x=y"),
                    ("create", "rolebinding", "mine", "--clusterrole=cluster-admin", "--user=alice@example.com"),
                    ("create", "serviceaccount", "robot"), ("create", "quota", "none"),
                    ("create", "role", "all", "--verb=*", "--resource=*"),
                    ("delete", "namespace", "alice"), ("label", "namespace", "alice", "x=y")):
        alice.refused(*command)
    assert len(world.admin.get("rolebindings", "-n", "alice")["items"]) == len(names)


NOTEBOOK = {"apiVersion": "kubeflow.org/v1", "kind": "Notebook", "metadata": {"name": "nb1"}, "spec": {"template": {"spec": {
    "containers": [{"name": "nb1", "image": "jupyter", "resources": {"requests": {"cpu": "100m", "memory": "128Mi"},
                                                                     "limits": {"cpu": "200m", "memory": "256Mi"}}}]}}}}


def test_notebooks_live_through_kubectl(world):
    """First-class: admitted and defaulted as the console's, whichever way they are written."""
    bob = world.bob
    for name, how in (("nb1", ("apply",)), ("nb2", ("apply", "--server-side")), ("nb3", ("create",))):
        notebook = json.loads(json.dumps(NOTEBOOK).replace("nb1", name))
        bob.kubectl(*how, "-f", "-", text_in=json.dumps(notebook))
        assert bob.get("notebook", name)["spec"]["template"]["spec"]["containers"][0]["name"] == name
    assert len(bob.get("notebooks")["items"]) == 3
    bob.kubectl("annotate", "notebook", "nb1", "kubeflow-resource-stopped=2026-01-01T00:00:00Z")
    bob.kubectl("patch", "notebook", "nb1", "--type", "merge", "-p", '{"metadata":{"labels":{"team":"blue"}}}')
    read = bob.get("notebook", "nb1")["metadata"]
    assert read["labels"]["team"] == "blue" and "kubeflow-resource-stopped" in read["annotations"]
    for replicas in (1, 0):  # the cluster's definition has no scale: Atelier answers it
        assert bob.kubectl("scale", "notebook/nb1", f"--replicas={replicas}") == "notebook.kubeflow.org/nb1 scaled\n"
        assert ("kubeflow-resource-stopped" in bob.get("notebook", "nb1")["metadata"]["annotations"]) == (replicas == 0)
    assert "does not allow" in world.carol.refused("scale", "notebook/nb1", "--replicas=1")
    assert "Invalid" in bob.refused("patch", "notebook", "nb1", "--type", "json", "-p",
                                    '[{"op":"replace","path":"/spec/template/spec/containers","value":[]}]')
    assert world.carol.get("notebook", "nb2") and "does not allow" in world.carol.refused("delete", "notebook", "nb2")


def test_a_shared_notebook_is_all_that_is_shared(world):
    """dave gets one notebook of alice's: that one, in lists too, and nothing else in the namespace."""
    dave = world.dave
    world.first.cli("share", "alice", dave.email, "--role", "editor", "--notebook", "nb1")
    assert dave.get("-n", "alice", "notebook", "nb1")
    assert [item["metadata"]["name"] for item in dave.get("-n", "alice", "notebooks")["items"]] == ["nb1"]
    dave.kubectl("-n", "alice", "label", "notebook", "nb1", "by=dave")
    assert world.alice.get("notebook", "nb1")["metadata"]["labels"]["by"] == "dave"
    dave.kubectl("-n", "alice", "scale", "notebook/nb1", "--replicas=0")
    assert "NotFound" in dave.refused("-n", "alice", "get", "notebook", "nb2")
    for path in ("secrets", "secrets/key", "configmaps/settings", "pods/nb2-0", "pods/nb2-0/log", "serviceaccounts/default"):
        status, answer = dave.ask("GET", f"/api/v1/namespaces/alice/{path}")
        assert status in (403, 404) or (status == 200 and '"items":[]' in answer), (path, answer)
    for path in ("apps/v1/namespaces/alice/deployments", "batch/v1/namespaces/alice/jobs",
                 "apps/v1/namespaces/alice/statefulsets/nb2", "kubeflow.org/v1/namespaces/alice/notebooks/nb2"):
        assert dave.ask("GET", f"/apis/{path}")[0] in (403, 404), path
    dave.refused("-n", "alice", "create", "configmap", "intruder")
    dave.refused("-n", "alice", "delete", "notebook", "nb1")
    world.first.cli("unshare", "alice", dave.email, "--notebook", "nb1")
    service.eventually("it is gone for dave", lambda: "NotFound" in subprocess.run(
        dave.command("-n", "alice", "get", "notebook", "nb1"), capture_output=True, text=True).stderr, 20)
    world.bob.kubectl("delete", "notebook", "nb1", "nb2", "nb3", "--wait", "--timeout=60s")


def pod_of(name, labels=None, owner=None):
    """A pod that never runs: no node fits."""
    owners = [{**owner, "controller": True}] if owner else []
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels or {}, "ownerReferences": owners},
                       "spec": {"automountServiceAccountToken": False, "nodeSelector": {"nowhere": "yes"},
                                "securityContext": {"runAsNonRoot": True, "runAsUser": 1000,
                                                    "seccompProfile": {"type": "RuntimeDefault"}},
                                "containers": [{"name": "c", "image": "registry.example.com/x:1", "securityContext": {
                                    "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                                    "resources": {"requests": {"cpu": "10m", "memory": "16Mi"},
                                                  "limits": {"cpu": "10m", "memory": "16Mi"}}}]}})


RAYCLUSTER = {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": "rc"}, "spec": {
    "rayVersion": "2.60.0", "headGroupSpec": {"rayStartParams": {}, "template": {"spec": {"containers": [
        {"name": "ray-head", "image": "rayproject/ray:2.60.0"}]}}}}}
INTO = ("exec?command=sh&stdout=true", "attach?stdout=true", "portforward?ports=80")


def test_a_shared_notebook_s_pods_are_entered(world):
    """exec, attach, port-forward and logs go where the one grant leads: by who made the pod, whatever labels say."""
    bob, dave = world.bob, world.dave
    for name in ("nb1", "nb2"):
        bob.kubectl("apply", "-f", "-", text_in=json.dumps(NOTEBOOK).replace("nb1", name))
        service.eventually(f"pod {name}-0", lambda: subprocess.run(
            bob.command("get", "pod", f"{name}-0"), capture_output=True).returncode == 0)
    bob.kubectl("create", "-f", "-", text_in=json.dumps(RAYCLUSTER))
    cluster = bob.get("raycluster", "rc")["metadata"]
    owner = {"apiVersion": "ray.io/v1", "kind": "RayCluster", "name": "rc", "uid": cluster["uid"]}
    for pod in (pod_of("rc-head", owner=owner), pod_of("stray", {"notebook-name": "nb1", "statefulset": "nb1",
                                                                 "atelier.dev/notebook": "nb1", "ray.io/cluster": "rc"})):
        world.admin.kubectl("create", "-n", "alice", "-f", "-", text_in=pod)

    def answers(pod, wanted, text=b""):
        base = f"/api/v1/namespaces/alice/pods/{pod}"
        for part in INTO:
            said = shake(world, dave, f"{base}/{part}")
            assert said.startswith(b"HTTP/1.1 %d" % wanted) and text in said, (pod, part, said)
        return dave.ask("GET", f"{base}/log")[0], dave.ask("GET", base)[0]

    reached = b"host assigned"  # said by the API server
    assert answers("nb1-0", 404) == (404, 404)
    world.first.cli("share", "alice", dave.email, "--role", "viewer", "--notebook", "nb1")
    service.eventually("dave looks", lambda: dave.ask("GET", "/api/v1/namespaces/alice/pods/nb1-0")[0] == 200)
    assert answers("nb1-0", 403) == (204, 200)  # an empty log
    world.first.cli("unshare", "alice", dave.email, "--notebook", "nb1")
    world.first.cli("share", "alice", dave.email, "--role", "editor", "--notebook", "nb1")
    service.eventually("dave edits", lambda: reached in shake(world, dave, "/api/v1/namespaces/alice/pods/nb1-0/" + INTO[0]))
    for part in INTO:
        assert reached in shake(world, dave, f"/api/v1/namespaces/alice/pods/nb1-0/{part}")
    said = dave.refused("-n", "alice", "exec", "nb1-0", "--", "sh")
    assert "does not have a host assigned" in said, said
    assert dave.ask("GET", "/api/v1/namespaces/alice/pods/nb1-0/log")[0] == 204
    for pod in ("nb2-0", "rc-head", "stray", "absent"):
        assert answers(pod, 404) == (404, 404)
    # Who looks at the whole profile may do more with one thing in it.
    assert shake(world, world.carol, "/api/v1/namespaces/alice/pods/nb1-0/" + INTO[0]).startswith(b"HTTP/1.1 403")
    world.first.cli("share", "alice", world.carol.email, "--role", "editor", "--notebook", "nb1")
    service.eventually("carol enters", lambda: reached in shake(
        world, world.carol, "/api/v1/namespaces/alice/pods/nb1-0/" + INTO[0]))
    assert "does not have a host assigned" in world.carol.refused("exec", "nb1-0", "--", "sh")
    assert shake(world, world.carol, "/api/v1/namespaces/alice/pods/nb2-0/" + INTO[0]).startswith(b"HTTP/1.1 403")
    world.first.cli("unshare", "alice", world.carol.email, "--notebook", "nb1")
    world.first.cli("share", "alice", dave.email, "--role", "editor", "--ray", "rc")
    service.eventually("rc too", lambda: reached in shake(world, dave, "/api/v1/namespaces/alice/pods/rc-head/" + INTO[0]))
    for pod in ("nb2-0", "stray"):
        assert answers(pod, 404) == (404, 404)
    for option in (("--notebook", "nb1"), ("--ray", "rc")):
        world.first.cli("unshare", "alice", dave.email, *option)
    service.eventually("all is gone", lambda: shake(
        world, dave, "/api/v1/namespaces/alice/pods/nb1-0/" + INTO[0]).startswith(b"HTTP/1.1 404"))
    assert answers("rc-head", 404) == (404, 404)
    bob.kubectl("delete", "notebook", "nb1", "nb2", "--wait", "--timeout=60s")
    bob.kubectl("delete", "raycluster", "rc", "--wait", "--timeout=60s")
    world.admin.kubectl("delete", "-n", "alice", "pods", "--all", "--grace-period=0", "--force")


# --- secrets, roles, questions ----------------------------------------------------------------------------------------

def test_secrets_are_the_editors(world):
    world.bob.kubectl("create", "secret", "generic", "key", "--from-literal=password=hunter2")
    assert world.alice.get("secret", "key")["data"]["password"]
    for target in ("/api/v1/namespaces/alice/secrets", "/api/v1/namespaces/alice/secrets/key",
                   "/api/v1/namespaces/alice/secrets?watch=true", "/api/v1/namespaces/alice/secrets/absent"):
        status, answer = world.carol.ask("GET", target)
        assert status == 403 and "hunter2" not in answer and "aHVudGVyMg" not in answer, answer


CAN = [  # question, alice, bob, carol, dave
    (("get", "pods"), "yes", "yes", "yes", "no"),
    (("create", "configmaps"), "yes", "yes", "no", "no"),
    (("get", "secrets"), "yes", "yes", "no", "no"),
    (("create", "pods/exec"), "yes", "yes", "no", "no"),
    (("get", "pods/log"), "yes", "yes", "yes", "no"),
    (("create", "deployments.apps"), "yes", "yes", "no", "no"),
    (("delete", "notebooks.kubeflow.org"), "yes", "yes", "no", "no"),
    (("create", "rolebindings"), "no", "no", "no", "no"),
    (("update", "resourcequotas"), "no", "no", "no", "no"),
    (("create", "serviceaccounts/token"), "no", "no", "no", "no"),
    (("impersonate", "users"), "no", "no", "no", "no"),
    (("*", "*"), "no", "no", "no", "no"),
    (("get", "/apis"), "yes", "yes", "yes", "yes"),
    (("get", "/metrics"), "no", "no", "no", "no"),
]


def test_a_token_for_an_application_is_for_that_object_and_none_of_its_name(world):
    """Also where it was deleted past Atelier. Nothing runs: what is opened answers that nothing answers yet."""
    cluster = json.loads(json.dumps(RAYCLUSTER).replace('"rc"', '"asked"'))
    shop = {"apiVersion": "ray.io/v1", "kind": "RayService", "metadata": {"name": "shop"}, "spec": {
        "serveConfigV2": "applications: [{import_path: a:b}]", "rayClusterConfig": RAYCLUSTER["spec"]}}

    def make(body, **metadata):
        body = {**body, "metadata": {**body["metadata"], **metadata}}
        world.admin.kubectl("create", "-n", "alice", "-f", "-", text_in=json.dumps(body))
        return json.loads(world.admin.kubectl("get", body["kind"], body["metadata"]["name"], "-n", "alice", "-o", "json"))["metadata"]

    def remake(body, **metadata):
        world.admin.kubectl("delete", body["kind"], body["metadata"]["name"], "-n", "alice", "--ignore-not-found", "--wait")
        return make(body, **metadata)

    def token(kind, name):
        said = world.alice.ask("POST", "/api/atelier/v1/tokens", json.dumps({"application": {
            "namespace": "alice", "kind": kind, "name": name, "prefix": "/app"}}).encode())
        return said[0], said[0] == 201 and json.loads(said[1].split("\r\n\r\n", 1)[1])["token"]

    def status(secret, path):
        said = world.first.raw(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}\r\nConnection: close\r\n\r\n".encode())
        return int(said.split()[1])

    make(cluster)
    code, old = service.eventually("a token", lambda: (lambda made: made if made[0] == 201 else None)(token("RayCluster", "asked")))
    service.eventually("it opens", lambda: status(old, "/serve/alice/asked/app") == 503)
    for path in ("/serve/alice/asked/apple", "/ray/alice/asked/", "/serve/alice/rc/app", "/api/v1/namespaces/alice/services/http:x:80/proxy/"):
        assert status(old, path) == 404, path
    assert status(old, "/api/v1/namespaces/alice/pods") == status(old, "/api/atelier/v1/tokens") == 403
    remake(cluster)
    service.eventually("another one", lambda: status(old, "/serve/alice/asked/app") == 404)
    assert status(token("RayCluster", "asked")[1], "/serve/alice/asked/app") == 503
    owner = {"apiVersion": "ray.io/v1", "kind": "RayService", "name": "shop", "controller": True, "uid": make(shop)["uid"]}
    remake(cluster, ownerReferences=[owner])
    mine = token("RayService", "shop")[1]
    service.eventually("its cluster", lambda: status(mine, "/serve/alice/asked/app") == 503)
    owner["uid"] = remake(shop)["uid"]
    remake(cluster, ownerReferences=[owner])
    service.eventually("another service's", lambda: status(mine, "/serve/alice/asked/app") == 404)
    assert status(token("RayService", "shop")[1], "/serve/alice/asked/app") == 503
    for kind, name in (("rayservice", "shop"), ("raycluster", "asked")):
        world.admin.kubectl("delete", kind, name, "-n", "alice", "--ignore-not-found", "--wait")


def test_questions_are_answered_as_requests_are(world):
    people = (world.alice, world.bob, world.carol, world.dave)
    for question, *expected in CAN:
        for person, wanted in zip(people, expected):
            said = subprocess.run(person.command("auth", "can-i", "-n", "alice", *question), capture_output=True, text=True)
            assert said.stdout.split()[0] == wanted, (person.email, question, said)
    listed = world.carol.kubectl("auth", "can-i", "--list", "-n", "alice")
    assert "notebooks.kubeflow.org" in listed and "secrets" not in listed
    assert "pods/exec" in world.bob.kubectl("auth", "can-i", "--list", "-n", "alice")
    assert "configmaps" not in world.dave.kubectl("auth", "can-i", "--list", "-n", "alice")


# --- outsiders and attacks --------------------------------------------------------------------------------------------

IN_ALICE = [f"/api/v1/namespaces/alice/{part}" for part in (
    "pods", "configmaps", "secrets", "services", "events", "serviceaccounts", "replicationcontrollers", "podtemplates",
    "endpoints", "configmaps/outsider", "configmaps/absent", "pods/web-0/log", "pods/web-0/exec", "pods/web-0/portforward",
    "pods/web-0/proxy/", "services/http:web:80/proxy/", "serviceaccounts/default/token", "secrets?watch=1",
    "configmaps?fieldSelector=metadata.name%3Doutsider", "pods/web-0/ephemeralcontainers")] + [
    f"/apis/{part}" for part in (
        "apps/v1/namespaces/alice/deployments", "apps/v1/namespaces/alice/deployments/web/scale",
        "batch/v1/namespaces/alice/jobs", "networking.k8s.io/v1/namespaces/alice/networkpolicies",
        "rbac.authorization.k8s.io/v1/namespaces/alice/rolebindings", "kubeflow.org/v1/namespaces/alice/notebooks",
        "ray.io/v1/namespaces/alice/rayclusters", "coordination.k8s.io/v1/namespaces/alice/leases",
        "kubeflow.org/v1/namespaces/alice/notebooks/nb/status")]


def test_outsiders_get_nothing_on_every_path(world):
    """The same bytes for what is foreign and what was never there; the cluster is not even asked."""
    world.bob.kubectl("create", "configmap", "outsider", "--from-literal=a=TELLTALE")

    def shape(text):
        head, _, body = text.partition("\r\n\r\n")
        kept = [line for line in head.split("\r\n") if not line.startswith("X-Request-Id")]
        return "\n".join(kept), body

    for path in IN_ALICE:
        for method in ("GET", "PUT", "PATCH", "DELETE", "POST"):
            body = b"{}" if method != "GET" else b""
            kind = {"PATCH": "application/merge-patch+json"}.get(method, "application/json")
            status, answer = world.dave.ask(method, path, body, Content_Type=kind)
            assert status in (403, 404, 405, 400), (method, path, answer)
            assert "TELLTALE" not in answer and '"items":[{' not in answer, (method, path, answer)
            if method == "GET":
                absent = world.dave.ask(method, path.replace("/alice/", "/nosuc/"), body, Content_Type=kind)[1]
                assert shape(answer) == tuple(part.replace("nosuc", "alice") for part in shape(absent)), (method, path)
    for command in (("get", "all"), ("get", "configmap", "outsider"), ("create", "configmap", "intruder"),
                    ("delete", "configmap", "outsider"), ("logs", "web-0"), ("exec", "web-0", "--", "sh")):
        world.dave.refused("-n", "alice", *command)
    assert world.alice.get("configmap", "outsider")


def test_no_list_crosses_namespaces(world):
    world.bob.kubectl("create", "configmap", "telltale-one")
    for path in ("/api/v1/configmaps", "/api/v1/configmaps?fieldSelector=metadata.namespace%3Dalice", "/api/v1/secrets",
                 "/api/v1/pods", "/apis/apps/v1/deployments", "/apis/rbac.authorization.k8s.io/v1/clusterroles",
                 "/api/v1/nodes", "/apis/coordination.k8s.io/v1/leases", "/apis/apps/v1/statefulsets",
                 "/apis/kubeflow.org/v1/notebooks", "/api/v1/namespaces", "/apis/kubeflow.org/v1/profiles",
                 "/api/v1/namespaces/kube-system/secrets", "/api/v1/namespaces/atelier-system/secrets",
                 "/api/v1/namespaces/atelier-tenants/serviceaccounts", "/api/v1/namespaces/default/configmaps",
                 "/apis/authentication.k8s.io/v1/tokenreviews", "/api/v1/componentstatuses", "/metrics", "/logs/", "/debug/pprof/"):
        status, answer = world.dave.ask("GET", path)
        assert status != 200 or ("alice" not in answer and "kube-system" not in answer), (path, answer[:400])
        assert "telltale-one" not in answer, path
    # Members see their own in a list over all.
    assert "telltale-one" in world.carol.ask("GET", "/api/v1/configmaps")[1]
    assert '"name":"alice"' in world.alice.ask("GET", "/api/v1/namespaces")[1]


def test_paths_mean_one_thing(world):
    """Encodings, dots and doubled slashes: what two readers could read differently is no path at all."""
    good = "/api/v1/namespaces/dave/configmaps"
    assert world.dave.ask("GET", good)[0] == 200
    for path in ("/api/v1/namespaces/dave/../alice/configmaps", "/api/v1/namespaces/dave/%2e%2e/alice/configmaps",
                 "/api/v1/namespaces/dave%2f..%2falice/configmaps", "/api/v1/namespaces//alice/configmaps",
                 "/api/v1//namespaces/alice/configmaps", "//api/v1/namespaces/alice/configmaps",
                 "/api/v1/namespaces/alice%00/configmaps", "/api/v1/namespaces/ALICE/configmaps",
                 "/api/v1/namespaces/%61lice/configmaps", "/api/v1/namespaces/dave;alice/configmaps",
                 "/api/v1/namespaces/dave/configmaps/..%2f..%2falice%2fconfigmaps%2foutsider",
                 "/api/v1/namespaces/dave/configmaps/%252e%252e", "/api/v1/namespaces/dave\\alice/configmaps",
                 "/api/v1/namespaces/dave/configmaps/a?b/../../../alice", "/api/v1/namespaces/dave/configmaps#/alice",
                 "/api/v1/watch/namespaces/alice/configmaps", "/api/v1/proxy/namespaces/alice/pods/x",
                 "/api/v1/namespaces/alice", "/api/v1/namespaces/dave/finalize", "/apis/../api/v1/namespaces/alice/secrets"):
        status, answer = world.dave.ask("GET", path)
        assert status in (400, 404, 405), (path, answer)
        assert "TELLTALE" not in answer
    # A parameter that would name another place is not passed on, nor one that nobody knows.
    status, answer = world.dave.ask("GET", good + "?namespace=alice&pretty=true&watch=false&as=admin")
    assert status == 200 and "outsider" not in answer


def test_nobody_is_somebody_else(world):
    """Headers that Kubernetes, its proxies or ours would believe."""
    for headers in ({"Impersonate_User": "admin"}, {"Impersonate_User": "x", "Impersonate_Group": "system:masters"},
                    {"Impersonate_Uid": "0"}, {"Impersonate_Extra_scopes": "all"}, {"X_Remote_User": "admin"},
                    {"X_Remote_Group": "system:masters"}, {"X_Forwarded_User": "admin"}, {"X_Original_URL": "/api/v1/secrets"},
                    {"X_HTTP_Method_Override": "DELETE"}, {"X_Forwarded_For": "127.0.0.1"},
                    {"Connection": "Authorization"}, {"Upgrade": "h2c", "HTTP2_Settings": "AAAA"}):
        status, answer = world.dave.ask("GET", "/api/v1/namespaces/alice/configmaps", **headers)
        assert status in (400, 404), (headers, answer)
        status, answer = world.carol.ask("GET", "/api/v1/namespaces/alice/secrets", **headers)
        assert status in (400, 403), (headers, answer)


def test_subresources_give_nothing_away(world):
    """Those by which an editor would become more than one."""
    world.bob.kubectl("create", "-f", "-", text_in=pod_of("victim"))
    for person in (world.alice, world.bob):
        for method, path, body in (
                ("POST", "serviceaccounts/default/token", {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}),
                ("POST", "serviceaccounts/default-editor/token", {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}),
                ("PATCH", "pods/victim/ephemeralcontainers", {"spec": {"ephemeralContainers": [{"name": "e", "image": "x"}]}}),
                ("POST", "pods/victim/binding", {"target": {"name": "kwok-0"}}),
                ("POST", "bindings", {"metadata": {"name": "victim"}, "target": {"name": "kwok-0"}}),
                ("POST", "pods/victim/eviction", {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "victim"}}),
                ("PATCH", "pods/victim/status", {"status": {"podIP": "10.0.0.1"}}),
                ("PATCH", "pods/victim/resize", {"spec": {}}),
                ("GET", "pods/victim/proxy/", None), ("POST", "pods/victim/proxy/", {}),
                ("PATCH", "resourcequotas/kf-resource-quota/status", {"status": {"used": {}}}),
                ("PATCH", "persistentvolumeclaims/home/status", {"status": {}}),
                ("PATCH", "services/web/status", {"status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}}),
                ("DELETE", "pods", None), ("DELETE", "configmaps", None)):
            status, answer = person.ask(method, f"/api/v1/namespaces/alice/{path}", json.dumps(body).encode() if body else b"",
                                        Content_Type="application/merge-patch+json" if method == "PATCH" else "application/json")
            assert status in (400, 403, 404, 405), (method, path, answer)
            assert '"token":' not in answer
        for method, path, body in (
                ("PUT", "/api/v1/namespaces/alice/finalize", {"metadata": {"name": "alice"}, "spec": {"finalizers": []}}),
                ("PATCH", "/api/v1/namespaces/alice/status", {"status": {}}),
                ("POST", "/api/v1/namespaces", {"metadata": {"name": "mine"}}),
                ("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {"metadata": {"name": "mine"}}),
                ("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/alice/rolebindings", {"metadata": {"name": "mine"}}),
                ("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/alice/roles", {"metadata": {"name": "mine"}}),
                ("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {}),
                ("POST", "/apis/authorization.k8s.io/v1/namespaces/alice/localsubjectaccessreviews", {}),
                ("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {}),
                ("POST", "/apis/certificates.k8s.io/v1/certificatesigningrequests", {"metadata": {"name": "mine"}})):
            status, answer = person.ask(method, path, json.dumps(body).encode(), Content_Type="application/merge-patch+json"
                                        if method == "PATCH" else "application/json")
            assert status in (400, 403, 404, 405, 422), (method, path, answer)
    assert world.alice.get("pod", "victim")["spec"].get("ephemeralContainers") is None
    assert world.admin.get("clusterrolebindings")["items"] and "mine" not in world.admin.kubectl("get", "clusterrolebindings,ns")
    world.bob.kubectl("delete", "pod", "victim", "--grace-period=0", "--force")


def test_pods_are_entered_by_editors_only(world):
    """The handshake gets to the cluster in the editor's role, whose answer comes back; others do not get that far."""
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "entered"}, "spec": {
        "automountServiceAccountToken": False, "nodeSelector": {"nowhere": "yes"},
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "c", "image": "registry.example.com/x:1", "securityContext": {
            "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "10m", "memory": "16Mi"}}}]}}
    world.bob.kubectl("create", "-f", "-", text_in=pod_of("entered"))
    for person in (world.alice, world.bob):
        for command in (("exec", "entered", "--", "sh"), ("attach", "entered", "-c", "c")):
            said = person.refused(*command)
            assert "does not have a host assigned" in said or "not running" in said or "is pending" in said.lower(), said
    base = "/api/v1/namespaces/alice/pods/entered"
    for part in INTO:
        answer = shake(world, world.bob, f"{base}/{part}")
        assert b"host assigned" in answer, answer  # said by the API server
        assert shake(world, world.carol, f"{base}/{part}").startswith(b"HTTP/1.1 403"), part
        assert shake(world, world.dave, f"{base}/{part}").startswith(b"HTTP/1.1 404"), part
        assert shake(world, None, f"{base}/{part}").startswith(b"HTTP/1.1 401"), part
    for path in (f"{base}/log", f"{base}/proxy", "/api/v1/namespaces/alice/configmaps?watch=1", "/apis"):
        assert not shake(world, world.bob, path).startswith((b"HTTP/1.1 101", b"HTTP/1.1 200")), path
    world.bob.kubectl("delete", "pod", "entered", "--grace-period=0", "--force")


def test_the_cluster_decides_again(world):
    """Were ours wrong, RBAC would still stand: atelierd's account may only be the roles of tenants."""
    kubeconfig = world.service.kubeconfig
    said = world.admin.kubectl("get", "configmaps", "-n", "alice", "--as", "system:serviceaccount:atelier-tenants:dave.admin",
                               kubeconfig=kubeconfig, fails=True)
    assert "forbidden" in said.lower()
    for who in (("--as", "admin"), ("--as", "system:serviceaccount:kube-system:default"),
                ("--as", "system:serviceaccount:atelier-tenants:alice.editor", "--as-group", "system:masters")):
        assert "impersonate" in world.admin.kubectl("get", "pods", "-n", "alice", *who, kubeconfig=kubeconfig, fails=True)
