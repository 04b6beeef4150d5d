"""The nine steps of the main job, in order, on whichever platform: a profile, a notebook, a Ray cluster, its use from inside
and outside, sharing, surviving. Where pods run they are real JupyterLabs and a real Ray."""
import concurrent.futures
import http.client
import json
import os
import pathlib
import re
import subprocess
import textwrap
import threading
import time

import pytest
import websocket

from atelier import IMAGE_BIN, PATIENCE, ROOT, Kernel, Watch, wait_for

ALICE, BOB, CAROL = "alice@example.com", "bob@example.com", "carol@example.com"
ADMIN = "admin@localhost"
NOTEBOOKS = "/apis/kubeflow.org/v1/namespaces/alice/notebooks"
CLUSTERS = "/apis/ray.io/v1/namespaces/alice/rayclusters"
PROXY = "/api/v1/namespaces/alice/services/http:example-cluster-head-svc:dashboard/proxy/"
state = {}


# --- 1 and 2: run, sign in ---------------------------------------------------------------------------------------------
def test_01_run(house):
    house.up(timeout_s=60)
    assert house.get("/healthz").status == 200
    assert house.get("/readyz").status == 200
    connection = http.client.HTTPConnection("127.0.0.1", house.metrics_port, timeout=30)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    assert re.search(r"^# TYPE atelier_\w+ (counter|gauge)$", text, re.M), text[:500]


@pytest.mark.only_on("local")
def test_01_second_run_serves_within_two_seconds(house):
    assert house.interrupt() == 0
    with pytest.raises(OSError):
        house.get("/healthz", timeout=2)
    assert house.up(timeout_s=10) <= 2.0 * PATIENCE


def test_02_first_admin_link_signs_in_once(house):
    link = house.sign_in_link()
    assert link.startswith(f"http://localhost:{house.port}/auth/link/")
    state["admin_cookie"] = house.accept_link(link, "the admin's own password")
    assert house.http("GET", link.split(str(house.port))[1]).status == 410
    me = house.http("GET", "/api/atelier/v1/whoami", headers={"Cookie": state["admin_cookie"]}).json
    assert me["email"] == ADMIN and me["platformAdmin"] is True


def test_02_accounts_and_passwords(house):
    for email in (ALICE, BOB, CAROL):
        house.add_user(email)
    answer = house.http("POST", "/auth/login", body={"email": ALICE, "password": "correct horse " + ALICE},
                        headers={"Origin": f"http://127.0.0.1:{house.port}"})
    assert answer.status == 204 and "HttpOnly" in answer.headers["set-cookie"], answer
    state["alice_cookie"] = answer.headers["set-cookie"].split(";")[0]
    wrong = [house.http("POST", "/auth/login", body={"email": email, "password": "not the password"},
                        headers={"Origin": f"http://127.0.0.1:{house.port}"}) for email in (ALICE, "nobody@example.com")]
    assert wrong[0].status == wrong[1].status == 401
    bodies = [re.sub(r'"requestId":"[^"]*"', "", answer.text) for answer in wrong]
    assert bodies[0] == bodies[1]
    assert house.get("/api/atelier/v1/users", ALICE).status == 403
    assert house.get("/api/atelier/v1/whoami").status == 401


# --- 3: profile --------------------------------------------------------------------------------------------------------
def test_03_profile(house):
    house.cli("profile", "create", "alice", user=ALICE)
    house.wait_profile("alice", ALICE)
    taken = house.http("POST", "/apis/kubeflow.org/v1/profiles", user=BOB,
                       body={"apiVersion": "kubeflow.org/v1", "kind": "Profile", "metadata": {"name": "alice"}})
    assert taken.status == 409 and taken.json["reason"] == "AlreadyExists"
    for name in ("kube-system", "Alice", "a--b", "default", "x" * 64):
        refused = house.http("POST", "/apis/kubeflow.org/v1/profiles", user=BOB,
                             body={"apiVersion": "kubeflow.org/v1", "kind": "Profile", "metadata": {"name": name}})
        assert refused.status == 422 and "metadata.name" in refused.text, (name, refused)


# --- 4: notebook -------------------------------------------------------------------------------------------------------
def test_04_notebook_starts_and_says_how_far_it_is(house):
    seen = set()
    stream = Watch(house, NOTEBOOKS, ALICE)
    house.cli("-n", "alice", "notebook", "create", "nb1", user=ALICE)
    found = house.wait_notebook("alice", "nb1", ALICE)
    wait_for("the watch says so too", lambda: seen.add(stream.next()["object"].get("status", {}).get("phase")) or "Running" in seen,
             30, 0)
    stream.close()
    assert seen & {"Pending", "Starting"}, seen
    assert found["status"]["readyReplicas"] == 1
    limits = found["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert limits == {"cpu": "500m", "memory": "1Gi"} or limits == {"cpu": "0.5", "memory": "1Gi"}


@pytest.mark.real_pods
def test_04_cells_run(house):
    kernel = house.kernel("alice", "nb1", ALICE)
    assert kernel.run("6 * 7") == "42"
    kernel.run("open('/home/atelier/kept.txt', 'w').write('kept across restarts')")
    assert kernel.run("import os; os.path.expanduser('~')") == "'/home/atelier'"
    kernel.close()


@pytest.mark.real_pods
def test_04_terminal(house):
    answer = house.http("POST", "/notebook/alice/nb1/api/terminals", user=ALICE)
    assert answer.status == 200, answer
    name = answer.json["name"]
    socket = house.websocket(f"/notebook/alice/nb1/terminals/websocket/{name}", user=ALICE)
    socket.send(json.dumps(["stdin", "echo from-$((40+2))-terminal; id -u; touch /etc/x; whoami\r"]))
    text = ""

    def read():
        nonlocal text
        message = json.loads(socket.recv())
        text += message[1] if message[0] == "stdout" else ""
        return "from-42-terminal" in text and "Read-only file system" in text or "Permission denied" in text
    wait_for("terminal output", read, 20, 0)
    socket.close()


@pytest.mark.real_pods
def test_04_limits_are_the_kernels_own(house):
    kernel = house.kernel("alice", "nb1", ALICE)
    with pytest.raises((AssertionError, websocket.WebSocketException)):
        kernel.run("x = bytearray(3 * 2**30)\nfor i in range(0, len(x), 4096): x[i] = 1\nlen(x)", timeout_s=30)
    kernel.close()
    house.wait_notebook("alice", "nb1", ALICE)
    wait_for("answers again", lambda: house.get("/notebook/alice/nb1/api", ALICE).status == 200, 60)


@pytest.mark.real_pods
def test_04_logs(house):
    assert "nb1" in house.cli("-n", "alice", "logs", "nb1-0", user=ALICE).stdout


def test_04_stop_start_resize(house):
    house.cli("-n", "alice", "notebook", "stop", "nb1", user=ALICE)
    house.wait_notebook("alice", "nb1", ALICE, "Stopped")
    refused = house.get("/notebook/alice/nb1/api", ALICE)
    assert refused.status in (502, 503), refused
    house.cli("-n", "alice", "notebook", "start", "nb1", user=ALICE)
    house.wait_notebook("alice", "nb1", ALICE)
    patch = house.http("PATCH", f"{NOTEBOOKS}/nb1", user=ALICE, headers={"Content-Type": "application/json-patch+json"},
                       body=[{"op": "replace", "path": "/spec/template/spec/containers/0/resources",
                              "value": {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"cpu": "1", "memory": "2Gi"}}}])
    assert patch.status == 200, patch

    def resized():
        pod = house.get("/api/v1/namespaces/alice/pods/nb1-0", ALICE)
        if pod.status != 200 or pod.json.get("status", {}).get("phase") != "Running":
            return False
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in pod.json["status"].get("conditions", []))
        return ready and pod.json["spec"]["containers"][0]["resources"]["limits"]["memory"] == "2Gi"
    wait_for("resized", resized, 60, 0.25)
    house.wait_notebook("alice", "nb1", ALICE)


@pytest.mark.real_pods
def test_04_files_are_kept(house):
    kernel = house.kernel("alice", "nb1", ALICE)
    assert kernel.run("open('/home/atelier/kept.txt').read()") == "'kept across restarts'"
    kernel.close()


# --- 5: Ray cluster ----------------------------------------------------------------------------------------------------
def test_05_raycluster_from_kuberay_manifest(house):
    house.cli("-n", "alice", "apply", "-f", house.fitted(ROOT / "examples" / "example-cluster.yaml"), user=ALICE)
    found = house.wait_raycluster("alice", "example-cluster", ALICE, workers=1)
    status = found["status"]
    assert status["endpoints"]["dashboard"] == "8265" and status["endpoints"]["client"] == "10001"
    assert status["head"]["serviceName"] == "example-cluster-head-svc"
    pods = house.get("/api/v1/namespaces/alice/pods?labelSelector=ray.io/cluster=example-cluster", ALICE).json["items"]
    assert sorted(p["metadata"]["labels"]["ray.io/node-type"] for p in pods) == ["head", "worker"]
    head = next(p for p in pods if p["metadata"]["labels"]["ray.io/node-type"] == "head")["spec"]["containers"][0]
    assert {"name": "GRPC_ENABLE_FORK_SUPPORT", "value": "0"} in head["env"]
    events = house.get("/api/v1/namespaces/alice/events", ALICE).json["items"]
    assert any(e["involvedObject"]["kind"] == "RayCluster" for e in events)
    bad = house.http("POST", CLUSTERS, user=ALICE, body={
        "apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": "bad"},
        "spec": {**found["spec"], "authOptions": {"mode": "disabled"}}})
    assert bad.status == 422 and "spec.authOptions" in bad.text, bad


@pytest.mark.real_pods
def test_05_ray_runs_and_its_logs_are_read(house):
    wait_for("the dashboard answers", lambda: house.get(PROXY + "api/version", ALICE).status == 200, 120, 1)
    pods = house.get("/api/v1/namespaces/alice/pods?labelSelector=ray.io/node-type=head", ALICE).json["items"]
    wait_for("the head says so", lambda: "Ray runtime started" in house.cli(
        "-n", "alice", "logs", pods[0]["metadata"]["name"], user=ALICE).stdout, 60, 1)


# --- 6: use it from a notebook -----------------------------------------------------------------------------------------
@pytest.mark.real_pods
def test_06_ray_client_and_serve_from_notebooks(house):
    kernel = house.kernel("alice", "nb1", ALICE)
    kernel.run("import ray\nray.init('ray://example-cluster-head-svc:10001', log_to_driver=False)", timeout_s=90)
    kernel.run("import time\nwhile sum(n['Alive'] for n in ray.nodes()) < 2: time.sleep(0.5)", timeout_s=90)  # a pod is ready before its Ray
    where = kernel.run(textwrap.dedent("""
        @ray.remote(num_cpus=1, scheduling_strategy="SPREAD")
        def where():
            import socket, time; time.sleep(0.5); return socket.gethostname()
        offered = {n["NodeName"] for n in ray.nodes() if n["Alive"] and n["Resources"].get("CPU")}
        seen = set(ray.get([where.remote() for _ in range(8)]))
        print(len(seen), len(offered), ray.cluster_resources().get("CPU"))
    """), timeout_s=90)
    seen, offered, _ = where.split()
    assert seen == offered and int(seen) >= 1, where
    kernel.run(textwrap.dedent("""
        from ray import serve
        serve.start(http_options={"host": "0.0.0.0", "port": 8000})
        @serve.deployment(ray_actor_options={"num_cpus": 0.1})
        class Hello:
            async def __call__(self, request):
                return "hello " + request.query_params.get("name", "")
        serve.run(Hello.bind(), route_prefix="/hello", name="hello")
    """), timeout_s=150)
    kernel.close()
    house.cli("-n", "alice", "notebook", "create", "nb2", user=ALICE)
    house.wait_notebook("alice", "nb2", ALICE)
    second = house.kernel("alice", "nb2", ALICE)
    assert second.run("import urllib.request; urllib.request.urlopen("
                      "'http://example-cluster-head-svc:8000/hello?name=alice').read()") == "b'hello alice'"
    second.close()
    house.cli("-n", "alice", "delete", "notebook", "nb2", user=ALICE)


# --- 7: use it from outside --------------------------------------------------------------------------------------------
def submit(house, user, *more, env=None, entry=("python", "train.py"), timeout=240):
    address = f"{house.url}{PROXY}"
    return subprocess.run([IMAGE_BIN / "ray", "job", "submit", "--address", address, *more, "--working-dir", ".", "--", *entry],
                          cwd=ROOT / "examples", env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0", **(env or {})},
                          capture_output=True, text=True, timeout=timeout * PATIENCE, stdin=subprocess.DEVNULL, check=False)


@pytest.mark.real_pods
def test_07_ray_job_submit_with_headers_and_with_token(house):
    done = submit(house, ALICE, "--headers", json.dumps({"Authorization": f"Bearer {house.tokens[ALICE]}"}))
    assert done.returncode == 0 and "succeeded" in done.stdout + done.stderr, done.stdout + done.stderr
    assert re.search(r"accuracy[^0-9]*0\.9\d", done.stdout), done.stdout
    again = submit(house, ALICE, env={"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": house.tokens[ALICE]},
                   entry=("python", "-c", "print('by token')"))
    assert again.returncode == 0 and "by token" in again.stdout, again.stdout + again.stderr
    stranger = submit(house, CAROL, "--headers", json.dumps({"Authorization": f"Bearer {house.tokens[CAROL]}"}), timeout=60)
    assert stranger.returncode != 0 and "404" in stranger.stdout + stranger.stderr
    jobs = house.cli("-n", "alice", "ray", "jobs", "example-cluster", user=ALICE).stdout
    assert jobs.count("SUCCEEDED") >= 2, jobs


@pytest.mark.real_pods
def test_07_own_submit_and_serving_the_model(house):
    done = house.cli("-n", "alice", "ray", "submit", "example-cluster", "--working-dir", ROOT / "examples", "--",
                     "python", "serve_digits.py", user=ALICE, timeout=240)
    answer = wait_for("the model answers", lambda: (lambda a: a if a.status == 200 else None)(house.http(
        "POST", "/serve/alice/example-cluster/digits", user=ALICE, body={"pixels": [0] * 64})), 60, 1)
    assert "digit" in answer.json, answer
    assert done.returncode == 0


# --- 8: share ----------------------------------------------------------------------------------------------------------
def outsider_paths():
    return [("GET", "/apis/kubeflow.org/v1/profiles/{}"), ("GET", "/apis/kubeflow.org/v1/namespaces/{}/notebooks"),
            ("GET", "/apis/kubeflow.org/v1/namespaces/{}/notebooks/nb1"), ("DELETE", "/apis/kubeflow.org/v1/namespaces/{}/notebooks/nb1"),
            ("POST", "/apis/kubeflow.org/v1/namespaces/{}/notebooks"), ("GET", "/apis/ray.io/v1/namespaces/{}/rayclusters/example-cluster"),
            ("GET", "/api/v1/namespaces/{}/pods/nb1-0/log"), ("GET", "/api/v1/namespaces/{}/secrets"),
            ("GET", "/api/v1/namespaces/{}/services/http:example-cluster-head-svc:dashboard/proxy/api/version"),
            ("PUT", "/api/v1/namespaces/{}/services/http:example-cluster-head-svc:dashboard/proxy/api/packages/gcs/x"),
            ("GET", "/notebook/{}/nb1/api"), ("POST", "/notebook/{}/nb1/api/kernels"), ("GET", "/ray/{}/example-cluster/"),
            ("GET", "/serve/{}/example-cluster/digits"), ("GET", "/api/atelier/v1/profiles/{}/members"),
            ("POST", "/api/atelier/v1/profiles/{}/members"), ("GET", "/api/atelier/v1/profiles/{}/audit")]


def test_08_an_outsider_gets_nothing_and_cannot_tell(house):
    for method, pattern in outsider_paths():
        body = {} if method in ("POST", "PUT") else None
        real = house.http(method, pattern.format("alice"), user=CAROL, body=body)
        absent = house.http(method, pattern.format("zzzzz"), user=CAROL, body=body)
        assert real.status == absent.status == 404, (method, pattern, real, absent)
        clean = [re.sub(r'"requestId":"[^"]*"', "", answer.text) for answer in (real, absent)]
        assert clean[0].replace("alice", "zzzzz") == clean[1], (method, pattern, clean)
        anonymous = house.http(method, pattern.format("alice"), body=body)
        assert anonymous.status == 401, (method, pattern, anonymous)
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        house.websocket("/notebook/alice/nb1/api/events/subscribe", user=CAROL)
    assert refused.value.status_code == 404
    for listing in ("/apis/kubeflow.org/v1/notebooks", "/apis/kubeflow.org/v1/profiles", "/apis/ray.io/v1/rayclusters"):
        assert house.get(listing, CAROL).json["items"] == []


def test_08_one_notebook_only(house):
    house.cli("share", "alice", BOB, "--role", "editor", "--notebook", "nb1", user=ALICE)
    assert [n["metadata"]["name"] for n in house.get(NOTEBOOKS, BOB).json["items"]] == ["nb1"]
    assert house.get(f"{CLUSTERS}/example-cluster", BOB).status == 404
    assert house.get(PROXY + "api/version", BOB).status == 404
    assert house.get("/api/v1/namespaces/alice/secrets", BOB).json.get("items", []) == []
    assert house.get("/api/atelier/v1/profiles/alice/members", BOB).status in (403, 404)


@pytest.mark.real_pods
def test_08_it_is_opened_and_closes_with_the_grant(house):
    kernel = house.kernel("alice", "nb1", BOB)
    assert kernel.run("1 + 1") == "2"
    house.cli("unshare", "alice", BOB, "--notebook", "nb1", user=ALICE)
    started = time.monotonic()
    with pytest.raises((websocket.WebSocketException, OSError)):
        kernel.socket.settimeout(5 * PATIENCE)
        while True:
            if kernel.socket.recv() == "":
                raise websocket.WebSocketConnectionClosedException("closed")
    assert time.monotonic() - started < PATIENCE


def test_08_nothing_is_left_of_a_grant(house):
    house.cli("unshare", "alice", BOB, "--notebook", "nb1", user=ALICE, check=False)
    assert house.get("/notebook/alice/nb1/api", BOB).status == 404
    assert house.get(f"{NOTEBOOKS}/nb1", BOB).status == 404


def test_08_editor_of_the_profile(house):
    house.cli("share", "alice", BOB, "--role", "editor", user=ALICE)
    assert house.get(f"{CLUSTERS}/example-cluster", BOB).status == 200
    members = house.get("/api/atelier/v1/profiles/alice/members", ALICE).json["items"]
    assert [(m["subject"]["name"], m["role"]) for m in members] == [(ALICE, "owner"), (BOB, "editor")]
    assert house.http("POST", "/api/atelier/v1/profiles/alice/members", user=BOB,
                      body={"subject": {"kind": "User", "name": CAROL}, "role": "viewer"}).status == 403


@pytest.mark.real_pods
def test_08_the_editor_submits_a_job(house):
    done = submit(house, BOB, "--headers", json.dumps({"Authorization": f"Bearer {house.tokens[BOB]}"}),
                  entry=("python", "-c", "print('submitted by bob')"))
    assert done.returncode == 0 and "submitted by bob" in done.stdout, done.stdout + done.stderr


def test_08_removal_closes_what_is_open(house):
    stream = Watch(house, NOTEBOOKS, BOB)
    assert stream.next()["object"]["metadata"]["name"] == "nb1"
    house.cli("unshare", "alice", BOB, user=ALICE)
    started = time.monotonic()
    stream.read_to_the_end()
    assert time.monotonic() - started < PATIENCE
    assert house.get(f"{CLUSTERS}/example-cluster", BOB).status == 404


# --- 9: survive --------------------------------------------------------------------------------------------------------
@pytest.mark.real_pods
def test_09_a_kernel_and_a_job_run(house):
    kernel = house.kernel("alice", "nb1", ALICE)
    kernel.run("survivor = 'still here'")
    state["kernel"] = kernel.id
    done = submit(house, ALICE, "--no-wait", "--submission-id", "survivor",
                  "--headers", json.dumps({"Authorization": f"Bearer {house.tokens[ALICE]}"}),
                  entry=("python", "-c", "import time\nfor i in range(25): print('tick', i, flush=True); time.sleep(1)"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_09_kill_everything_in_turn_and_at_once(house):
    for programs in house.daemons:
        started = time.monotonic()
        runs_again = house.kill(programs)

        def back():
            # Reads and decisions go on from memory while the database is away, so a write is what tells that it is back.
            return runs_again() and house.ready() and \
                house.http("PATCH", f"{NOTEBOOKS}/nb1", user=ALICE, body={"metadata": {"annotations": {
                    "example.com/touched": str(time.monotonic())}}},
                    headers={"Content-Type": "application/merge-patch+json"}).status == 200 and \
                house.get("/notebook/alice/nb1/api", ALICE).status in ((200,) if house.real_pods else (502, 503, 504))
        wait_for(f"back after kill -9 of {programs}", back, 5, 0.05)
        print(programs, f"{time.monotonic() - started:.2f} s")
    assert house.http("GET", "/api/atelier/v1/whoami", headers={"Cookie": state["alice_cookie"]}).status == 200


@pytest.mark.real_pods
def test_09_the_kernel_and_the_job_have_noticed_nothing(house):
    kernel = Kernel(house, "alice", "nb1", ALICE, state["kernel"])
    assert kernel.run("survivor") == "'still here'"
    kernel.close()

    def ended():
        answer = house.get(PROXY + "api/jobs/survivor", ALICE)
        print(answer.status, answer.json.get("status"), answer.json.get("message"))
        return answer.json if answer.json.get("status") in ("SUCCEEDED", "FAILED", "STOPPED") else None
    job = wait_for("the job ends", ended, 90, 1)
    assert job["status"] == "SUCCEEDED", job
    assert "tick 24" in house.get(PROXY + "api/jobs/survivor/logs", ALICE).json["logs"]


@pytest.mark.only_on("local")
def test_09_supervisor_killed_and_adopted(house):
    kernel = house.kernel("alice", "nb1", ALICE)
    kernel.run("survivor = 'adopted'")
    house.process.kill()
    house.process.wait()
    assert house.up(timeout_s=10) <= 5.0 * PATIENCE
    wait_for("notebook answers", lambda: house.get("/notebook/alice/nb1/api", ALICE).status == 200, 5)
    again = Kernel(house, "alice", "nb1", ALICE, kernel.id)
    assert again.run("survivor") == "'adopted'"
    again.close()


def test_09_scale_and_delete_cluster_leaves_nothing(house):
    house.cli("-n", "alice", "delete", "raycluster", "example-cluster", user=ALICE)
    wait_for("cluster gone", lambda: house.raycluster("alice", "example-cluster", ALICE) is None, 30, 0.25)
    selector = "?labelSelector=ray.io/cluster=example-cluster"
    wait_for("its pods gone", lambda: not house.get("/api/v1/namespaces/alice/pods" + selector, ALICE).json["items"], 90, 0.25)
    wait_for("its services gone", lambda: not house.get("/api/v1/namespaces/alice/services" + selector, ALICE).json["items"], 60, 0.25)


@pytest.mark.only_on("local")
def test_09_reboot_starts_what_was_wanted(house):
    """Simulated: every process, mount and run directory is gone; the data stays."""
    house.down()
    assert not house.run_dir().exists()
    mounts = pathlib.Path("/proc/self/mounts").read_text()
    assert str(house.run_dir()) not in mounts and str(house.data) not in mounts
    house.up(timeout_s=30)
    house.wait_notebook("alice", "nb1", ALICE)
    wait_for("notebook answers", lambda: house.get("/notebook/alice/nb1/api", ALICE).status == 200, 60)
    kernel = house.kernel("alice", "nb1", ALICE)
    assert kernel.run("open('/home/atelier/kept.txt').read()") == "'kept across restarts'"
    kernel.close()


def test_09_deleting_a_profile_removes_it_and_only_it(house):
    house.cli("profile", "create", "bobspace", user=BOB)
    house.wait_profile("bobspace", BOB)
    assert house.leftovers("alice") and house.leftovers("bobspace")
    refused = house.cli("profile", "delete", "alice", "--confirm", "wrong", user=ALICE, check=False)
    assert refused.returncode != 0 and house.get("/apis/kubeflow.org/v1/profiles/alice", ALICE).status == 200
    house.cli("profile", "delete", "alice", "--confirm", "alice", user=ALICE)
    time.sleep(0.3)
    house.kill(house.reconcilers)

    def gone():
        try:
            return house.get("/apis/kubeflow.org/v1/profiles/alice", ALICE).status == 404
        except OSError:
            return False
    wait_for("profile gone", gone, 120, 0.25)
    wait_for("nothing left of it", lambda: not house.leftovers("alice"), 10)
    assert house.leftovers("bobspace")
    assert house.get("/apis/kubeflow.org/v1/profiles/bobspace", BOB).json["status"]["phase"] == "Ready"


@pytest.mark.only_on("local")
def test_09_down_leaves_nothing(house):
    house.interrupt()
    house.down()
    assert not house.run_dir().exists()
    assert house.processes() == {}
