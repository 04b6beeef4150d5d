"""atelierd against a test cluster, with the rights of the chart: a database, replicas, people with kubectl."""
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import chart
import yaml
from chart import PATIENCE
from ports import free_port

BUILD = pathlib.Path(os.environ.get("ATELIER_BUILD", chart.root / "build"))
POSTGRES = pathlib.Path("/usr/lib/postgresql/15/bin")
# atelierd never runs as root.
ACCOUNT = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
RIGHTS = {"Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}


def eventually(what, question, seconds=90, every=0.1):
    """What the question answers once it answers something."""
    seconds *= PATIENCE
    end, last = time.monotonic() + seconds, None
    while time.monotonic() < end:
        last = question()
        if last:
            return last
        time.sleep(every)
    raise AssertionError(f"{what}: not within {seconds:g} s; last: {last!r}")


def give(path):
    """To the account that atelierd runs as."""
    if ACCOUNT:
        shutil.chown(path, ACCOUNT["user"], ACCOUNT["group"])


class Postgres:
    """A private server on a Unix socket."""

    def __init__(self, folder):
        self.folder = folder / "postgres"
        self.folder.mkdir()
        self.as_owner = []
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
            self.as_owner = ["runuser", "-u", "postgres", "--"]
        self.call("initdb", "-D", self.folder / "data", "-A", "trust", "-U", "atelier", "--no-sync")
        self.start()
        self.url = f"host={self.folder} user=atelier dbname=postgres"

    def start(self):
        self.call("pg_ctl", "-D", self.folder / "data", "-w", "-l", self.folder / "log", "-o",
                  f"-c listen_addresses= -c unix_socket_directories={self.folder} -c fsync=off", "start")

    def kill(self):
        """As a crash would, and started again: what its children still hold it must do without for a moment."""
        os.kill(int((self.folder / "data/postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        eventually("PostgreSQL starts again", self.starts, 20)

    def starts(self):
        try:
            self.start()
        except subprocess.CalledProcessError:
            return False
        return True

    def call(self, program, *arguments):
        subprocess.run([*self.as_owner, POSTGRES / program, *map(str, arguments)], check=True, cwd="/",
                       stdout=subprocess.DEVNULL, timeout=120)

    def close(self):
        subprocess.run([*self.as_owner, POSTGRES / "pg_ctl", "-D", self.folder / "data", "-m", "immediate", "stop"],
                       cwd="/", stdout=subprocess.DEVNULL, check=False)


class Atelierd:
    """One replica."""

    def __init__(self, folder, name, kubeconfig, database, **settings):
        self.name, self.port, self.tls_port = name, free_port(), free_port()
        self.data, self.log = folder / name, folder / f"{name}.log"
        self.data.mkdir(exist_ok=True)
        give(self.data)
        self.socket = self.data / "admin.sock"
        self.env = {**os.environ, "ATELIER_ENGINE": "kubernetes", "ATELIER_RESUME_WAIT_S": "0", "ATELIER_KUBECONFIG": str(kubeconfig),
                    "DATABASE_URL": database, "ATELIER_DATA": str(self.data), "ATELIER_RUN_DIR": str(self.data),
                    "ATELIER_LISTEN": f"127.0.0.1:{self.port}", "ATELIER_METRICS_LISTEN": "",
                    "ATELIER_TLS_LISTEN": f"127.0.0.1:{self.tls_port}",
                    "ATELIER_ADMIN_SOCKET": str(self.socket), "ATELIER_IDENTITY": name, **settings}
        for variable in ("ATELIER_URL", "ATELIER_TOKEN", "ATELIER_NAMESPACE", "ATELIER_CONTEXT"):
            self.env.pop(variable, None)
        self.process = None

    def launch(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([BUILD / "atelierd"], env=self.env, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, start_new_session=True, **ACCOUNT)

    def start(self):
        self.launch()
        eventually(f"{self.name} serves", self.answers)
        return self

    def answers(self):
        assert self.process.poll() is None, f"{self.name} ended: {self.tail()}"
        return b" 200 " in self.raw(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")[:20]

    def raw(self, request, timeout=60 * PATIENCE):
        """Bytes in, all that comes back out."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
                connection.sendall(request)
                answer = b""
                while data := connection.recv(65536):
                    answer += data
                return answer
        except OSError:
            return b""

    def tail(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-40:])

    def cli(self, *arguments, **options):
        """The command line of this machine's administrator."""
        return chart.run(BUILD / "atelier", *arguments, env=self.env, **options)

    def end(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(60)


class Service:
    """A cluster with the chart's rights on it, a database, and a first replica; between(cluster), if given, is what stands before the
    API server (faults.py)."""

    def __init__(self, *options, cluster=None, between=None, **settings):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="atelier-service-"))
        self.folder.chmod(0o755)
        self.replicas, self.cluster, self.postgres, self.between = [], cluster, None, None
        try:
            self.cluster = cluster or chart.Cluster(*options)
            self.between = between(self.cluster) if between else None
            self.kubeconfig = self.grant()
            self.postgres = Postgres(self.folder)
            self.first = self.replica("first", **settings)
        except BaseException:
            self.close()
            raise

    def grant(self):
        """Puts the chart's rights on the cluster; a kubeconfig of the account that they are for."""
        rights = [item for item in chart.objects() if item["kind"] in RIGHTS]
        for name in ("atelier-system", "atelier-tenants"):
            if not any(item["kind"] == "Namespace" and item["metadata"]["name"] == name for item in rights):
                rights.insert(0, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        self.cluster.kubectl("apply", "-f", "-", text_in=yaml.safe_dump_all(rights))
        token = self.cluster.kubectl("-n", "atelier-system", "create", "token", "atelier", "--duration", "8h").strip()
        config = yaml.safe_load(self.cluster.kubeconfig.read_text())
        config["users"][0]["user"] = {"token": token}
        if self.between:
            config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{self.between.port}"
        path = self.folder / "atelierd.kubeconfig"
        path.write_text(yaml.safe_dump(config))
        path.chmod(0o600)
        give(path)
        return path

    def replica(self, name, **settings):
        made = Atelierd(self.folder, name, self.kubeconfig, self.postgres.url, **settings)
        self.replicas.append(made)
        return made.start()

    def person(self, name):
        """An account with a kubeconfig from the command line; its e-mail."""
        email = f"{name}@example.com"
        self.first.cli("user", "create", email)
        text = self.first.cli("kubeconfig", "--user", email, "--server",
                              f"https://localhost:{self.first.tls_port}", "-n", "alice")
        path = self.folder / f"{name}.kubeconfig"
        path.write_text(text)
        path.chmod(0o600)
        return Person(self, email, path)

    def profile(self, name, owner):
        self.first.cli("profile", "create", name, "--owner", owner)
        eventually(f"the rights in {name}", lambda: self.has_rights(name))

    def has_rights(self, name):
        """Whether the API server knows the last role that a profile is given, which is a moment after that was written."""
        return self.cluster.kubectl("auth", "can-i", "create", "configmaps", "-n", name, "--as",
                                    f"system:serviceaccount:atelier-tenants:{name}.admin", fails=None).startswith("yes")

    def close(self):
        for replica in self.replicas:
            replica.end(signal.SIGKILL)
        for part in (self.between, self.postgres, self.cluster):
            if part:
                part.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Person:
    def __init__(self, service, email, kubeconfig):
        self.service, self.email, self.kubeconfig = service, email, kubeconfig
        self.token = yaml.safe_load(kubeconfig.read_text())["users"][0]["user"]["token"]

    def command(self, *arguments):
        return [str(part) for part in (chart.tool("kubectl"), "--kubeconfig", self.kubeconfig, "--cache-dir",
                                       f"{self.kubeconfig}.cache", *arguments)]

    def kubectl(self, *arguments, **options):
        return chart.run(*self.command(*arguments), **options)

    def refused(self, *arguments, **options):
        """What kubectl says when it must fail."""
        return self.kubectl(*arguments, fails=True, **options)

    def get(self, *arguments):
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def start(self, *arguments):
        """A kubectl that goes on, with its output as it comes."""
        return subprocess.Popen(self.command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def ask(self, method, target, body=b"", replica=None, **headers):
        """One raw request; (status, headers and body as text)."""
        lines = [f"{method} {target} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {self.token}", "Connection: close",
                 f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        answer = (replica or self.service.first).raw("\r\n".join(lines).encode() + b"\r\n\r\n" + body).decode(errors="replace")
        assert answer, f"{method} {target}: no answer"
        return int(answer.split(" ", 2)[1]), answer
