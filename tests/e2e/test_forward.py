"""`atelier forward`: ports of a profile's services on this machine, for clients that do not speak HTTP to Atelier."""
import http.client
import json
import re
import subprocess

import pytest
from atelier import BUILD, IMAGES, PATIENCE, ROOT, running, wait_for
from greeter import SERVED

ALICE, BOB = "alice@example.com", "bob@example.com"


@pytest.fixture(scope="module")
def own():
    with running(ALICE, BOB) as instance:
        instance.cli("profile", "create", "bob", "--wait", user=BOB)
        instance.cli("notebook", "create", "nb1", "-n", "alice", "--wait", user=ALICE)
        yield instance


class Forward:
    """A running `atelier forward`; ports are those that it printed."""

    def __init__(self, own, *args, user):
        env = dict(own.env, ATELIER_URL=own.url, ATELIER_TOKEN=own.tokens[user])
        self.process = subprocess.Popen([BUILD / "atelier", *args], env=env, cwd=ROOT, text=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.ports = []

    def read_port(self):
        line = self.process.stdout.readline()
        match = re.fullmatch(r"Forwarding 127\.0\.0\.1:(\d+) -> \S+\n", line)
        assert match, line or self.process.stderr.read()
        self.ports.append(int(match.group(1)))
        return self.ports[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


def ask(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20 * PATIENCE)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_a_service_answers_on_a_port_of_this_machine(own):
    with Forward(own, "forward", "nb1", ":80", "-n", "alice", user=ALICE) as forward:
        port = forward.read_port()
        for _ in range(3):
            status, body = ask(port, "/notebook/alice/nb1/api")
            assert status == 200 and b'"version"' in body
        status, body = ask(port, "/notebook/alice/nb1/static/favicon.ico")  # more than one frame
        assert status == 200 and len(body) > 1000


def test_any_program_in_a_notebook_answers_on_a_port_of_this_machine(own):
    """TensorBoard, say: on the loopback alone, at a port of which the notebook's service knows nothing."""
    code = "import http.server as h; s = h.HTTPServer(('127.0.0.1', 6006), h.SimpleHTTPRequestHandler); " \
           "print('listens', flush=True); s.serve_forever()"
    env = dict(own.env, ATELIER_URL=own.url, ATELIER_TOKEN=own.tokens[ALICE])
    running = subprocess.Popen([BUILD / "atelier", "notebook", "exec", "nb1", "-n", "alice", "--", "python3", "-c", code],
                               env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout.readline() == "listens\n"
        with Forward(own, "notebook", "forward", "nb1", ":6006", "-n", "alice", user=ALICE) as forward:
            status, body = ask(forward.read_port(), "/")
            assert status == 200 and b"Directory listing" in body
    finally:
        running.kill()
        running.communicate()


def test_what_cannot_be_reached_is_said_at_once(own):
    for args, words in ((("forward", "nb1", "9", "-n", "alice"), "port 9: Connection refused"),
                        (("forward", "nb1", "nonsense", "-n", "alice"), "not found"),
                        (("forward", "absent", "80", "-n", "alice"), "not found"),
                        (("forward", "nb1", "http:80", "-n", "alice"), "local port"),
                        (("forward", "nb1", "70000", "-n", "alice"), "expected PORT"),
                        (("forward", "nb1", "-n", "alice"), "needs: SERVICE")):
        done = own.cli(*args, user=ALICE, check=False, timeout=60)
        assert done.returncode in (1, 2) and words in done.stderr, done
    foreign = own.cli("forward", "nb1", "80", "-n", "alice", user=BOB, check=False)
    absent = own.cli("forward", "nb1", "80", "-n", "nowhere", user=BOB, check=False)
    assert foreign.returncode == 1 and foreign.stderr == absent.stderr.replace("nowhere", "alice")


def test_an_open_stream_ends_when_access_is_taken_back(own):
    own.cli("share", "alice", BOB, "--role", "editor", user=ALICE)
    with Forward(own, "forward", "nb1", ":80", "-n", "alice", user=BOB) as forward:
        connection = http.client.HTTPConnection("127.0.0.1", forward.read_port(), timeout=20 * PATIENCE)
        connection.request("GET", "/notebook/alice/nb1/api")
        assert connection.getresponse().read()
        own.cli("unshare", "alice", BOB, user=ALICE)
        assert connection.sock.recv(1) == b""  # closed, well before the time-out
        connection.close()
        assert "taken back" in forward.process.stderr.readline()


@pytest.fixture(scope="module")
def rc1(own):
    """A Ray cluster of alice's whose head also has the port of Serve's gRPC."""
    cluster = json.loads(own.cli("ray", "create", "rc1", "-n", "alice", "--head-cpu", "1", "--head-memory", "3Gi", "--replicas",
                                 "1", "--worker-cpu", "1", "--worker-memory", "1Gi", "--dry-run", "-o", "json",
                                 user=ALICE).stdout)
    head = cluster["spec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    head.setdefault("ports", []).append({"name": "serve-grpc", "containerPort": 9000})
    own.cli("apply", "-n", "alice", "-f", "-", user=ALICE, input=json.dumps(cluster))
    own.cli("wait", "raycluster", "rc1", "-n", "alice", "--timeout", "400s", user=ALICE, timeout=420)
    return dict(line.removeprefix("export ").split("=", 1)
                for line in own.cli("ray", "env", "rc1", "-n", "alice", user=ALICE).stdout.splitlines())


def test_ray_client_from_this_machine(own, rc1):
    """ray.init("ray://127.0.0.1:...") in an ordinary process, with the token that `ray env` prints."""
    assert rc1["RAY_AUTH_MODE"] == "token"
    assert own.cli("ray", "env", "rc1", "-n", "alice", user=BOB, check=False).returncode == 1
    with Forward(own, "ray", "forward", "rc1", ":10001", "-n", "alice", user=ALICE) as forward:
        port = forward.read_port()
        code = (f"import ray; ray.init('ray://127.0.0.1:{port}')\n"
                "print('answer', ray.get(ray.remote(lambda: 6 * 7).remote()))")
        done = wait_for("a Ray client through the tunnel", lambda: try_python(code, rc1), 180, 1)
        assert "answer 42" in done


def test_serve_speaks_grpc_through_a_tunnel(own, rc1):
    own.cli("ray", "submit", "rc1", "-n", "alice", "--", "python", "-c", SERVED, user=ALICE, timeout=240)
    with Forward(own, "ray", "forward", "rc1", ":9000", "-n", "alice", user=ALICE) as forward:
        code = ("import grpc; from ray.serve.generated import serve_pb2, serve_pb2_grpc\n"
                f"channel = grpc.insecure_channel('127.0.0.1:{forward.read_port()}')\n"
                "ask = serve_pb2_grpc.UserDefinedServiceStub(channel).__call__\n"
                "print(ask(serve_pb2.UserDefinedMessage(name='alice'), metadata=[('application', 'greeter')], timeout=20).greeting)")
        assert wait_for("Serve's gRPC through the tunnel", lambda: try_python(code, rc1), 120, 1) == "Hello alice\n"
    foreign = own.cli("ray", "forward", "rc1", ":9000", "-n", "alice", user=BOB, check=False)
    assert foreign.returncode == 1 and "not found" in foreign.stderr


def try_python(code, exports):
    done = subprocess.run([IMAGES / "ray-2.60" / "venv" / "bin" / "python", "-c", code], capture_output=True, text=True,
                          env={"PATH": "/usr/bin:/bin", "HOME": "/tmp", "RAY_AUTH_MODE": exports["RAY_AUTH_MODE"],
                               "RAY_AUTH_TOKEN": exports["RAY_AUTH_TOKEN"].strip("'")}, timeout=120 * PATIENCE, check=False)
    return done.stdout if done.returncode == 0 else None
