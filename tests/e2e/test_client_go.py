"""Informers of client-go, what every controller is made of: they list, watch, resume and start over on the local engine.
That they hold what there is, every engine is asked (conformance/test_clients.py)."""
import pytest
from atelier import running, wait_for
from goinformer import ALICE, CLAIMS, CLUSTERS, CONFIGMAPS, NOTEBOOKS, agrees, change, held, informing, live, lives, make, notebook, ray_cluster


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
        lives(house, informer)
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
