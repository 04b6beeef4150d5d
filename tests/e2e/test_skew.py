"""A notebook whose Ray is not the cluster's: told before ray.init fails, in a real kernel and beside a real cluster."""
import json

import pytest
from atelier import PATIENCE, lone_head, running, wait_for

ALICE = "alice@example.com"
OWN = "/home/atelier/own"
ADDRESS = "ray://rc1-head-svc:10001"
# The notebook's person has brought a Ray of their own: the image's, under another version.
BRING = (f"mkdir {OWN} && cp -rs $VIRTUAL_ENV/lib/python3.11/site-packages/ray {OWN}/ray && rm {OWN}/ray/_version.py && "
         f"sed 's/2.60.0/2.59.1/' $VIRTUAL_ENV/lib/python3.11/site-packages/ray/_version.py > {OWN}/ray/_version.py")
# What stands where a head's dashboard does, and answers as it was told before.
ODD = """
import http.server, json, time
ANSWERS = {
    "python": (200, json.dumps({"data": {"rayVersion": "2.60.0", "pythonVersion": "3.12.4"}}), 0),
    "same": (200, json.dumps({"data": {"rayVersion": "2.60.0", "pythonVersion": "3.11.99"}}), 0),
    "markup": (200, json.dumps({"data": {"rayVersion": "2.59.0\\x1b[31m", "pythonVersion": ["3", "12"]}}), 0),
    "no json": (200, "<html>", 0), "large": (200, '{"data": "' + "x" * 1000000 + '"}', 0), "failure": (500, "{}", 0), "slow": (200, "{" * 100, 1)}
class Odd(http.server.BaseHTTPRequestHandler):
    mode = "python"
    def do_POST(self):
        Odd.mode = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.send_response(204)
        self.end_headers()
    def do_GET(self):
        status, body, pause_s = ANSWERS[Odd.mode]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        for i in range(0, len(body), 1 if pause_s else len(body)):
            self.wfile.write(body.encode()[i:i + (1 if pause_s else len(body))])
            time.sleep(pause_s)
http.server.ThreadingHTTPServer(("", 8265), Odd).serve_forever()
"""


@pytest.fixture(scope="module")
def own():
    with running(ALICE) as instance:
        instance.cli("notebook", "create", "nb1", "-n", "alice", "--cpu", "1", "--memory", "2Gi", user=ALICE)
        instance.cli("apply", "-n", "alice", "-f", "-", input=lone_head("rc1"), user=ALICE)
        instance.cli("wait", "notebook", "nb1", "-n", "alice", "--timeout", "200s", user=ALICE, timeout=220)
        instance.cli("notebook", "exec", "nb1", "-n", "alice", "--", "sh", "-c", BRING, user=ALICE)
        instance.wait_raycluster("alice", "rc1", ALICE, 0, 300)
        yield instance


@pytest.fixture
def kernel(own):
    opened = own.kernel("alice", "nb1", ALICE)
    yield opened
    opened.close()
    own.http("DELETE", f"{opened.base}/api/kernels/{opened.id}", user=ALICE)


@pytest.fixture
def other(kernel):
    """A kernel whose Ray is 2.59.1."""
    assert kernel.run(f"import sys; sys.path.insert(0, {OWN!r}); import ray; ray.__version__", 240).endswith("'2.59.1'")
    return kernel


def outcome(kernel, statement, timeout_s=240):
    """What the statement raised, as "TYPE: message"; and the seconds that it took."""
    told = kernel.run(f"import json, time\nstarted, told = time.monotonic(), 'nothing'\ntry:\n    {statement}\n"
                      "except BaseException as error:\n    told = f'{type(error).__name__}: {error}'\n"
                      "print(json.dumps([told, time.monotonic() - started]))", timeout_s)
    return json.loads(next(line for line in told.splitlines() if line.startswith('["')))  # Ray's warnings come as they like


def test_a_kernel_starts_without_ray_and_with_no_names_of_ours(kernel):
    assert kernel.run("%who").strip() == "Interactive namespace is empty."
    assert kernel.run("import sys; [name for name in ('ray', 'grpc') if name in sys.modules]") == "[]"
    assert kernel.run("'atelier_skew' in sys.modules") == "True"


def test_the_same_ray_connects_again_and_again(kernel):
    for _ in range(3):
        assert kernel.run(f"import ray; _ = ray.init({ADDRESS!r}); print(ray.get(ray.remote(lambda: 6 * 7).remote())); "
                          "ray.shutdown()", 300).strip().endswith("42")


def test_another_ray_is_told_with_both_versions_and_what_to_do(other):
    token = other.run("import os; print(os.environ['RAY_AUTH_TOKEN'])").strip()
    assert len(token) > 20
    first = None
    for _ in range(3):
        told, took_s = outcome(other, f"ray.init({ADDRESS!r})")
        assert told.startswith(f"RuntimeError: {ADDRESS} would refuse this notebook: the cluster has Ray 2.60.0 with Python 3.11."), told
        assert "the notebook Ray 2.59.1 with Python 3.11." in told
        assert f"it comes from {OWN}/ray" in told
        assert "Use an image of Ray 2.60.0 and Python 3.11" in told
        assert "atelier notebook create nb1-2 -n alice --image IMAGE" in told
        assert token not in told
        assert first in (None, told)
        assert took_s < 2 + 3 * PATIENCE  # asking ends after two; the rest is the machine's
        first = told
    assert other.run("ray.is_initialized()").endswith("False")
    for statement in ("import ray.util; ray.util.connect('rc1-head-svc:10001')", f"ray.client({ADDRESS[6:]!r}).connect()",
                      f"ray.init({ADDRESS!r}, allow_multiple=True)", "ray.init('ray://rc1-head-svc.alice.svc.cluster.local:10001')",
                      f"import os; os.environ['RAY_ADDRESS'] = {ADDRESS!r}; ray.init()"):
        assert "would refuse this notebook: the cluster has Ray 2.60.0" in outcome(other, statement)[0], statement


def test_ray_itself_refuses_where_it_is_not_asked_before(other):
    """So the skew is real; and whoever says that versions do not matter is let through."""
    told, _ = outcome(other, f"import os; os.environ['ATELIER_RAY_SKEW'] = 'off'; ray.init({ADDRESS!r})")
    assert "Version mismatch" in told and "would refuse" not in told, told
    assert outcome(other, f"os.environ['RAY_IGNORE_VERSION_MISMATCH'] = '1'; del os.environ['ATELIER_RAY_SKEW']; ray.init({ADDRESS!r})")[0] == "nothing"
    other.run("ray.shutdown()")


def test_a_job_from_such_a_notebook_runs_as_told(own):
    """What the message says to do instead, from a terminal with the same wrong Ray."""
    done = own.cli("notebook", "exec", "nb1", "-n", "alice", "--", "sh", "-c",
                   f"mkdir /tmp/work && cd /tmp/work && echo 'import ray; ray.init(); print(\"cluster has\", ray.__version__)' > FILE.py && "
                   f"PYTHONPATH={OWN} python -m ray.scripts.scripts job submit --address http://rc1-head-svc:8265 --working-dir . -- python FILE.py",
                   user=ALICE, timeout=240)
    assert "cluster has 2.60.0" in done.stdout


def test_nobody_to_ask_leaves_it_to_ray(other):
    other.run("import os; os.environ['RAY_CLIENT_INITIAL_CONNECTION_TIMEOUT_S'] = '1'")
    told, _ = outcome(other, "ray.init('ray://nobody-head-svc:10001')")
    assert told.startswith("ConnectionError: ray client connection timeout"), told


@pytest.fixture(scope="module")
def odd(own):
    size = {"cpu": "250m", "memory": "256Mi"}
    container = {"name": "ray-head", "image": "ray-2.60", "command": ["python", "-c", ODD], "resources": {"requests": size, "limits": size},
                 "readinessProbe": {"tcpSocket": {"port": 8265}, "periodSeconds": 1}}
    own.cli("apply", "-n", "alice", "-f", "-", user=ALICE, input=json.dumps({
        "apiVersion": "ray.io/v1", "kind": "RayCluster",
        "metadata": {"name": "odd", "annotations": {"ray.io/overwrite-container-cmd": "true"}},
        "spec": {"headGroupSpec": {"rayStartParams": {}, "template": {"spec": {"containers": [container]}}}}}))


def answers(kernel, mode):
    """From now on the odd dashboard answers like this."""
    def look():
        return kernel.run("import http.client\ntry:\n    asked = http.client.HTTPConnection('odd-head-svc', 8265, timeout=10)\n"
                          f"    asked.request('POST', '/', body={mode!r}); print(asked.getresponse().status)\n"
                          "except OSError as error:\n    print(error)").strip() == "204"
    wait_for(f"the dashboard answers {mode!r}", look, 90, 0.5)


def test_another_python_is_told_and_another_patch_is_not(odd, kernel):
    answers(kernel, "python")
    kernel.run("import ray", 240)
    told, _ = outcome(kernel, "ray.init('ray://odd-head-svc:10001')")
    assert told.startswith("RuntimeError: ray://odd-head-svc:10001 would refuse this notebook: the cluster has Ray 2.60.0 with Python 3.12.4")
    assert "Use an image of Ray 2.60.0 and Python 3.12 " in told
    assert "This Ray is not the image's" not in told
    kernel.run("import os; os.environ['RAY_CLIENT_INITIAL_CONNECTION_TIMEOUT_S'] = '1'")
    answers(kernel, "same")  # and so it is left to Ray, which finds nobody at that port
    assert outcome(kernel, "ray.init('ray://odd-head-svc:10001')")[0].startswith("ConnectionError: ")


def test_a_dashboard_that_tells_nonsense_is_not_listened_to(odd, kernel):
    for mode in ("markup", "no json", "large", "failure", "slow"):
        answers(kernel, mode)
        told, took_s = outcome(kernel, "import atelier_skew; print(json.dumps(atelier_skew.ask('odd-head-svc')))")
        assert told == "nothing" and took_s < 2 + 3 * PATIENCE, (mode, told, took_s)
        assert kernel.run("print(atelier_skew.ask('odd-head-svc'))").strip() == "{}", mode


def test_the_token_goes_to_heads_of_the_cluster_only(kernel):
    told = kernel.run("""import atelier_skew
for address in ("rc1-head-svc:10001", "a-head-svc.alice.svc:1", "rc1-head-svc.example.com:10001", "rc1-head-svc.alice.svc.example.com:10001",
                "rayclient-rc1--alice.localhost:8443", "127.0.0.1:10001", "x@rc1-head-svc:10001", "head-svc:10001", "rc1-head-svc:10001/"):
    print(atelier_skew.head_service(address))""")
    assert told.split() == ["rc1-head-svc", "a-head-svc.alice.svc"] + ["None"] * 7
