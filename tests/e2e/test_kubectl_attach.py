"""kubectl attach, unmodified: what a container's own program writes from now on, until it ends or one leaves."""
import json
import threading
import time

import pytest
import websocket
from atelier import PATIENCE, wait_for
from kubectl import Kubectl
from kubernetes import client, config
from kubernetes.stream import stream

ALICE, BOB, CAROL, DAVE = (f"{name}@example.com" for name in ("alice", "bob", "carol", "dave"))
PODS = "/api/v1/namespaces/alice/pods"
ATTACH = f"{PODS}/nb1-0/attach?stdout=true&stderr=true"
CHANNELS = "Sec-WebSocket-Protocol: v5.channel.k8s.io"
# Counts on both streams; writes very much, or ends, when a file of that name is there.
PROGRAM = """
echo written-before
while [ ! -e /tmp/end ]; do
    n=$((n + 1)); echo "out $n"; echo "err $n" >&2; sleep 0.1
    if [ -e /tmp/flood ]; then rm /tmp/flood; head -c 60000000 /dev/zero | tr '\\0' 'x' | fold; touch /tmp/flooded; fi
done
rm /tmp/end; echo last-words; exit 3
"""


@pytest.fixture(scope="module")
def place(house):
    """alice's notebook, which runs a program of hers; bob may change it and carol only see it."""
    house.up()
    house.cookies = {user: house.add_user(user) for user in (ALICE, BOB, CAROL, DAVE)}
    house.cli("profile", "create", "alice", "--wait", user=ALICE)
    made = house.http("POST", "/apis/kubeflow.org/v1/namespaces/alice/notebooks", user=ALICE, body={
        "metadata": {"name": "nb1"}, "spec": {"template": {"spec": {"containers": [
            {"name": "nb1", "command": ["/bin/sh", "-c", PROGRAM]}]}}}})
    assert made.status == 201, made
    house.cli("share", "alice", BOB, "--role", "editor", user=ALICE)
    house.cli("share", "alice", CAROL, "--role", "viewer", user=ALICE)
    wait_for("the program writes", lambda: "out 3" in house.get(f"{PODS}/nb1-0/log", ALICE).text, 90)
    return house


@pytest.fixture(scope="module")
def alice(place):
    return Kubectl(place, ALICE, "alice")


def numbers(lines, stream):
    return [int(line.split()[1]) for line in lines if line.startswith(stream + " ")]


def start_attached(kubectl, *more):
    """kubectl attach once it shows something: the process, and its lines of both streams as they come."""
    running = kubectl.start("attach", "nb1-0", *more)
    lines = [], []
    readers = [threading.Thread(target=lambda f=file, to=to: to.extend(iter(f.readline, "")), daemon=True)
               for file, to in zip((running.stdout, running.stderr), lines)]
    for reader in readers:
        reader.start()
    wait_for("output on both streams", lambda: numbers(lines[0], "out") and numbers(lines[1], "err"), 60)
    return running, lines, readers


def test_what_the_program_writes_comes_on_its_own_streams(alice):
    running, (out, err), readers = start_attached(alice)
    try:
        wait_for("ten lines more", lambda: len(numbers(out, "out")) > 10 and len(numbers(err, "err")) > 10, 30)
    finally:
        running.kill()
        running.wait()
    for reader in readers:
        reader.join(10)
    came = numbers(out, "out")
    assert came == list(range(came[0], came[0] + len(came))) and came[0] > 1, out  # from then on, and none is missing
    assert "written-before\n" not in out and not numbers(out, "err") and not numbers(err, "out")
    started = numbers(alice.out("logs", "nb1-0").splitlines(), "out")
    assert started[0] == 1 and started[-1] >= came[-1]  # it went on when its reader had gone


def test_several_look_on_and_what_they_type_is_not_for_it(alice):
    first, (out, _), _ = start_attached(alice)
    second, (more, _), _ = start_attached(alice, "-i")
    try:
        newest = numbers(out, "out")[-1]
        wait_for("both hear the same", lambda: {newest + 5} <= {*numbers(out, "out")} & {*numbers(more, "out")}, 30)
    finally:
        for running in (first, second):
            running.kill()
            running.wait()


def test_it_ends_with_the_container(place, alice):
    running, (out, err), readers = start_attached(alice)
    alice("exec", "nb1-0", "--", "touch", "/tmp/end")
    assert running.wait(60 * PATIENCE) == 0, err
    for reader in readers:
        reader.join(10)
    assert out[-1] == "last-words\n", out[-5:]
    wait_for("it runs again", lambda: numbers(alice("logs", "nb1-0", check=False).stdout.splitlines(), "out")[:1] == [1]
             and alice("exec", "nb1-0", "--", "true", check=False).returncode == 0, 90, 0.5)


def test_the_python_client_attaches(place):
    file = place.data / "kubeconfig-python"
    file.write_text(place.cli("-n", "alice", "kubeconfig", "--server", f"https://localhost:{place.tls_port}", user=ALICE).stdout)
    core = client.CoreV1Api(config.new_client_from_config(str(file)))
    attached = stream(core.connect_get_namespaced_pod_attach, "nb1-0", "alice", stderr=False, stdout=True,
                      _preload_content=False)
    lines = [attached.readline_stdout(timeout=20 * PATIENCE) for _ in range(4)]
    attached.close()
    assert len(numbers(lines[1:], "out")) == 3, lines


def test_the_container_does_not_wait_for_who_does_not_read(place, alice):
    slow = place.websocket(ATTACH, user=ALICE, headers=[CHANNELS])
    assert slow.recv()[:1] in (b"\1", b"\2")
    alice("exec", "nb1-0", "--", "touch", "/tmp/flood")
    wait_for("all is written", lambda: alice("exec", "nb1-0", "--", "test", "-e", "/tmp/flooded", check=False).returncode == 0,
             60, 0.5)
    size, last = 0, b""
    while (message := slow.recv()) and message[:1] != b"\3":
        size += len(message)
    last = json.loads(message[1:])
    assert size < 60_000_000 and last["status"] == "Failure" and "faster than it was read" in last["message"], (size, last)
    slow.close()


def handshake(place, status, path=ATTACH, **more):
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        place.websocket(path, **more).close()
    assert refused.value.status_code == status


def test_it_is_for_those_who_may_change_the_profile(place, alice):
    cookie = f"Cookie: {place.cookies[ALICE]}"
    handshake(place, 401, headers=[CHANNELS])
    handshake(place, 403, headers=[CHANNELS, cookie, f"Origin: {place.url}"])
    handshake(place, 403, user=CAROL, headers=[CHANNELS])
    handshake(place, 404, user=DAVE, headers=[CHANNELS])
    handshake(place, 400, user=ALICE, headers=[CHANNELS], path=f"{PODS}/nb1-0/attach?stdin=true")
    handshake(place, 404, user=ALICE, headers=[CHANNELS], path=f"{PODS}/nb9-0/attach?stdout=true")
    refused = Kubectl(place, CAROL, "alice")("attach", "nb1-0", check=False)
    assert refused.returncode != 0 and "your role on this profile does not allow this" in refused.stderr, refused.stderr
    nobody = alice("attach", "nb1-0", "-c", "nobody", check=False)
    assert nobody.returncode != 0 and "nobody" in nobody.stderr, nobody.stderr


def test_revocation_ends_it(place):
    running, _, readers = start_attached(Kubectl(place, BOB, "alice"))
    place.cli("unshare", "alice", BOB, user=ALICE)
    started = time.monotonic()
    assert running.wait(20 * PATIENCE) != 0 and time.monotonic() - started < 10 * PATIENCE
    for reader in readers:
        reader.join(10)
