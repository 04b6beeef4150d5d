"""Atelier behind a real Istio: istiod makes of the chart's objects, and of those that atelierd makes, what a real Envoy takes, and
requests through that Envoy are decided as atelierd decides. `make test-mesh`: building istiod takes minutes.

Three Envoys: the ingress gateway, a sidecar before atelierd and one before a profile's pod, each with a certificate of its own, so
that it is mutual TLS between them and Istio's policies see who asks. Not as in a cluster: nothing redirects connections to the
sidecars, which listen on 127.0.0.2 and 127.0.0.3 (Sidecar, captureMode NONE); WorkloadEntries stand for pods; the mesh's authority
is mesh_identity.py; and Istio's own filters, which a plain Envoy lacks (metadata exchange between peers and ALPN, neither of which
decides anything), are off.

All of it twice: the ingress gateway asks over HTTP, and by gRPC."""
import http.client
import json
import ssl
import time

import chart
import mesh
import pytest
import service
from mesh import FORMS, Echo, Gateway, Istiod, Sidecar
from mesh_identity import Authority

HOST, INGRESS = "atelier.example.com", "istio-ingress"
ATELIERD, APP = "127.0.0.2", "127.0.0.3"  # where their sidecars listen
DASHBOARD = 8265  # of a Ray cluster's head
SETTINGS = ["baseDomain=" + HOST, "adminEmail=admin@example.com", "istio.enabled=true", "istio.tlsAtLoadBalancer=true",
            "istio.ingressPrincipal=cluster.local/ns/istio-ingress/sa/istio-ingressgateway", "istio.extAuthz.enabled=true",
            f"istio.extAuthz.gatewayNamespace={INGRESS}", f"settings.gateway_namespaces={INGRESS}",
            "settings.istio_gateway=atelier-system/atelier"]
OURS = ("Gateway", "VirtualService", "AuthorizationPolicy")
NOTEBOOK = {"apiVersion": "kubeflow.org/v1", "kind": "Notebook", "metadata": {"name": "nb"}, "spec": {"template": {"spec": {
    "containers": [{"name": "nb", "image": "jupyter/base"}]}}}}
CLUSTER = {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {
    "name": "rc", "annotations": {"atelier.dev/istio-route": "off"}}, "spec": {
    "suspend": True, "rayVersion": "2.60.0", "headGroupSpec": {"rayStartParams": {}, "template": {"spec": {
        "containers": [{"name": "ray-head", "image": "ray-2.60"}]}}}}}
BROWSER = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}


@pytest.fixture(scope="module")
def tools():
    if not mesh.is_built():
        pytest.skip("istiod is not built; make test-mesh builds it, which takes minutes")


@pytest.fixture(scope="module", params=FORMS)
def form(request, tools):
    return request.param


def by_grpc(form):
    return form == "envoyExtAuthzGrpc"


@pytest.fixture(scope="module")
def house(form):
    check, metrics = service.free_port(), service.free_port()
    rendered = chart.objects(settings=[*SETTINGS, f"istio.extAuthz.grpc={str(by_grpc(form)).lower()}"])
    pod = chart.find(rendered, "Deployment", "atelier")["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    said = {one["name"]: one["value"] for one in container["env"] if "value" in one}
    made = service.Service("--controllers", ATELIER_CHECK_LISTEN=f"127.0.0.1:{check}", ATELIER_METRICS_LISTEN=f"127.0.0.1:{metrics}", **{
        name: said[name] for name in ("ATELIER_BASE_DOMAIN", "ATELIER_NAMESPACE", "ATELIER_ISTIO_GATEWAY", "ATELIER_TLS_OUTSIDE",
                                           "ATELIER_GATEWAY_NAMESPACES")})
    try:
        made.metrics_port = metrics
        made.ports = {"http": made.first.port, "https": made.first.tls_port, "check": check}
        assert set(made.ports) <= {port["name"] for port in container["ports"]}, container["ports"]
        made.rendered = [item for item in rendered if item["kind"] in (*OURS, "Service")]
        made.alice, made.bob = made.person("alice"), made.person("bob")
        made.profile("alice", made.alice.email)
        for item in (NOTEBOOK, CLUSTER):
            made.alice.kubectl("-n", "alice", "create", "-f", "-", text_in=json.dumps(item))
        for namespace in ("istio-system", INGRESS):
            made.cluster.kubectl("create", "namespace", namespace)
        made.labels = pod["metadata"]["labels"]
        put(made, *made.rendered, entry("atelierd", "atelier-system", made.labels, made.ports, ATELIERD, "atelier"))
        yield made
    finally:
        made.close()


def put(house, *items):
    house.cluster.kubectl("apply", "-f", "-", text_in="\n---\n".join(json.dumps(item) for item in items))


def entry(name, namespace, labels, ports, address="127.0.0.1", account=None):
    """There are no nodes, so pods' addresses and ports are given by hand; a Service finds them by its selector. With an account:
    behind a sidecar."""
    proxied = {"security.istio.io/tlsMode": "istio"} if account else {}
    return {"apiVersion": "networking.istio.io/v1", "kind": "WorkloadEntry", "metadata": {"name": name, "namespace": namespace}, "spec": {
        "address": address, "labels": {**labels, **proxied}, "ports": ports, **({"serviceAccount": account} if account else {})}}


@pytest.fixture(scope="module")
def istiod(house, form):
    made = Istiod(house.cluster, form)
    yield made
    made.close()


@pytest.fixture(scope="module")
def authority():
    made = Authority()
    yield made
    made.close()


@pytest.fixture(scope="module")
def sidecar(house, istiod, authority, form):
    """Before atelierd. The policy names two ports by number; behind the webhook's is another one with TLS."""
    protocols = {"https": "HTTPS", "check": "GRPC" if by_grpc(form) else "HTTP"}
    ports = {name: (port, protocols.get(name, "HTTP"), port) for name, port in house.ports.items()}
    ports |= {"webhook": (9443, "HTTPS", house.first.tls_port), "metrics": (9464, "HTTP", house.metrics_port)}
    made = Sidecar(house.cluster, istiod, authority, ATELIERD, "atelier-system", "atelier", house.labels, ports)
    yield made
    made.close()


@pytest.fixture(scope="module")
def gateway(house, istiod, authority, sidecar):
    made = Gateway(house.cluster, istiod, authority, INGRESS)
    yield made
    made.close()


def ask(gateway, target, token=None, method="GET", host=HOST, https=True, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    try:
        send = {"Host": host, **({"X-Forwarded-Proto": "https"} if https else {}),
                **({"Authorization": f"Bearer {token}"} if token else {}),
                **{name.replace("_", "-"): value for name, value in headers.items()}}
        connection.request(method, target, headers=send)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()
    finally:
        connection.close()


def tenants(house):
    """What atelierd itself made of Istio's kinds."""
    def made():
        found = json.loads(house.cluster.kubectl("get", "authorizationpolicies,virtualservices", "-n", "alice", "-o", "json"))["items"]
        return found if {item["kind"] for item in found} == {"AuthorizationPolicy", "VirtualService"} else None
    return service.eventually("a profile's policies and a notebook's route", made, 60)


def test_istiod_finds_nothing_wrong(house, istiod):
    """Its admission webhook, asked about each object: the chart's, and those of a profile and a notebook."""
    items = [item for item in house.rendered if item["kind"] in OURS] + tenants(house)
    assert {item["kind"] for item in items} == set(OURS) and len(items) >= 6, [item["metadata"]["name"] for item in items]
    for item in items:
        assert istiod.validate(item) == (True, [""]), item
    wrong = json.loads(json.dumps(next(item for item in items if item["kind"] == "AuthorizationPolicy")))
    wrong["spec"] = {"action": "ALLOW", "rules": [{"from": [{"source": {}}]}]}
    assert not istiod.validate(wrong)[0]


def test_envoy_takes_all_that_istiod_makes_of_it(house, gateway, istiod, form):
    tenants(house)
    routes = service.eventually("both routes", lambda: gateway.routes() if "/notebook/alice/nb/" in json.dumps(gateway.routes()) else None)
    assert {HOST, f"*.{HOST}"} <= set(routes), routes.keys()
    for domain in (HOST, f"*.{HOST}"):
        ways = [one["route"] for one in routes[domain]]
        assert len(ways) > 1 and {(one["cluster"], one["timeout"]) for one in ways} == {
            ("outbound|80||atelier.atelier-system.svc.cluster.local", "0s")}, ways
    names = [one["name"] for one in gateway.filters()]
    assert "envoy.filters.http.ext_authz" in names and "envoy.filters.http.rbac" in names, names
    check = next(one["typed_config"] for one in gateway.filters() if one["name"] == "envoy.filters.http.ext_authz")
    asked = check["grpc_service"]["envoy_grpc"]["cluster_name"] if by_grpc(form) else check["http_service"]["server_uri"]["cluster"]
    assert not check.get("failure_mode_allow") and asked == "outbound|9466||atelier-check.atelier-system.svc.cluster.local", check
    assert not gateway.rejected(), gateway.said()


def test_requests_are_decided(house, gateway):
    alice, bob = house.alice.token, house.bob.token
    let_before, stopped_before = gateway.checks()
    service.eventually("the console", lambda: ask(gateway, "/signin", **BROWSER)[0] == 200)
    assert ask(gateway, "/api/atelier/v1/whoami")[0] == 401
    assert json.loads(ask(gateway, "/api/atelier/v1/whoami", alice)[2])["email"] == house.alice.email
    # Nothing runs here: a member is told so by atelierd, and all others are stopped before.
    nb = "/notebook/alice/nb/api"
    assert ask(gateway, nb, alice)[0] == 503
    assert ask(gateway, nb, bob)[0] == 404
    assert ask(gateway, nb)[0] == 401
    status, headers, _ = ask(gateway, nb, **BROWSER)
    assert status == 302 and headers["location"].startswith("/signin?next="), headers
    assert ask(gateway, nb, bob, host=f"notebook-nb--alice.{HOST}")[0] == 401  # tokens do not count on workloads' own hosts
    assert ask(gateway, nb, alice, host="evil.example")[0] == 404  # no route of ours
    let, stopped = gateway.checks()
    assert let - let_before >= 4 and stopped - stopped_before == 4, (let, let_before, stopped, stopped_before)


def test_a_session_counts_on_both_sides(house, gateway):
    """By cookie, which is another one under TLS: the check and atelierd must agree that the browser's side is TLS."""
    link = house.first.cli("user", "create", "carol@example.com").strip()
    status, headers, _ = ask(gateway, "/auth/link/" + link.rsplit("/", 1)[1])
    assert status in (302, 303) and headers["set-cookie"].startswith("__Host-"), (status, headers)
    cookie = headers["set-cookie"].split(";")[0]
    assert json.loads(ask(gateway, "/api/atelier/v1/whoami", Cookie=cookie)[2])["email"] == "carol@example.com"
    status, headers, _ = ask(gateway, "/notebook/alice/nb/lab", Cookie=cookie, **BROWSER)
    assert status == 404, headers


@pytest.fixture(scope="module")
def past(house, istiod, authority, gateway):
    """A route of an operator's own, as docs/gke.md advises: past atelierd, to what has no decision of its own, in a profile's pod."""
    echo, labels = Echo(), {"app": "app"}
    put(house, entry("app", "alice", labels, {"http": echo.port}, APP, "default-editor"),
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "app", "namespace": "alice"}, "spec": {
            "selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}},
        {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "app", "namespace": "alice"}, "spec": {
            "hosts": [HOST], "gateways": ["atelier-system/atelier"], "http": [{
                "match": [{"uri": {"prefix": "/serve/alice/rc/"}}], "headers": {"request": {"remove": ["authorization", "cookie"]}},
                "route": [{"destination": {"host": "app.alice.svc.cluster.local", "port": {"number": 80}}}]}]}})
    proxy = Sidecar(house.cluster, istiod, authority, APP, "alice", "default-editor", labels, {
        "http": (echo.port, "HTTP", echo.port), "dashboard": (DASHBOARD, "HTTP", echo.port)})
    try:
        service.eventually("the route", lambda: "/serve/alice/rc/" in json.dumps(gateway.routes()))
        service.eventually("a way for alice", lambda: ask(gateway, "/serve/alice/rc/x", house.alice.token)[0] == 200, 10)
        yield echo
        assert not proxy.rejected(), proxy.said()
    finally:
        proxy.close()
        echo.close()


def knock(authority, address, port, namespace=None, account=None, context=None):
    """The status that a pod with this identity gets of a sidecar; without any: as anybody, by TLS of its own if there is a <context>."""
    context = context or (authority.context(namespace, account) if namespace else None)
    connection = http.client.HTTPConnection(address, port, timeout=30)
    if context:
        connection = http.client.HTTPSConnection(address, port, timeout=30, context=context)
    connection.request("GET", "/readyz", headers={"Host": HOST})
    status = connection.getresponse().status
    connection.close()
    return status


def test_only_the_gateway_reaches_atelierd(house, authority, gateway, form):
    """istio.ingressPrincipal, on every port that is decided at; what comes by the mesh shows who it is."""
    for port, answer in ((house.ports["http"], 200), (house.ports["check"], 415 if by_grpc(form) else 200)):
        def ask_as(namespace, account=None):
            return knock(authority, ATELIERD, port, namespace, account)
        assert ask_as(INGRESS, "istio-ingressgateway") == answer
        assert ask_as(INGRESS, "default") == ask_as("alice", "default-editor") == ask_as(None) == 403


def test_the_api_server_and_probes_need_no_identity(house, sidecar):
    own = ssl._create_unverified_context()
    assert knock(None, ATELIERD, 9464) == 200
    assert knock(None, ATELIERD, 9443, context=own) == 200
    with pytest.raises(OSError):  # the same behind it, but this port is the gateway's only
        knock(None, ATELIERD, house.ports["https"], context=own)


def test_a_profile_s_pods_are_reached_from_it_and_the_gateway(house, authority, past):
    """The policy that atelierd gives each profile."""
    def ask_as(namespace, account=None):
        return knock(authority, APP, past.port, namespace, account)
    assert ask_as("alice", "default-editor") == ask_as("alice", "any") == 200
    assert ask_as(INGRESS, "istio-ingressgateway") == ask_as("atelier-system", "atelier") == 200
    before = len(past.seen)
    assert ask_as("bob", "default-editor") == ask_as("alice-2", "default-editor") == ask_as("kuberay-system", "kuberay-operator") == 403
    assert ask_as(None) == 403 and len(past.seen) == before


def test_the_operator_reaches_what_it_looks_at(house, authority, past):
    """By its identity, and without any where it has none: past NetworkPolicies, which this network does not enforce, as anybody."""
    def operator():
        return knock(authority, APP, DASHBOARD, "kuberay-system", "kuberay-operator")

    def anybody(port=DASHBOARD):
        return knock(authority, APP, port)

    def look():
        """A pass for the profile, which else has one within half a minute."""
        house.cluster.kubectl("annotate", "profiles.kubeflow.org", "alice", "--overwrite", f"example.com/at={time.time()}")
    assert (operator(), anybody()) == (200, 403)
    house.cluster.kubectl("create", "namespace", "kuberay-system")
    look()
    service.eventually("an operator without a sidecar", lambda: anybody() == 200)
    assert operator() == 200 and anybody(past.port) == 403
    assert knock(authority, APP, DASHBOARD, "bob", "default-editor") == 403
    house.cluster.kubectl("label", "namespace", "kuberay-system", "istio-injection=enabled")
    look()
    service.eventually("an operator with one", lambda: anybody() == 403)
    assert operator() == 200


def test_a_route_past_atelierd_is_guarded_by_the_check(house, gateway, past):
    before = len(past.seen)
    assert ask(gateway, "/serve/alice/rc/x", house.alice.token, X_Atelier_User="bob@example.com", Cookie="a=b")[0] == 200
    (seen,) = past.seen[before:]
    assert seen.get("x-atelier-user") == house.alice.email and not {"authorization", "cookie"} & set(seen), seen
    assert ask(gateway, "/serve/alice/rc/x", house.bob.token)[0] == 404
    assert ask(gateway, "/serve/alice/rc/x")[0] == 401
    assert ask(gateway, "/serve/alice/rc/x", **BROWSER)[0] == 302
    assert len(past.seen) == before + 1


def test_access_that_is_taken_back_is_gone(house, gateway, past):
    bob, ways = house.bob, {"/notebook/alice/nb/api": 503, "/serve/alice/rc/x": 200}
    house.first.cli("share", "alice", bob.email, "--role", "editor")
    for way, status in ways.items():
        service.eventually("bob passes", lambda: ask(gateway, way, bob.token)[0] == status, 10)
    house.first.cli("unshare", "alice", bob.email)
    for way in ways:
        service.eventually("bob is refused", lambda: ask(gateway, way, bob.token)[0] == 404, 5)


def test_without_atelierd_nothing_passes(house, gateway, past):
    """Nobody answers the check: closed, for what atelierd would decide too."""
    ways = ("/api/atelier/v1/whoami", "/serve/alice/rc/x")
    assert [ask(gateway, way, house.alice.token)[0] for way in ways] == [200, 200]
    patch(house, service.free_port())
    for way in ways:
        service.eventually("requests are refused", lambda: ask(gateway, way, house.alice.token)[0] == 403)
    patch(house, house.ports["check"])
    service.eventually("requests pass again", lambda: ask(gateway, "/signin", **BROWSER)[0] == 200)


def patch(house, port):
    house.cluster.kubectl("-n", "atelier-system", "patch", "workloadentry", "atelierd", "--type", "merge", "-p",
                          json.dumps({"spec": {"ports": {"check": port}}}))


def test_nothing_was_refused_on_the_way(gateway, sidecar, istiod):
    """After all of the above; the last in this file."""
    for proxy in (gateway, sidecar):
        assert proxy.accepted() > 0 and not proxy.rejected(), proxy.said()
    assert not istiod.rejections(), istiod.said()
