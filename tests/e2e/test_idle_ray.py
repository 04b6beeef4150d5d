"""A Ray cluster that nobody uses is warned and suspended, and nothing else: a real head, with times of seconds."""
import json
import time

import pytest
from atelier import lone_head, running, wait_for

ALICE = "alice@example.com"
CLUSTERS = "/apis/ray.io/v1/namespaces/alice/rayclusters"
AFTER_S, WARN_S = 30, 10
STAYS_S = AFTER_S - WARN_S + 6  # longer than it would take to warn
JOBS = "/ray/alice/rc/api/jobs/"


@pytest.fixture(scope="module")
def own():
    # A mean of some seconds tells an idle head from one at work better than a single one does.
    with running(ALICE, ATELIER_IDLE_WARN_S=str(WARN_S), ATELIER_IDLE_CHECK_S="1", ATELIER_SAMPLE_S="3",
                 ATELIER_IDLE_CLUSTER_S=str(AFTER_S)) as instance:
        instance.cli("apply", "-n", "alice", "-f", "-", input=lone_head("rc"), user=ALICE)
        instance.wait_raycluster("alice", "rc", ALICE, 0, 480)
        yield instance


def patch(own, body):
    status, answer = own.ask(ALICE, "PATCH", f"{CLUSTERS}/rc", json.dumps(body), content_type="application/merge-patch+json")
    assert status == 200, answer


def status_of(own):
    return own.raycluster("alice", "rc", ALICE)["status"]


def wait_suspended(own):
    return wait_for("suspended", lambda: (lambda now: now if now.get("state") == "suspended" else None)(status_of(own)), 240)


def resume(own):
    patch(own, {"spec": {"suspend": False}})
    own.wait_raycluster("alice", "rc", ALICE, 0, 480)


def submit(own, entrypoint):
    answer = own.http("POST", JOBS, user=ALICE, body={"entrypoint": entrypoint})
    assert answer.status == 200, answer
    return answer.json["submission_id"]


def job_status(own, job):
    return own.get(JOBS + job, ALICE).json["status"]


def wait_job(own, job, wanted):
    wait_for(f"job {wanted}", lambda: job_status(own, job) == wanted, 300, 0.5)


def stays_up(own, seconds=STAYS_S):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        status = status_of(own)
        assert status["state"] == "ready" and not status.get("idleStopAt"), status
        time.sleep(0.5)


def driver(own):
    """Whether Ray knows of one that is at work."""
    answer = own.get("/ray/alice/rc/api/component_activities", ALICE)
    return answer.json["driver"]["is_active"] if answer.status == 200 else answer


def reasons(own):
    return {event["reason"] for event in own.get("/api/v1/namespaces/alice/events", ALICE).json["items"]
            if event["involvedObject"]["name"] == "rc"}


def test_a_job_keeps_it_and_afterwards_it_is_warned_and_suspended(own):
    job = submit(own, f"python -c 'import ray, time; ray.init(); time.sleep({STAYS_S + 20})'")
    wait_job(own, job, "RUNNING")
    wait_for("its driver is known", lambda: driver(own) == "ACTIVE", 60, 0.5)  # and works no more
    wait_for("no warning of before", lambda: not status_of(own).get("idleStopAt"), 20)
    stays_up(own)
    wait_job(own, job, "SUCCEEDED")
    warned = wait_for("a warning", lambda: (lambda now: now if now.get("idleStopAt") else None)(status_of(own)), 60)
    assert warned["state"] == "ready"
    status = wait_suspended(own)
    assert "nobody used it" in status["reason"] and not status.get("idleStopAt") and status["lastActivity"]
    wait_for("both are told", lambda: {"Idle", "StoppedIdle"} <= reasons(own), 20)
    wait_for("no pods", lambda: not own.get("/api/v1/namespaces/alice/pods", ALICE).json["items"], 60)
    wait_for("it stands in the audit log", lambda: [
        (entry["kind"], entry["name"]) for entry in own.get("/api/atelier/v1/profiles/alice/audit", ALICE).json["items"]
        if entry["action"] == "stop-idle"] == [("RayCluster", "rc")], 20)
    assert own.get("/ray/alice/rc/", ALICE).status in (502, 503, 504)


def test_it_resumes_and_a_serve_application_keeps_it_without_a_driver(own):
    resume(own)
    assert not status_of(own).get("reason")
    script = ("from ray import serve\n"
              "@serve.deployment(ray_actor_options={'num_cpus': 0})\n"
              "class Hello:\n    def __call__(self, request): return 'hello'\n"
              "serve.run(Hello.bind(), name='hello', route_prefix='/')\n")
    job = submit(own, "python -c " + json.dumps("exec(%r)" % script))
    wait_job(own, job, "SUCCEEDED")
    stays_up(own)
    assert driver(own) == "INACTIVE"
    assert own.http("DELETE", "/ray/alice/rc/api/serve/applications/", user=ALICE).status == 200
    wait_suspended(own)
