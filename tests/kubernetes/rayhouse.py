"""A house whose Ray clusters are made by KubeRay's double, on kwok's nodes; idle times are looked at every second."""
import contextlib
import json
import subprocess
import threading

import chart
import live
import rayoperator
import service

SPEC = {"rayVersion": "2.60.0", "authOptions": {"mode": "token", "secretName": "ray-auth"}, "headGroupSpec": {
    "rayStartParams": {"num-cpus": "0"}, "template": {"spec": {"containers": [{
        "name": "ray-head", "image": "rayproject/ray:2.60.0", "resources": {
            "limits": {"cpu": "1", "memory": "2Gi"}, "requests": {"cpu": "100m", "memory": "1Gi"}}}]}}}}


class House(service.Service):
    def __init__(self, between=None):
        self.operator = None
        super().__init__("--kwok", "--nodes", "1", between=between, ATELIER_IDLE_CHECK_S="1", ATELIER_SAMPLE_S="1", ATELIER_IDLE_WARN_S="2")
        self.operator = rayoperator.Operator(self.cluster.kubeconfig, program=None)

    def close(self):
        if self.operator:
            self.operator.close()
        super().close()

    def get(self, kind, name):
        text = self.cluster.kubectl("get", kind, name, "-n", "alice", "-o", "json", "--ignore-not-found")
        return json.loads(text) if text.strip() else None

    def make(self, name, kind="RayCluster", body=None, **annotations):
        self.cluster.kubectl("apply", "-f", "-", text_in=json.dumps({
            "apiVersion": "ray.io/v1", "kind": kind, "spec": SPEC if body is None else body,
            "metadata": {"name": name, "namespace": "alice", "annotations": annotations}}))

    def annotate(self, name, **annotations):
        self.cluster.kubectl("annotate", "raycluster", name, "-n", "alice", "--overwrite",
                             *(f"atelier.dev/{key.replace('_', '-')}{'=' + value if value else '-'}" for key, value in annotations.items()))

    def suspend(self, name, whether=True):
        self.cluster.kubectl("patch", "raycluster", name, "-n", "alice", "--type", "merge", "-p",
                             json.dumps({"spec": {"suspend": whether}}))

    def suspended(self, name):
        service.eventually(f"{name} is suspended", lambda: (self.get("raycluster", name) or {}).get("status", {}).get(
            "state") == "suspended")

    def ready(self, name):
        return service.eventually(f"{name} is ready", lambda: (lambda item: item if live.condition(item, "HeadPodReady").get(
            "status") == "True" else None)(self.get("raycluster", name)))

    def note(self, name, key):
        return self.get("raycluster", name)["metadata"].get("annotations", {}).get(key)

    @contextlib.contextmanager
    def followed(self, name):
        """The annotations that a cluster has had since, each time it changed; what does not stay long is in them, too."""
        watch = subprocess.Popen([chart.tool("kubectl"), "--kubeconfig", self.cluster.kubeconfig, "get", "raycluster", name, "-n", "alice",
                                  "-w", "-o", r'jsonpath={.metadata.annotations}{"\n"}'], stdout=subprocess.PIPE, text=True)
        seen = []
        try:
            threading.Thread(target=lambda: [seen.append(line) for line in watch.stdout], daemon=True).start()
            service.eventually(f"{name} is followed", lambda: seen)
            yield seen
        finally:
            watch.kill()
            watch.wait()

    def events(self, name, reason):
        items = json.loads(self.cluster.kubectl("get", "events", "-n", "alice", "-o", "json"))["items"]
        return [item for item in items if item["involvedObject"]["name"] == name and item["reason"] == reason]

    def audit(self):
        status, text = self.alice.ask("GET", "/api/atelier/v1/profiles/alice/audit")
        assert status == 200, text
        return [(item["action"], item["kind"], item["name"]) for item in json.loads(text[text.index("{"):])["items"]]


@contextlib.contextmanager
def running(between=None):
    """With alice, who has a profile, and bob."""
    made = House(between)
    try:
        made.alice, made.bob = made.person("alice"), made.person("bob")
        made.profile("alice", made.alice.email)
        yield made
    finally:
        print(made.first.tail())
        made.close()
