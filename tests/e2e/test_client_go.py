"""Informers of client-go, what every controller is made of: they list, watch, resume and start over on the local engine."""
import contextlib
import json
import pathlib
import subprocess
import threading

import pytest
from atelier import PATIENCE, ROOT, running, wait_for

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
        config = house.data / "kubeconfig-informer"
        config.write_text(house.cli("-n", "alice", "kubeconfig", "--server", f"https://localhost:{house.tls_port}",
                                    user=ALICE).stdout)
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


@pytest.fixture(scope="module")
def house():
    with running(ALICE) as instance:
        make(instance, CONFIGMAPS, metadata={"name": "before"}, data={"a": "1"})
        make(instance, NOTEBOOKS, **notebook("nb1"))
        make(instance, CLUSTERS, **ray_cluster("rc1"))
        instance.wait_notebook("alice", "nb1", ALICE, timeout_s=180)
        yield instance


@pytest.mark.parametrize("arguments", [(), ("--watch-list",), ("--watch-list", "--protobuf")], ids=" ".join)
def test_an_informer_holds_what_there_is_and_hears_what_becomes_of_it(house, arguments):
    with informing(house, *arguments) as informer:
        for of, name in (("configmaps", "before"), ("notebooks", "nb1"), ("rayclusters", "rc1"), ("pods", "nb1-0")):
            assert informer.said(of, "add", name=name, initial=True), (of, informer.lines)
        assert informer.said("pods", "add", name="nb1-0", phase="Running")
        for of in ("configmaps", "notebooks", "rayclusters", "pods"):
            begun = informer.wait(of, "watch")  # what was listed is told before it is asked what comes after
            if "--watch-list" in arguments:  # it asked for no list, and had no need to fall back to one
                assert begun["initialEvents"] and informer.said(of, "event", type="BOOKMARK", end=True), begun
                assert not informer.said(of, "list"), informer.lines
            else:
                assert not begun["initialEvents"] and int(begun["version"]) > 0 and len(informer.said(of, "list")) == 1, begun
        live(house, informer, "configmaps", CONFIGMAPS, {"metadata": {"name": "short"}, "data": {"a": "1"}})
        live(house, informer, "notebooks", NOTEBOOKS, {**notebook("short"), "metadata": {
            "name": "short", "annotations": {"kubeflow-resource-stopped": "now"}}})
        live(house, informer, "rayclusters", CLUSTERS, ray_cluster("short"))
        for of, path in (("configmaps", CONFIGMAPS), ("rayclusters", CLUSTERS)):
            agrees(house, informer, of, path)
        assert not informer.said("configmaps", "lost") and len(informer.said("configmaps", "watch")) == 1


def test_a_pods_way_is_told_step_by_step(house):
    with informing(house) as informer:
        house.cli("-n", "alice", "notebook", "stop", "nb1", user=ALICE)
        informer.wait("pods", "delete", name="nb1-0")
        start = len(informer.lines)
        house.cli("-n", "alice", "notebook", "start", "nb1", "--wait", user=ALICE, timeout=180)
        informer.wait("pods", "update", after=start, name="nb1-0", phase="Running")
        phases = [line["phase"] for line in informer.lines[start:] if line["of"] == "pods" and "phase" in line]
        assert phases[0] == "Pending" and phases[-1] == "Running" and phases == sorted(phases), phases
        agrees(house, informer, "pods", "/api/v1/namespaces/alice/pods")


def test_many_changes_come_in_order_and_none_is_lost(house):
    """The program itself holds the versions of each watch to their order (its exit code)."""
    with informing(house) as informer:
        for number in range(60):
            make(house, CONFIGMAPS, metadata={"name": f"many-{number}"}, data={"n": "0"})
            for step in ("1", "2"):
                change(house, f"{CONFIGMAPS}/many-{number}", {"data": {"n": step}})
            if number % 2:
                assert house.http("DELETE", f"{CONFIGMAPS}/many-{number}", user=ALICE).status == 200
        informer.wait("configmaps", "delete", name="many-59")
        came = [(line["type"], line["name"]) for line in informer.said("configmaps", "event") if "many-" in line["name"]]
        assert came == [(kind, f"many-{number}") for number in range(60)
                        for kind in ("ADDED", "MODIFIED", "MODIFIED", *(("DELETED",) if number % 2 else ()))]
        agrees(house, informer, "configmaps", CONFIGMAPS)


@pytest.mark.parametrize("arguments", [(), ("--watch-list",)], ids=" ".join)
def test_after_a_kill_it_finds_its_way_back_and_misses_nothing(house, arguments):
    make(house, CONFIGMAPS, metadata={"name": "goes"}, data={"a": "1"})
    make(house, CONFIGMAPS, metadata={"name": "stays"}, data={"a": "1"})
    with informing(house, *arguments) as informer:
        house.kill_control_plane()
        assert house.http("DELETE", f"{CONFIGMAPS}/goes", user=ALICE).status == 200
        change(house, f"{CONFIGMAPS}/stays", {"data": {"a": "2"}})
        make(house, CONFIGMAPS, metadata={"name": "comes"}, data={"a": "1"})
        informer.wait("configmaps", "add", name="comes", initial=False)
        informer.wait("configmaps", "delete", name="goes")
        agrees(house, informer, "configmaps", CONFIGMAPS)
        make(house, CLUSTERS, **ray_cluster("again"))
        informer.wait("rayclusters", "add", name="again")  # each kind finds its way by itself
        live(house, informer, "rayclusters", CLUSTERS, ray_cluster("later"))
        assert house.http("DELETE", f"{CLUSTERS}/again", user=ALICE).status == 200
        informer.wait("rayclusters", "delete", name="again")
        agrees(house, informer, "rayclusters", CLUSTERS)
    for name in ("stays", "comes"):
        assert house.http("DELETE", f"{CONFIGMAPS}/{name}", user=ALICE).status == 200


@pytest.mark.parametrize("arguments", [(), ("--watch-list",)], ids=" ".join)
def test_who_goes_on_from_too_long_ago_begins_anew(house, arguments):
    """Watches that end after a while are followed by others, from where they were; one comes from before what is known."""
    with informing(house, "--watch-seconds", "2", *arguments) as informer:
        wait_for("a watch that goes on", lambda: len(informer.said("configmaps", "watch")) > 2, 30)
        lists = len(informer.said("configmaps", "list")) + len(informer.said("configmaps", "watch", initialEvents=True))
        assert lists == 1, informer.said("configmaps", "watch")
        informer.say("stale")
        stale = informer.lines.index(informer.wait("configmaps", "stale"))
        wait_for("it is told so", lambda: informer.said("configmaps", "event", after=stale, type="ERROR", code=410), 30)
        anew = informer.wait("configmaps", "watch", after=stale, initialEvents=True) if arguments else informer.wait(
            "configmaps", "list", after=stale)
        begun = informer.lines.index(anew, stale)
        if arguments:  # and has what there is: what is made now is news to it
            informer.wait("configmaps", "event", after=begun, type="BOOKMARK", end=True)
        else:
            informer.wait("configmaps", "watch", after=begun)
        live(house, informer, "configmaps", CONFIGMAPS, {"metadata": {"name": "short"}, "data": {"a": "1"}})
        agrees(house, informer, "configmaps", CONFIGMAPS)


def test_in_quiet_a_bookmark_says_where_to_go_on(house):
    with informing(house) as informer:
        make(house, CONFIGMAPS, metadata={"name": "elsewhere"}, data={})
        version = int(held(house, CONFIGMAPS)["elsewhere"])
        wait_for("a bookmark of after that", lambda: [mark for mark in informer.said(CLAIMS, "event", type="BOOKMARK")
                                                      if int(mark["version"]) >= version], 90)
