"""What a tenant tries from inside a notebook, and must not get: neighbours, the host, privileges."""
import pathlib
import socket
import textwrap

import pytest
from atelier import Atelier

ALICE, MALLORY = "alice@example.com", "mallory@example.com"
PROBE = """
import json, os, socket
def probe(host, port):
    with socket.socket() as s:
        s.settimeout(2)
        try:
            s.connect((host, port))
            return "open"
        except OSError as error:
            return type(error).__name__
"""


@pytest.fixture(scope="module")
def two_tenants():
    """A private instance with two profiles, each with a running notebook."""
    house = Atelier()
    try:
        house.up(timeout_s=60)
        for email, profile in ((ALICE, "alice"), (MALLORY, "mallory")):
            house.add_user(email)
            house.cli("profile", "create", profile, user=email)
            house.cli("-n", profile, "notebook", "create", "nb", user=email)
        for email, profile in ((ALICE, "alice"), (MALLORY, "mallory")):
            house.wait_notebook(profile, "nb", email)
        yield house
    finally:
        house.remove()


@pytest.fixture(scope="module")
def inside(two_tenants):
    kernel = two_tenants.kernel("mallory", "nb", MALLORY)
    kernel.run(PROBE)
    yield lambda code, **more: kernel.run(textwrap.dedent(code), **more)
    kernel.close()


def address(house, user, namespace):
    return house.get(f"/api/v1/namespaces/{namespace}/pods/nb-0", user).json["status"]["podIP"]


def test_cannot_reach_another_profile_s_pod(two_tenants, inside):
    """The same addresses are used in every sandbox: what answers there is one's own pod, or nothing."""
    theirs = address(two_tenants, ALICE, "alice")
    two_tenants.kernel("alice", "nb", ALICE).run(
        "import http.server, threading\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        "  def do_GET(self): self.send_response(200); self.end_headers(); self.wfile.write(b'alice secret')\n"
        "s = http.server.ThreadingHTTPServer(('0.0.0.0', 9999), H)\n"
        "threading.Thread(target=s.serve_forever, daemon=True).start()")
    result = inside(f"""
        print([probe("{theirs}", 9999)] + [probe(f"10.64.0.{{i}}", 9999) for i in range(1, 20)])
    """)
    assert "open" not in result, result
    names = inside("""
        for name in ("nb.alice.svc.cluster.local", "nb.alice", "alice"):
            try: print(name, socket.gethostbyname(name))
            except OSError: print(name, "unknown")
    """)
    assert names.count("unknown") == 3, names


def test_cannot_reach_the_host_s_network(two_tenants, inside):
    hosts = {"127.0.0.1", "10.64.0.1", "169.254.169.254", "8.8.8.8"}
    for line in pathlib.Path("/proc/net/fib_trie").read_text().splitlines():
        part = line.strip().removeprefix("|-- ")
        if part.count(".") == 3 and not part.startswith(("0.", "127.", "+")) and not part.endswith((".0", ".255")):
            hosts.add(part)
    ports = [two_tenants.port, two_tenants.metrics_port, 22, 2024]
    listener = socket.create_server(("127.0.0.1", 0))
    ports.append(listener.getsockname()[1])
    result = inside(f"print([(h, p) for h in {sorted(hosts)!r} for p in {ports!r} if probe(h, p) == 'open'])", timeout_s=200)
    listener.close()
    assert result.strip() == "[]", result


def test_cannot_see_the_host_s_files_and_processes(two_tenants, inside):
    data = str(two_tenants.data)
    result = inside(f"""
        import os
        paths = ["{data}", "/root/.ssh", "/home", "/var/lib", "/run/atelier", "/etc/shadow", "{two_tenants.run_dir()}", "/boot", "/srv", "/media"]
        print([p for p in paths if os.path.exists(p) and os.path.isdir(p) and os.listdir(p) not in ([], ["atelier"])])
        print(os.path.exists("/etc/shadow"))
        print(sorted(int(p) for p in os.listdir("/proc") if p.isdigit())[:3], len([p for p in os.listdir("/proc") if p.isdigit()]) < 40)
        print([open(f"/proc/{{p}}/comm").read().strip() for p in os.listdir("/proc") if p.isdigit()])
    """)
    lines = result.strip().splitlines()
    assert lines[0] == "[]" and lines[1] == "False", result
    assert lines[2].startswith("[1,") and lines[2].endswith("True"), result
    assert not any(name in lines[3] for name in ("atelierd", "postgres", "atelier-sandbox", "conmon")), result
    other = inside("print([m.split()[1] for m in open('/proc/self/mounts') if 'alice' in m])")
    assert other.strip() == "[]"


@pytest.mark.parametrize("code", [
    "os.setuid(0)",
    "os.mkdir('/usr/x')",
    "open('/etc/passwd', 'a')",
    "open('/proc/sys/kernel/hostname', 'w').write('x')",
    "open('/proc/sysrq-trigger', 'w').write('b')",
    "os.mknod('/tmp/null', 0o20666, os.makedev(1, 3)) or open('/tmp/null', 'w').write('x')",
    "os.unshare(os.CLONE_NEWUSER) if hasattr(os, 'unshare') else libc(272, 0x10000000)",
    "libc(272, 0x40000000)",
    "libc(165, b'tmpfs', b'/tmp', b'tmpfs', 0, 0)",
    "libc(155, b'/tmp', b'/tmp')",
    "libc(321, 5, 0, 0)",
    "libc(248, b'user', b'x', b'y', 1, -1)",
    "libc(304, 0, 0, 0)",
    "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
    "subprocess.run(['/usr/bin/mount', '-t', 'proc', 'x', '/tmp'], check=True, capture_output=True)",
    "subprocess.run(['/usr/bin/su', '-c', 'id'], check=True, capture_output=True, stdin=subprocess.DEVNULL)",
])
def test_cannot_gain_privileges(inside, code):
    result = inside(f"""
        import ctypes, os, socket, subprocess
        def libc(number, *arguments):
            handle = ctypes.CDLL(None, use_errno=True)
            result = handle.syscall(ctypes.c_long(number), *[ctypes.c_char_p(a) if isinstance(a, bytes) else ctypes.c_long(a) for a in arguments])
            if result < 0: raise OSError(ctypes.get_errno(), "refused")
            return result
        try:
            {code}
            print("got it")
        except (OSError, subprocess.CalledProcessError) as error:
            print("refused", type(error).__name__)
    """)
    assert result.startswith("refused"), (code, result)


def test_a_forged_identity_beside_the_gateway_is_worth_nothing(two_tenants, inside):
    """Another pod of the same profile can reach the server's port; without the server's token it gets nothing there."""
    own = address(two_tenants, MALLORY, "mallory")
    result = inside(f"""
        import urllib.error, urllib.request
        for path in ("kernels", "contents", "terminals"):
            request = urllib.request.Request("http://{own}:8888/notebook/mallory/nb/api/" + path, headers={{
                "X-Atelier-User": "{MALLORY}", "X-Forwarded-User": "{MALLORY}", "Kubeflow-Userid": "{MALLORY}"}})
            try: print(urllib.request.urlopen(request, timeout=30).status)
            except urllib.error.HTTPError as error: print(error.code)
    """)
    assert result.split() == ["403", "403", "403"], result


def test_capabilities_and_uid(inside):
    result = inside("""
        status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
        print(status["CapEff"].strip(), status["CapBnd"].strip(), status["NoNewPrivs"].strip(), status["Seccomp"].strip(), os.getuid() > 1000)
    """)
    assert result.split() == ["0000000000000000", "0000000000000000", "1", "2", "True"], result


def test_processes_are_limited(inside):
    result = inside("""
        import subprocess
        started = []
        try:
            while len(started) < 20000: started.append(subprocess.Popen(["/bin/sleep", "30"]))
            print("no limit")
        except OSError as error:
            print("limited", len(started) < 20000)
        finally:
            for process in started: process.kill()
            for process in started: process.wait()
    """, timeout_s=120)
    assert result.strip() == "limited True", result


ECHO = """
import http.server, json
class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = json.dumps(self.headers.items()).encode()
        self.send_response(200)
        self.send_header("Set-Cookie", "atelier_session=stolen; Path=/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("0.0.0.0", 8888), Echo).serve_forever()
"""


def test_our_credentials_never_reach_the_notebook(two_tenants, inside):
    """A notebook that is not Jupyter but a program which tells what it was sent, and tries to set our cookie."""
    made = two_tenants.http("POST", "/apis/kubeflow.org/v1/namespaces/mallory/notebooks", user=MALLORY, body={
        "apiVersion": "kubeflow.org/v1", "kind": "Notebook", "metadata": {"name": "echo"},
        "spec": {"template": {"spec": {"containers": [{"name": "echo", "image": "ray-2.60", "command": ["python3", "-c", ECHO]}]}}}})
    assert made.status == 201, made
    two_tenants.wait_notebook("mallory", "echo", MALLORY)
    answer = two_tenants.get("/notebook/mallory/echo/look", MALLORY, headers={
        "X-Goog-Authenticated-User-Email": "accounts.google.com:admin@localhost", "Kubeflow-Userid": "admin@localhost",
        "X-Forwarded-User": "admin@localhost", "X-Atelier-User": "admin@localhost", "X-Forwarded-For": "10.0.0.1",
        "X-Ray-Authorization": "Bearer mine"})
    assert answer.status == 200 and "set-cookie" not in answer.headers, answer
    sent = {name.lower(): value for name, value in answer.json}
    assert two_tenants.tokens[MALLORY] not in answer.text and "admin@localhost" not in answer.text, sent
    assert "10.0.0.1" not in answer.text and "Bearer mine" not in answer.text, sent
    assert sent["x-atelier-user"] == MALLORY and sent["authorization"].startswith("token "), sent
    environment = inside("print(json.dumps(dict(os.environ)))")
    assert two_tenants.tokens[MALLORY] not in environment and "DATABASE_URL" not in environment
