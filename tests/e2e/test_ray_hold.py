"""What surrounds a Ray head, with one that is a web server and starts within seconds: requests that wait for it, what it is
told, how a changed one takes its place. Ray itself is in test_ray_resume.py and test_ray_up.py."""
import json
import subprocess
import threading
import time

import pytest
from atelier import IMAGES, running, wait_for

ALICE, CAROL = "alice@example.com", "carol@example.com"
CLUSTER = "/apis/ray.io/v1/namespaces/alice/rayclusters/small"
PATHS = ("/ray/alice/small/echo", "/api/v1/namespaces/alice/services/http:small-head-svc:dashboard/proxy/echo",
         "/api/v1/namespaces/alice/services/small-head-svc:8265/proxy/echo")
SERVER = """
import http.server, json, os, threading, time
class Head(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = json.dumps({"got": len(body), "env": dict(os.environ)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
    do_GET = do_POST
time.sleep(4)
import concurrent.futures, grpc
echo = grpc.unary_unary_rpc_method_handler(lambda request, context: request)
server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", {"Say": echo}),))
server.add_insecure_port("0.0.0.0:10001")
server.start()
for port in (6379, 52365, 8265):  # where a head is asked whether it is usable
    threading.Thread(target=http.server.ThreadingHTTPServer(("", port), Head).serve_forever).start()
server.wait_for_termination()  # a thread's pool ends with the main thread
"""


def small(**spec):
    size = {"cpu": "500m", "memory": "512Mi"}
    container = {"name": "ray-head", "image": "ray-2.60", "command": ["python", "-c", SERVER], "resources": {"requests": size, "limits": size},
                 "readinessProbe": {"httpGet": {"path": "/", "port": 8265}, "periodSeconds": 1, "timeoutSeconds": 5}}
    return {"apiVersion": "ray.io/v1", "kind": "RayCluster",
            "metadata": {"name": "small", "annotations": {"ray.io/overwrite-container-cmd": "true", "atelier.dev/resume-on-request": "always"}},
            "spec": {"headGroupSpec": {"rayStartParams": {"num-cpus": "1"}, "template": {"spec": {"containers": [container]}}}, **spec}}


@pytest.fixture(scope="module")
def own():
    with running(ALICE, CAROL, ATELIER_RESUME_WAIT_S="120", ATELIER_RAY_PROMETHEUS_HOST="http://prometheus.example.com:9090/",
                 ATELIER_RAY_GRAFANA_HOST="http://grafana.example.com:3000",
                 ATELIER_RAY_GRAFANA_IFRAME_HOST="https://grafana.example.com") as instance:
        instance.cli("share", "alice", CAROL, "--role", "viewer", user=ALICE)
        instance.cli("apply", "-n", "alice", "-f", "-", input=json.dumps(small()), user=ALICE)
        instance.wait_raycluster("alice", "small", ALICE, 0, 240)
        yield instance


def suspend(own):
    assert own.ask(ALICE, "PATCH", CLUSTER, json.dumps({"spec": {"suspend": True}}), content_type="application/merge-patch+json")[0] == 200
    wait_for("suspended", lambda: own.raycluster("alice", "small", ALICE)["status"].get("state") == "suspended", 120)


def test_a_head_learns_where_figures_are(own):
    env = own.get(PATHS[0], ALICE).json["env"]
    assert (env["RAY_PROMETHEUS_HOST"], env["RAY_GRAFANA_HOST"], env["RAY_GRAFANA_IFRAME_HOST"]) == (
        "http://prometheus.example.com:9090", "http://grafana.example.com:3000", "https://grafana.example.com")


@pytest.mark.parametrize("path", PATHS)
def test_a_program_s_request_waits_for_the_head_and_goes_through(own, path):
    suspend(own)
    viewer = own.get(path, CAROL)
    assert viewer.status == 503 and "suspended" in viewer.json["message"], viewer
    began = time.monotonic()
    answer = own.http("POST", path, user=ALICE, body=b"x" * 300_000, timeout=150)
    assert answer.status == 200 and answer.json["got"] == 300_000, answer
    assert time.monotonic() - began > 3  # it had to start
    assert own.get(path, CAROL).status == 200


CALL = """
import os, grpc
ca = grpc.ssl_channel_credentials(open(os.environ["CA"], "rb").read())
channel = grpc.secure_channel(f"rayclient-small--alice.localhost:{os.environ['PORT']}", ca)
say = channel.unary_unary("/test.Echo/Say")
def told(call):  # of each: with calls under way the client may not come to its end
    try:
        return len(call.result())
    except grpc.RpcError as refused:
        return f"{refused.code()} {refused.details()}"
calls = [say.future(b"x" * size, timeout=150, metadata=[("authorization", "Bearer " + os.environ["TOKEN"])]) for size in (3, 300000, 5)]
print(list(map(told, calls)))
channel.close()
"""


def call_by_grpc(own, user):
    return subprocess.run([IMAGES / "ray-2.60" / "venv" / "bin" / "python", "-c", CALL], capture_output=True, text=True, timeout=180, check=True,
                          env={"PATH": "/usr/bin:/bin", "TOKEN": own.tokens[user], "CA": str(own.data / "tls" / "ca.crt"), "PORT": str(own.tls_port)}).stdout


def test_a_grpc_call_waits_for_the_head_and_goes_through(own):
    suspend(own)
    assert call_by_grpc(own, CAROL).count("PERMISSION_DENIED") == 3
    assert own.raycluster("alice", "small", ALICE)["spec"]["suspend"] is True
    began = time.monotonic()
    assert call_by_grpc(own, ALICE) == "[3, 300000, 5]\n"
    assert time.monotonic() - began > 3


def test_many_at_once_and_a_browser_meanwhile(own):
    suspend(own)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(own.get(PATHS[0], ALICE, timeout=150).status)) for _ in range(8)]
    for thread in threads:
        thread.start()
    wait_for("it starts", lambda: not own.raycluster("alice", "small", ALICE)["spec"].get("suspend"), 30)
    page = own.get(PATHS[0], ALICE, headers={"Accept": "text/html"})
    assert page.status in (200, 503) and (page.status == 200 or 'http-equiv="refresh"' in page.text and 'aria-current="step"' in page.text), page
    for thread in threads:
        thread.join()
    assert answers == [200] * 8
    audit = own.get("/api/atelier/v1/profiles/alice/audit", ALICE).json["items"]
    assert len([entry for entry in audit if entry["action"] == "resume"]) == 5  # one a start, whoever else asked


def test_a_changed_head_takes_its_place_as_the_strategy_says(own):
    first = own.wait_raycluster("alice", "small", ALICE, 0, 120)["status"]["head"]["podName"]
    changed = small()
    changed["spec"]["headGroupSpec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "GENERATION", "value": "second"}]
    refused = own.cli("apply", "-n", "alice", "-f", "-", input=json.dumps(changed), user=ALICE, check=False)
    assert refused.returncode == 1 and "spec.upgradeStrategy.type" in refused.stderr and "Recreate" in refused.stderr, refused
    changed["spec"]["upgradeStrategy"] = {"type": "Recreate"}
    own.cli("apply", "-n", "alice", "-f", "-", input=json.dumps(changed), user=ALICE)

    def generation():
        answer = own.get(PATHS[0], ALICE, timeout=150)
        return answer.status == 200 and answer.json["env"].get("GENERATION")
    assert wait_for("another head", generation, 150, 1) == "second"
    assert own.get(f"/api/v1/namespaces/alice/pods/{first}", ALICE).status == 404
