"""A Ray cluster that nobody uses is warned and suspended, and nothing else: a real head, with times of seconds."""
import json
import time

import pytest
from atelier import lone_head, running, wait_for

ALICE = "alice@example.com"
CLUSTERS = "/apis/ray.io/v1/namespaces/alice/rayclusters"
AFTER_S, WARN_S = 14, 6
JOBS = "/ray/alice/rc/api/jobs/"


@pytest.fixture(scope="module")
def own():
    with running(ALICE, ATELIER_IDLE_WARN_S=str(WARN_S), ATELIER_IDLE_CHECK_S="1", ATELIER_SAMPLE_S="1",
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


def stays_up(own, seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        status = status_of(own)
        assert status["state"] == "ready" and not status.get("idleStopAt"), status
        time.sleep(0.5)


def reasons(own):
    return {event["reason"] for event in own.get("/api/v1/namespaces/alice/events", ALICE).json["items"]
            if event["involvedObject"]["name"] == "rc"}


def test_a_job_keeps_it_and_afterwards_it_is_warned_and_suspended(own):
    job = submit(own, f"python -c 'import ray, time; ray.init(); time.sleep({2 * AFTER_S})'")
    wait_job(own, job, "RUNNING")
    time.sleep(6)  # its driver is known by now, and works no more
    stays_up(own, 2 * AFTER_S - 10)
    wait_job(own, job, "SUCCEEDED")
    wait_for("a warning", lambda: status_of(own).get("idleStopAt"), 60)
    assert status_of(own)["state"] == "ready"
    status = wait_suspended(own)
    assert "nobody used it" in status["reason"] and not status.get("idleStopAt") and status["lastActivity"]
    assert {"Idle", "StoppedIdle"} <= reasons(own)
    wait_for("no pods", lambda: not own.get("/api/v1/namespaces/alice/pods", ALICE).json["items"], 60)
    wait_for("it stands in the audit log", lambda: [
        (entry["kind"], entry["name"]) for entry in own.get("/api/atelier/v1/profiles/alice/audit", ALICE).json["items"]
        if entry["action"] == "stop-idle"] == [("RayCluster", "rc")], 5)
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
    stays_up(own, 2 * AFTER_S)
    assert own.get("/ray/alice/rc/api/component_activities", ALICE).json["driver"]["is_active"] == "INACTIVE"
    assert own.http("DELETE", "/ray/alice/rc/api/serve/applications/", user=ALICE).status == 200
    wait_suspended(own)
