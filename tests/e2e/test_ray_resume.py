"""A request to a suspended Ray cluster starts it again, where its owner wants that and whoever asks may: a real head."""
import json
import re

import pytest
from atelier import running, wait_for

ALICE, BOB, CAROL = "alice@example.com", "bob@example.com", "carol@example.com"
CLUSTERS = "/apis/ray.io/v1/namespaces/alice/rayclusters"
VERSION = "/ray/alice/rc/api/version"
RESUME = "atelier.dev/resume-on-request"


def cluster(name):
    size = {"cpu": "2", "memory": "3Gi"}
    return json.dumps({
        "apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": name}, "spec": {
            "headGroupSpec": {"rayStartParams": {"num-cpus": "1"}, "template": {"spec": {"containers": [
                {"name": "ray-head", "image": "ray-2.60", "resources": {"requests": size, "limits": size}}]}}}}})


@pytest.fixture(scope="module")
def own():
    with running(ALICE, BOB, CAROL, ATELIER_IDLE_WARN_S="3", ATELIER_IDLE_CHECK_S="1", ATELIER_SAMPLE_S="1") as instance:
        instance.cli("share", "alice", CAROL, "--role", "viewer", user=ALICE)
        instance.cli("apply", "-n", "alice", "-f", "-", input=cluster("rc"), user=ALICE)
        instance.wait_raycluster("alice", "rc", ALICE, 0, 480)
        yield instance


def patch(own, body, path=f"{CLUSTERS}/rc"):
    return own.ask(ALICE, "PATCH", path, json.dumps(body), content_type="application/merge-patch+json")


def say(own, value, **more):
    status, answer = patch(own, {"metadata": {"annotations": {RESUME: value, **more}}})
    assert status == 200, answer


def suspend(own):
    assert patch(own, {"spec": {"suspend": True}})[0] == 200
    wait_suspended(own)


def wait_suspended(own):
    wait_for("suspended", lambda: own.raycluster("alice", "rc", ALICE)["status"].get("state") == "suspended", 240)


def sleeps(own):
    return own.raycluster("alice", "rc", ALICE)["spec"].get("suspend", False)


def goes_through(own):
    def asked():
        answer = own.get(VERSION, ALICE)
        assert answer.status in (200, 503), answer
        assert answer.status == 200 or "the cluster is starting" in answer.json["message"], answer
        return answer.status == 200
    wait_for("the request to go through", asked, 480, 1)


def events(own):
    return [event for event in own.get("/api/v1/namespaces/alice/events", ALICE).json["items"]
            if event["involvedObject"]["name"] == "rc" and event["reason"] == "Resumed"]


def test_what_is_no_answer_to_when_is_refused(own):
    status, answer = patch(own, {"metadata": {"annotations": {RESUME: "true"}}})
    assert status == 422 and RESUME in json.dumps(answer), answer


def test_nothing_starts_unasked_for(own):
    suspend(own)
    answer = own.get(VERSION, ALICE)
    assert answer.status == 503 and "retry-after" in answer.headers, answer
    say(own, "idle")  # it was suspended by hand
    assert own.get(VERSION, ALICE).status == 503
    say(own, "never")
    assert own.get(VERSION, ALICE).status == 503
    assert sleeps(own) and not events(own)


def test_whoever_may_not_change_it_does_not_start_it(own):
    say(own, "always")
    answer = own.get(VERSION, CAROL)
    assert answer.status == 503 and "suspended" in answer.json["message"], answer
    assert own.get(VERSION, BOB).status == 404
    assert own.get(VERSION).status == 401
    assert own.get("/serve/alice/rc/", CAROL).status == 503
    assert sleeps(own) and not events(own)


def test_an_editor_s_request_starts_it_and_later_goes_through(own):
    answer = own.http("POST", "/ray/alice/rc/api/jobs/", user=ALICE, body={"entrypoint": "true"})
    assert answer.status == 503 and "the cluster is starting" in answer.json["message"], answer
    assert answer.json["kind"] == "Status" and int(answer.headers["retry-after"]) > 0
    assert not sleeps(own)
    page = own.get("/ray/alice/rc/", ALICE, headers={"Accept": "text/html"})
    assert page.status == 503 and page.headers["content-type"].startswith("text/html"), page
    assert "is starting" in page.text and re.search(r'<meta http-equiv="refresh"', page.text) and "<script" not in page.text
    assert "script-src" not in page.headers["content-security-policy"] and "default-src 'none'" in page.headers["content-security-policy"]
    assert own.get(VERSION, CAROL).status in (200, 503)
    goes_through(own)
    assert len(events(own)) == 1 and ALICE in events(own)[0]["message"]
    audit = own.get("/api/atelier/v1/profiles/alice/audit", ALICE).json["items"]
    assert [(entry["actor"], entry["name"]) for entry in audit if entry["action"] == "resume"] == [(ALICE, "rc")]


def test_what_was_suspended_for_want_of_use_starts_by_the_profile_s_word(own):
    own.wait_raycluster("alice", "rc", ALICE, 0, 480)
    profile = "/apis/kubeflow.org/v1/profiles/alice"
    assert patch(own, {"metadata": {"annotations": {RESUME: "idle"}}}, profile)[0] == 200
    say(own, None, **{"atelier.dev/idle-after": "8s"})
    wait_suspended(own)
    say(own, None, **{"atelier.dev/idle-after": "0"})
    assert "nobody used it" in own.raycluster("alice", "rc", ALICE)["status"]["reason"]
    assert own.get(VERSION, CAROL).status == 503 and sleeps(own)
    assert "the cluster is starting" in own.get(VERSION, ALICE).json["message"]
    goes_through(own)
