"""atelierd on a cluster, with a PostgreSQL of its own; ends with close()."""
import glob
import itertools
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request

import chart
import live
from ports import free_port

root = live.root
build = pathlib.Path(os.environ.get("ATELIER_BUILD", root / "build"))


def ordinary_user():
    """Neither PostgreSQL nor atelierd runs as root."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam("postgres")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def give(path):
    user = ordinary_user()
    if user:
        os.chown(path, user["user"], user["group"])


class Postgres:
    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="atelier-pg-", dir="/tmp"))
        self.process = None
        self.user = ordinary_user()
        programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
        give(self.folder)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/", **self.user}
        data = self.folder / "data"
        subprocess.run([f"{programs}/initdb", "-D", data, "-U", "atelier", "-A", "trust", "-E", "UTF8", "--locale=C",
                        "--no-sync"], check=True, **quiet)
        self.process = subprocess.Popen([f"{programs}/postgres", "-D", data, "-k", self.folder, "-c",
                                         "listen_addresses=", "-c", "fsync=off"], **quiet)
        self.url = f"host={self.folder} user=atelier dbname=postgres"

    def close(self):
        if self.process:
            self.process.terminate()
            self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


class House:
    def __init__(self, cluster, **settings):
        self.cluster, self.process = cluster, None
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="atelier-house-", dir="/tmp"))
        self.postgres = Postgres()
        kubeconfig = self.folder / "kubeconfig"
        shutil.copyfile(cluster.kubeconfig, kubeconfig)
        kubeconfig.chmod(0o600)
        give(kubeconfig)
        give(self.folder)
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **os.environ, "ATELIER_ENGINE": "kubernetes", "ATELIER_RESUME_WAIT_S": "0", "ATELIER_KUBECONFIG": str(kubeconfig),
            "ATELIER_NAMESPACE": "atelier-system", "ATELIER_LISTEN": f"127.0.0.1:{self.port}",
            "ATELIER_TLS_LISTEN": "", "ATELIER_METRICS_LISTEN": f"127.0.0.1:{free_port()}",
            "ATELIER_DATA": str(self.folder), "ATELIER_ADMIN_SOCKET": str(self.folder / "admin.sock"),
            "ATELIER_RUN_DIR": str(self.folder), "DATABASE_URL": self.postgres.url,
            "ATELIER_BASE_DOMAIN": "localhost", **settings}
        for name in ("atelier-system", "atelier-tenants"):
            cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        # What a role may do is the chart's to say.
        cluster.apply(*[item for item in chart.objects() if item["kind"] == "ClusterRole"])
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self):
        self.log = open(self.folder / "log", "a")
        self.process = subprocess.Popen([build / "atelierd"], env=self.environment, stderr=self.log,
                                        stdout=subprocess.DEVNULL, **ordinary_user())
        self.cluster.wait("atelierd is ready", self.is_ready)

    def is_ready(self):
        assert self.process.poll() is None, self.said()
        try:
            return self.call("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def said(self):
        return (self.folder / "log").read_text()[-4000:]

    def stop(self):
        self.process.terminate()
        self.process.wait(60)

    def close(self):
        if self.process and self.process.poll() is None:
            self.stop()
        self.postgres.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def atelier(self, *arguments):
        """The command line, on this machine's admin socket."""
        done = subprocess.run([build / "atelier", *arguments], env=self.environment, capture_output=True, text=True,
                              timeout=live.PATIENCE)
        assert done.returncode == 0, f"atelier {arguments}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def person(self, email):
        """Exists from now on; returns a token."""
        self.atelier("user", "create", email)
        return self.atelier("token", "create", "--user", email)

    def call(self, method, path, body=None, token=None, content_type="application/json"):
        """(status, answer): JSON where it is, else text."""
        headers = {"Content-Type": content_type, **({"Authorization": f"Bearer {token}"} if token else {})}
        request = urllib.request.Request(self.address + path, method=method, headers=headers,
                                         data=None if body is None else json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, timeout=live.PATIENCE) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text


def make_home(cluster, namespace):
    """A volume for the profile's home, nothing provides one here; returns when it is the claim's."""
    cluster.apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"home-{namespace}"},
                   "spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "10Gi"},
                            "hostPath": {"path": "/nonexistent"}, "storageClassName": "",
                            "claimRef": {"namespace": namespace, "name": "home"}}})
    looks = itertools.count()

    def bound():
        claim = cluster.get("pvc", "home", namespace)
        if claim["status"].get("phase") == "Bound":
            return claim
        # The binder looks when a claim changes; otherwise every 15 s.
        cluster.kubectl("annotate", "pvc", "home", "-n", namespace, f"example.com/look={next(looks)}", "--overwrite")
        return None
    try:
        cluster.wait(f"the home of {namespace} is bound", bound)
    except AssertionError as failed:
        seen = [cluster.get("pvc", "home", namespace), cluster.get("pv", f"home-{namespace}")]
        raise AssertionError(f"{failed}: {seen}\n{cluster.said_by('kube-controller-manager')}") from failed


def wait_profile(cluster, name):
    """Its namespace is prepared, as far as workloads need it."""
    cluster.wait("the profile has a home", lambda: cluster.get("pvc", "home", name))
    make_home(cluster, name)
    cluster.wait("the profile's token and account are there", lambda: cluster.get("secret", "ray-auth", name) and
                 cluster.get("serviceaccount", "default-editor", name))
