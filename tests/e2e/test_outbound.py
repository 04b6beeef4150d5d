"""pip install in a notebook, and who may forbid it. All of Atelier runs in a network namespace whose only neighbour is another
one, with a package index on a public-looking address: nothing leaves the machine."""
import ctypes
import http.server
import io
import os
import subprocess
import threading
import time
import zipfile

import pytest
from atelier import PATIENCE, running, wait_for

ALICE, BOB = "alice@example.com", "bob@example.com"
INDEX = "203.0.113.10"
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def sh(command):
    subprocess.run(["sh", "-ec", command], check=True, timeout=30 * PATIENCE)


def wheel():
    """The smallest package that pip installs."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("greeting.py", "words = 'hello from the index'\n")
        archive.writestr("greeting-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n")
        archive.writestr("greeting-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("greeting-1.0.dist-info/RECORD", "greeting.py,,\ngreeting-1.0.dist-info/METADATA,,\n"
                         "greeting-1.0.dist-info/WHEEL,,\ngreeting-1.0.dist-info/RECORD,,\n")
    return content.getvalue()


class Index(http.server.BaseHTTPRequestHandler):
    package = wheel()

    def do_GET(self):
        page = b'<a href="/greeting-1.0-py3-none-any.whl">greeting-1.0-py3-none-any.whl</a>'
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if self.path.endswith("/") else "application/octet-stream")
        self.end_headers()
        self.wfile.write(page if self.path.endswith("/") else self.package)

    def log_message(self, *ignored):
        pass


@pytest.fixture(scope="module")
def outside():
    """This process moves into a namespace of its own, "the machine", and back; a thread serves the index in another."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    assert LIBC.unshare(CLONE_NEWNET) == 0
    machine = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    served = threading.Event()
    serving = {}

    def serve():
        assert LIBC.unshare(CLONE_NEWNET) == 0
        sh(f"ip link add in0 type veth peer name up0 netns /proc/{os.getpid()}/fd/{machine}; ip link set lo up; ip link set in0 up; "
           f"for a in 198.51.100.1/24 {INDEX}/24 203.0.113.11/24 10.99.0.1/24 169.254.169.254/32; do ip address add $a dev in0; done")
        serving["server"] = http.server.ThreadingHTTPServer(("0.0.0.0", 80), Index)
        served.set()
        serving["server"].serve_forever()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        assert served.wait(30 * PATIENCE)
        sh("ip link set lo up; ip address add 198.51.100.2/24 dev up0; ip link set up0 up; ip route add default via 198.51.100.1")
        yield
        serving["server"].shutdown()
    finally:
        assert LIBC.setns(home, CLONE_NEWNET) == 0
        os.close(home)
        os.close(machine)


@pytest.fixture(scope="module")
def own(outside):
    with running(ALICE, BOB, ATELIER_OUTBOUND="on") as instance:
        instance.cli("profile", "create", "bob", "--wait", user=BOB)
        for name, user in (("alice", ALICE), ("bob", BOB)):
            instance.cli("notebook", "create", "nb1", "-n", name, "--wait", user=user, timeout=180)
        yield instance


def inside(own, *command, profile="alice", user=ALICE):
    return own.cli("notebook", "exec", "nb1", "-n", profile, "--", *command, user=user, check=False, timeout=120)


def reaches(own, address, port=80, **who):
    code = f"import socket; socket.create_connection(('{address}', {port}), 2)"
    return inside(own, "python3", "-c", code, **who).returncode == 0


def narrow(own, policy, user=ALICE):
    return own.ask(user, "PATCH", "/apis/kubeflow.org/v1/profiles/alice",
                   {"metadata": {"annotations": {"atelier.dev/outbound": policy}}}, content_type="application/merge-patch+json")


def test_pip_installs_from_an_index(own):
    wait_for("the index", lambda: reaches(own, INDEX), 30, 0.2)
    done = inside(own, "python3", "-m", "pip", "install", "--target", "/home/atelier/packages", "--index-url", f"http://{INDEX}/simple/",
                  "--trusted-host", INDEX, "greeting")
    assert done.returncode == 0, done
    told = inside(own, "python3", "-c", "import sys; sys.path.insert(0, '/home/atelier/packages'); import greeting; print(greeting.words)")
    assert "hello from the index" in told.stdout


def test_what_is_not_the_outside_stays_out_of_reach(own):
    assert reaches(own, "203.0.113.11")
    for address, port in (("10.99.0.1", 80), ("169.254.169.254", 80), ("198.51.100.2", 22), ("127.0.0.1", own.port)):
        assert not reaches(own, address, port), address


def test_an_owner_narrows_and_never_widens(own):
    assert narrow(own, "off")[0] == 200
    wait_for("nothing is reached", lambda: not reaches(own, INDEX), 20, 0.2)
    assert reaches(own, INDEX, profile="bob", user=BOB), "another profile is not touched"
    assert narrow(own, f"{INDEX}/32:80")[0] == 200
    wait_for("the one address is reached", lambda: reaches(own, INDEX), 20, 0.2)
    assert not reaches(own, "203.0.113.11")
    status, refused = narrow(own, "10.99.0.0/16:many")
    assert status == 422 and "atelier.dev/outbound" in refused["message"]
    assert narrow(own, None)[0] == 200
    wait_for("all is reached again", lambda: reaches(own, "203.0.113.11"), 20, 0.2)


def test_the_installation_has_the_last_word(own):
    own.interrupt()
    own.env["ATELIER_OUTBOUND"] = "off"
    own.up()
    wait_for("nothing is reached", lambda: not reaches(own, INDEX), 30, 0.2)
    assert narrow(own, "on")[0] == 200
    time.sleep(2)
    assert not reaches(own, INDEX)
