"""kubectl, unmodified, writing: apply, patch, edit, explain, as people keep manifests in files."""
import json

import pytest
from kubectl import Kubectl

ALICE, CAROL = "alice@example.com", "carol@example.com"


@pytest.fixture(scope="module")
def alice(viewed):
    return Kubectl(viewed, ALICE, "alice")


@pytest.fixture
def manifest(tmp_path):
    def write(text):
        file = tmp_path / "manifest.yaml"
        file.write_text(text)
        return file

    return write


def configmap(name, **data):
    lines = "".join(f"\n  {key}: {json.dumps(value)}" for key, value in data.items())
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:{lines or ' {}'}\n"


NOTEBOOK = """apiVersion: kubeflow.org/v1
kind: Notebook
metadata:
  name: kept
  annotations: {kubeflow-resource-stopped: "true"}
spec:
  template:
    spec:
      containers:
      - name: kept
        resources:
          limits: {cpu: %s, memory: 1Gi}
%s"""


# --- apply ------------------------------------------------------------------------------------------------------------
def test_apply_makes_changes_and_leaves(alice, manifest):
    assert alice.out("apply", "-f", manifest(configmap("kept", a="1", b="2"))) == "configmap/kept created\n"
    alice("patch", "configmap", "kept", "-p", '{"data":{"others":"own"}}')
    assert alice.out("apply", "-f", manifest(configmap("kept", a="1", b="2"))) == "configmap/kept unchanged\n"
    assert alice.out("apply", "-f", manifest(configmap("kept", a="3"))) == "configmap/kept configured\n"
    assert alice.json("get", "configmap", "kept")["data"] == {"a": "3", "others": "own"}
    alice("delete", "-f", manifest(configmap("kept")), "--wait")
    assert "not found" in alice("get", "configmap", "kept", check=False).stderr


def test_apply_of_a_notebook(alice, manifest):
    named = NOTEBOOK.replace("resources:", "image: ray-2.60\n        resources:")
    for said in ("created", "unchanged", "unchanged"):
        assert alice.out("apply", "-f", manifest(named % ("1", ""))) == f"notebook.kubeflow.org/kept {said}\n"
    (container,) = alice.json("get", "nb", "kept")["spec"]["template"]["spec"]["containers"]
    assert container["resources"] == {"limits": {"cpu": 1, "memory": "1Gi"}}
    alice("apply", "-f", manifest(NOTEBOOK % ("500m", "")))
    before = alice.json("get", "nb", "kept")["metadata"]["generation"]
    alice("apply", "-f", manifest(NOTEBOOK % ("500m", "")))  # a list is patched whole, and gets its image again
    assert alice.json("get", "nb", "kept")["metadata"]["generation"] == before
    assert alice.out("apply", "-f", manifest(NOTEBOOK % ("750m", ""))) == "notebook.kubeflow.org/kept configured\n"
    (container,) = alice.json("get", "nb", "kept")["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["cpu"] == "750m"
    alice("delete", "nb", "kept", "--wait")


CLAIM = """apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: bound}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: %s}}}
"""


def test_a_claim_has_a_volume_and_can_be_applied_again(alice, manifest):
    alice("apply", "-f", manifest(CLAIM % "1Gi"))
    alice("wait", "pvc/bound", "--for=jsonpath={.status.phase}=Bound", "--timeout=2m")
    claim = alice.json("get", "pvc", "bound")
    assert claim["spec"]["volumeName"] == "pvc-" + claim["metadata"]["uid"]
    told = dict(line.split(":", 1) for line in alice.out("describe", "pvc", "bound").splitlines() if ":" in line)
    assert told["Volume"].strip() == claim["spec"]["volumeName"]
    assert (told["Capacity"].strip(), told["Access Modes"].strip()) == ("1Gi", "RWO")
    assert alice.out("apply", "-f", manifest(CLAIM % "1Gi")) == "persistentvolumeclaim/bound unchanged\n"
    assert alice.out("apply", "-f", manifest(CLAIM % "2Gi")) == "persistentvolumeclaim/bound configured\n"
    alice("wait", "pvc/bound", "--for=jsonpath={.status.capacity.storage}=2Gi", "--timeout=2m")
    bare = json.loads(json.dumps(claim))
    del bare["spec"]["volumeName"], bare["metadata"]["resourceVersion"]
    bare["spec"]["resources"]["requests"]["storage"] = "2Gi"
    alice("replace", "-f", "-", input=json.dumps(bare))
    alice("wait", "pvc/bound", f"--for=jsonpath={{.spec.volumeName}}={claim['spec']['volumeName']}", "--timeout=2m")
    alice("delete", "pvc", "bound", "--wait")


WITH_VOLUME = """apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: kept}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
  volumeName: pvc-of-elsewhere
---
""" + NOTEBOOK % ("500m", """        readinessProbe:
          httpGet: {path: /api, port: 8888, scheme: HTTP}
          periodSeconds: 10
        livenessProbe: {tcpSocket: {port: 8888}}
        volumeMounts: [{name: kept, mountPath: /kept}]
      volumes: [{name: kept, persistentVolumeClaim: {claimName: kept}}]
""")


@pytest.mark.parametrize("side", [(), ("--server-side", "--force-conflicts")])
def test_what_was_applied_differs_in_nothing(alice, manifest, side):
    """Also once a manifest of another service's names the volume that was behind the claim there."""
    wanted = manifest(WITH_VOLUME)
    alice("apply", *side, "-f", wanted)
    for settled in ("pvc/kept", "Bound"), ("nb/kept", "Stopped"):  # else it may change between the two looks of a diff
        alice("wait", settled[0], f"--for=jsonpath={{.status.phase}}={settled[1]}", "--timeout=2m")
    same = alice("diff", *side, "-f", wanted, check=False)
    assert (same.returncode, same.stdout) == (0, ""), same.stdout + same.stderr
    other = alice("diff", *side, "-f", manifest(WITH_VOLUME.replace("500m", "750m")), check=False)
    assert other.returncode == 1 and "750m" in other.stdout and "resourceVersion" not in other.stdout, other.stdout
    alice("delete", "-f", wanted, "--wait")


def test_a_dry_run_of_the_server_stores_nothing(alice, manifest):
    done = alice.out("apply", "--dry-run=server", "-f", manifest(configmap("never", a="1")))
    assert done == "configmap/never created (server dry run)\n"
    assert "not found" in alice("get", "configmap", "never", check=False).stderr


@pytest.mark.parametrize("text, words", [
    (NOTEBOOK % ("500m", "        color: blue\n"), "color"),
    (NOTEBOOK % ("500m", "        command: sleep\n"), "spec.template.spec.containers[0].command: must be a list"),
    (NOTEBOOK % ("500m", "        env: [{name: A, value: 1}]\n"), "env[0].value: must be a text"),
    ((NOTEBOOK % ("500m", "")).replace("template:", "tmplate:"), 'unknown field "tmplate"; known here: template'),
    (configmap("wrong") + "datum: {}\n", 'unknown field "datum"; known here: apiVersion, kind, metadata, data'),
    ("apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: wrong}\n"
     "spec: {resources: {requests: {storage: 1Gi}}, mode: x}\n", 'unknown field "mode"'),
])
def test_mistakes_are_named(alice, manifest, text, words):
    refused = alice("apply", "-f", manifest(text), check=False)
    assert refused.returncode == 1 and words in refused.stderr, refused.stderr


def test_a_refused_object_is_named(alice, manifest):
    """By its kind and name, also where it does not exist yet and the path is that of its namespace."""
    wrong = manifest(NOTEBOOK.replace("name: kept", "name: wrong", 1) % ("much", ""))
    for command in (("create", "--validate=false"), ("apply", "--validate=false")):
        said = alice(*command, "-f", wrong, check=False).stderr
        field = "spec.template.spec.containers[0].resources.limits.cpu"
        assert f'The Notebook "wrong" is invalid: {field}: must be a quantity' in said and said.count(field) == 1, said
    alice("create", "configmap", "twice")
    again = alice("create", "-f", manifest(configmap("twice")), check=False).stderr
    assert 'manifest.yaml": configmaps "twice" already exists' in again, again
    alice("delete", "configmap", "twice")


def test_a_name_that_cannot_be_is_named(viewed, alice, manifest):
    bad = manifest(configmap("Not_a_Name"))
    for command in (("create",), ("apply",), ("apply", "--server-side")):
        said = alice(*command, "-f", bad, check=False).stderr
        assert 'The ConfigMap "Not_a_Name" is invalid: metadata.name: must be lower-case' in said, (command, said)
    path = "/api/v1/namespaces/alice/configmaps/Not_a_Name"
    headers = {"Content-Type": "application/apply-patch+yaml"}
    refused = viewed.http("PATCH", path + "?fieldManager=m", ALICE, body="{}", headers=headers).json
    assert (refused["code"], refused["reason"]) == (422, "Invalid")
    assert refused["details"]["name"] == "Not_a_Name" and refused["details"]["causes"][0]["field"] == "metadata.name"
    assert viewed.http("PATCH", path + "?fieldManager=m", CAROL, body="{}", headers=headers).status == 403  # she may look only
    foreign = path.replace("/alice/", "/bob/")
    assert viewed.http("PATCH", foreign + "?fieldManager=m", ALICE, body="{}", headers=headers).status == 404
    assert viewed.http("GET", path, ALICE).status == 404


def test_who_may_not_write_applies_nothing(viewed, alice, manifest):
    viewer = Kubectl(viewed, CAROL, "alice")
    refused = viewer("apply", "-f", manifest(configmap("carols", a="1")), check=False)
    assert refused.returncode == 1 and "forbidden" in refused.stderr.lower()
    assert "not found" in alice("get", "configmap", "carols", check=False).stderr


TPUS = """apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: tpus}
spec:
  suspend: true
  headGroupSpec: {template: {spec: {containers: [{name: h, image: ray-2.60}]}}}
  workerGroupSpecs:
  - groupName: w
    template:
      spec:
        nodeSelector: {%s}
        containers: [{name: w, image: ray-2.60, resources: {limits: {google.com/tpu: 4}}}]
"""
KIND = "cloud.google.com/gke-tpu-accelerator: tpu-v5e, cloud.google.com/gke-tpu-topology: 2x2"


def test_a_tpu_of_no_kind_is_warned_of(viewed, alice, manifest):
    words = "Warning: spec.workerGroupSpecs[0].template asks for google.com/tpu and does not select"
    bare, whole = TPUS % "", TPUS % KIND
    assert alice("apply", "-f", manifest(bare), "--dry-run=server").stderr.startswith(words)
    assert alice("apply", "-f", manifest(bare)).stderr.startswith(words)
    assert alice("apply", "--server-side", "--force-conflicts", "-f", manifest(bare)).stderr.startswith(words)
    told = viewed.cli("apply", "-n", "alice", "-f", manifest(bare), user=ALICE).stderr
    assert told.startswith(words) and told.count("Warning") == 1, told
    assert alice("apply", "-f", manifest(whole)).stderr == ""
    alice("delete", "raycluster", "tpus", "--wait")


# --- patch and edit ---------------------------------------------------------------------------------------------------
def test_patches_of_every_type(alice):
    alice("create", "configmap", "patched", "--from-literal=a=1")
    for args in (("-p", '{"data":{"b":"2"}}'), ("--type=merge", "-p", '{"data":{"c":"3","a":null}}'),
                 ("--type=json", "-p", '[{"op":"add","path":"/data/d","value":"4"}]')):
        assert alice.out("patch", "configmap", "patched", *args) == "configmap/patched patched\n"
    assert alice.json("get", "configmap", "patched")["data"] == {"b": "2", "c": "3", "d": "4"}
    refused = alice("patch", "configmap", "patched", "-p", '{"data":{"$patch":"replace","z":"1"}}', check=False)
    assert refused.returncode == 1 and "$patch" in refused.stderr
    refused = alice("patch", "profile", "alice", "-p", '{"metadata":{"labels":{"a":"b"}}}', check=False)
    assert refused.returncode == 1 and "merge-patch" in refused.stderr
    assert alice.json("get", "configmap", "patched")["data"] == {"b": "2", "c": "3", "d": "4"}
    alice("delete", "configmap", "patched")


def test_edit_saves_what_the_editor_left(alice, monkeypatch):
    alice("create", "configmap", "edited", "--from-literal=colour=blue")
    monkeypatch.setitem(alice.env, "KUBE_EDITOR", "sed -i s/blue/green/")
    assert "configmap/edited edited" in alice.out("edit", "configmap", "edited")
    assert alice.json("get", "configmap", "edited")["data"] == {"colour": "green"}
    alice("label", "configmap", "edited", "team=blue")
    alice("annotate", "configmap", "edited", "example.com/why=test")
    metadata = alice.json("get", "configmap", "edited")["metadata"]
    assert metadata["labels"] == {"team": "blue"} and metadata["annotations"]["example.com/why"] == "test"
    alice("delete", "configmap", "edited")


# --- explain ----------------------------------------------------------------------------------------------------------
def test_explain_tells_the_fields(alice):
    told = alice.out("explain", "notebooks.spec.template.spec.containers.resources")
    assert "KIND:       Notebook" in told and "limits" in told and "requests" in told
    assert "rayVersion" in alice.out("explain", "raycluster.spec")
    everything = alice.out("explain", "raycluster", "--recursive")
    assert "workerGroupSpecs" in everything and "persistentVolumeClaim" in everything
    assert "annotations" in alice.out("explain", "configmap.metadata")
    missing = alice("explain", "notebook.spec.colour", check=False)
    assert missing.returncode == 1 and 'field "colour" does not exist' in missing.stderr


def test_every_kind_is_described(alice):
    index = json.loads(alice.out("get", "--raw", "/openapi/v3"))["paths"]
    described = set()
    for entry in index.values():
        document = json.loads(alice.out("get", "--raw", entry["serverRelativeURL"]))
        for schema in document["components"]["schemas"].values():
            described |= {(kind["group"], kind["kind"]) for kind in schema.get("x-kubernetes-group-version-kind", ())}
    served = {(line.split()[-3].rpartition("/")[0], line.split()[-1])
              for line in alice.out("api-resources", "--no-headers").splitlines()}
    assert served and served == described
    assert "NotFound" in alice("get", "--raw", "/openapi/v3/apis/ray.io/v9", check=False).stderr


@pytest.mark.parametrize("version, kind", [("apps/v1", "Deployment"), ("ray.io/v1", "RayCronJob")])
def test_a_kind_that_there_is_none_of_is_named(alice, manifest, version, kind):
    text = manifest(f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\nspec: {{}}\n")
    for verb in ("apply", "create"):
        said = alice(verb, "-f", text, check=False).stderr
        assert f'no matches for kind "{kind}" in version "{version}"' in said, said
    assert json.loads(alice.out("get", "--raw", "/openapi/v2"))["swagger"] == "2.0"


def test_a_kind_that_only_clusters_have_is_told_as_one(alice):
    """And not as if one's own namespace were not there."""
    for args in (("serviceaccount", "robot"), ("deployment", "web", "--image=x"), ("job", "once", "--image=x")):
        said = alice("create", *args, check=False).stderr
        assert "the server could not find the requested resource" in said and "namespaces" not in said, said
