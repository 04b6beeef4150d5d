"""kubectl, unmodified, with server-side apply: who owns which field, conflicts, and what goes when nobody wants it any more."""
import json

import pytest
from kubectl import Kubectl

ALICE, BOB, CAROL = "alice@example.com", "bob@example.com", "carol@example.com"


@pytest.fixture(scope="module")
def alice(viewed):
    return Kubectl(viewed, ALICE, "alice")


class Map:
    """A config map that is applied under several managers' names."""

    def __init__(self, kubectl, name):
        self.kubectl, self.name = kubectl, name

    def apply(self, manager, *options, check=True, labels=None, **data):
        text = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": self.name, **({"labels": labels} if labels else {})},
                           "data": data})
        done = self.kubectl("apply", "--server-side", "--field-manager", manager, *options, "-f", "-", input=text, check=check)
        return done.stdout if check else done

    @property
    def data(self):
        return self.kubectl.json("get", "configmap", self.name).get("data", {})

    def managers(self):
        """{(manager, operation): fields of data}"""
        entries = self.kubectl.json("get", "configmap", self.name, "--show-managed-fields")["metadata"].get("managedFields", [])
        assert all(entry["fieldsType"] == "FieldsV1" and entry["apiVersion"] == "v1" and entry["time"] for entry in entries)
        return {(entry["manager"], entry["operation"]): sorted(key[2:] for key in entry["fieldsV1"].get("f:data", {}) if key != ".")
                for entry in entries}


@pytest.fixture
def shared(alice, request):
    made = Map(alice, request.node.name.replace("_", "-")[:50].rstrip("-"))
    yield made
    alice("delete", "configmap", made.name, "--ignore-not-found", "--wait")


def test_apply_creates_and_owns(shared):
    assert shared.apply("first", a="1", b="2") == f"configmap/{shared.name} serverside-applied\n"
    assert shared.managers() == {("first", "Apply"): ["a", "b"]}
    before = shared.kubectl.json("get", "configmap", shared.name)["metadata"]["resourceVersion"]
    shared.apply("first", a="1", b="2")
    assert shared.kubectl.json("get", "configmap", shared.name)["metadata"]["resourceVersion"] == before  # nothing is written


def test_what_nobody_wants_goes(shared):
    shared.apply("first", a="1", b="2", c="3")
    shared.apply("second", c="3", d="4")  # the same value: both own it
    assert shared.managers() == {("first", "Apply"): ["a", "b", "c"], ("second", "Apply"): ["c", "d"]}
    shared.apply("first", a="1")
    assert shared.data == {"a": "1", "c": "3", "d": "4"}
    shared.apply("second", d="4")
    assert shared.data == {"a": "1", "d": "4"}


def test_conflicts_are_told_and_forced(shared):
    shared.apply("first", a="1", b="2")
    refused = shared.apply("second", a="7", check=False)
    assert refused.returncode != 0
    assert 'Apply failed with 1 conflict: conflict with "first": .data.a' in refused.stderr
    assert "--force-conflicts" in refused.stderr  # kubectl knows it for what it is
    both = shared.apply("second", a="7", b="8", check=False).stderr
    assert 'Apply failed with 2 conflicts: conflicts with "first":\n- .data.a\n- .data.b' in both
    assert shared.data == {"a": "1", "b": "2"}
    shared.apply("second", "--force-conflicts", a="7")
    assert shared.data == {"a": "7", "b": "2"}
    assert shared.managers() == {("first", "Apply"): ["b"], ("second", "Apply"): ["a"]}


def test_other_writers_own_what_they_change(shared):
    shared.apply("first", a="1", b="2")
    shared.kubectl("patch", "configmap", shared.name, "-p", '{"data":{"b":"9","x":"y"}}', "--field-manager", "patcher")
    assert shared.managers() == {("first", "Apply"): ["a"], ("patcher", "Update"): ["b", "x"]}
    assert 'conflict with "patcher" using v1 at ' in shared.apply("first", a="1", b="2", check=False).stderr
    shared.kubectl("patch", "configmap", shared.name, "-p", '{"data":{"b":null}}', "--field-manager", "patcher")
    shared.apply("first", a="1", b="2")
    assert shared.managers() == {("first", "Apply"): ["a", "b"], ("patcher", "Update"): ["x"]}
    shared.kubectl("label", "configmap", shared.name, "team=a")
    assert ("kubectl-label", "Update") in shared.managers()


def test_from_client_side_apply(shared):
    """What kubectl applied by itself before is handed over to its server-side manager."""
    text = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": shared.name}, "data": {"a": "1", "b": "2"}})
    shared.kubectl("apply", "-f", "-", input=text)
    assert shared.managers() == {}
    shared.apply("kubectl", a="1", b="2")
    assert shared.managers()[("kubectl", "Apply")] == ["a", "b"]
    assert not [name for name, operation in shared.managers() if operation == "Update"]
    shared.apply("kubectl", a="5")
    assert shared.data == {"a": "5"}


def test_a_dry_run_stores_nothing(shared):
    assert shared.apply("first", "--dry-run=server", a="1") == f"configmap/{shared.name} serverside-applied (server dry run)\n"
    assert "not found" in shared.kubectl("get", "configmap", shared.name, check=False).stderr
    shared.apply("first", a="1")
    shared.apply("first", "--dry-run=server", a="2")
    assert shared.data == {"a": "1"}


def test_a_notebook_of_two_managers(alice):
    def notebook(**container):
        return json.dumps({"apiVersion": "kubeflow.org/v1", "kind": "Notebook", "metadata": {
            "name": "kept", "annotations": {"kubeflow-resource-stopped": "true"} if container.pop("whole", False) else {}},
            "spec": {"template": {"spec": {"containers": [{"name": "kept", **container}]}}}})

    apply = ("apply", "--server-side", "-f", "-", "--field-manager")
    alice(*apply, "owner", input=notebook(whole=True, resources={"limits": {"cpu": "500m", "memory": "1Gi"}}, env=[{"name": "A", "value": "1"}]))
    alice(*apply, "colleague", input=notebook(env=[{"name": "B", "value": "2"}]))
    (container,) = alice.json("get", "nb", "kept")["spec"]["template"]["spec"]["containers"]
    assert container["env"] == [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    refused = alice(*apply, "colleague", input=notebook(env=[{"name": "A", "value": "9"}]), check=False).stderr
    assert '.spec.template.spec.containers[name="kept"].env[name="A"].value' in refused
    alice(*apply, "owner", input=notebook(whole=True, resources={"limits": {"cpu": "750m", "memory": "1Gi"}}))
    (container,) = alice.json("get", "nb", "kept")["spec"]["template"]["spec"]["containers"]
    assert container["env"] == [{"name": "B", "value": "2"}] and container["resources"]["limits"]["cpu"] == "750m"
    assert "color" in alice(*apply, "owner", input=notebook(color="blue"), check=False).stderr
    alice("delete", "nb", "kept", "--wait")


def test_what_cannot_be_applied(viewed):
    path = "/api/v1/namespaces/alice/configmaps/refused"
    body = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: refused}\ndata: {a: "1"}\n'
    form = {"Content-Type": "application/apply-patch+yaml"}
    for query, text, status, said in (("", body, 400, "fieldManager"), ("?fieldManager=" + "m" * 129, body, 400, "at most 128"),
                                      ("?fieldManager=m", body.replace("refused", "other"), 400, "does not match"),
                                      ("?fieldManager=m", "[1]", 400, "object"), ("?fieldManager=m", "a: [", 400, "line"),
                                      ("?fieldManager=m", body.replace("metadata: {name: refused}", "metadata: {name: refused, managedFields: "
                                                                       "[{manager: x}]}"), 400, "managedFields")):
        answer = viewed.http("PATCH", path + query, ALICE, body=text, headers=form)
        assert (answer.status, said in answer.text) == (status, True), (query, answer.text)
    assert viewed.http("PATCH", path + "?fieldManager=m", CAROL, body=body, headers=form).status == 403  # she may look only
    assert viewed.http("GET", path, ALICE).status == 404
