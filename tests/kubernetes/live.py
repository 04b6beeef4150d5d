"""A real cluster with controllers, nodes that say that they run pods, and KubeRay or its double; ends with close()."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import chart
import rayoperator

here = pathlib.Path(__file__).resolve().parent
root = here.parent.parent
PATIENCE = 120 * chart.PATIENCE  # seconds; a slow machine needs some, a fast one none


class Cluster:
    def __init__(self, *options, kuberay=True):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="atelier-live-"))
        self.operator = None
        try:
            subprocess.run([here / "cluster.sh", "up", self.folder / "cluster", "--kwok", "--nodes", "2", *options],
                           check=True, stdout=subprocess.DEVNULL)
            self.kubeconfig = self.folder / "cluster/admin.kubeconfig"
            settings = dict(line.split("=", 1) for line in (self.folder / "cluster/settings").read_text().splitlines())
            self.program = pathlib.Path(settings["tools"]) / "kubectl"
            if kuberay:
                self.start_kuberay()
        except BaseException:
            self.close()
            raise

    def start_kuberay(self):
        self.log = open(self.folder / "kuberay.log", "w")
        self.operator = rayoperator.Operator(self.kubeconfig, self.log)

    def close(self):
        if self.operator:
            self.operator.close()
        subprocess.run([here / "cluster.sh", "down", self.folder / "cluster"], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def said_by(self, program):
        """The end of what one of the cluster's programs wrote."""
        return "".join((self.folder / f"cluster/{program}.log").read_text(errors="replace").splitlines(True)[-40:])

    def kubectl(self, *arguments, text_in=None, fails=False):
        """What it printed; what it said, if it should, or (None) may fail."""
        done = subprocess.run([self.program, "--kubeconfig", self.kubeconfig, *map(str, arguments)], input=text_in,
                              capture_output=True, text=True, timeout=PATIENCE, env={**os.environ, "HOME": str(self.folder)})
        said = done.stdout + done.stderr
        assert fails in (None, done.returncode != 0), f"kubectl {arguments}: exit {done.returncode}\n{said}"
        return done.stdout if fails is False else said

    def apply(self, *objects, **options):
        return self.kubectl("apply", "-f", "-", text_in=json.dumps({"kind": "List", "apiVersion": "v1",
                                                                   "items": list(objects)}), **options)

    def get(self, kind, name, namespace="alice"):
        """The object, or None."""
        text = self.kubectl("get", kind, name, "-n", namespace, "-o", "json", "--ignore-not-found")
        return json.loads(text) if text.strip() else None

    def list(self, kind, namespace="alice", selector=""):
        return json.loads(self.kubectl("get", kind, "-n", namespace, "-l", selector, "-o", "json"))["items"]

    def wait_quota(self, name):
        """Until the API server, which hears of a quota a moment after it is there, lets no pod in for it."""
        size = {"cpu": "1m", "memory": "1Mi"}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one-more", "namespace": "alice"}, "spec": {
            "containers": [{"name": "c", "image": "example/c:1", "resources": {"limits": size, "requests": size}}]}}
        self.wait(f"the quota {name} is exceeded", lambda: f"exceeded quota: {name}" in self.kubectl(
            "create", "--dry-run=server", "-f", "-", text_in=json.dumps(pod), fails=None))

    def wait(self, what, check):
        """The first true answer of <check>."""
        until = time.monotonic() + PATIENCE
        while True:
            answer = check()
            if answer:
                return answer
            assert time.monotonic() < until, f"not within {PATIENCE:g} s: {what}"
            time.sleep(0.2)


def condition(item, kind):
    conditions = (item or {}).get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == kind), {})


def write_status(cluster, pod, status):
    """What a kubelet would say about a pod; kwok leaves alone what it has once made ready."""
    meta = pod["metadata"]
    cluster.kubectl("patch", "pod", meta["name"], "-n", meta["namespace"], "--subresource", "status", "--type", "merge",
                    "-p", json.dumps({"status": status}))
