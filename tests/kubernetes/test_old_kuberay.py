"""On a cluster whose KubeRay does not know authOptions (before 1.5.1), no Ray runs without asking for the token."""
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


def without_auth(value):
    """The definitions as they were: what is not named is dropped."""
    if isinstance(value, dict):
        if "headGroupSpec" in value:
            value = {key: part for key, part in value.items() if key != "authOptions"}
        return {key: without_auth(part) for key, part in value.items()
                if not (key == "x-kubernetes-preserve-unknown-fields" and "headGroupSpec" in value.get("properties", {}))}
    return [without_auth(part) for part in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def house():
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        old = pathlib.Path(folder) / "old.yaml"
        old.write_text(yaml.safe_dump_all(map(without_auth, yaml.safe_load_all(definitions.read_text()))))
        patch.setitem(os.environ, "ATELIER_KUBERAY_CRDS", str(old))
        made = service.Service("--controllers")
        try:
            alice = made.person("alice")
            made.profile("alice", alice.email)
            yield made, alice
        finally:
            made.close()


def cluster(name, **more):
    return json.dumps({"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": name, "namespace": "alice"},
                       "spec": {**SPEC, **more}})


def test_the_containers_are_told_where_authOptions_are_dropped(house):
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


def test_what_could_not_be_followed_is_refused_until_kuberay_is_upgraded(house):
    made, alice = house
    assert "older than 1.5.1" in alice.refused("apply", "-f", "-", text_in=json.dumps(JOB))
    made.cluster.kubectl("replace", "-f", definitions)
    service.eventually("the upgrade is noticed", lambda: "KubeRay knows authOptions now" in made.first.log.read_text())
    alice.kubectl("apply", "-f", "-", text_in=json.dumps(JOB))
    alice.kubectl("apply", "-f", "-", text_in=cluster("rc", enableInTreeAutoscaling=True))  # no change of its pods
    spec = alice.get("raycluster", "rc", "-n", "alice")["spec"]
    assert spec["authOptions"] == {"mode": "token", "secretName": "ray-auth"}
