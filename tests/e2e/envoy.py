"""A real Envoy on loopback that asks atelierd about every request (ext_authz), and what may stand behind it."""
import base64
import hashlib
import http.server
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading

import yaml

from atelier import PATIENCE, ROOT, Client, free_port, wait_for

BINARY = pathlib.Path(sys.executable).parent / "envoy"
FILTERS = "type.googleapis.com/envoy.extensions.filters"


def declared(kind):
    """The YAML in which the documentation tells operators to declare such an extension provider of Istio's mesh configuration."""
    blocks = [part.split("```")[0] for part in (ROOT / "docs" / "gke.md").read_text().split("```yaml\n")[1:]]
    found = [b for b in blocks if kind in b]
    assert len(found) == 1, f"one block of YAML declares {kind}"
    return yaml.safe_load(found[0])


MESH = declared("envoyExtAuthzHttp")["meshConfig"]
DOCUMENTED, BY_GRPC = MESH["extensionProviders"][0]["envoyExtAuthzHttp"], declared("envoyExtAuthzGrpc")[0]["envoyExtAuthzGrpc"]
TRUSTED_PROXIES = MESH["defaultConfig"]["gatewayTopology"]["numTrustedProxies"]  # before the gateway that all this is for


def exactly(names):
    return {"patterns": [{"exact": name, "ignore_case": True} for name in names]}


FORMS = ("http", "grpc", "grpc with raw headers")


def over_http(timeout):
    return {"allowed_headers": exactly(DOCUMENTED["includeRequestHeadersInCheck"]), "http_service": {
        "server_uri": {"uri": "http://check", "cluster": "check", "timeout": timeout},
        "authorization_response": {
            "allowed_upstream_headers": exactly(DOCUMENTED["headersToUpstreamOnAllow"]),
            "allowed_client_headers": exactly(DOCUMENTED["headersToDownstreamOnDeny"])}}}


def by_grpc(timeout, raw):
    return {"encode_raw_headers": raw, "grpc_service": {"envoy_grpc": {"cluster_name": "check"}, "timeout": timeout}}


def ext_authz(form, timeout):
    """Made of the provider as Istio makes it (pilot/pkg/security/authz/builder/extauthz.go)."""
    documented = DOCUMENTED if form == "http" else BY_GRPC
    service = over_http(timeout) if form == "http" else by_grpc(timeout, form != "grpc")
    return {"name": "envoy.filters.http.ext_authz", "typed_config": {
        "@type": f"{FILTERS}.http.ext_authz.v3.ExtAuthz", "transport_api_version": "V3",
        "failure_mode_allow": documented.get("failOpen", False), **service}}


def cluster(name, port, http2=False):
    protocol = {"typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {"allow_connect": True}}}}} if http2 else {}
    return {"name": name, "type": "STATIC", "connect_timeout": f"{PATIENCE:g}s", "load_assignment": {"cluster_name": name, "endpoints": [
        {"lb_endpoints": [{"endpoint": {"address": address(port)}}]}]}, **protocol}


def address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


class Port(Client):
    """Whatever answers on a port."""

    def __init__(self, port):
        self.port, self.tokens = port, {}


class Envoy(Client):
    """Requests for <prefixes> go to <direct> past atelierd, all others to atelierd; <check_port> is asked first, in the HTTP that
    <form> needs or the one that is said."""

    def __init__(self, house, check_port, form, direct=None, prefixes=(), timeout=f"{2 * PATIENCE:g}s", trusted_proxies=0, http2=None):
        self.env, self.tokens, self.house = house.env, house.tokens, house
        clusters = [cluster("atelierd", house.port), cluster("check", check_port, http2=form != "http" if http2 is None else http2)]
        if direct:
            clusters.append(cluster("direct", direct))
        routes = [{"match": {"prefix": prefix}, "route": {"cluster": "direct", "timeout": "0s"},
                   "request_headers_to_remove": ["authorization", "cookie"]} for prefix in prefixes]
        routes.append({"match": {"prefix": "/"}, "route": {"cluster": "atelierd", "timeout": "0s"}})
        self.start(clusters, routes, [ext_authz(form, timeout)], trusted_proxies)

    def start(self, clusters, routes, filters, trusted_proxies=0):
        self.port, self.admin_port = free_port(), free_port()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="atelier-envoy-"))
        manager = {
            "@type": f"{FILTERS}.network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "in",
            # As Istio sets them at a gateway.
            "use_remote_address": True, "normalize_path": True, "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
            "xff_num_trusted_hops": trusted_proxies, "stream_idle_timeout": "0s", "upgrade_configs": [{"upgrade_type": "websocket"}],
            "http2_protocol_options": {"allow_connect": True},
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
            "http_filters": [*filters, {"name": "envoy.filters.http.router", "typed_config": {
                "@type": f"{FILTERS}.http.router.v3.Router"}}]}
        config = {"admin": {"address": address(self.admin_port)}, "static_resources": {
            "clusters": clusters,
            "listeners": [{"name": "in", "address": address(self.port), "filter_chains": [{"filters": [
                {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}]}]}}
        (self.folder / "envoy.json").write_text(json.dumps(config))
        self.log = open(self.folder / "envoy.log", "ab")
        self.process = subprocess.Popen(
            [BINARY, "-c", self.folder / "envoy.json", "--concurrency", "1", "--disable-hot-restart", "-l", "warning"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        wait_for("Envoy", self.is_live, 60, 0.05)

    def is_live(self):
        assert self.process.poll() is None, (self.folder / "envoy.log").read_text()[-3000:]
        try:
            return Port(self.admin_port).get("/ready", timeout=2).status == 200
        except OSError:
            return False

    def close(self):
        self.process.kill()
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder)


class ByHttp2(Envoy):
    """A browser's way to <envoy>, by HTTP/2: a WebSocket goes as an extended CONNECT, and without a key (RFC 8441)."""

    def __init__(self, envoy):
        self.env, self.tokens, self.house = envoy.env, envoy.tokens, envoy.house
        self.start([cluster("envoy", envoy.port, http2=True)], [{"match": {"prefix": "/"}, "request_headers_to_remove": [
            "sec-websocket-key"], "route": {"cluster": "envoy", "timeout": "0s"}}], [])


class Echo:
    """A workload without any decision of its own: tells what reached it, and remembers it."""

    def __init__(self):
        self.seen = []
        echo = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def body(self):
                if self.headers.get("Transfer-Encoding") == "chunked":
                    parts = []
                    while size := int(self.rfile.readline(), 16):
                        parts.append(self.rfile.read(size))
                        self.rfile.readline()
                    self.rfile.readline()
                    return b"".join(parts)
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))

            def answer(self):
                body = self.body()
                seen = {"method": self.command, "path": self.path, "headers": [[k.lower(), v] for k, v in self.headers.items()],
                        "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
                echo.seen.append(seen)
                if self.headers.get("Upgrade", "").lower() == "websocket":
                    return self.switch()
                text = json.dumps(seen).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                return self.wfile.write(text)

            def switch(self):
                key = self.headers.get("Sec-WebSocket-Key", "") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
                self.send_response(101)
                self.send_header("Upgrade", "websocket")
                self.send_header("Connection", "Upgrade")
                self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
                self.end_headers()
                self.wfile.write(b"\x81\x05hello")
                self.close_connection = True

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
