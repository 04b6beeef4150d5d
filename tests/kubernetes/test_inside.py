"""atelierd as a pod of the cluster has it: the API server named by the environment, its account's files, which are replaced while it runs,
and workloads by the names of their Services."""
import http.server
import json
import os
import socketserver
import subprocess
import threading

import pytest
import service

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts what a kubelet would")

SERVER = "127.0.0.9"  # where nb1's Service is, as far as /etc/hosts is DNS
ENTER = """set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/secrets/kubernetes.io/serviceaccount
mount --bind "$ACCOUNT" /run/secrets/kubernetes.io/serviceaccount
mount --bind "$NAMES" /etc/hosts
exec setpriv --reuid=nobody --regid=nogroup --clear-groups "$PROGRAM"
"""


class Contained(service.Atelierd):
    """Its mounts are its own; what stands behind them can be changed from here."""

    def launch(self):
        env = {**self.env, "ACCOUNT": str(self.account), "NAMES": str(self.names), "PROGRAM": str(service.BUILD / "atelierd"),
               "ATELIER_KUBECONFIG": "", "KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": self.api_port}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(["unshare", "--mount", "sh", "-c", ENTER], env=env, stdin=subprocess.DEVNULL,
                                                    stdout=log, stderr=log, start_new_session=True)


class Inside(service.Service):
    tokens = {}

    def replica(self, name, **settings):
        made = Contained(self.folder, name, "", self.postgres.url, **settings)
        made.account, made.names = self.folder / "account", self.folder / "hosts"
        made.account.mkdir()
        made.names.write_text(f"127.0.0.1 localhost\n{SERVER} nb1.alice.svc\n")
        made.api_port = dict(line.split("=", 1) for line in (self.cluster.dir / "cluster/settings").read_text().splitlines())["api_port"]
        (made.account / "ca.crt").write_text((self.cluster.dir / "cluster/keys/ca.crt").read_text())
        (made.account / "namespace").write_text("atelier-system")
        self.give_token(made, "one")
        self.replicas.append(made)
        return made.start()

    def give_token(self, made, name):
        """One that is good as long as the Secret of that name is there; replaced as a kubelet does, in one step."""
        self.cluster.kubectl("-n", "atelier-system", "create", "secret", "generic", name)
        token = self.cluster.kubectl("-n", "atelier-system", "create", "token", "atelier", "--duration", "1h", "--bound-object-kind",
                                     "Secret", "--bound-object-name", name)
        self.tokens[name] = token.strip()
        (made.account / "new").write_text(token)
        (made.account / "new").rename(made.account / "token")


@pytest.fixture(scope="module")
def inside():
    made = Inside("--kwok", "--nodes", "1")
    try:
        made.alice = made.person("alice")
        made.profile("alice", made.alice.email)
        made.cluster.kubectl("apply", "-f", "-", text_in=json.dumps({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "home"}, "spec": {
                "accessModes": ["ReadWriteOnce", "ReadWriteMany"], "capacity": {"storage": "100Gi"}, "hostPath": {"path": "/nonexistent"},
                "claimRef": {"namespace": "alice", "name": "home"}}}))
        yield made
    finally:
        print(made.first.tail())
        made.close()


class Jupyter(http.server.BaseHTTPRequestHandler):
    seen = []

    def do_GET(self):
        self.seen.append((self.path, self.headers))
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_):
        pass


def test_a_notebook_is_reached_by_its_service_s_name(inside):
    inside.alice.kubectl("create", "-f", "-", text_in=json.dumps({
        "apiVersion": "kubeflow.org/v1", "kind": "Notebook", "metadata": {"name": "nb1"},
        "spec": {"template": {"spec": {"containers": [{"name": "nb1", "image": "example.com/jupyter:1"}]}}}}))
    service.eventually("it runs", lambda: inside.cluster.get("-n", "alice", "notebook", "nb1").get("status", {}).get("phase") == "Running")
    with socketserver.ThreadingTCPServer((SERVER, 80), Jupyter) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        status, answer = inside.alice.ask("GET", "/notebook/alice/nb1/api")
        server.shutdown()
    assert status == 200 and answer.endswith("hello"), answer
    path, headers = Jupyter.seen[-1]
    assert path == "/notebook/alice/nb1/api" and inside.alice.token not in str(headers) and headers["X-Atelier-User"] == inside.alice.email


def test_a_token_that_is_no_longer_good_is_followed_by_the_next(inside):
    """Bound tokens end with what they are bound to, and with their hour; the kubelet has put another into the file by then."""
    inside.give_token(inside.first, "two")
    inside.cluster.kubectl("-n", "atelier-system", "delete", "secret", "one")

    server = f"https://127.0.0.1:{inside.first.api_port}/api"
    # The API server remembers for some seconds that it was good.
    service.eventually("the old one is refused", lambda: service.chart.run(
        "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", inside.first.account / "ca.crt", "-H",
        f"Authorization: Bearer {inside.tokens['one']}", server) == "401", 60, 1)
    inside.alice.kubectl("create", "configmap", "notes")
    inside.first.cli("profile", "create", "later", "--owner", inside.alice.email)
    service.eventually("reconcilers go on", lambda: inside.has_rights("later"), 60)
