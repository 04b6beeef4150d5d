"""Who sees and may do what, and how fast that ends: the same on every engine."""
import datetime
import http.client
import re
import time

import pytest
import websocket

from asking import (ALICE, BOB, CAROL, CLUSTERS, CONFIGMAPS, CORE, DAVE, MEMBERS, MERGE, NOTEBOOKS, PATIENCE, PROFILES, Watch,
                    configmap, member, names, notebook, raycluster, wait_for)


@pytest.fixture(scope="module", autouse=True)
def furnished(platform):
    """Alice's things: a notebook, a cluster, a text."""
    for path, body in ((NOTEBOOKS, notebook("nb")), (CLUSTERS, raycluster("rc", suspend=True)), (CONFIGMAPS, configmap("text", a="1"))):
        answer = platform.http("POST", path, user=ALICE, body=body)
        assert answer.status == 201, answer
    wait_for("the notebook's service", lambda: platform.get(f"{CORE}/services/nb", ALICE).status == 200, 60)
    for path in ("/notebook/alice/nb/api", "/ray/alice/rc/api/version"):
        wait_for("the gateway knows it", lambda path=path: platform.get(path, ALICE).status != 404, 30)


@pytest.fixture
def viewer(platform):
    grant = member(platform, BOB, "viewer")
    yield BOB
    platform.http("DELETE", f"{MEMBERS}/{grant}", user=ALICE)


# --- nobody -----------------------------------------------------------------------------------------------------------

def test_the_anonymous_get_401_and_browsers_the_way_to_sign_in(platform):
    for path in (PROFILES, CONFIGMAPS, f"{CONFIGMAPS}/absent", "/api/v1/namespaces/nobody/configmaps", "/apis", MEMBERS,
                 "/api/atelier/v1/whoami", "/notebook/alice/nb/", "/ray/alice/rc/", "/serve/alice/rc/"):
        assert platform.get(path).status == 401, path
        assert platform.get(path, token="not-a-token").status == 401, path
    for path in ("/notebook/alice/nb/lab", "/notebook/nobody/nb/lab", "/ray/alice/rc/"):
        answer = platform.get(path, headers={"Accept": "text/html"})
        assert answer.status == 302 and answer.headers["location"].startswith("/signin?next="), (path, answer)
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        platform.websocket("/notebook/alice/nb/api/kernels/x/channels")
    assert refused.value.status_code == 401


def test_only_a_name_that_is_taken_is_told(platform):
    body = {"apiVersion": "kubeflow.org/v1", "kind": "Profile", "metadata": {"name": "alice"}}
    status, taken = platform.ask(BOB, "POST", PROFILES, body)
    assert status == 409 and taken["reason"] == "AlreadyExists"
    absent = platform.get(f"{PROFILES}/nobody", BOB)
    foreign = platform.get(f"{PROFILES}/alice", BOB)
    assert absent.status == foreign.status == 404 and foreign.text.replace("alice", "nobody") == absent.text


def test_the_foreign_and_the_absent_are_the_same_bytes(platform):
    paths = [(CORE + "/" + part) for part in ("configmaps", "configmaps/text", "secrets", "secrets/ray-auth", "pods/nb-0/log", "events",
                                             "services/http:nb:80/proxy/", "persistentvolumeclaims/home", "resourcequotas")]
    paths += [NOTEBOOKS, f"{NOTEBOOKS}/nb", f"{CLUSTERS}/rc", "/notebook/alice/nb/api", "/ray/alice/rc/api/version", "/serve/alice/rc/x",
              MEMBERS, f"{MEMBERS}/1", "/api/atelier/v1/profiles/alice/audit"]
    for path in paths:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            seen = []
            for place in (path, path.replace("alice", "nobody", 1)):
                answer = platform.http(method, place, user=DAVE, body=None if method == "GET" else {})
                head = {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "date", "content-length")}
                seen.append((answer.status, head, re.sub(r'"requestId":"[^"]*"', "", answer.text).replace("nobody", "alice")))
            assert seen[0] == seen[1] and seen[0][0] in (404, 405), (method, path, seen)


# --- roles ------------------------------------------------------------------------------------------------------------

def test_a_viewer_looks_and_no_more(platform, viewer):
    for path in (CONFIGMAPS, f"{CONFIGMAPS}/text", NOTEBOOKS, f"{NOTEBOOKS}/nb", f"{CLUSTERS}/rc", f"{CORE}/pods", f"{CORE}/events",
                 f"{CORE}/persistentvolumeclaims", f"{CORE}/resourcequotas", MEMBERS, f"{PROFILES}/alice"):
        assert platform.get(path, viewer).status == 200, path
    assert names(platform.get(PROFILES, viewer)) == ["alice"]
    for method, path, body in (("POST", CONFIGMAPS, configmap("x")), ("DELETE", f"{CONFIGMAPS}/text", None),
                               ("POST", NOTEBOOKS, notebook("x")), ("DELETE", f"{NOTEBOOKS}/nb", None),
                               ("POST", CLUSTERS, raycluster("x")), ("DELETE", f"{CLUSTERS}/rc", None),
                               ("POST", MEMBERS, {"subject": {"kind": "User", "name": CAROL}, "role": "viewer"}),
                               ("DELETE", f"{PROFILES}/alice", None), ("GET", f"{CORE}/secrets", None),
                               ("GET", f"{CORE}/secrets/ray-auth", None), ("GET", f"{CORE}/secrets?watch=1", None),
                               ("GET", "/notebook/alice/nb/api", None), ("POST", "/notebook/alice/nb/api/kernels", {})):
        assert platform.http(method, path, user=viewer, body=body).status == 403, (method, path)
    assert platform.ask(viewer, "PATCH", f"{CONFIGMAPS}/text", {"data": {"a": "2"}}, MERGE)[0] == 403
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        platform.websocket("/notebook/alice/nb/api/kernels/x/channels", user=viewer)
    assert refused.value.status_code == 403


def test_a_viewer_s_ray_is_for_reading(platform, viewer):
    """Nothing answers behind it here: who is let through gets 5xx."""
    for path in ("/ray/alice/rc/", "/ray/alice/rc/api/version", "/ray/alice/rc/api/jobs/", "/ray/alice/rc/nodes?view=summary"):
        assert platform.get(path, viewer).status in (502, 503, 504), path
    for path in ("/ray/alice/rc/worker/traceback?pid=1", "/ray/alice/rc/worker/cpu_profile?pid=1", "/ray/alice/rc/memory_profile",
                 "/ray/alice/rc/api/v0/logs/file?filename=runtime_env_setup.log", "/ray/alice/rc/worker/%74raceback"):
        assert platform.get(path, viewer).status == 403, path
        assert platform.get(path, ALICE).status in (502, 503, 504), path
    assert platform.http("POST", "/ray/alice/rc/api/jobs/", user=viewer, body={}).status == 403


def test_an_editor_changes_and_an_admin_invites(platform):
    grant = member(platform, BOB, "editor")
    assert platform.ask(BOB, "PATCH", f"{CONFIGMAPS}/text", {"data": {"a": "2"}}, MERGE)[0] == 200
    assert platform.get(f"{CORE}/secrets", BOB).status == 200
    invitation = {"subject": {"kind": "User", "name": CAROL}, "role": "viewer"}
    assert platform.http("POST", MEMBERS, user=BOB, body=invitation).status == 403
    assert platform.http("DELETE", f"{PROFILES}/alice", user=BOB).status == 403
    platform.http("PATCH", f"{MEMBERS}/{grant}", user=ALICE, body={"role": "admin"})
    made = platform.http("POST", MEMBERS, user=BOB, body=invitation)
    assert made.status == 201 and made.json["state"] == "active", made
    assert platform.get(f"{CONFIGMAPS}/text", CAROL).status == 200
    listed = [(item["subject"]["name"], item["role"]) for item in platform.get(MEMBERS, ALICE).json["items"]]
    assert listed == [(ALICE, "owner"), (BOB, "admin"), (CAROL, "viewer")]
    for item in (made.json["id"], grant):
        assert platform.http("DELETE", f"{MEMBERS}/{item}", user=ALICE).status == 204
    assert platform.get(f"{CONFIGMAPS}/text", BOB).status == platform.get(f"{CONFIGMAPS}/text", CAROL).status == 404


@pytest.mark.parametrize("kind, plural, mine, other", [("Notebook", NOTEBOOKS, "nb", "nb-other"), ("RayCluster", CLUSTERS, "rc", "rc-other")])
def test_one_thing_alone_is_shared(platform, kind, plural, mine, other):
    body = notebook(other) if kind == "Notebook" else raycluster(other, suspend=True)
    assert platform.http("POST", plural, user=ALICE, body=body).status == 201
    grant = member(platform, CAROL, "editor", resource={"kind": kind, "name": mine})
    assert names(platform.get(plural, CAROL)) == [mine]
    assert names(platform.get(plural.replace("namespaces/alice/", ""), CAROL)) == [mine]
    assert platform.get(f"{plural}/{mine}", CAROL).status == 200 and platform.get(f"{plural}/{other}", CAROL).status == 404
    assert platform.ask(CAROL, "PATCH", f"{plural}/{mine}", {"metadata": {"labels": {"by": "carol"}}}, MERGE)[0] == 200
    door = "/notebook/alice/" if kind == "Notebook" else "/ray/alice/"
    assert platform.get(f"{door}{mine}/api", CAROL).status in (502, 503, 504)
    assert platform.get(f"{door}{other}/api", CAROL).status == 404
    for path in (f"{CONFIGMAPS}/text", f"{CORE}/secrets/ray-auth", f"{CORE}/pods/{other}-0", f"{CORE}/persistentvolumeclaims/home"):
        assert platform.get(path, CAROL).status in (403, 404), path
    assert platform.http("POST", plural, user=CAROL, body=body).status in (403, 404)
    assert platform.http("DELETE", f"{MEMBERS}/{grant}", user=ALICE).status == 204
    assert platform.get(f"{plural}/{mine}", CAROL).status == 404


# --- coming and going -------------------------------------------------------------------------------------------------

def test_who_has_no_account_yet_is_pending(platform):
    """The answer does not tell whether there is an account; the grant waits for one."""
    body = {"subject": {"kind": "User", "name": "Erin@example.com"}, "role": "viewer"}
    made = platform.http("POST", MEMBERS, user=ALICE, body=body)
    assert made.status == 201 and made.json["state"] == "pending" and made.json["subject"]["name"] == "erin@example.com", made
    platform.add_user("erin@example.com")
    assert platform.get(f"{CONFIGMAPS}/text", "erin@example.com").status == 200
    assert [item["state"] for item in platform.get(MEMBERS, ALICE).json["items"] if item["id"] == made.json["id"]] == ["active"]
    platform.http("DELETE", f"{MEMBERS}/{made.json['id']}", user=ALICE)


@pytest.mark.parametrize("body", [{"subject": {"kind": "User", "name": "not an address"}, "role": "viewer"},
                                  {"subject": {"kind": "User", "name": CAROL}, "role": "owner"},
                                  {"subject": {"kind": "User", "name": CAROL}, "role": "viewer", "expiresAt": "yesterday"},
                                  {"subject": {"kind": "User", "name": CAROL}, "role": "viewer", "resource": {"kind": "Pod", "name": "x"}}])
def test_grants_that_make_no_sense_are_problems(platform, body):
    answer = platform.http("POST", MEMBERS, user=ALICE, body=body)
    assert answer.status == 422 and answer.headers["content-type"] == "application/problem+json" and answer.json["field"], answer


def test_a_grant_that_runs_out_ends_by_itself_and_what_it_opened(platform):
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=4 * PATIENCE)
    member(platform, CAROL, "viewer", expiresAt=until.strftime("%Y-%m-%dT%H:%M:%SZ"))
    watch = Watch(platform, CONFIGMAPS, CAROL)
    assert watch.next()["type"] == "ADDED"
    watch.read_to_the_end()
    late = time.time() - int(until.timestamp())
    assert -0.5 < late < 5 + 3 * PATIENCE, late  # credentials are looked at every five seconds
    assert platform.get(f"{CONFIGMAPS}/text", CAROL).status == 404


def test_what_is_taken_away_closes_within_a_second(platform):
    grant = member(platform, CAROL, "editor")
    watches = [Watch(platform, path, CAROL) for path in (CONFIGMAPS, NOTEBOOKS, NOTEBOOKS.replace("namespaces/alice/", ""))]
    other = Watch(platform, CONFIGMAPS, ALICE)
    begun = [watch.next() for watch in watches]
    assert [event["type"] for event in begun] == ["ADDED"] * 3, begun
    assert platform.http("DELETE", f"{MEMBERS}/{grant}", user=ALICE).status == 204
    started = time.monotonic()
    for watch in watches[:2]:
        watch.read_to_the_end()
    assert time.monotonic() - started < PATIENCE
    # What goes over all namespaces begins anew rather than show what is no longer hers.
    while (event := watches[2].next()) is not None and event["type"] != "ERROR":
        assert event["object"]["metadata"]["namespace"] == "alice"
    assert time.monotonic() - started < PATIENCE and (event is None or event["object"]["code"] == 410)
    platform.http("POST", CONFIGMAPS, user=ALICE, body=configmap("after-carol"))
    while other.next()["object"]["metadata"]["name"] != "after-carol":
        pass
    other.close()


def test_who_keeps_one_thing_loses_sight_of_the_rest(platform):
    """A watch over everything does not go on because one thing in it is still shared."""
    whole = member(platform, CAROL, "viewer")
    one = member(platform, CAROL, "viewer", resource={"kind": "Notebook", "name": "nb"})
    watches = [Watch(platform, path, CAROL) for path in (CONFIGMAPS, NOTEBOOKS)]
    assert all(watch.next()["type"] == "ADDED" for watch in watches)
    assert platform.http("DELETE", f"{MEMBERS}/{whole}", user=ALICE).status == 204
    started = time.monotonic()
    for watch in watches:
        watch.read_to_the_end()
    assert time.monotonic() - started < PATIENCE
    assert names(platform.get(NOTEBOOKS, CAROL)) == ["nb"] and platform.get(CONFIGMAPS, CAROL).json["items"] == []
    assert platform.http("DELETE", f"{MEMBERS}/{one}", user=ALICE).status == 204


def test_a_token_that_is_revoked_is_nobody_at_once(platform):
    made = platform.http("POST", "/api/atelier/v1/tokens", user=ALICE, body={"name": "short"})
    assert made.status == 201 and platform.get(CONFIGMAPS, token=made.json["token"]).status == 200
    assert platform.http("DELETE", f"/api/atelier/v1/tokens/{made.json['id']}", user=ALICE).status == 204
    assert platform.get(CONFIGMAPS, token=made.json["token"]).status == 401


def test_ownership_passes_on_and_the_owner_cannot_be_removed(platform):
    body = {"apiVersion": "kubeflow.org/v1", "kind": "Profile", "metadata": {"name": "handed-on"}}
    assert platform.http("POST", PROFILES, user=ALICE, body=body).status == 201
    platform.wait_profile("handed-on", ALICE)
    owner = "/api/atelier/v1/profiles/handed-on/owner"
    assert platform.http("PUT", owner, user=BOB, body={"email": BOB}).status == 404
    assert platform.http("PUT", owner, user=ALICE, body={"email": BOB}).status == 200
    wait_for("the object says so", lambda: platform.get(f"{PROFILES}/handed-on", BOB).json["spec"]["owner"]["name"] == BOB, 30)
    assert platform.http("DELETE", f"{PROFILES}/handed-on", user=BOB).status == 200
    wait_for("it is gone", lambda: platform.get(f"{PROFILES}/handed-on", BOB).status == 404, 90)


# --- cookies ----------------------------------------------------------------------------------------------------------

def test_cookies_open_no_workload_on_the_main_host(platform):
    link = platform.cli("user", "reset-link", ALICE).stdout.strip()
    cookie = {"Cookie": platform.accept_link(link, "correct horse " + ALICE)}
    moved = platform.get("/notebook/alice/nb/lab", headers={**cookie, "Accept": "text/html"})
    assert moved.status == 302 and "notebook-nb--alice.localhost" in moved.headers["location"], moved
    assert platform.http("POST", "/notebook/alice/nb/api/kernels", headers=cookie, body={}).status == 403
    assert platform.get(f"{CORE}/services/http:nb:80/proxy/", headers=cookie).status == 403
    # A write with a cookie must come from our own pages.
    for more in ({}, {"Origin": "https://evil.example.com"}, {"Origin": platform.url}):
        answer = platform.http("POST", CONFIGMAPS, headers={**cookie, **more, "Content-Type": "application/json"}, body="{}")
        assert answer.status == 403, (more, answer)


def test_what_kubectl_asks_without_an_object_is_answered(platform):
    """`kubectl cluster-info`, `--as`, and a review that asks nothing."""
    own = "/api/v1/namespaces/kube-system/services?labelSelector=kubernetes.io%2Fcluster-service%3Dtrue"
    for person in (ALICE, DAVE):
        status, services = platform.ask(person, "GET", own)
        assert status == 200 and services["kind"] == "ServiceList" and services["items"] == [], services
    assert platform.get(own.partition("?")[0], DAVE).status == 404
    status, refused = platform.ask(ALICE, "GET", CONFIGMAPS, Impersonate_User=DAVE)
    assert status == 400 and "impersonated" in refused["message"], refused
    status, refused = platform.ask(ALICE, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {"spec": {}})
    assert (status, refused["reason"]) == (422, "Invalid"), refused


def test_names_that_a_client_claims_are_not_believed(platform):
    connection = http.client.HTTPConnection("127.0.0.1", platform.port, timeout=30)
    for name in ("Impersonate-User", "X-Remote-User", "X-Forwarded-User", "Kubeflow-Userid", "X-Atelier-User",
                 "X-Goog-Authenticated-User-Email"):
        connection.request("GET", f"{CONFIGMAPS}/text", headers={"Authorization": f"Bearer {platform.tokens[DAVE]}", name: ALICE})
        answer = connection.getresponse()
        assert answer.read() and answer.status in (400, 404), name
    connection.close()
