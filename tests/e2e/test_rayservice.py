"""A RayService on the local engine with real Ray Serve: what it serves, changed in place and by another cluster while
people ask, none of whom notices."""
import collections
import http.client
import json
import subprocess
import threading
import time

import pytest
import websocket
from atelier import IMAGES, PATIENCE, running, wait_for

ALICE = "alice@example.com"
BOB = "bob@example.com"
SERVICES = "/apis/ray.io/v1/namespaces/alice/rayservices"
PROXY = "/api/v1/namespaces/alice/services/http:hello-serve-svc:8000/proxy/hello"
MODULE = """
import asyncio, os
from ray import serve
from ray.serve.generated.serve_pb2 import UserDefinedResponse

@serve.deployment
class Hello:
    def reconfigure(self, config):
        self.greeting = config["greeting"]

    async def __call__(self, request):
        if not hasattr(request, "query_params"):  # it came by gRPC
            return UserDefinedResponse(greeting=f"{self.greeting} {request.name}")
        await asyncio.sleep(float(request.query_params.get("s", "0")))
        return {"greeting": self.greeting, "version": os.environ["VERSION"]}

app = Hello.bind()
"""


def serve_config(greeting, cpus=0.1):
    functions = ["ray.serve.generated.serve_pb2_grpc.add_UserDefinedServiceServicer_to_server"]
    return json.dumps({"grpc_options": {"port": 9000, "grpc_servicer_functions": functions}, "applications": [{
        "name": "hello", "import_path": "hello:app", "route_prefix": "/hello", "deployments": [
            {"name": "Hello", "user_config": {"greeting": greeting}, "ray_actor_options": {"num_cpus": cpus}}]}]})


def service(greeting="one", version="1", most=1, **spec):
    size = {"cpu": "1", "memory": "2Gi"}
    head = {"name": "ray-head", "image": "ray-2.60", "resources": {"requests": size, "limits": size},
            "env": [{"name": "VERSION", "value": version}, {"name": "PYTHONPATH", "value": "/app"}],
            "volumeMounts": [{"name": "app", "mountPath": "/app"}]}
    pod = {"containers": [head], "volumes": [{"name": "app", "configMap": {"name": "hello"}}]}
    worker = {"containers": [{"name": "ray-worker", "image": "ray-2.60", "resources": {"requests": size, "limits": size}}]}
    return {"apiVersion": "ray.io/v1", "kind": "RayService", "metadata": {"name": "hello"}, "spec": {
        "serveConfigV2": serve_config(greeting), "rayClusterDeletionDelaySeconds": 10,
        "rayClusterConfig": {
            "headGroupSpec": {"rayStartParams": {"num-cpus": "1"}, "template": {"spec": pod}},
            "workerGroupSpecs": [{"groupName": "more", "replicas": 0, "minReplicas": 0, "maxReplicas": most,
                                  "template": {"spec": worker}}]}, **spec}}


@pytest.fixture(scope="module")
def own():
    with running(ALICE, BOB, ATELIER_PUBLIC_APPS="true") as instance:
        apply(instance, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "hello"},
                         "data": {"hello.py": MODULE}})
        apply(instance, service())
        wait_for("it serves", lambda: (status(instance) or {}).get("serviceStatus") == "Running", 400, 0.5)
        yield instance


def apply(own, body):
    own.cli("apply", "-n", "alice", "-f", "-", user=ALICE, input=json.dumps(body))


def status(own):
    answer = own.get(f"{SERVICES}/hello", ALICE)
    return answer.json.get("status", {}) if answer.status == 200 else None


def active(own):
    return status(own).get("activeServiceStatus", {}).get("rayClusterName")


def condition(own, kind):
    return next((c for c in status(own).get("conditions", []) if c["type"] == kind), {})


class Traffic:
    """Two people who ask without pause, one over a connection that stays, one over new ones; and one whose every
    request takes three seconds."""

    def __init__(self, own):
        self.own, self.stop = own, threading.Event()
        self.answers, self.failures = collections.Counter(), []
        self.last_begun = {}  # when the last request was made to which this was the answer
        self.threads = [threading.Thread(target=self.ask, args=arguments, daemon=True)
                        for arguments in ((True, ""), (False, ""), (True, "?s=3"))]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join(60)

    def ask(self, keeps, query):
        host, port = self.own.url.removeprefix("http://").rsplit(":", 1)
        headers = {"Authorization": f"Bearer {self.own.tokens[ALICE]}"}
        connection = None
        while not self.stop.is_set():
            connection = connection or http.client.HTTPConnection(host, int(port), timeout=60 * PATIENCE)
            begun = time.monotonic()
            try:
                connection.request("GET", f"/serve/alice/hello/hello{query}", headers=headers)
                answer = connection.getresponse()
                body = answer.read()
                if answer.status == 200:
                    found = json.loads(body)
                    self.answers[found["greeting"], found["version"], query] += 1
                    self.last_begun[found["greeting"], found["version"], query] = begun
                else:
                    self.failures.append((answer.status, body[:300]))
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
                connection = None
            if connection and not keeps:
                connection.close()
                connection = None
            self.stop.wait(0.02)

    def saw(self, greeting, version):
        return sum(count for (g, v, _), count in list(self.answers.items()) if (g, v) == (greeting, version))

    def last(self, greeting, version):
        return max(begun for (g, v, _), begun in self.last_begun.items() if (g, v) == (greeting, version))


def test_it_serves_and_says_so(own):
    now = status(own)
    assert now["numServeEndpoints"] == 1 and now["observedGeneration"] == 1
    application = now["activeServiceStatus"]["applicationStatuses"]["hello"]
    assert application["status"] == "RUNNING"
    assert application["serveDeploymentStatuses"]["Hello"]["status"] == "HEALTHY"
    assert condition(own, "Ready")["status"] == "True" and condition(own, "UpgradeInProgress")["status"] == "False"
    for path in ("/serve/alice/hello/hello", f"/serve/alice/{active(own)}/hello", PROXY):
        assert own.get(path, ALICE).json == {"greeting": "one", "version": "1"}, path
    assert own.get("/ray/alice/hello/api/serve/applications/", ALICE).json["applications"]["hello"]
    assert own.get("/serve/alice/hello/hello").status == 401
    own.cli("wait", "rayservice", "hello", "-n", "alice", user=ALICE)
    assert "1/1" in own.cli("ray", "services", "-n", "alice", user=ALICE).stdout
    shown = own.cli("ray", "service", "hello", "-n", "alice", user=ALICE).stdout
    assert "RUNNING" in shown and "HEALTHY" in shown and active(own) in shown


ASK = """
import os, grpc
from ray.serve.generated import serve_pb2, serve_pb2_grpc
ca = grpc.ssl_channel_credentials(open(os.environ["CA"], "rb").read())
for host, *names in (("grpc-hello", "hello"), ("grpc-hello", "other"), ("grpc-hello",), ("grpc-" + os.environ["CLUSTER"], "hello"), ("rayclient-hello", "hello")):
    channel = grpc.secure_channel(f"{host}--alice.localhost:{os.environ['PORT']}", ca)
    try:
        own = [("authorization", "Bearer " + os.environ["TOKEN"])] if os.environ["TOKEN"] else []
        print(serve_pb2_grpc.UserDefinedServiceStub(channel).__call__(serve_pb2.UserDefinedMessage(name="you"), timeout=60,
              metadata=own + [("application", name) for name in names]).greeting)
    except grpc.RpcError as refused:
        print(refused.code())
"""


def asked_by_grpc(own, token=""):
    """The application by its name, another name, none; then by the cluster's host, and by that of Ray Client."""
    done = subprocess.run([IMAGES / "ray-2.60" / "venv" / "bin" / "python", "-c", ASK], capture_output=True, text=True, timeout=120 * PATIENCE, check=True,
                          env={"PATH": "/usr/bin:/bin", "TOKEN": token, "CLUSTER": active(own), "CA": str(own.data / "tls" / "ca.crt"), "PORT": str(own.tls_port)})
    return [line.removeprefix("StatusCode.") for line in done.stdout.splitlines()]


def test_the_owner_opens_an_application_to_anybody_and_closes_it_again(own):
    """Only the application: nothing else of the cluster; and only the profile's admins may."""
    own.cli("share", "alice", BOB, "--role", "editor", user=ALICE)
    refused = own.cli("ray", "publish", "hello", "/hello", "-n", "alice", user=BOB, check=False)
    assert refused.returncode != 0 and "only the profile's owner" in refused.stderr, refused
    assert own.get("/serve/alice/hello/hello").status == 401
    own.cli("ray", "publish", "hello", "/hello", "-n", "alice", user=ALICE)
    wait_for("it is open", lambda: own.get("/serve/alice/hello/hello").status == 200, 10)
    for path in ("/serve/alice/hello/hello", f"/serve/alice/{active(own)}/hello"):
        assert own.get(path).json == {"greeting": "one", "version": "1"}, path
    for path in ("/serve/alice/hello/-/routes", "/serve/alice/hello/hellos", "/ray/alice/hello/hello", PROXY,
                 f"{SERVICES}/hello"):
        assert own.get(path).status == 401, path
    at_home = {"Host": f"serve-hello--alice.localhost:{own.port}", "Sec-Fetch-Mode": "navigate", "Accept": "text/html"}
    assert own.get("/serve/alice/hello/hello", headers=at_home).json["greeting"] == "one"
    led = own.get("/serve/alice/hello/hello?x=1", headers={**at_home, "Host": f"localhost:{own.port}"})
    assert led.status in (302, 303)
    assert led.headers["location"] == f"http://serve-hello--alice.localhost:{own.port}/serve/alice/hello/hello?x=1"
    no = "UNAUTHENTICATED"
    assert asked_by_grpc(own) == ["one you", no, no, "one you", no]
    wrong = own.cli("ray", "publish", "hello", "hello/", "-n", "alice", user=ALICE, check=False)
    assert wrong.returncode != 0 and "atelier.dev/public-apps must list prefixes" in wrong.stderr, wrong
    own.cli("ray", "unpublish", "hello", "-n", "alice", user=BOB)
    wait_for("it is closed", lambda: own.get("/serve/alice/hello/hello").status == 401, 10)
    assert asked_by_grpc(own) == [no] * 5
    own.cli("unshare", "alice", BOB, user=ALICE)


def token_for(own, prefix, *more, user=ALICE):
    return own.cli("ray", "token", "hello", prefix, "-n", "alice", *more, user=user).stdout.strip()


def test_a_token_for_one_application_opens_that_alone(own):
    """In either form, by HTTP and by gRPC, at the service's name and at its cluster's; and nothing else of anything."""
    token = token_for(own, "/hello", "--name", "billing", "--ttl", "1d")
    named = token_for(own, "/hello", "--name", "named", "--named")
    for one in (token, named):
        for path in ("/serve/alice/hello/hello", f"/serve/alice/{active(own)}/hello"):
            assert own.get(path, token=one).json == {"greeting": "one", "version": "1"}, path
    closed = ["/serve/alice/hello/hellos", "/serve/alice/hello/-/routes", "/serve/alice/hello/", "/serve/alice/hello/HELLO",
              "/serve/bob/hello/hello", "/ray/alice/hello/", "/ray/alice/hello/api/serve/applications/", f"/ray/alice/{active(own)}/api/jobs/",
              PROXY, "/notebook/alice/nb/lab"]
    for path in closed:
        assert own.get(path, token=token).status == 404, path
    assert own.http("POST", "/ray/alice/hello/api/jobs/", token=token, body={"entrypoint": "id"}).status == 404
    with pytest.raises(websocket.WebSocketBadStatusException) as tunnel:
        own.websocket(f"/tunnel/alice/{active(own)}-head-svc/8265", headers=[f"Authorization: Bearer {token}"])
    assert tunnel.value.status_code == 404
    for method, path in (("GET", "/api/atelier/v1/whoami"), ("GET", "/api/atelier/v1/tokens"), ("POST", "/api/atelier/v1/tokens"),
                         ("DELETE", "/api/atelier/v1/tokens/1"), ("GET", f"{SERVICES}/hello"), ("GET", "/apis/kubeflow.org/v1/profiles"),
                         ("GET", "/api/v1/namespaces/alice/secrets"), ("GET", "/api/atelier/v1/open?kind=RayService&namespace=alice&name=hello")):
        assert own.http(method, path, token=token, body={} if method == "POST" else None).status == 403, path
    no = "PERMISSION_DENIED"
    assert asked_by_grpc(own, token) == ["one you", no, no, "one you", no]
    assert asked_by_grpc(own, token_for(own, "/other")) == [no] * 5
    listed = own.cli("token", "list", "-n", "alice", user=ALICE).stdout
    assert "/serve/alice/hello/hello" in listed and "billing" in listed and token not in listed, listed
    refused = own.cli("ray", "token", "hello", "/hello/", "-n", "alice", user=ALICE, check=False)
    assert refused.returncode != 0 and "with no '/' at the end" in refused.stderr, refused


def test_what_a_token_opened_ends_with_it_and_with_its_makers_role(own):
    ended = []

    def wait_long(token):
        begun = time.monotonic()
        try:
            ended.append((own.get("/serve/alice/hello/hello?s=100", token=token, timeout=200).status, time.monotonic() - begun))
        except (OSError, http.client.HTTPException) as error:
            ended.append((repr(error), time.monotonic() - begun))

    def open_then(token, action):
        thread = threading.Thread(target=wait_long, args=(token,), daemon=True)
        thread.start()
        time.sleep(3)
        assert not ended, ended
        action()
        thread.join(60 * PATIENCE)
        what, lasted = ended.pop()
        assert what != 200 and lasted < 60 * PATIENCE, (what, lasted)

    own.cli("share", "alice", BOB, "--role", "editor", user=ALICE)
    refused = own.cli("ray", "token", "hello", "/hello", "-n", "alice", user=BOB, check=False)
    assert refused.returncode != 0 and "only the profile's owner and its admins" in refused.stderr, refused
    own.cli("share", "alice", BOB, "--role", "admin", user=ALICE)
    token = token_for(own, "/hello", "--name", "bobs", user=BOB)
    open_then(token, lambda: own.cli("unshare", "alice", BOB, user=ALICE))
    assert own.get("/serve/alice/hello/hello", token=token).status == 404
    own.cli("share", "alice", BOB, "--role", "viewer", user=ALICE)
    assert own.get("/serve/alice/hello/hello", token=token).status == 200
    assert own.http("POST", "/serve/alice/hello/hello", token=token, body={}).status == 404, "a viewer does not write"
    own.cli("unshare", "alice", BOB, user=ALICE)
    found = json.loads(own.cli("token", "list", "-n", "alice", "-o", "json", user=ALICE).stdout)["items"]
    ids = {one["name"]: str(one["id"]) for one in found}
    assert own.cli("token", "delete", ids["bobs"], user=ALICE, check=False).returncode != 0  # not hers, but her profile's
    own.cli("token", "delete", ids["bobs"], "-n", "alice", user=ALICE)
    assert own.get("/serve/alice/hello/hello", token=token).status == 401
    token = token_for(own, "/")
    newest = max(json.loads(own.cli("token", "list", "-o", "json", user=ALICE).stdout)["items"], key=lambda one: one["id"])
    open_then(token, lambda: own.cli("token", "delete", str(newest["id"]), user=ALICE))


def test_nobody_notices_a_change_in_place_nor_a_switch_to_another_cluster(own):
    first = active(own)
    with Traffic(own) as traffic:
        wait_for("answers", lambda: traffic.saw("one", "1") > 20, 60)
        apply(own, service("two"))
        wait_for("the new greeting", lambda: traffic.saw("two", "1") > 20, 120)
        assert active(own) == first, "another configuration needs no other cluster"

        apply(own, service("three", "2"))
        upgrading = wait_for("a pending cluster", lambda: status(own).get("pendingServiceStatus"), 30, 0.1)
        assert condition(own, "UpgradeInProgress")["status"] == "True" and active(own) == first
        assert upgrading["rayClusterName"] != first
        wait_for("the other cluster serves", lambda: traffic.saw("three", "2") > 20, 400, 0.2)
        wait_for("the status says so", lambda: active(own) == upgrading["rayClusterName"], 30)
        switched = time.monotonic()
        wait_for("the first is gone", lambda: own.raycluster("alice", first, ALICE) is None, 120, 0.2)
        wait_for("more answers", lambda: traffic.saw("three", "2") > 100, 120, 0.2)
    assert traffic.last("two", "1") < switched, "names lead to the other cluster"
    assert not traffic.failures, (traffic.failures[:5], traffic.answers)
    assert traffic.answers["three", "2", "?s=3"] > 0
    assert traffic.saw("three", "1") == traffic.saw("one", "2") == traffic.saw("two", "2") == 0
    assert "pendingServiceStatus" not in status(own)
    own.cli("wait", "rayservice", "hello", "-n", "alice", user=ALICE)


def test_a_control_plane_that_was_killed_changes_nothing_and_more_workers_need_no_other_cluster(own):
    before = active(own)
    own.kill_control_plane()
    apply(own, service("three", "2", most=2))
    wait_for("more workers may be", lambda: own.raycluster("alice", before, ALICE)["spec"]["workerGroupSpecs"][0]
             ["maxReplicas"] == 2, 60)
    wait_for("Ready", lambda: condition(own, "Ready").get("status") == "True", 60)
    assert own.get("/serve/alice/hello/hello", ALICE).json == {"greeting": "three", "version": "2"}
    assert active(own) == before and "pendingServiceStatus" not in status(own)


def test_what_ray_does_not_take_is_said_and_what_runs_goes_on(own):
    body = service("three", "2", most=2)
    body["spec"]["serveConfigV2"] = serve_config("three", cpus=-1)
    apply(own, body)
    said = wait_for("the refusal", lambda: "num_cpus" in condition(own, "Ready").get("message", "") and
                    condition(own, "Ready"), 60)
    assert said["status"] == "True", "the one before is served on"
    assert own.get("/serve/alice/hello/hello", ALICE).json == {"greeting": "three", "version": "2"}
    for spec, field in (({"upgradeStrategy": {"type": "Rolling"}}, "spec.upgradeStrategy.type"),
                        ({"excludeHeadPodFromServeSvc": True}, "spec.excludeHeadPodFromServeSvc"),
                        ({"serveConfigV2": "applications: []"}, "spec.serveConfigV2")):
        body = service(**spec)
        body["metadata"]["name"] = "other"
        answer = own.http("POST", SERVICES, ALICE, body=body)
        assert answer.status == 422 and field in answer.json["message"], answer


def test_suspended_it_has_no_cluster_and_deleted_it_is_gone(own):
    apply(own, service("three", "2", most=2, suspend=True))
    wait_for("suspended", lambda: condition(own, "Suspended").get("status") == "True", 60)
    assert own.get("/apis/ray.io/v1/namespaces/alice/rayclusters", ALICE).json["items"] == []
    assert status(own)["serviceStatus"] == "" and condition(own, "Ready")["status"] == "False"
    token = token_for(own, "/hello")
    assert own.get("/api/atelier/v1/whoami", token=token).status == 403
    own.cli("delete", "rayservice", "hello", "-n", "alice", "--wait", user=ALICE)
    assert own.get("/api/atelier/v1/whoami", token=token).status == 401, "a new service of this name is another one"
    for name in ("hello-serve-svc", "hello-head-svc"):
        wait_for(f"{name} gone", lambda name=name: own.get(f"/api/v1/namespaces/alice/services/{name}",
                                                           ALICE).status == 404, 30)
