"""On a cluster whose KubeRay is older than 1.6, no Ray runs without asking for a token, and nothing that was written is dropped."""
import json
import os
import pathlib
import tempfile

import pytest
import service
import yaml

definitions = pathlib.Path(service.__file__).resolve().parent / "crds/kuberay.yaml"
TEMPLATE = {"spec": {"containers": [{"name": "ray", "image": "rayproject/ray:2.60.0"}]}}
SPEC = {"headGroupSpec": {"rayStartParams": {}, "template": TEMPLATE},
        "workerGroupSpecs": [{"groupName": "w", "replicas": 1, "rayStartParams": {}, "template": TEMPLATE}]}
JOB = {"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": {"name": "j", "namespace": "alice"},
       "spec": {"entrypoint": "python -c 1", "rayClusterSpec": SPEC}}


STEPS = {"apiVersion": "ray.io/v1", "kind": "RayService", "metadata": {"name": "s", "namespace": "alice"}, "spec": {
    "serveConfigV2": "applications: [{import_path: 'a:b'}]", "rayClusterConfig": {**SPEC, "enableInTreeAutoscaling": True},
    "upgradeStrategy": {"type": "NewClusterWithIncrementalUpgrade", "clusterUpgradeOptions": {
        "stepSizePercent": 10, "intervalSeconds": 5, "gatewayClassName": "istio"}}}}
ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
# The autoscaler's before 1.7.
AUTOSCALER = {"type": "object", "properties": {
    **{name: {"type": "string"} for name in ("version", "upscalingMode", "image")}, "idleTimeoutSeconds": {"type": "integer"},
    "env": {"type": "array", "items": ANYTHING}, "resources": ANYTHING, "securityContext": ANYTHING}}
# What a RayCluster had for authentication: nothing before 1.5.1, and no Secret to name before 1.6.
OLD = {"1.5.0": None, "1.5.1": {"type": "object", "properties": {"mode": {"type": "string", "enum": ["disabled", "token"]}}}}


def as_of(value, auth):
    """The definitions as they were: what is not named is dropped."""
    if isinstance(value, dict):
        if "headGroupSpec" in value:
            value = {key: part for key, part in value.items() if key not in ("authOptions", "upgradeStrategy")}
            value |= {"autoscalerOptions": AUTOSCALER} | ({"authOptions": auth} if auth else {})
        return {key: as_of(part, auth) for key, part in value.items()
                if not (key == "x-kubernetes-preserve-unknown-fields" and "headGroupSpec" in value.get("properties", {}))}
    return [as_of(part, auth) for part in value] if isinstance(value, list) else value


@pytest.fixture(scope="module", params=OLD)
def house(request):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        old = pathlib.Path(folder) / "old.yaml"
        old.write_text(yaml.safe_dump_all(as_of(one, OLD[request.param]) for one in yaml.safe_load_all(definitions.read_text())))
        patch.setitem(os.environ, "ATELIER_KUBERAY_CRDS", str(old))
        made = service.Service("--controllers")
        try:
            alice = made.person("alice")
            made.profile("alice", alice.email)
            # The API server publishes what definitions say some moments after it serves them.
            service.eventually("its age is noticed", lambda: "KubeRay is older than" in made.first.log.read_text())
            made.kuberay = request.param
            yield made, alice
        finally:
            made.close()


def cluster(name, annotations=None, **more):
    return json.dumps({"apiVersion": "ray.io/v1", "kind": "RayCluster",
                       "metadata": {"name": name, "namespace": "alice", "annotations": annotations or {}}, "spec": {**SPEC, **more}})


def test_the_containers_are_told_where_authOptions_cannot_name_the_token(house):
    made, alice = house
    alice.kubectl("apply", "-f", "-", text_in=cluster("rc", enableInTreeAutoscaling=True))  # strict: nothing unknown is added
    spec = json.loads(made.cluster.kubectl("get", "raycluster", "rc", "-n", "alice", "-o", "json"))["spec"]
    assert "authOptions" not in spec
    for owner in (spec["headGroupSpec"]["template"]["spec"]["containers"][0],
                  spec["workerGroupSpecs"][0]["template"]["spec"]["containers"][0], spec["autoscalerOptions"]):
        told = {item["name"]: item for item in owner["env"]}
        assert told["RAY_AUTH_MODE"]["value"] == "token"
        assert told["RAY_AUTH_TOKEN"]["valueFrom"]["secretKeyRef"] == {"name": "ray-auth", "key": "auth_token"}
    refused = alice.refused("apply", "-f", "-", text_in=cluster("open").replace('"ray"', '"ray", "env": [{"name": "RAY_AUTH_MODE", "value": ""}]'))
    assert "RAY_AUTH_MODE cannot be set" in refused


def test_what_its_definitions_have_not_is_refused_by_name_and_not_dropped(house):
    made, alice = house
    path = "/apis/ray.io/v1/namespaces/alice/rayclusters"
    recreate = {"upgradeStrategy": {"type": "Recreate"}}
    for target in (path, f"{path}?fieldValidation=Ignore", f"{path}?dryRun=All"):  # from 1.6 on
        status, text = alice.ask("POST", target, cluster("other", **recreate).encode(), content_type="application/json")
        assert status == 400 and 'unknown field \\"spec.upgradeStrategy\\"' in text, text
    for kind, patch in (("merge-patch+json", {"spec": recreate}),
                        ("json-patch+json", [{"op": "add", "path": "/spec/upgradeStrategy", "value": recreate["upgradeStrategy"]}])):
        status, text = alice.ask("PATCH", f"{path}/rc", json.dumps(patch).encode(), content_type=f"application/{kind}")
        assert status in (400, 422) and 'unknown field \\"spec.upgradeStrategy\\"' in text, text
    # Its autoscaler takes no command, so that it could learn of this; what goes beyond is refused when it is written.
    alice.kubectl("apply", "-f", "-", text_in=cluster("limited", {"atelier.dev/max-workers": "1"}, enableInTreeAutoscaling=True))
    spec = json.loads(made.cluster.kubectl("get", "raycluster", "limited", "-n", "alice", "-o", "json"))["spec"]
    assert "command" not in spec["autoscalerOptions"]


def test_what_could_not_be_followed_is_refused_until_kuberay_is_upgraded(house):
    made, alice = house
    if made.kuberay == "1.5.0":
        assert "older than 1.5.1" in alice.refused("apply", "-f", "-", text_in=json.dumps(JOB))
    else:  # followed by KubeRay with the token that it makes for each cluster; it has none for one that exists
        alice.kubectl("apply", "-f", "-", text_in=json.dumps(JOB))
        job = json.loads(made.cluster.kubectl("get", "rayjob", "j", "-n", "alice", "-o", "json"))
        assert job["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token"}
        chosen = {**JOB, "metadata": {"name": "chosen", "namespace": "alice"},
                  "spec": {"entrypoint": "true", "clusterSelector": {"ray.io/cluster": "rc"}}}
        refused = alice.refused("apply", "-f", "-", text_in=json.dumps(chosen))
        assert "spec.clusterSelector" in refused and "older than 1.6" in refused
        assert refuses(alice, "/apis/ray.io/v1/namespaces/alice/rayservices")
    made.cluster.kubectl("replace", "-f", definitions)
    # Not validated by kubectl: the document that it would ask for is being made anew for all definitions, which takes a busy machine long.
    made.cluster.kubectl("create", "--validate=false", "-f", "-", text_in=json.dumps({"apiVersion": "v1", "kind": "List", "items": [
        gateway_api(kind) for kind in ("Gateway", "HTTPRoute")]}))
    service.eventually("the upgrade is noticed", lambda: "its authOptions name a Secret" in made.first.log.read_text())
    alice.kubectl("apply", "-f", "-", text_in=json.dumps(JOB))
    alice.kubectl("apply", "-f", "-", text_in=cluster("rc", enableInTreeAutoscaling=True))  # no change of its pods
    spec = alice.get("raycluster", "rc", "-n", "alice")["spec"]
    assert spec["authOptions"] == {"mode": "token", "secretName": "ray-auth"}


def gateway_api(kind):
    names = {"kind": kind, "plural": kind.lower() + "s", "singular": kind.lower(), "listKind": kind + "List"}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {
        "name": names["plural"] + ".gateway.networking.k8s.io", "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"}},
        "spec": {"group": "gateway.networking.k8s.io", "scope": "Namespaced", "names": names, "versions": [
            {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": ANYTHING}}]}}


def test_a_service_is_replaced_step_by_step_only_where_there_is_gateway_api(house):
    made, alice = house
    path = "/apis/ray.io/v1/namespaces/alice/rayservices"

    def taken():
        status, text = alice.ask("POST", path, json.dumps(STEPS).encode(), content_type="application/json")
        assert status in (201, 422) and (status == 201 or "spec.upgradeStrategy.type" in text), text
        return status == 201
    service.eventually("Gateway API is noticed", taken, 60, 1)
    made.cluster.kubectl("delete", "crd", "httproutes.gateway.networking.k8s.io")
    alice.kubectl("delete", "rayservice", "s", "-n", "alice")
    service.eventually("that it has gone is noticed", lambda: refuses(alice, path), 60, 1)


def refuses(alice, path):
    status, text = alice.ask("POST", path + "?dryRun=All", json.dumps(STEPS).encode(), content_type="application/json")
    return status == 422 and "spec.upgradeStrategy.type" in text and "gateway.networking.k8s.io" in text
