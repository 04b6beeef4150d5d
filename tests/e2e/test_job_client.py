"""The Jobs client of Ray's own documentation, from outside, over TLS: unverified as people write it, and with the CA. And
Ray's command line, by either path and with each kind of credential; and Serve by WebSocket, and bit by bit."""
import http.client
import json
import subprocess
import time

import pytest
import websocket
from atelier import IMAGE_BIN, PATIENCE, private

ALICE = "alice@example.com"
CLIENT = """
import asyncio, sys, time
from ray.job_submission import JobStatus, JobSubmissionClient
address, token, verify = sys.argv[1:]
verify = False if verify == "False" else verify
client = JobSubmissionClient(address=address, headers={"Authorization": "Bearer " + token}, verify=verify)
job = client.submit_job(entrypoint="python script.py", runtime_env={"working_dir": "./"})
for _ in range(600):
    status = client.get_job_status(job)
    if status in {JobStatus.SUCCEEDED, JobStatus.STOPPED, JobStatus.FAILED}:
        break
    time.sleep(0.5)
print(status, client.get_job_logs(job))
async def tail():
    return "".join([part async for part in client.tail_job_logs(job)])
print("tail", asyncio.run(tail()))
"""


@pytest.fixture(scope="module")
def own():
    instance = private()
    try:
        instance.up()
        instance.add_user(ALICE)
        instance.cli("profile", "create", "alice", "--wait", user=ALICE)
        instance.cli("-n", "alice", "ray", "create", "ml-cluster1", "--replicas", "0", user=ALICE)
        instance.wait_raycluster("alice", "ml-cluster1", ALICE, workers=0, timeout_s=300)
        yield instance
    finally:
        instance.remove()


@pytest.mark.parametrize("trust", ["nothing verified", "the CA's file"])
def test_submit_poll_and_logs_over_tls(own, tmp_path, trust):
    (tmp_path / "script.py").write_text("print('ran', 6 * 7)\n")
    verify = "False"
    if trust == "the CA's file":
        verify = str(tmp_path.parent / "ca.crt")
        with open(verify, "w") as file:
            file.write(own.cli("ca").stdout)
    address = f"https://localhost:{own.tls_port}/api/v1/namespaces/alice/services/http:ml-cluster1-head-svc:dashboard/proxy/"
    done = subprocess.run([IMAGE_BIN / "python", "-c", CLIENT, address, own.tokens[ALICE], verify], cwd=tmp_path,
                          capture_output=True, text=True, timeout=400 * PATIENCE, stdin=subprocess.DEVNULL, check=False)
    status, told = done.stdout.split("tail", 1)
    assert "SUCCEEDED" in status and "ran 42" in status and "ran 42" in told, done.stdout + done.stderr


def test_a_token_that_is_not_one_is_refused(own, tmp_path):
    (tmp_path / "script.py").write_text("print('ran')\n")
    address = f"https://localhost:{own.tls_port}/api/v1/namespaces/alice/services/http:ml-cluster1-head-svc:dashboard/proxy/"
    done = subprocess.run([IMAGE_BIN / "python", "-c", CLIENT, address, own.tokens[ALICE][:-1] + "!", "False"], cwd=tmp_path,
                          capture_output=True, text=True, timeout=400 * PATIENCE, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode != 0 and "401" in done.stderr and "ran" not in done.stdout, done.stdout + done.stderr


PROXY, SHORT = "/api/v1/namespaces/alice/services/http:ml-cluster1-head-svc:dashboard/proxy/", "/ray/alice/ml-cluster1/"


@pytest.fixture(scope="module")
def credentials(own):
    """As environments: a header with a token, the same with one of the form name:secret, and Ray's own variables."""
    named = own.cli("token", "create", "--named", user=ALICE).stdout.strip()
    return {"header": {"RAY_JOB_HEADERS": json.dumps({"Authorization": f"Bearer {own.tokens[ALICE]}"})},
            "named": {"RAY_JOB_HEADERS": json.dumps({"Authorization": f"Bearer {named}"})},
            "token": {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": own.tokens[ALICE]}, "nothing": {}}


def ray(own, path, environment, *words):
    return subprocess.Popen([IMAGE_BIN / "ray", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL,
                            env={"PATH": "/usr/bin:/bin", "HOME": "/tmp", "RAY_USAGE_STATS_ENABLED": "0", "PYTHONUNBUFFERED": "1",
                                 "RAY_ADDRESS": own.url + path, **environment})


def said(process):
    with process:
        text, _ = process.communicate(timeout=300 * PATIENCE)
    return process.returncode, text


def test_the_command_line_submits_lists_follows_and_stops(own, credentials):
    code, text = said(ray(own, PROXY, credentials["header"], "job", "submit", "--no-wait", "--submission-id", "long", "--",
                          "python", "-uc", "import time; print('be' 'gun'); time.sleep(900)"))
    assert code == 0, text
    code, text = said(ray(own, SHORT, credentials["named"], "job", "list"))
    assert code == 0 and "long" in text, text
    follower = ray(own, PROXY, credentials["token"], "job", "logs", "long", "--follow")
    try:
        assert any("begun" in line for line in follower.stdout)
        code, text = said(ray(own, SHORT, credentials["header"], "job", "stop", "long"))
        assert code == 0 and "was stopped" in text, text
        assert follower.communicate(timeout=60 * PATIENCE) and follower.returncode == 0
    finally:
        follower.kill()
        follower.wait()
    code, text = said(ray(own, SHORT, credentials["token"], "job", "status", "long"))
    assert code == 0 and "was stopped" in text, text
    code, text = said(ray(own, SHORT, credentials["nothing"], "job", "list"))
    assert code != 0 and "401" in text and "long" not in text, text


@pytest.mark.parametrize("path", [PROXY, SHORT])
def test_the_state_of_its_nodes(own, credentials, path):
    code, text = said(ray(own, path, credentials["token"], "list", "nodes", "--address", own.url + path, "--format", "json"))
    assert code == 0 and '"state": "ALIVE"' in text and '"is_head_node": true' in text, text


SERVED = """
import asyncio
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import PlainTextResponse, StreamingResponse
from ray import serve
app = FastAPI()
@app.get("/count")
async def count():
    async def lines():
        for number in range(3):
            yield f"{number}\\n"
            await asyncio.sleep(2)
    return StreamingResponse(lines(), media_type="text/plain")
@app.get("/who")
async def who(request: Request):
    return PlainTextResponse(request.headers.get("x-atelier-user", ""))
@app.websocket("/echo")
async def echo(socket: WebSocket):
    await socket.accept()
    while True:
        await socket.send_text("heard " + await socket.receive_text())
@serve.deployment(ray_actor_options={"num_cpus": 0})
@serve.ingress(app)
class Speaks: pass
serve.start(http_options={"host": "0.0.0.0"})
serve.run(Speaks.bind(), name="speaks", route_prefix="/speaks")
"""


def test_serve_answers_bit_by_bit_and_by_websocket(own):
    own.cli("ray", "submit", "ml-cluster1", "-n", "alice", "--", "python", "-c", SERVED, user=ALICE, timeout=400)
    at = "/serve/alice/ml-cluster1/speaks"
    connection = http.client.HTTPConnection("127.0.0.1", own.port, timeout=60 * PATIENCE)
    connection.request("GET", f"{at}/count", headers={"Authorization": f"Bearer {own.tokens[ALICE]}"})
    answer = connection.getresponse()
    assert answer.status == 200
    came = [(answer.readline(), time.monotonic()) for _ in range(3)]
    connection.close()
    assert [line for line, _ in came] == [b"0\n", b"1\n", b"2\n"] and came[2][1] - came[0][1] > 2, came
    socket = own.websocket(f"{at}/echo", user=ALICE, timeout=60)
    for word in ("one", "x" * 70_000):
        socket.send(word)
        assert socket.recv() == "heard " + word
    socket.close()
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        own.websocket(f"{at}/echo")
    assert refused.value.status_code == 401


def test_a_token_for_the_application_streams_and_its_websocket_ends_with_it(own):
    """Of a RayCluster; the application hears of a number, not of alice."""
    at = "/serve/alice/ml-cluster1/speaks"
    made = json.loads(own.cli("ray", "token", "ml-cluster1", "/speaks", "-n", "alice", "-o", "json", user=ALICE).stdout)
    mine = {"Authorization": f"Bearer {made['token']}"}
    assert made["application"] == {"namespace": "alice", "kind": "RayCluster", "name": "ml-cluster1", "prefix": "/speaks"}
    connection = http.client.HTTPConnection("127.0.0.1", own.port, timeout=60 * PATIENCE)
    connection.request("GET", f"{at}/count", headers=mine)
    answer = connection.getresponse()
    assert answer.status == 200 and answer.read() == b"0\n1\n2\n"
    connection.close()
    assert own.get(f"{at}/who", headers=mine).text == f"token-{made['id']}"
    assert own.get(f"{at}/who", ALICE).text == ALICE
    socket = own.websocket(f"{at}/echo", headers=[f"Authorization: Bearer {made['token']}"], timeout=60)
    socket.send("one")
    assert socket.recv() == "heard one"
    own.cli("token", "delete", str(made["id"]), user=ALICE)
    with pytest.raises((websocket.WebSocketConnectionClosedException, ConnectionError)):
        socket.recv()
    assert own.get(f"{at}/count", headers=mine).status == 401
