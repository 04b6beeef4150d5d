"""gRPC through the gateway itself: Ray Client and a Serve application, from an ordinary process, with a token and no tunnel."""
import json
import subprocess
import time

import pytest
from atelier import IMAGES, PATIENCE, running, wait_for
from greeter import SERVED

ALICE, BOB, CAROL = "alice@example.com", "bob@example.com", "carol@example.com"


@pytest.fixture(scope="module")
def own():
    with running(ALICE, BOB, CAROL) as instance:
        instance.cli("share", "alice", CAROL, "--role", "viewer", user=ALICE)
        yield instance


@pytest.fixture(scope="module")
def rc1(own):
    """A head with the port of Serve's gRPC, where an application answers."""
    cluster = json.loads(own.cli("ray", "create", "rc1", "-n", "alice", "--head-cpu", "2", "--head-memory", "3Gi", "--replicas",
                                 "0", "--dry-run", "-o", "json", user=ALICE).stdout)
    head = cluster["spec"]["headGroupSpec"]
    head["rayStartParams"] = {**head.get("rayStartParams", {}), "num-cpus": "2"}
    assert {"name": "serve-grpc", "containerPort": 9000} in head["template"]["spec"]["containers"][0]["ports"]
    own.cli("apply", "-n", "alice", "-f", "-", user=ALICE, input=json.dumps(cluster))
    own.cli("wait", "raycluster", "rc1", "-n", "alice", "--timeout", "900s", user=ALICE, timeout=920)
    return "rc1"


def python(own, code, user, timeout=150, **environment):
    """An ordinary process with the client's packages; TOKEN is <user>'s."""
    return subprocess.run([IMAGES / "ray-2.60" / "venv" / "bin" / "python", "-c", code], capture_output=True, text=True,
                          timeout=timeout * PATIENCE, check=False,
                          env={"PATH": "/usr/bin:/bin", "HOME": "/tmp", "TOKEN": own.tokens.get(user, user),
                               "CA": str(own.data / "tls" / "ca.crt"), "PORT": str(own.tls_port), **environment})


CLIENT = """
import os, ray, grpc
ca = grpc.ssl_channel_credentials(open(os.environ["CA"], "rb").read())
ray.init(f"ray://rayclient-rc1--alice.localhost:{os.environ['PORT']}", _credentials=ca,
         _metadata=[("authorization", "Bearer " + os.environ["TOKEN"])])
"""


def test_its_addresses_are_told(own, rc1):
    client, serve = (f"{kind}-rc1--alice.localhost:{own.tls_port}" for kind in ("rayclient", "grpc"))
    wide = own.cli("ray", "list", "-n", "alice", "-o", "wide", user=ALICE).stdout
    told = own.cli("ray", "describe", "rc1", "-n", "alice", user=CAROL).stdout
    for text in (wide, told):
        assert client in text and serve in text, text
    assert "RAY CLIENT" in wide and "Serve gRPC:" in told
    assert client not in own.cli("ray", "list", "-n", "alice", user=ALICE).stdout


def test_ray_client_directly(own, rc1):
    code = CLIENT + "print('answer', ray.get(ray.remote(lambda: 6 * 7).remote()))"
    def run():
        done = python(own, code, ALICE)
        return done if done.returncode == 0 else print(done.stderr[-800:])
    assert "answer 42" in wait_for("a Ray client through the gateway", run, 200, 1).stdout


def test_ray_client_is_for_those_who_may_run_code(own, rc1):
    for user, words in ((BOB, "nothing that you may use is there"), (CAROL, "role"), ("wrong", "not valid")):
        done = python(own, PROBE, user)
        assert done.returncode == 0 and words in done.stdout, (user, done)
        assert ("UNAUTHENTICATED" if user == "wrong" else "PERMISSION_DENIED") in done.stdout


PROBE = """
import os, grpc
from ray.core.generated import ray_client_pb2 as pb, ray_client_pb2_grpc as stubs
ca = grpc.ssl_channel_credentials(open(os.environ["CA"], "rb").read())
channel = grpc.secure_channel(f"rayclient-rc1--alice.localhost:{os.environ['PORT']}", ca)
try:
    print(stubs.RayletDriverStub(channel).ClusterInfo(pb.ClusterInfoRequest(type=pb.ClusterInfoType.PING), timeout=20,
          metadata=[("authorization", "Bearer " + os.environ["TOKEN"])]))
except grpc.RpcError as refused:
    print(refused.code(), refused.details())
"""


def test_ray_client_ends_when_access_is_taken_back(own, rc1):
    own.cli("share", "alice", BOB, "--role", "editor", user=ALICE)
    code = PROBE.split("try:")[0] + """
import time
try:
    metadata = [("authorization", "Bearer " + os.environ["TOKEN"]), ("client_id", "abc")]
    stream = stubs.RayletDataStreamerStub(channel).Datapath(iter(lambda: time.sleep(60), 0), metadata=metadata)
    print("open", flush=True)
    for _ in stream: pass
except grpc.RpcError as refused:
    print(refused.code(), refused.details(), flush=True)
os._exit(0)
"""
    process = subprocess.Popen([IMAGES / "ray-2.60" / "venv" / "bin" / "python", "-c", code], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True,
                               env={"PATH": "/usr/bin:/bin", "HOME": "/tmp", "TOKEN": own.tokens[BOB],
                                    "CA": str(own.data / "tls" / "ca.crt"), "PORT": str(own.tls_port)})
    try:
        assert process.stdout.readline() == "open\n"
        time.sleep(2)  # the call is under way: were it decided only after, the answer would be the same
        own.cli("unshare", "alice", BOB, user=ALICE)
        rest = process.communicate(timeout=60 * PATIENCE)[0]
        assert "PERMISSION_DENIED" in rest, rest
    finally:
        process.kill()
        process.wait()


ASK = """
import os, grpc
from ray.serve.generated import serve_pb2, serve_pb2_grpc
ca = grpc.ssl_channel_credentials(open(os.environ["CA"], "rb").read())
channel = grpc.secure_channel(f"grpc-rc1--alice.localhost:{os.environ['PORT']}", ca)
stub = serve_pb2_grpc.UserDefinedServiceStub(channel)
metadata = [("application", "greeter")]
if os.environ["TOKEN"]:
    metadata.append(("authorization", "Bearer " + os.environ["TOKEN"]))
message = serve_pb2.UserDefinedMessage(name="alice")
try:
    print(stub.__call__(message, metadata=metadata, timeout=20).greeting)
    print([part.greeting for part in stub.Streaming(message, metadata=metadata, timeout=20)])
except grpc.RpcError as refused:
    print(refused.code(), refused.details())
"""


def test_serve_speaks_grpc_directly(own, rc1):
    own.cli("ray", "submit", "rc1", "-n", "alice", "--", "python", "-c", SERVED, user=ALICE, timeout=300)
    def run():
        done = python(own, ASK, ALICE)
        return done.stdout if "Hello" in done.stdout else print(done)
    said = wait_for("Serve's gRPC through the gateway", run, 120, 1)
    assert said == "Hello alice\n['0 alice', '1 alice', '2 alice', '3 alice', '4 alice']\n"
    for user, words in ((BOB, "PERMISSION_DENIED"), (CAROL, "PERMISSION_DENIED"), ("wrong", "UNAUTHENTICATED"), ("", "UNAUTHENTICATED")):
        assert words in python(own, ASK, user).stdout
