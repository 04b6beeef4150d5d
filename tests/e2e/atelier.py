"""Drives a private Atelier instance the way people do: the CLI, HTTP, WebSockets. Everything it starts, it ends."""
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.parse
import uuid

import websocket
from ports import free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("ATELIER_BUILD", ROOT / "build"))
IMAGES = pathlib.Path(os.environ.get("ATELIER_IMAGES", ROOT / "var" / "images"))
IMAGE_BIN = IMAGES / "ray-2.60" / "venv" / "bin"
# How many times as long to wait for what must come, where other work runs beside the tests (as .ci/run does).
PATIENCE = float(os.environ.get("ATELIER_PATIENCE", "1"))


def wait_for(what, condition, timeout_s, interval_s=0.1):
    """Polls until condition() is truthy and returns its value; fails with the last value seen."""
    deadline = time.monotonic() + timeout_s * PATIENCE
    last = None
    while time.monotonic() < deadline:
        last = condition()
        if last:
            return last
        time.sleep(interval_s)
    raise AssertionError(f"{what}: not within {timeout_s * PATIENCE:g} s; last: {last!r}")


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class Client:
    """What people do with a service, wherever it runs: it has a port, an env for its administrator's command line, tokens."""
    command = (BUILD / "atelier",)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def cli(self, *args, user=None, check=True, input=None, timeout=120, cwd=None):
        """Runs build/atelier: on the admin socket, or as a user through URL and token."""
        env = dict(self.env)
        if user:
            env.update(ATELIER_URL=self.url, ATELIER_TOKEN=self.tokens[user])
        done = subprocess.run([*self.command, *map(str, args)], env=env, cwd=cwd or ROOT, text=True, input=input,
                              stdin=None if input is not None else subprocess.DEVNULL,
                              capture_output=True, timeout=timeout * PATIENCE, check=False)
        if check:
            assert done.returncode == 0, f"atelier {' '.join(map(str, args))}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    @contextlib.contextmanager
    def cli_beside(self, *args, user):
        """The same as that user, running on while the test does; what it prints is read from what this yields."""
        process = subprocess.Popen([*self.command, *args], env=dict(self.env, ATELIER_URL=self.url, ATELIER_TOKEN=self.tokens[user]),
                                   text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        try:
            yield process.stdout
        finally:
            process.kill()
            process.wait()

    def http(self, method, path, user=None, token=None, body=None, headers=None, host=None, timeout=30):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout * PATIENCE)
        try:
            send = {"Host": host or f"127.0.0.1:{self.port}", **(headers or {})}
            if user:
                token = self.tokens[user]
            if token:
                send["Authorization"] = f"Bearer {token}"
            if isinstance(body, (dict, list)):
                body = json.dumps(body)
                send.setdefault("Content-Type", "application/json")
            connection.request(method, path, body=body, headers=send)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def ask(self, user, method, path, body=None, content_type="application/json", **headers):
        """(status, answer): JSON where it is, else text."""
        answer = self.http(method, path, user=user, body=body, headers={
            **({"Content-Type": content_type} if body is not None else {}),
            **{name.replace("_", "-"): value for name, value in headers.items()}})
        try:
            return answer.status, answer.json
        except ValueError:
            return answer.status, answer.text

    def get(self, path, user=None, **more):
        return self.http("GET", path, user=user, **more)

    def websocket(self, path, user=None, headers=(), host=None, timeout=30):
        lines = list(headers)
        if user:
            lines.append(f"Authorization: Bearer {self.tokens[user]}")
        return websocket.create_connection(f"ws://127.0.0.1:{self.port}{path}", header=lines, timeout=timeout * PATIENCE,
                                           host=host or f"127.0.0.1:{self.port}", suppress_origin=True)

    def ready(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.http("GET", "/readyz", timeout=2).status == 200
        return False

    def add_user(self, email, admin=False):
        """Creates an account, accepts its invitation with a password, and remembers a token for it."""
        link = self.cli("user", "create", email, *(["--admin"] if admin else [])).stdout.strip()
        cookie = self.accept_link(link, "correct horse " + email)
        self.tokens[email] = self.cli("token", "create", "--user", email).stdout.strip()
        return cookie

    def accept_link(self, link, password):
        answer = self.http("GET", urllib.parse.urlparse(link).path)
        assert answer.status in (302, 303), answer
        cookie = answer.headers["set-cookie"].split(";")[0]
        me = self.http("GET", "/api/atelier/v1/whoami", headers={"Cookie": cookie}).json
        done = self.http("POST", "/api/atelier/v1/password", body={"password": password}, headers={
            "Cookie": cookie, "X-Atelier-CSRF": me["csrf"], "Origin": f"http://127.0.0.1:{self.port}"})
        assert done.status == 204, done
        return cookie

    # --- objects ---
    def notebook(self, namespace, name, user):
        answer = self.get(f"/apis/kubeflow.org/v1/namespaces/{namespace}/notebooks/{name}", user)
        return answer.json if answer.status == 200 else None

    def wait_notebook(self, namespace, name, user, phase="Running", timeout_s=90):
        """It as it is once its status has that phase, and tells of what is wanted now rather than of before a change."""
        def look():
            found = self.notebook(namespace, name, user) or {}
            status = found.get("status", {})
            now = status.get("phase") == phase and status.get("observedGeneration") == found["metadata"]["generation"]
            return found if now else None
        try:
            return wait_for(f"notebook {name} {phase}", look, timeout_s, 0.25)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{json.dumps(self.notebook(namespace, name, user))}\n{self.log_tail()}") from None

    def raycluster(self, namespace, name, user):
        answer = self.get(f"/apis/ray.io/v1/namespaces/{namespace}/rayclusters/{name}", user)
        return answer.json if answer.status == 200 else None

    def wait_raycluster(self, namespace, name, user, workers, timeout_s=180):
        def look():
            found = self.raycluster(namespace, name, user) or {}
            status = found.get("status", {})
            head = any(c["type"] == "HeadPodReady" and c["status"] == "True" for c in status.get("conditions", []))
            return found if head and status.get("readyWorkerReplicas", 0) == workers else None
        try:
            return wait_for(f"RayCluster {name} ready", look, timeout_s, 0.5)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{json.dumps(self.raycluster(namespace, name, user))}\n{self.log_tail()}") from None

    def kernel(self, namespace, name, user):
        return Kernel(self, namespace, name, user)

    def wait_profile(self, name, user):
        def look():
            profile = self.get(f"/apis/kubeflow.org/v1/profiles/{name}", user)
            return profile.json if profile.status == 200 and profile.json.get("status", {}).get("phase") == "Ready" else None
        return wait_for(f"profile {name} Ready", look, 60)


class Atelier(Client):
    """The service on this machine, with a data folder of its own."""
    surroundings = ()  # a command that calls the rest in an environment of its own

    def __init__(self):
        self.data = pathlib.Path(tempfile.mkdtemp(prefix="atelier-e2e-"))
        self.data.chmod(0o755)
        self.port, self.metrics_port, self.tls_port = free_port(), free_port(), free_port()
        self.env = dict(os.environ, ATELIER_DATA=str(self.data), ATELIER_IMAGES=str(IMAGES),
                        ATELIER_LISTEN=f"127.0.0.1:{self.port}",
                        ATELIER_TLS_LISTEN=f"127.0.0.1:{self.tls_port}",
                        ATELIER_METRICS_LISTEN=f"127.0.0.1:{self.metrics_port}",
                        ATELIER_OUTBOUND="off",
                        ATELIER_RESUME_WAIT_S="0")  # what does not answer says so at once; test_ray_resume waits
        for name in ("ATELIER_URL", "ATELIER_TOKEN"):
            self.env.pop(name, None)
        self.process = None
        self.sign_in_links = []
        self.tokens = {}
        self.log_path = self.data.with_suffix(".log")

    # --- the service ---
    def up(self, timeout_s=30):
        """Starts the service; returns the seconds until it was ready."""
        started = time.monotonic()
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen([*self.surroundings, *self.command, "local", "up"], env=self.env, cwd=ROOT,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True,
                                        start_new_session=True)
        threading.Thread(target=self._read_stdout, args=(self.process,), daemon=True).start()
        wait_for("service ready", self.ready, timeout_s, 0.02)
        return time.monotonic() - started

    def _read_stdout(self, process):
        for line in process.stdout:
            match = re.search(r"^Sign in: (\S+)$", line.strip())
            if match:
                self.sign_in_links.append(match.group(1))

    def ready(self):
        if self.process and self.process.poll() is not None:
            raise AssertionError(f"atelier local up exited {self.process.returncode}:\n{self.log_tail()}")
        return super().ready()

    def log_tail(self, lines=60):
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def interrupt(self, timeout_s=20):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout_s * PATIENCE)

    def down(self):
        """`local down`; returns how it ended."""
        done = subprocess.run([*self.command, "local", "down"], env=self.env, cwd=ROOT, timeout=90 * PATIENCE, check=False, text=True,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        return done

    def remove(self):
        """Ends everything and removes the data; if something goes on, that is a failure, and the data stays."""
        done = self.down()
        wait_for(f"everything of {self.data} has ended (local down: {done.returncode} {done.stderr[-500:]})",
                 lambda: done.returncode == 0 and not self.processes(), 10)
        shutil.rmtree(self.data, ignore_errors=True)
        self.log_path.unlink(missing_ok=True)

    def run_dir(self):
        import hashlib
        tag = hashlib.sha256(str(self.data.resolve()).encode()).hexdigest()[:8]
        return pathlib.Path(f"/run/atelier-{tag}")

    def processes(self):
        """{program: [pid, …]} of this instance's own processes, found through /proc by its run directory or data."""
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                command = (entry / "cmdline").read_bytes().split(b"\0")
                environ = (entry / "environ").read_bytes()
                name = (entry / "comm").read_text().strip()
                mine = str(Atelier.run_dir(self)).encode()  # as they call it themselves
                data = b"ATELIER_DATA=" + str(self.data).encode() + b"\0"
                if any(mine in part for part in command) or data in environ:
                    found.setdefault(name, []).append(int(entry.name))
        return found

    def kill_control_plane(self):
        pid = self.pid_of("atelierd")
        os.kill(pid, signal.SIGKILL)
        wait_for("the old one is gone", lambda: not is_alive(pid), 10, 0.01)  # until then it may still answer
        wait_for("service ready", self.ready, 60)

    def pid_of(self, program):
        """The pid of one daemon: atelierd, atelier-sandbox(d) or the postmaster."""
        if program == "postgres":
            return int((self.data / "postgres" / "postmaster.pid").read_text().split()[0])
        pids = self.processes().get(program[:15], [])
        assert pids, f"{program} is not running: {self.processes()}"
        return min(pids)


class Watch:
    """An open watch; events as they come."""

    def __init__(self, client, path, user, timeout=60):
        self.connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=timeout * PATIENCE)
        self.connection.request("GET", path + ("&" if "?" in path else "?") + "watch=1",
                                headers={"Authorization": f"Bearer {client.tokens[user]}"})
        self.stream = self.connection.getresponse()
        assert self.stream.status == 200, self.stream.read()

    def next(self):
        """None at the end."""
        line = self.stream.readline()
        return json.loads(line) if line else None

    def read_to_the_end(self):
        while self.next():
            pass

    def close(self):
        self.connection.close()


def private():
    """One not yet started: root's, or an ordinary user's (ATELIER_TEST_PLATFORM=rootless)."""
    if os.environ.get("ATELIER_TEST_PLATFORM") == "rootless":
        from ordinary import Ordinary  # which is one of these
        return Ordinary()
    return Atelier()


@contextlib.contextmanager
def running(*people, **settings):
    """A private instance with these <settings> that runs, and accounts of <people>: the first has profile alice, and its
    session is <cookie>. Whoever uses it makes what else there is to be."""
    instance = private()
    instance.env.update(settings)
    try:
        instance.up()
        cookies = [instance.add_user(email) for email in people]
        instance.cookie = cookies[0]
        instance.cli("profile", "create", "alice", "--wait", user=people[0])
        yield instance
    finally:
        instance.remove()


def is_alive(pid):
    """A program that was killed still holds its ports while its first thread alone is a zombie."""
    with contextlib.suppress(OSError):
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z" or len(os.listdir(f"/proc/{pid}/task")) > 1
    return False


def kill_container(own, pod):
    """SIGKILL to every process of the newest container of that pod, as the machine would."""
    started = re.findall(r'"container started","pod":"alice/%s","container":"[^"]*","pid":(\d+)' % re.escape(pod),
                         own.log_path.read_text(errors="replace"))
    space = os.readlink(f"/proc/{started[-1]}/ns/pid")
    found = []  # all, before the first is killed: with it go the others
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.readlink(entry / "ns/pid") == space:
                found.append(int(entry.name))
    assert len(found) > 3, "a Ray head has more processes than that"
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def lone_head(name):
    """The manifest of a Ray cluster without workers, whose head takes tasks."""
    size = {"cpu": "2", "memory": "3Gi"}
    return json.dumps({
        "apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": name}, "spec": {
            "headGroupSpec": {"rayStartParams": {"num-cpus": "1"}, "template": {"spec": {"containers": [
                {"name": "ray-head", "image": "ray-2.60", "resources": {"requests": size, "limits": size}}]}}}}})


class Kernel:
    """One Jupyter kernel, driven over its WebSocket through the platform (Jupyter messaging protocol 5.3)."""

    def __init__(self, atelier, namespace, name, user, kernel_id=None):
        self.atelier, self.user = atelier, user
        self.base = f"/notebook/{namespace}/{name}"
        if kernel_id is None:
            answer = atelier.http("POST", f"{self.base}/api/kernels", user=user, body={"name": "python3"})
            assert answer.status == 201, answer
            kernel_id = answer.json["id"]
        self.id = kernel_id
        self.session = uuid.uuid4().hex
        self.socket = None
        self.connect()

    def connect(self):
        self.socket = self.atelier.websocket(f"{self.base}/api/kernels/{self.id}/channels?session_id={self.session}",
                                             user=self.user, timeout=120)

    def run(self, code, timeout_s=120):
        """Executes code and returns what it printed (and the repr of its last value); raises on an error."""
        message_id = uuid.uuid4().hex
        self.socket.send(json.dumps({
            "header": {"msg_id": message_id, "msg_type": "execute_request", "username": "", "session": self.session,
                       "version": "5.3", "date": ""},
            "parent_header": {}, "metadata": {}, "channel": "shell",
            "content": {"code": code, "silent": False, "store_history": True, "user_expressions": {},
                        "allow_stdin": False, "stop_on_error": True}}))
        output = []
        deadline = time.monotonic() + timeout_s * PATIENCE
        while time.monotonic() < deadline:
            self.socket.settimeout(max(0.1, deadline - time.monotonic()))
            # Pings are looked at too: otherwise each would begin the wait anew.
            opcode, data = self.socket.recv_data(control_frame=True)
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                raise websocket.WebSocketConnectionClosedException("closed by the server")
            if opcode != websocket.ABNF.OPCODE_TEXT:
                continue
            message = json.loads(data)
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] in ("restarting", "dead"):
                raise AssertionError(f"the kernel died: {content}")
            if message.get("parent_header", {}).get("msg_id") != message_id:
                continue
            if kind == "stream":
                output.append(content["text"])
            elif kind == "execute_result":
                output.append(content["data"].get("text/plain", ""))
            elif kind == "error":
                raise AssertionError("\n".join(content["traceback"]))
            elif kind == "status" and content["execution_state"] == "idle":
                return "".join(output)
        raise AssertionError(f"kernel did not answer within {timeout_s} s: {''.join(output)}")

    def close(self):
        with contextlib.suppress(Exception):
            self.socket.close()
