"""What a network that enforces NetworkPolicies (kube-router) makes of those that Atelier writes: who reaches the pods of a profile,
and whom they reach. Every probe is a connection out of a pod; a pod without any policy shows that what is refused would be there."""
import contextlib
import json
import socketserver
import subprocess
import threading
import time

import notebook
import pytest
import service

PORTS = [8000, 8265, 9999, 52365]
PUBLIC, PRIVATE, METADATA = "8.8.4.4", "192.168.77.7", "169.254.169.254"  # addresses of the node's own network namespace
KUBELET = "10.77.0.1:10250"
LISTEN = f"""
import socketserver, threading
socketserver.ThreadingTCPServer.allow_reuse_address = True
class Hello(socketserver.BaseRequestHandler):
    def handle(self): self.request.sendall(b"hello")
for port in {PORTS}:
    threading.Thread(target=socketserver.ThreadingTCPServer(("", port), Hello).serve_forever).start()
"""
PROBE = """
import json, socket, sys
def opens(place):
    host, port = place.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 3).close()
        return True
    except OSError:
        return False
print(json.dumps([place for place in sys.argv[1:] if opens(place)]))
"""


class Walls:
    def __init__(self, kubectl):
        self.kubectl, self.at = kubectl, {}  # the administrator's; the address of each namespace's pod

    def pod(self, namespace):
        """One that listens on PORTS, with no more rights than a notebook's; its address."""
        self.kubectl("create", "-f", "-", text_in=json.dumps({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "listener", "namespace": namespace, "labels": {"app": "listener"}},
            "spec": {"terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False, "containers": [{
                "name": "listener", "image": "localhost/ray-2.60:test", "imagePullPolicy": "Never", "command": ["python3", "-c", LISTEN],
                "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "128Mi"}},
                "securityContext": {"allowPrivilegeEscalation": False, "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]},
                                    "seccompProfile": {"type": "RuntimeDefault"}}}]}}))
        self.kubectl("wait", "-n", namespace, "--for", "condition=Ready", "pod/listener", "--timeout", "60s")
        return self.kubectl("get", "pod", "listener", "-n", namespace, "-o", "jsonpath={.status.podIP}")

    def opened(self, namespace, *places):
        """Those of HOST:PORT that the namespace's pod can connect to."""
        return json.loads(self.kubectl("exec", "-i", "-n", namespace, "listener", "--", "python3", "-", *places, text_in=PROBE))

    def settles(self, namespace, places, expected):
        """Whoever enforces policies does so a moment after pods and policies are there."""
        until = time.monotonic() + 30 * service.PATIENCE
        while (seen := self.opened(namespace, *places)) != expected and time.monotonic() < until:
            time.sleep(1)
        assert seen == expected, f"from {namespace}"


@pytest.fixture(scope="module")
def walls():
    with notebook.running() as node, contextlib.ExitStack() as stack:
        node.service.person("bob")
        node.service.profile("bob", "bob@example.com")
        walls = Walls(node.service.cluster.kubectl)
        for namespace in ("istio-system", "kuberay-system"):
            walls.kubectl("create", "namespace", namespace)
            stack.callback(walls.kubectl, "delete", "namespace", namespace, "--timeout", "120s")
        for namespace in ("alice", "bob", "default", "atelier-system", "istio-system", "kuberay-system"):
            walls.at[namespace] = walls.pod(namespace)
            stack.callback(walls.kubectl, "delete", "pod", "listener", "-n", namespace, "--ignore-not-found")
        yield walls


@pytest.fixture(scope="module")
def outside():
    """Something that answers at each of the addresses which stand for the internet, a network around the cluster, and the cloud's metadata."""
    servers = []
    for address in (PUBLIC, PRIVATE, METADATA):
        subprocess.run(["ip", "addr", "add", f"{address}/32", "dev", "node0"], check=True)
        servers.append(socketserver.ThreadingTCPServer((address, 80), socketserver.BaseRequestHandler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
    yield [f"{address}:80" for address in (PUBLIC, PRIVATE, METADATA)]
    for server, address in zip(servers, (PUBLIC, PRIVATE, METADATA)):
        server.shutdown()
        server.server_close()
        subprocess.run(["ip", "addr", "del", f"{address}/32", "dev", "node0"], check=True)


@pytest.mark.parametrize("source, ports", [
    ("alice", PORTS), ("bob", []), ("default", []), ("atelier-system", PORTS), ("istio-system", PORTS), ("kuberay-system", [8000, 8265, 52365])])
def test_who_reaches_the_pods_of_a_profile(walls, source, ports):
    listening = [f"{walls.at['alice']}:{port}" for port in PORTS]
    walls.settles(source, listening, [place for place in listening if int(place.rsplit(":")[-1]) in ports])


def test_a_notebook_is_not_reached_past_the_gateway(walls):
    """Neither by the pod's address nor through its Service; JupyterLab listens there."""
    address = walls.kubectl("get", "pod", "nb1-0", "-n", "alice", "-o", "jsonpath={.status.podIP}")
    places = [f"{address}:8888", "nb1.alice.svc.cluster.local:80"]
    walls.settles("atelier-system", places, places)
    for other in ("bob", "default", "kuberay-system"):
        walls.settles(other, places, [])


def test_whom_the_pods_of_a_profile_reach(walls, outside):
    public, private, metadata = outside
    others = [f"{walls.at[name]}:9999" for name in ("bob", "default", "atelier-system", "kuberay-system")]
    dns = walls.kubectl("get", "pod", "coredns", "-n", "kube-system", "-o", "jsonpath={.status.podIP}")
    names, probes = [f"{dns}:53", "kube-dns.kube-system.svc.cluster.local:53"], f"{dns}:8181"
    api = "kubernetes.default.svc.cluster.local:443"  # where KubeRay is, for Ray's autoscaler
    everything = [public, private, metadata, KUBELET, *names, probes, api, *others]
    free = walls.opened("default", *everything)  # whom nothing holds: it reaches all but bob
    assert free == [place for place in everything if place != others[0]], free
    walls.settles("alice", everything, [public, *names, api])


def test_the_metadata_server_only_where_an_admin_said_as_which_account(walls, outside):
    metadata = outside[2]
    walls.settles("alice", [metadata], [])

    def plugins(value):
        walls.kubectl("patch", "profiles.kubeflow.org", "alice", "--type", "merge", "-p", json.dumps({"spec": {"plugins": value}}))
    plugins([{"kind": "WorkloadIdentity", "spec": {"gcpServiceAccount": "alice@project.iam.gserviceaccount.com"}}])
    walls.settles("alice", [metadata], [metadata])
    walls.settles("bob", [metadata], [])
    plugins([])
    walls.settles("alice", [metadata], [])
