"""An informer of client-go (informer/main.go) against a platform, what it says while it runs, and what it is held to."""
import contextlib
import json
import pathlib
import subprocess
import tempfile
import threading

from atelier import PATIENCE, ROOT, wait_for

ALICE = "alice@example.com"
TOOLS = ROOT / "tests" / "kubernetes" / "tools" / "build.sh"
CONFIGMAPS = "/api/v1/namespaces/alice/configmaps"
NOTEBOOKS = "/apis/kubeflow.org/v1/namespaces/alice/notebooks"
CLUSTERS = "/apis/ray.io/v1/namespaces/alice/rayclusters"
CLAIMS = "persistentvolumeclaims"
WATCHED = ("pods.v1.", "configmaps.v1.", "notebooks.v1.kubeflow.org", "rayclusters.v1.ray.io", f"{CLAIMS}.v1.")
MERGE = "application/merge-patch+json"


class Informer:
    """The program of tests/e2e/informer while it runs; <lines> is what it has said."""

    def __init__(self, house, *arguments):
        folder = subprocess.run([TOOLS, "informer"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        config = pathlib.Path(tempfile.mkstemp(prefix="atelier-informer-")[1])
        config.write_text(house.cli("-n", "alice", "kubeconfig", "--server", f"https://localhost:{house.tls_port}",
                                    user=ALICE).stdout)
        self.config = config
        self.process = subprocess.Popen([pathlib.Path(folder) / "informer", *arguments, config, "alice", *WATCHED],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines, self.errors, self.asked = [], [], 0
        self.readers = [threading.Thread(target=read, daemon=True) for read in (
            lambda: self.lines.extend(map(json.loads, self.process.stdout)), lambda: self.errors.extend(self.process.stderr))]
        for reader in self.readers:
            reader.start()

    def said(self, of, what, after=0, **more):
        return [line for line in self.lines[after:]
                if line["of"] == of and line["what"] == what and more.items() <= line.items()]

    def wait(self, of, what, timeout_s=60, **more):
        try:
            return wait_for(f"{of} {what} {more}", lambda: self.said(of, what, **more), timeout_s, 0.02)[0]
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.lines[-40:]}\n{self.errors[-20:]}") from None

    def say(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def store(self, of):
        self.asked += 1
        self.say(self.asked)
        return self.wait(of, "store", asked=str(self.asked))["objects"]

    def end(self):
        self.process.stdin.close()
        code = self.process.wait(30 * PATIENCE)
        for reader in self.readers:
            reader.join(10)
        return code


@contextlib.contextmanager
def informing(house, *arguments):
    informer = Informer(house, *arguments)
    try:
        for resource in WATCHED:
            informer.wait(resource.split(".")[0], "synced")
        yield informer
        assert informer.end() == 0, ([line for line in informer.lines if line["what"] == "wrong"], informer.errors[-20:])
    finally:
        informer.process.kill()
        informer.config.unlink()


def held(house, path):
    """name → version, as the API lists them."""
    return {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in house.get(path, ALICE).json["items"]}


def agrees(house, informer, of, path):
    wait_for(f"the informer holds the {of} there are", lambda: informer.store(of) == held(house, path), 30)


def make(house, path, **body):
    answer = house.http("POST", path, user=ALICE, body=body)
    assert answer.status == 201, answer


def change(house, path, body):
    status, answer = house.ask(ALICE, "PATCH", path, body, MERGE)
    assert status == 200, answer


def notebook(name):
    return {"metadata": {"name": name}, "spec": {"template": {"spec": {"containers": [{"name": name}]}}}}


def ray_cluster(name):
    group = {"template": {"spec": {"containers": [{"name": "ray-head", "image": "ray-2.60"}]}}, "rayStartParams": {}}
    return {"metadata": {"name": name}, "spec": {"suspend": True, "headGroupSpec": group}}


def live(house, informer, of, path, body):
    """Makes, changes and deletes one object; its handlers are told so, in this order."""
    name, start = body["metadata"]["name"], len(informer.lines)
    make(house, path, **body)
    change(house, f"{path}/{name}", {"metadata": {"annotations": {"seen": "yes"}}})
    changed = house.get(f"{path}/{name}", ALICE).json["metadata"]["resourceVersion"]
    assert house.http("DELETE", f"{path}/{name}", user=ALICE).status == 200
    informer.wait(of, "delete", name=name)
    told = [line for line in informer.lines[start:] if line["of"] == of and line.get("name") == name]
    heard = [line["what"] for line in told if line["what"] in ("add", "update", "delete")]
    assert heard[0] == "add" and heard[-1] == "delete" and set(heard[1:-1]) == {"update"}, heard
    assert not told[0].get("initial") and any(int(line["version"]) >= int(changed) for line in told), told
    events = [line["type"] for line in told if line["what"] == "event"]
    assert events[0] == "ADDED" and events[-1] == "DELETED" and set(events[1:-1]) == {"MODIFIED"}, events


def lives(house, informer):
    """One object of each kind, and at the end the informer holds what there is."""
    live(house, informer, "configmaps", CONFIGMAPS, {"metadata": {"name": "short"}, "data": {"a": "1"}})
    live(house, informer, "notebooks", NOTEBOOKS, {**notebook("short"), "metadata": {
        "name": "short", "annotations": {"kubeflow-resource-stopped": "now"}}})
    live(house, informer, "rayclusters", CLUSTERS, ray_cluster("short"))
    for of, path in (("configmaps", CONFIGMAPS), ("rayclusters", CLUSTERS)):
        agrees(house, informer, of, path)
