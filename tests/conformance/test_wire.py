"""The form of the API: verbs, bodies, patches, lists, watches and errors are the same on every engine."""
import http.client
import time

import pytest

from asking import (ALICE, BOB, CLAIMS, CONFIGMAPS, CORE, JSON_PATCH, MERGE, NOTEBOOKS, PATIENCE, PROFILES, Watch, configmap, names,
                    notebook, wait_for)

YAML = "application/yaml"


def make(platform, name, **data):
    answer = platform.http("POST", CONFIGMAPS, user=ALICE, body=configmap(name, **data))
    assert answer.status == 201, answer
    return answer.json


# --- bodies -----------------------------------------------------------------------------------------------------------

def test_yaml_is_understood(platform):
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: from-yaml\ndata:\n  answer: \"no\"\n"
    assert platform.ask(ALICE, "POST", CONFIGMAPS, text, YAML)[0] == 201
    status, made = platform.ask(ALICE, "GET", f"{CONFIGMAPS}/from-yaml")
    assert status == 200 and made["data"] == {"answer": "no"}
    answer = platform.get(f"{CONFIGMAPS}/from-yaml", ALICE, headers={"Accept": YAML})
    assert answer.status == 200 and answer.headers["content-type"] == YAML and "name: from-yaml" in answer.text


@pytest.mark.parametrize("content_type, body, status", [
    ("text/plain", "{}", 415), ("application/x-www-form-urlencoded", "a=b", 415), ("application/json", "{", 400),
    ("application/json", "", 400), ("application/json", "null", 400), (YAML, "a: [1", 400),
    ("application/json", '{"metadata":{"name":"x","namespace":"bob"}}', 400)])
def test_bodies_that_are_none_are_refused(platform, content_type, body, status):
    said, answer = platform.ask(ALICE, "POST", CONFIGMAPS, body, content_type)
    assert said == status and answer["kind"] == "Status" and answer["status"] == "Failure" and answer["code"] == status, answer
    assert platform.get(f"{CONFIGMAPS}/x", ALICE).status == 404


def test_a_refused_object_is_named_with_its_field(platform):
    apply = "application/apply-patch+yaml"
    for method, path, body, kind in (
            ("POST", CONFIGMAPS, configmap("Not_a_Name"), "application/json"),
            ("PATCH", f"{CONFIGMAPS}/Not_a_Name?fieldManager=m", configmap("Not_a_Name"), apply)):
        status, refused = platform.ask(ALICE, method, path, body, kind)
        assert (status, refused["reason"]) == (422, "Invalid"), refused
        assert refused["details"]["name"] == "Not_a_Name" and refused["details"]["causes"][0]["field"] == "metadata.name", refused
    status, refused = platform.ask(ALICE, "POST", NOTEBOOKS, notebook("named", resources={"limits": {"cpu": "much"}}))
    assert status == 422 and (refused["details"]["kind"], refused["details"]["name"]) == ("Notebook", "named"), refused


def test_a_dry_run_of_an_apply_is_of_the_version_that_is_there(platform):
    path = f"{CONFIGMAPS}/applied?fieldManager=m"
    status, made = platform.ask(ALICE, "PATCH", path, configmap("applied", a="1"), "application/apply-patch+yaml")
    assert status == 201, made
    status, tried = platform.ask(ALICE, "PATCH", path + "&dryRun=All", configmap("applied", a="2"), "application/apply-patch+yaml")
    assert status == 200 and tried["data"] == {"a": "2"}
    assert tried["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_patches_of_each_kind(platform):
    make(platform, "patched", a="1", b="2")
    path = f"{CONFIGMAPS}/patched"
    status, read = platform.ask(ALICE, "PATCH", path, {"data": {"a": None, "c": "3"}}, MERGE)
    assert status == 200 and read["data"] == {"b": "2", "c": "3"}
    status, read = platform.ask(ALICE, "PATCH", path, [{"op": "test", "path": "/data/c", "value": "3"},
                                                      {"op": "replace", "path": "/data/c", "value": "4"},
                                                      {"op": "add", "path": "/data/d", "value": "5"},
                                                      {"op": "remove", "path": "/data/b"}], JSON_PATCH)
    assert status == 200 and read["data"] == {"c": "4", "d": "5"}
    # One that does not apply changes nothing.
    status, refused = platform.ask(ALICE, "PATCH", path, [{"op": "replace", "path": "/data/d", "value": "6"},
                                                         {"op": "test", "path": "/data/c", "value": "no"}], JSON_PATCH)
    assert status in (409, 422) and refused["kind"] == "Status", refused
    assert platform.ask(ALICE, "PATCH", path, {"data": {}}, "application/json")[0] == 415
    assert platform.ask(ALICE, "GET", path)[1]["data"] == {"c": "4", "d": "5"}


def test_dry_runs_of_every_verb_store_nothing(platform):
    made = make(platform, "drily", a="1")
    path = f"{CONFIGMAPS}/drily"
    assert platform.ask(ALICE, "PATCH", path + "?dryRun=All", {"data": {"a": "2"}}, MERGE)[1]["data"] == {"a": "2"}
    assert platform.ask(ALICE, "PUT", path + "?dryRun=All", {**made, "data": {"a": "3"}})[0] == 200
    assert platform.ask(ALICE, "DELETE", path + "?dryRun=All")[0] == 200
    assert platform.ask(ALICE, "POST", NOTEBOOKS + "?dryRun=All", notebook("drily"))[0] == 201
    assert platform.ask(ALICE, "GET", path)[1]["data"] == {"a": "1"}
    assert platform.ask(ALICE, "GET", NOTEBOOKS + "/drily")[0] == 404


# --- errors -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("method, path, status, reason", [
    ("GET", f"{CONFIGMAPS}/absent", 404, "NotFound"), ("DELETE", f"{CONFIGMAPS}/absent", 404, "NotFound"),
    ("GET", f"{CONFIGMAPS}?labelSelector=%3D%3D%3D", 400, None),
    ("GET", f"{CONFIGMAPS}?continue=forged", 400, None), ("PUT", CONFIGMAPS, 405, "MethodNotAllowed"),
    ("POST", f"{CONFIGMAPS}/absent", 405, "MethodNotAllowed")])
def test_errors_are_status_objects(platform, method, path, status, reason):
    said, answer = platform.ask(ALICE, method, path, {} if method in ("PUT", "POST") else None)
    assert said == status and isinstance(answer, dict), (said, answer)
    assert answer["apiVersion"] == "v1" and answer["kind"] == "Status" and answer["code"] == status and answer["message"], answer
    assert reason is None or answer["reason"] == reason, answer


@pytest.mark.parametrize("path", [
    "/api/v1/namespaces/bob/../alice/configmaps", "/api/v1/namespaces/bob/%2e%2e/alice/configmaps",
    "/api/v1/namespaces//alice/configmaps", "//api/v1/namespaces/alice/configmaps", "/api/v1/namespaces/%61lice/configmaps",
    "/api/v1/namespaces/alice%00/configmaps", "/api/v1/namespaces/alice%2fconfigmaps", "/notebook/alice%252fnb1/x/",
    "/notebook/alice/nb1/..%2f..%2fx", "/notebook/alice/nb1/%5cx", "/ray/alice/rc/%00", "/notebook/alice/../bob/nb/"])
def test_paths_that_two_could_read_differently_are_none(platform, path):
    assert platform.get(path, ALICE).status in (400, 404), path
    assert platform.get(path, BOB).status in (400, 404), path


@pytest.mark.parametrize("path", ["/apis/nothing.example.com/v1/namespaces/alice/things", "/apis/kubeflow.org/v9/namespaces/alice/things",
                                  "/apis/nothing.example.com/v1", "/apis/nothing.example.com/v1/namespaces/alice/things/one"])
def test_a_group_that_nobody_serves_is_not_there(platform, path):
    """Kubernetes' own answer to who may ask for anything; to others it says 403, which reads as if there were something."""
    for user in (ALICE, BOB):
        for method in ("GET", "DELETE") if path.endswith("one") else ("GET",):
            status, answer = platform.ask(user, method, path)
            assert status == 404 and answer["reason"] == "NotFound", (user, method, answer)


# --- discovery, lists -------------------------------------------------------------------------------------------------

def test_discovery_names_what_is_served(platform):
    groups = [group["name"] for group in platform.get("/apis", ALICE).json["groups"]]
    assert {"kubeflow.org", "ray.io"} <= set(groups)
    for path, kinds in (("/api/v1", {"pods", "services", "configmaps", "secrets", "persistentvolumeclaims", "events",
                                     "resourcequotas"}),
                        ("/apis/kubeflow.org/v1", {"profiles", "notebooks"}), ("/apis/ray.io/v1", {"rayclusters"})):
        found = platform.get(path, ALICE).json
        assert found["kind"] == "APIResourceList" and kinds <= {item["name"] for item in found["resources"]}, path
    assert platform.get("/version", ALICE).json["major"] == "1"


def test_lists_come_in_pages_and_by_selector(platform):
    for index in range(5):
        body = configmap(f"page-{index}")
        body["metadata"]["labels"] = {"odd": str(index % 2), "set": "pages"}
        assert platform.ask(ALICE, "POST", CONFIGMAPS, body)[0] == 201
    seen, token = [], ""
    while True:
        answer = platform.get(f"{CONFIGMAPS}?labelSelector=set%3Dpages&limit=2&continue={token}", ALICE)
        assert answer.status == 200 and len(answer.json["items"]) <= 2, answer
        seen += names(answer)
        token = answer.json["metadata"].get("continue")
        if not token:
            break
    assert seen == [f"page-{index}" for index in range(5)]
    assert names(platform.get(f"{CONFIGMAPS}?labelSelector=set%3Dpages&limit=-1", ALICE)) == seen  # all of them
    for selector, wanted in (("odd%3D1", ["page-1", "page-3"]), ("odd+in+%280%29%2Cset", ["page-0", "page-2", "page-4"]),
                             ("set%3Dpages%2Codd%21%3D0", ["page-1", "page-3"]), ("odd%2C%21set", [])):
        assert names(platform.get(f"{CONFIGMAPS}?labelSelector={selector}", ALICE)) == wanted, selector
    assert names(platform.get(f"{CONFIGMAPS}?fieldSelector=metadata.name%3Dpage-3", ALICE)) == ["page-3"]


def test_a_list_over_all_namespaces_holds_ones_own(platform):
    make(platform, "everywhere")
    assert "everywhere" in names(platform.get("/api/v1/configmaps", ALICE))
    assert "everywhere" not in names(platform.get("/api/v1/configmaps", BOB))
    assert names(platform.get(PROFILES, ALICE)) == ["alice"] and names(platform.get(PROFILES, BOB)) == []


# --- watches ----------------------------------------------------------------------------------------------------------

def test_a_watch_shows_each_change_in_order(platform):
    make(platform, "watched-before")
    watch = Watch(platform, CONFIGMAPS, ALICE)
    make(platform, "watched", a="1")
    platform.ask(ALICE, "PATCH", f"{CONFIGMAPS}/watched", {"data": {"a": "2"}}, MERGE)
    platform.ask(ALICE, "DELETE", f"{CONFIGMAPS}/watched")
    seen, first = [], []
    while ("DELETED", "watched") not in seen:
        event = watch.next()
        name = event["object"]["metadata"]["name"]
        (seen if name == "watched" else first).append((event["type"], name))
        assert name != "watched" or event["object"]["metadata"]["resourceVersion"]
    watch.close()
    assert seen == [(kind, "watched") for kind in ("ADDED", "MODIFIED", "DELETED")]
    assert ("ADDED", "watched-before") in first


def test_a_watch_goes_on_where_a_list_ended_and_ends_when_asked(platform):
    version = platform.get(CONFIGMAPS, ALICE).json["metadata"]["resourceVersion"]
    make(platform, "missed")
    started = time.monotonic()
    watch = Watch(platform, f"{CONFIGMAPS}?resourceVersion={version}&timeoutSeconds=3", ALICE)
    events = []
    while (event := watch.next()) is not None:
        events.append((event["type"], event["object"]["metadata"]["name"]))
    assert 2 < time.monotonic() - started < 20 * PATIENCE and events == [("ADDED", "missed")]


def test_deleting_waits_in_the_open(platform):
    """An object that is asked to go stays readable until it is gone, and a watch says when that is."""
    made = platform.http("POST", NOTEBOOKS, user=ALICE, body=notebook("going"))
    assert made.status == 201
    watch = Watch(platform, f"{NOTEBOOKS}?fieldSelector=metadata.name%3Dgoing", ALICE)
    assert platform.http("DELETE", f"{NOTEBOOKS}/going", user=ALICE).status == 200
    kinds = []
    while not kinds or kinds[-1] != "DELETED":
        kinds.append(watch.next()["type"])
    watch.close()
    assert set(kinds[:-1]) <= {"ADDED", "MODIFIED"}
    wait_for("it is gone", lambda: platform.get(f"{NOTEBOOKS}/going", ALICE).status == 404, 30)


def test_who_watches_in_quiet_is_told_from_where_to_go_on(platform, quiet):
    """Within about a minute; who begins again from a bookmark misses nothing and is told nothing twice."""
    version, watch = quiet
    make(platform, "elsewhere")
    mark = watch.next()
    while mark["type"] in ("ADDED", "MODIFIED", "DELETED"):  # a claim is bound, or that of a Ray cluster's store comes and goes
        mark = watch.next()
    assert mark["type"] == "BOOKMARK" and mark["object"]["kind"] == "PersistentVolumeClaim", mark
    assert int(mark["object"]["metadata"]["resourceVersion"]) >= int(version)
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": {
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
    assert platform.http("POST", CLAIMS, user=ALICE, body=claim).status == 201
    again = Watch(platform, f"{CLAIMS}?resourceVersion={mark['object']['metadata']['resourceVersion']}", ALICE)
    event = again.next()
    while event["object"]["metadata"]["name"] != "data":  # the store of a Ray cluster goes when it likes
        assert int(event["object"]["metadata"]["resourceVersion"]) > int(mark["object"]["metadata"]["resourceVersion"]), event
        event = again.next()
    assert event["type"] == "ADDED", event
    again.close()
    assert platform.http("DELETE", f"{CLAIMS}/data", user=ALICE).status == 200


# --- services ---------------------------------------------------------------------------------------------------------

def test_a_service_is_named_in_each_way(platform):
    assert platform.http("POST", NOTEBOOKS, user=ALICE, body=notebook("served")).status == 201
    wait_for("the service", lambda: platform.get(f"{CORE}/services/served", ALICE).status == 200, 60)
    wait_for("the gateway knows it", lambda: platform.get(f"{CORE}/services/served/proxy/x", ALICE).status != 404, 30)
    port = platform.get(f"{CORE}/services/served", ALICE).json["spec"]["ports"][0]
    # Stopped, it does not answer; that is not "there is no such thing".
    for name in ("served", f"served:{port['port']}", f"http:served:{port['name']}", f"http%3Aserved%3A{port['port']}"):
        answer = platform.get(f"{CORE}/services/{name}/proxy/x", ALICE)
        assert answer.status in (502, 503, 504), (name, answer)
        assert platform.get(f"{CORE}/services/{name}/proxy/x", BOB).status == 404
    moved = platform.get(f"{CORE}/services/http:served:{port['port']}/proxy", ALICE)
    assert moved.status in (301, 302, 307, 308) and moved.headers["location"].endswith("/proxy/"), moved
    assert platform.get(f"{CORE}/services/served:1/proxy/", ALICE).status in (404, 502, 503)
    assert platform.get(f"{CORE}/services/absent:80/proxy/", ALICE).status == 404


def test_one_connection_carries_many_requests(platform):
    connection = http.client.HTTPConnection("127.0.0.1", platform.port, timeout=30)
    for path in (CONFIGMAPS, f"{CONFIGMAPS}/absent", NOTEBOOKS, PROFILES):
        connection.request("GET", path, headers={"Authorization": f"Bearer {platform.tokens[ALICE]}"})
        answer = connection.getresponse()
        assert answer.read() and answer.status in (200, 404)
    connection.close()
