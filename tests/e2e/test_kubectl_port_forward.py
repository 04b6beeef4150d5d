"""kubectl port-forward, unmodified, into pods of the local engine."""
import contextlib
import hashlib
import json
import re
import socket
import threading
import time
import urllib.request

import pytest
import websocket
from atelier import wait_for
from kubectl import Kubectl

ALICE, BOB, CAROL, DAVE = (f"{name}@example.com" for name in ("alice", "bob", "carol", "dave"))
SPDY = "Sec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io"
PORT = 9911
# Answers the digest of all that comes once it has ended; or, to "chatter N\n", N bytes at once, reading nothing more. Who asks
# is told at once that it has come through.
SERVER = f"""
import hashlib, socketserver
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        first = self.rfile.readline()
        if first.startswith(b"chatter "):
            self.wfile.write(b"x" * int(first.split()[1]))
            return
        if first == b"do you hear me?\\n":
            self.wfile.write(b"y")
        digest = hashlib.sha256(first)
        while piece := self.rfile.read(65536):
            digest.update(piece)
        self.wfile.write(digest.hexdigest().encode())
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 128
server = Server(("", {PORT}), Handler)
print("listens", flush=True)
server.serve_forever()
"""


@pytest.fixture(scope="module")
def place(house):
    """alice's notebook, which bob may change and carol only see."""
    house.up()
    house.cookies = {user: house.add_user(user) for user in (ALICE, BOB, CAROL, DAVE)}
    house.cli("profile", "create", "alice", user=ALICE)
    house.cli("-n", "alice", "notebook", "create", "nb1", "--wait", user=ALICE, timeout=180)
    house.cli("share", "alice", BOB, "--role", "editor", user=ALICE)
    house.cli("share", "alice", CAROL, "--role", "viewer", user=ALICE)
    return house


@pytest.fixture(scope="module")
def alice(place):
    return Kubectl(place, ALICE, "alice")


@pytest.fixture(scope="module")
def server(alice):
    """A program of alice's that listens in her notebook's pod."""
    running = alice.start("exec", "nb1-0", "--", "python3", "-c", SERVER)
    assert running.stdout.readline() == "listens\n"
    yield PORT
    running.kill()
    running.communicate()


@contextlib.contextmanager
def forwarded(kubectl, target, port):
    """kubectl port-forward while it runs: the port here, the process, and the lines of its errors as they come."""
    running = kubectl.start("port-forward", target, f":{port}")
    errors = []
    reader = threading.Thread(target=lambda: errors.extend(iter(running.stderr.readline, "")), daemon=True)
    reader.start()
    try:
        line = running.stdout.readline()
        found = re.match(r"Forwarding from 127\.0\.0\.1:(\d+) -> (\d+)", line)
        assert found, (line, errors)
        yield int(found[1]), running, errors
    finally:
        running.kill()
        reader.join(10)
        running.wait()


@contextlib.contextmanager
def heard(port):
    """A connection that has come through to the program in the pod."""
    with socket.create_connection(("127.0.0.1", port), 60) as connection:
        connection.sendall(b"do you hear me?\n")
        assert connection.recv(1) == b"y"
        yield connection


def digest_of(port, content):
    with socket.create_connection(("127.0.0.1", port), 60) as connection:
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer.decode()


@pytest.mark.parametrize(("target", "port"), [("pod/nb1-0", 8888), ("svc/nb1", 80)])
def test_a_notebooks_own_server_answers_here(alice, target, port):
    with forwarded(alice, target, port) as (here, _, _):
        for _ in range(3):
            with urllib.request.urlopen(f"http://127.0.0.1:{here}/notebook/alice/nb1/api", timeout=60) as answer:
                assert "version" in json.load(answer)


def test_bytes_go_both_ways_and_each_side_ends_on_its_own(alice, server):
    content = bytes(range(256)) * 40000
    with forwarded(alice, "pod/nb1-0", server) as (here, _, _):
        assert digest_of(here, content) == hashlib.sha256(content).hexdigest()
        assert digest_of(here, b"") == hashlib.sha256(b"").hexdigest()


def test_a_program_on_the_loopback_alone_is_reached(alice):
    code = "import http.server as h; s = h.HTTPServer(('127.0.0.1', 6006), h.SimpleHTTPRequestHandler); " \
           "print('listens', flush=True); s.serve_forever()"
    running = alice.start("exec", "nb1-0", "--", "python3", "-c", code)
    try:
        assert running.stdout.readline() == "listens\n"
        with forwarded(alice, "pod/nb1-0", 6006) as (here, _, _):
            with urllib.request.urlopen(f"http://127.0.0.1:{here}/", timeout=30) as answer:
                assert answer.status == 200
    finally:
        running.kill()
        running.communicate()


def test_many_connections_share_one(alice, server):
    contents = [bytes([65 + number % 26]) * (100_000 + number) for number in range(40)]
    answers = {}
    with forwarded(alice, "pod/nb1-0", server) as (here, _, _):
        threads = [threading.Thread(target=lambda c=content: answers.update({c: digest_of(here, c)})) for content in contents]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
    assert answers == {content: hashlib.sha256(content).hexdigest() for content in contents}


def test_more_than_may_be_open_at_once_may_follow_one_another(alice, server):
    with forwarded(alice, "pod/nb1-0", server) as (here, _, _):
        for number in range(200):
            content = b"%d" % number
            assert digest_of(here, content) == hashlib.sha256(content).hexdigest()


def test_whoever_does_not_read_is_waited_for(alice, server):
    size = 30_000_000
    with forwarded(alice, "pod/nb1-0", server) as (here, _, _):
        with socket.create_connection(("127.0.0.1", here), 60) as slow:
            slow.sendall(b"chatter %d\n" % size)
            time.sleep(2)
            came = 0
            while piece := slow.recv(1 << 20):
                came += len(piece)
    assert came == size


def test_a_port_where_nobody_listens_is_said_so(alice, server):
    with forwarded(alice, "pod/nb1-0", 9) as (here, _, errors):
        with socket.create_connection(("127.0.0.1", here), 60) as connection:
            assert connection.recv(1) == b""
        wait_for("kubectl says why", lambda: any("error forwarding port 9 to pod nb1-0" in line for line in errors), 30)


def test_it_is_for_those_who_may_change_the_profile(place):
    with forwarded(Kubectl(place, BOB, "alice"), "pod/nb1-0", 8888):
        pass
    refused = Kubectl(place, CAROL, "alice")("port-forward", "pod/nb1-0", ":8888", check=False)
    assert refused.returncode != 0 and "your role on this profile does not allow this" in refused.stderr, refused.stderr
    foreign = Kubectl(place, DAVE, "alice")("port-forward", "pod/nb1-0", ":8888", check=False)
    assert foreign.returncode != 0 and "not found" in foreign.stderr.lower(), foreign.stderr


def handshake(place, status, path="/api/v1/namespaces/alice/pods/nb1-0/portforward", **more):
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        place.websocket(path, **more).close()
    assert refused.value.status_code == status


def test_it_takes_no_cookie_and_no_other_protocol(place):
    cookie = f"Cookie: {place.cookies[ALICE]}"
    handshake(place, 401, headers=[SPDY])
    handshake(place, 403, headers=[SPDY, cookie])
    handshake(place, 403, headers=[SPDY, cookie, f"Origin: {place.url}"])
    handshake(place, 400, user=ALICE, headers=["Sec-WebSocket-Protocol: v5.channel.k8s.io"])
    handshake(place, 403, user=CAROL, headers=[SPDY])
    handshake(place, 404, user=DAVE, headers=[SPDY])
    handshake(place, 404, user=ALICE, headers=[SPDY], path="/api/v1/namespaces/alice/pods/nb9-0/portforward")


def test_what_is_not_spdy_ends_it(place):
    connection = place.websocket("/api/v1/namespaces/alice/pods/nb1-0/portforward", user=ALICE, headers=[SPDY])
    connection.send_binary(b"\x80\x03\x00\x06\x00\x00\x00\x04\x00\x00\x00\x05")  # a ping comes back
    assert connection.recv() == b"\x80\x03\x00\x06\x00\x00\x00\x04\x00\x00\x00\x05"
    connection.send_binary(b"GET / HTTP/1.1\r\n\r\n" + b"\xff" * 64)
    opcode, _ = connection.recv_data()
    assert opcode == websocket.ABNF.OPCODE_CLOSE
    connection.close()


def test_revocation_ends_it(place, server):
    with forwarded(Kubectl(place, BOB, "alice"), "pod/nb1-0", server) as (here, _, _):
        with heard(here) as connection:
            place.cli("unshare", "alice", BOB, user=ALICE)
            started = time.monotonic()
            assert connection.recv(1) == b""
            assert time.monotonic() - started < 10
    place.cli("share", "alice", BOB, "--role", "editor", user=ALICE)


def test_it_ends_with_the_pod(place, alice, server):
    with forwarded(alice, "pod/nb1-0", server) as (here, _, _):
        with heard(here) as connection:
            place.cli("-n", "alice", "notebook", "stop", "nb1", user=ALICE)
            assert connection.recv(1) == b""
    wait_for("the pod is gone", lambda: alice("get", "pod", "nb1-0", check=False).returncode != 0, 60)
    handshake(place, 404, user=ALICE, headers=[SPDY])
