"""What nobody uses is warned and stopped, and nothing else: real JupyterLabs, with times of seconds instead of hours."""
import datetime
import json
import os
import signal
import time

import pytest
from playwright.sync_api import expect

from atelier import running, wait_for
from console import SHOTS, browser, ms, sign_in  # noqa: F401 (browser is a fixture)

ALICE = "alice@example.com"
AFTER_S, WARN_S = 20, 10
STAYS_S = AFTER_S + 4  # longer than it would take to warn and to stop


@pytest.fixture(scope="module")
def own():
    with running(ALICE, ATELIER_IDLE_WARN_S=str(WARN_S), ATELIER_IDLE_CHECK_S="1", ATELIER_SAMPLE_S="1") as instance:
        yield instance


def path(name):
    return f"/apis/kubeflow.org/v1/namespaces/alice/notebooks/{name}"


def annotate(own, name, **annotations):
    status, answer = own.ask(ALICE, "PATCH", path(name), json.dumps(
        {"metadata": {"annotations": {f"atelier.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}}}),
        content_type="application/merge-patch+json")
    assert status == 200, answer


def start(own, name, idle_after=f"{AFTER_S}s"):
    """A running notebook that is stopped after <idle_after>, or as its profile says."""
    own.cli("notebook", "create", name, "-n", "alice", "--wait", user=ALICE)
    if idle_after:
        annotate(own, name, idle_after=idle_after)


def status_of(own, name):
    return own.notebook("alice", name, ALICE)["status"]


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def wait_warning(own, name):
    return wait_for(f"a warning for {name}", lambda: status_of(own, name).get("idleStopAt"), 90)


def wait_event(own, name, reason):
    """Events are written a moment after what they tell of."""
    return wait_for(f"{name}: {reason}", lambda: [
        event for event in own.get("/api/v1/namespaces/alice/events", ALICE).json["items"]
        if event["involvedObject"]["name"] == name and event["reason"] == reason], 20)[0]


def stays_running(own, name, seconds=STAYS_S):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        status = status_of(own, name)
        assert status["phase"] == "Running" and not status.get("idleStopAt"), status
        time.sleep(0.5)


def test_an_idle_one_is_warned_then_stopped_and_starts_again_with_its_files(own):
    start(own, "lazy", idle_after=None)
    kernel = own.kernel("alice", "lazy", ALICE)
    kernel.run("open('/home/atelier/kept.txt', 'w').write('here')")
    kernel.close()
    annotate(own, "lazy", idle_after=f"{AFTER_S}s")
    announced = [wait_warning(own, "lazy")]
    assert instant(announced[0]) - instant(wait_event(own, "lazy", "Idle")["firstTimestamp"]) > WARN_S - 3

    def stopped():  # what a busy machine still has its server do puts the stop off, and announces it anew
        status = status_of(own, "lazy")
        announced.extend(filter(None, [status.get("idleStopAt")]))
        return status if status["phase"] == "Stopped" else None
    status = wait_for("it is stopped", stopped, 60)
    stop_at = instant(announced[-1])
    assert time.time() >= stop_at
    assert status["reason"] == "Idle" and status["lastActivity"] in status["message"] and not status.get("idleStopAt")
    assert instant(status["lastActivity"]) <= stop_at - AFTER_S + 1
    wait_event(own, "lazy", "StoppedIdle")
    entries = wait_for("a line in the audit log", lambda: [
        entry for entry in own.get("/api/atelier/v1/profiles/alice/audit", ALICE).json["items"]
        if entry["action"] == "stop-idle"], 20)
    assert entries[0]["name"] == "lazy" and entries[0]["actor"] == "atelier" and "nobody" in entries[0]["detail"]
    annotate(own, "lazy", idle_after="0")
    own.cli("notebook", "start", "lazy", "-n", "alice", user=ALICE)
    own.wait_notebook("alice", "lazy", ALICE)
    again = own.kernel("alice", "lazy", ALICE)
    assert again.run("print(open('/home/atelier/kept.txt').read())") == "here\n"
    again.close()
    own.cli("notebook", "delete", "lazy", "-n", "alice", user=ALICE)


def test_a_busy_kernel_without_anybody_watching_is_not_idle(own):
    start(own, "busy", idle_after=None)
    kernel = own.kernel("alice", "busy", ALICE)
    kernel.socket.send(json.dumps({
        "header": {"msg_id": "1", "msg_type": "execute_request", "username": "", "session": kernel.session, "version": "5.3",
                   "date": ""}, "parent_header": {}, "metadata": {}, "channel": "shell",
        "content": {"code": f"import time; time.sleep({STAYS_S + 12})", "silent": False, "store_history": False,
                    "user_expressions": {}, "allow_stdin": False, "stop_on_error": True}}))
    wait_for("the kernel is busy", lambda: own.get("/notebook/alice/busy/api/kernels", ALICE).json[0]["execution_state"]
             == "busy", 30)
    kernel.close()  # sleeping: no processor is used, no frame is sent
    annotate(own, "busy", idle_after=f"{AFTER_S}s")
    stays_running(own, "busy")
    assert own.wait_notebook("alice", "busy", ALICE, "Stopped", 120)["status"]["reason"] == "Idle"
    own.cli("notebook", "delete", "busy", "-n", "alice", user=ALICE)


def test_a_processor_at_work_outside_of_kernels_is_not_idle(own):
    start(own, "shell", idle_after=None)
    terminal = own.http("POST", "/notebook/alice/shell/api/terminals", user=ALICE).json["name"]
    socket = own.websocket(f"/notebook/alice/shell/terminals/websocket/{terminal}", ALICE)
    socket.send(json.dumps(["stdin", f"nohup timeout {STAYS_S + 6} sh -c 'while :; do :; done' >/dev/null 2>&1 & echo be$((1))gun\r"]))
    text = ""
    while "be1gun" not in text:
        kind, part = json.loads(socket.recv())
        text += part if kind == "stdout" else ""
    socket.close()
    annotate(own, "shell", idle_after=f"{AFTER_S}s")
    stays_running(own, "shell")
    own.wait_notebook("alice", "shell", ALICE, "Stopped", 120)
    own.cli("notebook", "delete", "shell", "-n", "alice", user=ALICE)


def test_who_asks_to_keep_it_or_uses_it_takes_the_warning_back(own):
    start(own, "kept")
    wait_warning(own, "kept")
    later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=STAYS_S + 20)
    until = later.strftime("%Y-%m-%dT%H:%M:%SZ")
    told = own.cli("notebook", "keep", "kept", "-n", "alice", "--until", until, user=ALICE).stdout
    assert told == f"notebook.kubeflow.org/kept kept until {until}\n"
    wait_for("no warning", lambda: not status_of(own, "kept").get("idleStopAt"), 20)
    stays_running(own, "kept")
    annotate(own, "kept", keep_until=None)
    wait_warning(own, "kept")
    made = own.http("PUT", "/notebook/alice/kept/api/contents/note.txt", user=ALICE,
                    body={"type": "file", "format": "text", "content": "x"})
    assert made.status == 201, made
    wait_for("no warning", lambda: not status_of(own, "kept").get("idleStopAt"), 20)
    # What a page asks by itself is no use: looking at the list of files does not keep it.
    ends = time.monotonic() + 90
    while status_of(own, "kept")["phase"] == "Running" and time.monotonic() < ends:
        own.get("/notebook/alice/kept/api/contents", ALICE)
        time.sleep(0.5)
    assert own.wait_notebook("alice", "kept", ALICE, "Stopped")["status"]["reason"] == "Idle"
    own.cli("notebook", "delete", "kept", "-n", "alice", user=ALICE)


def test_the_console_warns_and_one_click_keeps_it(own, browser):  # noqa: F811
    page = sign_in(own, browser, own.cookie)
    start(own, "seen", idle_after=None)
    page.goto(f"http://localhost:{own.port}/p/alice/notebooks/seen")
    expect(page.get_by_role("heading", name="seen")).to_be_visible()
    assert page.get_by_role("button", name="Keep it").count() == 0
    annotate(own, "seen", idle_after=f"{AFTER_S}s")
    expect(page.get_by_role("button", name="Keep it for 8 hours")).to_be_visible(timeout=ms(90))  # an open page is no use
    page.screenshot(path=SHOTS / "41-idle.png")
    page.get_by_role("button", name="Keep it for 8 hours").click()
    expect(page.get_by_text("Nobody uses seen")).to_have_count(0, timeout=ms(30))
    kept = own.notebook("alice", "seen", ALICE)["metadata"]["annotations"]["atelier.dev/keep-until"]
    assert 7 * 3600 < instant(kept) - time.time() <= 8 * 3600
    stays_running(own, "seen")
    assert page.errors == []
    page.context.close()
    own.cli("notebook", "delete", "seen", "-n", "alice", user=ALICE)


def test_one_that_does_not_answer_is_not_stopped(own):
    start(own, "mute", idle_after=None)
    server = wait_for("its server", lambda: [
        pid for pid in os.listdir("/proc") if pid.isdigit() and mine(own, pid, b"jupyter", b"/notebook/alice/mute")], 20)
    for pid in server:
        os.kill(int(pid), signal.SIGSTOP)
    try:
        annotate(own, "mute", idle_after=f"{AFTER_S}s")
        until = time.monotonic() + STAYS_S
        while time.monotonic() < until:
            status = status_of(own, "mute")
            assert status["phase"] in ("Running", "Starting") and not status.get("idleStopAt"), status
            time.sleep(0.5)
    finally:
        for pid in server:
            os.kill(int(pid), signal.SIGCONT)
    own.wait_notebook("alice", "mute", ALICE, "Stopped", 120)
    own.cli("notebook", "delete", "mute", "-n", "alice", user=ALICE)


def test_a_server_that_is_no_jupyter_is_not_stopped(own):
    """It is ready and says yes to everything, but not when it was last used."""
    script = ("import http.server\n"
              "class Yes(http.server.BaseHTTPRequestHandler):\n"
              "    def do_GET(self):\n"
              "        self.send_response(200)\n"
              "        self.end_headers()\n"
              "        self.wfile.write(b'{}')\n"
              "http.server.HTTPServer(('', 8888), Yes).serve_forever()\n")
    answer = own.http("POST", path("")[:-1], user=ALICE, body={
        "apiVersion": "kubeflow.org/v1", "kind": "Notebook",
        "metadata": {"name": "other", "annotations": {"atelier.dev/idle-after": f"{AFTER_S}s"}},
        "spec": {"template": {"spec": {"containers": [{"name": "other", "command": ["python", "-c", script]}]}}}})
    assert answer.status == 201, answer
    own.wait_notebook("alice", "other", ALICE)
    stays_running(own, "other")
    own.cli("notebook", "delete", "other", "-n", "alice", user=ALICE)


def mine(own, pid, *words):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as line, open(f"/proc/{pid}/environ", "rb") as environment:
            text = line.read() + environment.read()
            return all(word in text for word in words)
    except OSError:
        return False


def test_the_profile_decides_where_the_notebook_says_nothing_and_nonsense_is_refused(own):
    start(own, "plain", idle_after=None)
    for value in ("soon", "1s", "-3h"):
        status, answer = own.ask(ALICE, "PATCH", path("plain"), json.dumps(
            {"metadata": {"annotations": {"atelier.dev/idle-after": value}}}), content_type="application/merge-patch+json")
        assert status in (400, 422) and "atelier.dev/idle-after" in answer["message"], answer
    stays_running(own, "plain", 3)  # the platform's own default is never
    status, answer = own.ask(ALICE, "PATCH", "/apis/kubeflow.org/v1/profiles/alice", json.dumps(
        {"metadata": {"annotations": {"atelier.dev/idle-after": f"{AFTER_S}s"}}}),
        content_type="application/merge-patch+json")
    assert status == 200, answer
    wait_warning(own, "plain")
    annotate(own, "plain", idle_after="0")
    wait_for("no warning", lambda: not status_of(own, "plain").get("idleStopAt"), 20)
    stays_running(own, "plain")
