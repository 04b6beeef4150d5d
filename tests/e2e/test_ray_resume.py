"""A request to a suspended Ray cluster starts it again, where its owner wants that and whoever asks may: a real head."""
import json
import re
import time

import pytest
from atelier import kill_container, lone_head, running, wait_for

ALICE, BOB, CAROL, DAVE = (f"{name}@example.com" for name in ("alice", "bob", "carol", "dave"))
CLUSTERS = "/apis/ray.io/v1/namespaces/alice/rayclusters"
VERSION = "/ray/alice/rc/api/version"
RESUME = "atelier.dev/resume-on-request"


@pytest.fixture(scope="module")
def own():
    # A mean of three seconds: in a single one, of a machine that is busy, an idle head may take what tells of one at work.
    with running(ALICE, BOB, CAROL, DAVE, ATELIER_IDLE_WARN_S="3", ATELIER_IDLE_CHECK_S="1",
                 ATELIER_SAMPLE_S="3", ATELIER_RESUME_WAIT_S="450", ATELIER_LOG_LEVEL="debug") as instance:
        instance.cli("share", "alice", CAROL, "--role", "viewer", user=ALICE)
        instance.cli("apply", "-n", "alice", "-f", "-", input=lone_head("rc"), user=ALICE)
        instance.wait_raycluster("alice", "rc", ALICE, 0, 480)
        yield instance


def patch(own, body, path=f"{CLUSTERS}/rc"):
    return own.ask(ALICE, "PATCH", path, json.dumps(body), content_type="application/merge-patch+json")


def say(own, value, **more):
    status, answer = patch(own, {"metadata": {"annotations": {RESUME: value, **more}}})
    assert status == 200, answer


def cluster_status(own):
    return own.raycluster("alice", "rc", ALICE)["status"]


def suspend(own):
    assert patch(own, {"spec": {"suspend": True}})[0] == 200
    wait_suspended(own)


def wait_suspended(own):
    try:
        wait_for("suspended", lambda: own.raycluster("alice", "rc", ALICE)["status"].get("state") == "suspended", 240)
    except AssertionError:  # what keeps it: what the platform has seen, and what the head answers
        told = [line for line in own.log_path.read_text(errors="replace").splitlines()
                if '"when a workload was used last"' in line or '"whether a workload is used cannot be told"' in line]
        print(*told[-30:], sep="\n")
        for path in ("component_activities", "serve/applications/"):
            answer = own.get(f"/ray/alice/rc/api/{path}", ALICE)
            print(path, answer.status, answer.text[:2000])
        print(json.dumps(own.raycluster("alice", "rc", ALICE)["status"]))
        raise


def sleeps(own):
    return own.raycluster("alice", "rc", ALICE)["spec"].get("suspend", False)


def knock(own):
    """As a browser: it is shown a page at once."""
    page = own.get("/ray/alice/rc/", ALICE, headers={"Accept": "text/html"})
    assert page.status == 503 and "is starting" in page.text, page
    return page


def events(own):
    return [event for event in own.get("/api/v1/namespaces/alice/events", ALICE).json["items"]
            if event["involvedObject"]["name"] == "rc" and event["reason"] == "Resumed"]


def test_what_is_no_answer_to_when_is_refused(own):
    status, answer = patch(own, {"metadata": {"annotations": {RESUME: "true"}}})
    assert status == 422 and RESUME in json.dumps(answer), answer


def test_a_head_that_ends_is_told_of_at_its_cluster(own):
    head = cluster_status(own)["head"]["podName"]
    kill_container(own, head)
    told = wait_for("the event", lambda: [
        event["message"] for event in own.get("/api/v1/namespaces/alice/events", ALICE).json["items"]
        if event["reason"] == "HeadEnded" and event["involvedObject"]["name"] == "rc"], 60)
    assert len(told) == 1 and re.search("exit code [1-9]", told[0]) and "begin anew" in told[0], told
    wait_for("the head to be away", lambda: cluster_status(own)["state"] != "ready" or any(
        condition["type"] == "HeadPodReady" and condition["status"] == "False"
        for condition in cluster_status(own)["conditions"]), 60)
    own.wait_raycluster("alice", "rc", ALICE, 0, 480)


def test_the_dashboard_hides_pages_without_figures(own):
    health = own.get("/ray/alice/rc/api/grafana_health", ALICE)
    assert health.status == 200 and health.json["data"]["grafanaHost"] == "DISABLED", health


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


def test_an_editor_s_request_starts_it_and_goes_through(own):
    page = knock(own)
    assert not sleeps(own)
    assert page.headers["content-type"].startswith("text/html") and int(page.headers["retry-after"]) > 0, page
    assert "is starting" in page.text and re.search(r'<meta http-equiv="refresh"', page.text) and "<script" not in page.text
    assert "script-src" not in page.headers["content-security-policy"] and "default-src 'none'" in page.headers["content-security-policy"]
    # A program waits for it, and need not know that it slept.
    answer = own.http("POST", "/ray/alice/rc/api/jobs/", user=ALICE, body={"entrypoint": "true"}, timeout=480)
    assert answer.status == 200 and answer.json["submission_id"], answer
    assert own.get(VERSION, CAROL).status == 200
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
    assert own.get(VERSION, ALICE, timeout=480).status == 200


def test_what_is_long_suspended_is_warned_of_and_whoever_resumes_it_keeps_it(own):
    own.wait_raycluster("alice", "rc", ALICE, 0, 480)
    say(own, "always", **{"atelier.dev/delete-after": "24s"})
    time.sleep(3)
    assert "idleDeleteAt" not in cluster_status(own)
    suspend(own)
    wait_for("a warning", lambda: cluster_status(own).get("idleDeleteAt"), 60)
    knock(own)
    wait_for("no warning", lambda: not cluster_status(own).get("idleDeleteAt"), 30)
    time.sleep(26)
    assert not sleeps(own)
    reasons = {event["reason"] for event in own.get("/api/v1/namespaces/alice/events", ALICE).json["items"]}
    assert "IdleDelete" in reasons and "DeletedIdle" not in reasons


def test_a_job_that_waits_for_it_keeps_it_and_then_it_is_deleted(own):
    job = {"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": {"name": "waits"},
           "spec": {"entrypoint": "true", "clusterSelector": {"ray.io/cluster": "rc"}}}
    own.cli("share", "alice", BOB, "--role", "viewer", "--ray", "rc", user=ALICE)
    own.cli("share", "alice", DAVE, "--role", "editor", "--ray", "rc", user=ALICE)
    status, answer = own.ask(DAVE, "PATCH", f"{CLUSTERS}/rc", json.dumps({"metadata": {"annotations": {
        "atelier.dev/delete-after": "5s"}}}), content_type="application/merge-patch+json")
    assert status == 403 and "delete" in answer["message"], answer
    suspend(own)
    own.cli("apply", "-n", "alice", "-f", "-", input=json.dumps(job), user=ALICE)
    time.sleep(30)
    assert not cluster_status(own).get("idleDeleteAt")
    assert own.http("DELETE", "/apis/ray.io/v1/namespaces/alice/rayjobs/waits", user=ALICE).status == 200
    wait_for("a warning", lambda: cluster_status(own).get("idleDeleteAt"), 60)
    wait_for("its end", lambda: own.get(f"{CLUSTERS}/rc", ALICE).status == 404, 60)
    wait_for("it stands in the audit log", lambda: [
        entry["name"] for entry in own.get("/api/atelier/v1/profiles/alice/audit", ALICE).json["items"]
        if entry["action"] == "delete-idle"] == ["rc"], 5)
    wait_for("no grant on it", lambda: not any(
        member.get("resource") for member in own.get("/api/atelier/v1/profiles/alice/members", ALICE).json["items"]), 20)
