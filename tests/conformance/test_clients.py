"""Clients that nobody here wrote, unmodified: the Kubernetes Python client and an informer of client-go, asked the same of every engine."""
import threading

import pytest
from goinformer import informing, lives, make
from kubernetes import client, config, dynamic, watch
from kubernetes.client.rest import ApiException

from asking import ALICE, CAROL, CONFIGMAPS, MEMBERS, member


def connect(platform, folder, user):
    """A client that is configured by what `atelier kubeconfig` prints."""
    file = folder / user.split("@")[0]
    server = f"https://localhost:{platform.tls_port}"
    file.write_text(platform.cli("-n", "alice", "kubeconfig", "--server", server, user=user).stdout)
    return config.new_client_from_config(str(file))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("kubeconfigs")


@pytest.fixture(scope="module")
def alice(platform, folder):
    return connect(platform, folder, ALICE)


def configmap(name, **data):
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name, labels={"of": "client"}), data=data)


# --- the Python client ------------------------------------------------------------------------------------------------

def test_an_object_lives(alice):
    core = client.CoreV1Api(alice)
    made = core.create_namespaced_config_map("alice", configmap("typed", a="1"))
    assert made.metadata.uid and made.data == {"a": "1"}
    with pytest.raises(ApiException) as taken:
        core.create_namespaced_config_map("alice", configmap("typed"))
    assert taken.value.status == 409 and "AlreadyExists" in taken.value.body
    patched = core.patch_namespaced_config_map("typed", "alice", {"data": {"b": "2", "a": None}})
    assert patched.data == {"b": "2"}
    with pytest.raises(ApiException) as stale:
        core.replace_namespaced_config_map("typed", "alice", made)
    assert stale.value.status == 409 and "Conflict" in stale.value.body
    assert core.delete_namespaced_config_map("typed", "alice")["status"] == "Success"
    with pytest.raises(ApiException) as absent:
        core.read_namespaced_config_map("typed", "alice")
    assert absent.value.status == 404


def test_a_list_and_the_watch_that_goes_on_from_it(alice):
    core = client.CoreV1Api(alice)
    for number in range(5):
        core.create_namespaced_config_map("alice", configmap(f"listed-{number}", n=str(number)))
    names, token = [], None
    while token != "":
        page = core.list_namespaced_config_map("alice", label_selector="of=client", limit=2, _continue=token)
        names += [item.metadata.name for item in page.items]
        token = page.metadata._continue or ""
    assert names == [f"listed-{number}" for number in range(5)]
    version = core.list_namespaced_config_map("alice").metadata.resource_version
    seen = []

    def follow():
        for event in watch.Watch().stream(core.list_namespaced_config_map, "alice", label_selector="of=client",
                                          resource_version=version, timeout_seconds=60):
            seen.append((event["type"], event["object"].metadata.name))
            if event["type"] == "DELETED":
                return

    watching = threading.Thread(target=follow, daemon=True)
    watching.start()
    core.create_namespaced_config_map("alice", configmap("late", a="1"))
    core.patch_namespaced_config_map("late", "alice", {"data": {"a": "2"}})
    core.delete_namespaced_config_map("late", "alice")
    watching.join(60)
    assert seen == [("ADDED", "late"), ("MODIFIED", "late"), ("DELETED", "late")]


def test_a_kind_that_is_discovered_lives(alice):
    kinds = dynamic.DynamicClient(alice).resources
    notebooks = kinds.get(api_version="kubeflow.org/v1", kind="Notebook")
    made = notebooks.create(namespace="alice", body={
        "apiVersion": "kubeflow.org/v1", "kind": "Notebook", "spec": {"template": {"spec": {}}},
        "metadata": {"name": "dynamic", "annotations": {"kubeflow-resource-stopped": "yes"}}})
    assert made.spec.template.spec.containers[0].name == "dynamic"
    notebooks.patch(namespace="alice", name="dynamic", body={"metadata": {"labels": {"a": "b"}}}, content_type="application/merge-patch+json")
    assert [item.metadata.name for item in notebooks.get(namespace="alice", label_selector="a=b").items] == ["dynamic"]
    assert notebooks.delete(name="dynamic", namespace="alice").status == "Success"
    assert kinds.get(api_version="kubeflow.org/v1alpha1", kind="PodDefault").name == "poddefaults"


@pytest.fixture
def carol(platform, folder):
    """A viewer for as long as it takes."""
    grant = member(platform, CAROL, "viewer")
    yield connect(platform, folder, CAROL)
    assert platform.http("DELETE", f"{MEMBERS}/{grant}", user=ALICE).status == 204


def test_what_one_may(alice, carol):
    def may(who, verb, resource):
        review = client.V1SelfSubjectAccessReview(spec=client.V1SelfSubjectAccessReviewSpec(
            resource_attributes=client.V1ResourceAttributes(namespace="alice", verb=verb, resource=resource)))
        return client.AuthorizationV1Api(who).create_self_subject_access_review(review).status.allowed

    assert may(alice, "create", "configmaps") and not may(carol, "create", "configmaps")
    assert may(carol, "list", "pods") and not may(carol, "get", "secrets")
    with pytest.raises(ApiException) as refused:
        client.CoreV1Api(carol).create_namespaced_config_map("alice", configmap("carols"))
    assert refused.value.status == 403


# --- client-go --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("arguments", [(), ("--watch-list",)], ids=" ".join)
def test_an_informer_holds_what_there_is_and_hears_what_becomes_of_it(platform, arguments):
    before = f"before{len(arguments)}"
    make(platform, CONFIGMAPS, metadata={"name": before}, data={"a": "1"})
    with informing(platform, *arguments) as informer:
        assert informer.said("configmaps", "add", name=before, initial=True), informer.lines
        lives(platform, informer)
        # An API server that streams no list (docs/api.md) is listed after all, and watched from there.
        assert not informer.said("configmaps", "lost") and len(informer.said("configmaps", "watch")) <= 1 + len(arguments)
