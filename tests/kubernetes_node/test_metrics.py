"""What a notebook's pod uses, as metrics-server reads it from the kubelet; and idle notebooks are stopped by that, in seconds instead of hours."""
import contextlib
import datetime
import json
import re
import subprocess
import time

import notebook
import platforms
import pytest
from atelier import wait_for
from notebook import ALICE

AFTER_S, WARN_S = 40, 15
LAG_S = 40  # metrics-server reads every 10 s, and tells the mean of what lies between two readings
NEVER_S = 2 * AFTER_S  # longer than it takes to warn and to stop


@pytest.fixture(scope="module")
def own():
    with notebook.running(ATELIER_IDLE_WARN_S=str(WARN_S), ATELIER_IDLE_CHECK_S="1", ATELIER_SAMPLE_S="2") as node:
        yield node


def annotate(own, **annotations):
    status, answer = own.ask(ALICE, "PATCH", "/apis/kubeflow.org/v1/namespaces/alice/notebooks/nb1", json.dumps(
        {"metadata": {"annotations": {f"atelier.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}}}),
        content_type="application/merge-patch+json")
    assert status == 200, answer


def status_of(own):
    return own.notebook("alice", "nb1", ALICE)["status"]


def stays_running(own, seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        status = status_of(own)
        assert status["phase"] == "Running" and not status.get("idleStopAt"), status
        time.sleep(1)


def top(own):
    """(cores, MiB) of nb1-0 as kubectl sees it through Atelier; None as long as there are no figures."""
    with contextlib.suppress(AssertionError):
        line = own.alice.kubectl("top", "pod", "nb1-0", "-n", "alice", "--no-headers")
        found = re.fullmatch(r"nb1-0\s+(\d+)m\s+(\d+)Mi\s*", line)
        return found and (int(found[1]) / 1000, int(found[2]))


def node(own, action, program):
    subprocess.run([platforms.kubernetes / "node.sh", action, own.folder, program], check=True)


@contextlib.contextmanager
def without_metrics(own):
    """metrics-server is gone; afterwards it is back and has figures."""
    node(own, "stop", "metrics-server")
    try:
        yield
    finally:
        node(own, "start", "metrics-server")
        wait_for("figures again", lambda: top(own), 120, 1)


def work(own, seconds):
    """A processor at work outside of kernels, without anybody who watches."""
    terminal = own.http("POST", "/notebook/alice/nb1/api/terminals", user=ALICE).json["name"]
    socket = own.websocket(f"/notebook/alice/nb1/terminals/websocket/{terminal}", ALICE)
    socket.send(json.dumps(["stdin", f"nohup timeout {seconds} sh -c 'while :; do :; done' >/dev/null 2>&1 &\r"]))
    time.sleep(1)
    socket.close()


def test_kubectl_top_and_atelier_top_tell_what_it_uses(own):
    cores, mebibytes = wait_for("figures", lambda: top(own), 120, 1)
    assert 0 <= cores <= 2 and 30 <= mebibytes <= 1024

    def sample():
        rows = json.loads(own.cli("top", "-n", "alice", "-o", "json", user=ALICE).stdout)["items"]
        return next((row for row in rows if row["name"] == "nb1"), None)
    row = wait_for("a sample", sample, 60, 1)
    assert row["kind"] == "Notebook" and row["nodes"] == 1 and row["memoryLimit"] == 2**30
    assert 30 * 2**20 <= row["memory"] <= 2**30 and 0 <= row["cpu"] <= 2
    assert "notebook/nb1" in own.cli("top", "-n", "alice", user=ALICE).stdout


def test_a_processor_at_work_keeps_it(own):
    before, _ = top(own)
    work(own, AFTER_S + NEVER_S)
    assert wait_for("the work is seen", lambda: (top(own) or (0, 0))[0] > before + 0.15, 120, 1)
    annotate(own, idle_after=f"{AFTER_S}s")
    stays_running(own, NEVER_S)
    annotate(own, idle_after="0")


def test_what_cannot_be_read_is_in_use(own):
    """Without metrics-server no notebook is stopped, however long nobody uses it."""
    wait_for("its rest is seen", lambda: (top(own) or (1, 0))[0] < 0.05, 240, 1)
    with without_metrics(own):
        annotate(own, idle_after=f"{AFTER_S}s")
        stays_running(own, NEVER_S)
        assert "metrics" in json.loads(own.cli("top", "-n", "alice", "-o", "json", user=ALICE).stdout)["trouble"]
        annotate(own, idle_after="0")


def test_one_that_nobody_uses_is_warned_then_stopped_and_starts_again(own):
    kernel = own.kernel("alice", "nb1", ALICE)
    kernel.run("open('/home/atelier/kept.txt', 'w').write('here')")
    kernel.close()
    annotate(own, idle_after=f"{AFTER_S}s")
    stop_at = wait_for("a warning", lambda: status_of(own).get("idleStopAt"), AFTER_S + LAG_S + 60, 0.5)
    instant = datetime.datetime.fromisoformat(stop_at.replace("Z", "+00:00")).timestamp()
    assert instant - time.time() > WARN_S - 5
    status = own.wait_notebook("alice", "nb1", ALICE, "Stopped", 120)["status"]
    assert time.time() >= instant
    assert status["reason"] == "Idle" and not status.get("idleStopAt")
    events = own.get("/api/v1/namespaces/alice/events", ALICE).json["items"]
    assert {"Idle", "StoppedIdle"} <= {event["reason"] for event in events if event["involvedObject"]["name"] == "nb1"}
    audit = own.get("/api/atelier/v1/profiles/alice/audit", ALICE).json["items"]
    assert [entry["name"] for entry in audit if entry["action"] == "stop-idle"] == ["nb1"]
    wait_for("no pod", lambda: not own.get("/api/v1/namespaces/alice/pods", ALICE).json["items"], 90)
    annotate(own, idle_after="0")
    own.cli("notebook", "start", "nb1", "-n", "alice", user=ALICE)
    own.wait_notebook("alice", "nb1", ALICE, "Running", 240)
    again = own.kernel("alice", "nb1", ALICE)
    assert again.run("print(open('/home/atelier/kept.txt').read())") == "here\n"
    again.close()
