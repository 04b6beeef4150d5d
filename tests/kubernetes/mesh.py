"""Istio's control plane outside any cluster, and a plain Envoy as its ingress gateway: all on loopback."""
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request

import chart
import yaml
from mesh_identity import Secrets
from service import eventually, free_port

ENVOY = pathlib.Path(sys.executable).parent / "envoy"
GATEWAY = {"istio": "ingressgateway"}
# What Istio's own Envoy has and this one lacks: its filters for statistics and for telling peers about each other.
WITHOUT = {"PILOT_ENABLE_METADATA_EXCHANGE": "false", "PILOT_ENABLE_ALPN_FILTER": "false", "PILOT_DISABLE_MX_ALPN": "true"}


FORMS = ("envoyExtAuthzHttp", "envoyExtAuthzGrpc")


def declared(form):
    """The one block of YAML in docs/gke.md that has this."""
    blocks = [part.split("```")[0] for part in (chart.root / "docs/gke.md").read_text().split("```yaml\n")[1:]]
    (block,) = [one for one in blocks if form in one]
    return yaml.safe_load(block)


def mesh_config(form):
    """What docs/gke.md tells operators to put into the mesh configuration."""
    whole = declared("envoyExtAuthzHttp")["meshConfig"]
    return whole if form == "envoyExtAuthzHttp" else {**whole, "extensionProviders": declared(form)}


def program():
    said = chart.run(chart.here / "tools/build.sh", "--folder", "istiod")
    return pathlib.Path(said.strip()) / "istiod"


def is_built():
    return program().exists()


def fetch(url, body=None):
    """(status, text)"""
    request = urllib.request.Request(url, data=None if body is None else json.dumps(body).encode(),
                                     headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def close_if_not(started, what):
    try:
        eventually(what, started.is_ready, 90)
    except BaseException:
        started.close()
        raise


class Istiod:
    """pilot-discovery with an administrator's kubeconfig, without a certificate authority: mesh_identity.py is one."""

    def __init__(self, cluster, form):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="atelier-istiod-"))
        self.http, self.xds, monitoring, control = (free_port() for _ in range(4))
        mesh = mesh_config(form)
        mesh = {**mesh, "rootNamespace": "istio-system", "accessLogFile": "",
                "defaultConfig": {**mesh.get("defaultConfig", {}), "discoveryAddress": f"127.0.0.1:{self.xds}"}}
        (self.folder / "mesh").write_text(yaml.safe_dump(mesh))
        settings = {**os.environ, **WITHOUT, "POD_NAME": "istiod-test", "POD_NAMESPACE": "istio-system", "ENABLE_CA_SERVER": "false",
                    "PILOT_CERT_PROVIDER": "none", "VALIDATION_WEBHOOK_CONFIG_NAME": "", "INJECTION_WEBHOOK_CONFIG_NAME": "",
                    "PILOT_ENABLE_GATEWAY_API": "false", "ENABLE_DEBUG_ENDPOINT_AUTH": "false"}
        self.log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen(
            [program(), "discovery", "--kubeconfig", cluster.kubeconfig,
             "--meshConfig", self.folder / "mesh", "--networksConfig", self.folder / "none", "--namespace", "istio-system",
             "--httpAddr", f"127.0.0.1:{self.http}", "--httpsAddr", "", "--grpcAddr", f"127.0.0.1:{self.xds}",
             "--secureGRPCAddr", "", "--monitoringAddr", f"127.0.0.1:{monitoring}",
             "--ctrlz_address", "127.0.0.1", "--ctrlz_port", str(control)],
            env=settings, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.monitoring = monitoring
        close_if_not(self, "istiod is ready")

    def is_ready(self):
        assert self.process.poll() is None, self.said()
        return fetch(f"http://127.0.0.1:{self.http}/ready")[0] == 200

    def said(self):
        return (self.folder / "log").read_text()[-4000:]

    def validate(self, item):
        """What istiod's admission webhook says of an object: (allowed, message and warnings)."""
        group, _, version = item["apiVersion"].rpartition("/")
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "1", "operation": "CREATE", "name": item["metadata"]["name"], "namespace": item["metadata"].get("namespace", ""),
            "kind": {"group": group, "version": version, "kind": item["kind"]},
            "resource": {"group": group, "version": version, "resource": item["kind"].lower() + "s"}, "object": item}}
        status, text = fetch(f"http://127.0.0.1:{self.http}/validate", review)
        assert status == 200, (status, text)
        response = json.loads(text)["response"]
        return response["allowed"], [response.get("status", {}).get("message", "")] + response.get("warnings", [])

    def rejections(self):
        """What proxies refused, as it counts them and writes them down."""
        status, text = fetch(f"http://127.0.0.1:{self.monitoring}/metrics")
        assert status == 200 and "pilot_xds_pushes" in text, text[:1000]
        counted = [line for line in text.splitlines() if line.startswith("pilot_total_xds_rejects") and not line.endswith(" 0")]
        return counted + [line for line in (self.folder / "log").read_text().splitlines() if "ACK ERROR" in line]

    def close(self):
        self.process.kill()
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder)


def grpc_cluster(name, port):
    return {"name": name, "type": "STATIC", "connect_timeout": "1s",
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}}}},
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {
                "socket_address": {"address": "127.0.0.1", "port_value": port}}}}]}]}}


class Proxy:
    """An Envoy that does all it does from istiod, as a pod's with these labels and this service account."""

    def __init__(self, istiod, authority, kind, address, namespace, account, labels, **metadata):
        self.admin = free_port()
        self.secrets = Secrets(authority.secrets(namespace, account))
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="atelier-proxy-"))
        grpc = {"grpc_services": [{"envoy_grpc": {"cluster_name": "xds-grpc"}}], "api_type": "GRPC", "transport_api_version": "V3",
                "set_node_on_first_message_only": True}
        bootstrap = {
            "node": {"id": f"{kind}~{address}~{account}-0.{namespace}~{namespace}.svc.cluster.local", "cluster": account,
                     "metadata": {"NAME": f"{account}-0", "NAMESPACE": namespace, "SERVICE_ACCOUNT": account, "LABELS": labels,
                                  "CLUSTER_ID": "Kubernetes", "PROXY_CONFIG": mesh_config(FORMS[0]).get("defaultConfig", {}), **metadata}},
            "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": self.admin}}},
            "dynamic_resources": {"ads_config": grpc, "lds_config": {"ads": {}, "resource_api_version": "V3"},
                                  "cds_config": {"ads": {}, "resource_api_version": "V3"}},
            "static_resources": {"clusters": [grpc_cluster("xds-grpc", istiod.xds), grpc_cluster("sds-grpc", self.secrets.port)]}}
        (self.folder / "envoy.json").write_text(json.dumps(bootstrap))
        self.log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen([ENVOY, "-c", self.folder / "envoy.json", "--concurrency", "1", "--disable-hot-restart",
                                         "-l", "warning"], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        close_if_not(self, "the proxy has its listener")

    def said(self):
        return (self.folder / "log").read_text()[-4000:]

    def is_ready(self):
        assert self.process.poll() is None, self.said()
        return fetch(f"http://127.0.0.1:{self.admin}/ready")[0] == 200 and self.config("dynamic_listeners")

    def config(self, resource):
        status, text = fetch(f"http://127.0.0.1:{self.admin}/config_dump?resource={resource}&include_eds")
        return json.loads(text).get("configs", []) if status == 200 else []

    def routes(self):
        """{virtual host's domain: [route]} as Envoy took them."""
        found = {}
        for config in self.config("dynamic_route_configs"):
            for host in config["route_config"].get("virtual_hosts", []):
                for domain in host["domains"]:
                    found[domain] = host["routes"]
        return found

    def filters(self):
        """The HTTP filters of its listener, by name."""
        (listener,) = self.config("dynamic_listeners")
        chain = listener["active_state"]["listener"]["filter_chains"][0]["filters"]
        manager = next(one["typed_config"] for one in chain if "http_filters" in one.get("typed_config", {}))
        return manager["http_filters"]

    def counters(self, pattern):
        status, text = fetch(f"http://127.0.0.1:{self.admin}/stats?filter={pattern}")
        assert status == 200, text
        return {name: int(value) for name, _, value in (line.rpartition(": ") for line in text.splitlines())}

    def rejected(self):
        """How often Envoy refused what istiod sent, by what that was."""
        return {name: times for name, times in self.counters("update_rejected$").items() if times}

    def accepted(self):
        return sum(self.counters("^(cluster_manager.cds|listener_manager.lds|http..*rds..*).update_success$").values())

    def checks(self):
        """(how many requests the check let pass, how many it refused)"""
        found = self.counters("^http.*ext_authz.(ok|denied)$")
        return tuple(sum(times for name, times in found.items() if name.endswith(end)) for end in ("ext_authz.ok", "ext_authz.denied"))

    def close(self):
        self.process.kill()
        self.process.wait()
        self.secrets.close()
        self.log.close()
        shutil.rmtree(self.folder)


class Gateway(Proxy):
    """The ingress gateway; its listener is moved to a port of ours on loopback."""

    def __init__(self, cluster, istiod, authority, namespace):
        self.port = free_port()
        address = {"socket_address": {"address": "127.0.0.1", "port_value": self.port}}
        cluster.kubectl("apply", "-f", "-", text_in=json.dumps({
            "apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter",
            "metadata": {"name": "loopback", "namespace": namespace}, "spec": {
                "workloadSelector": {"labels": GATEWAY}, "configPatches": [{
                    "applyTo": "LISTENER", "match": {"context": "GATEWAY"},
                    "patch": {"operation": "MERGE", "value": {"address": address}}}]}}))
        super().__init__(istiod, authority, "router", "127.0.0.1", namespace, "istio-ingressgateway", GATEWAY)


class Sidecar(Proxy):
    """Before a pod's ports: {name: (port on <address>, protocol, port on 127.0.0.1)}. Nothing is redirected to it, and it lets
    nothing out."""

    def __init__(self, cluster, istiod, authority, address, namespace, account, labels, ports):
        cluster.kubectl("apply", "-f", "-", text_in=json.dumps({
            "apiVersion": "networking.istio.io/v1", "kind": "Sidecar", "metadata": {"name": account, "namespace": namespace}, "spec": {
                "workloadSelector": {"labels": labels}, "egress": [{"hosts": ["~/*"]}],
                "ingress": [{"port": {"number": port, "protocol": protocol, "name": name}, "bind": address,
                             "defaultEndpoint": f"127.0.0.1:{behind}"} for name, (port, protocol, behind) in ports.items()]}}))
        super().__init__(istiod, authority, "sidecar", address, namespace, account, labels, INTERCEPTION_MODE="NONE")


class Echo:
    """A workload without any decision of its own: remembers the headers of each request, by name in lower case."""

    def __init__(self):
        self.seen = seen = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                seen.append({name.lower(): value for name, value in self.headers.items()})
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
