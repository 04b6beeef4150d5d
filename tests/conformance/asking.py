"""The objects that the contracts are asked about, and short ways to ask."""
from atelier import PATIENCE, Watch, wait_for  # noqa: F401

ALICE, BOB, CAROL, DAVE = (f"{name}@example.com" for name in ("alice", "bob", "carol", "dave"))
PROFILES = "/apis/kubeflow.org/v1/profiles"
CORE = "/api/v1/namespaces/alice"
CONFIGMAPS, CLAIMS = CORE + "/configmaps", CORE + "/persistentvolumeclaims"
NOTEBOOKS = "/apis/kubeflow.org/v1/namespaces/alice/notebooks"
CLUSTERS = "/apis/ray.io/v1/namespaces/alice/rayclusters"
MEMBERS = "/api/atelier/v1/profiles/alice/members"
MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"


def configmap(name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def notebook(name, image="ray-2.60", stopped=True, **more):
    annotations = {"kubeflow-resource-stopped": "yes"} if stopped else {}
    return {"apiVersion": "kubeflow.org/v1", "kind": "Notebook", "metadata": {"name": name, "annotations": annotations},
            "spec": {"template": {"spec": {"containers": [{"name": name, "image": image, **more}]}}}}


def raycluster(name, **spec):
    def template(container):
        size = {"cpu": "500m", "memory": "2Gi"}
        return {"spec": {"containers": [{"name": container, "image": "rayproject/ray:2.60.0",
                                         "resources": {"limits": size, "requests": size}}]}}
    return {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": name}, "spec": {
        "headGroupSpec": {"rayStartParams": {}, "template": template("head")}, "workerGroupSpecs": [], **spec}}


def member(platform, email, role, **more):
    """A grant by alice; its id."""
    answer = platform.http("POST", MEMBERS, user=ALICE, body={"subject": {"kind": "User", "name": email}, "role": role, **more})
    assert answer.status == 201, answer
    return answer.json["id"]


def names(answer):
    return [item["metadata"]["name"] for item in answer.json["items"]]


def watch_in_quiet(platform):
    """Claims are made and deleted by the one test that asks for it."""
    version = platform.get(CLAIMS, ALICE).json["metadata"]["resourceVersion"]
    return version, Watch(platform, f"{CLAIMS}?resourceVersion={version}&allowWatchBookmarks=true", ALICE, timeout=120)
