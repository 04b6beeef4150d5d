"""Envoy in front, asking first: a real one, with the provider that docs/gke.md declares, decides as atelierd does, over HTTP
and by gRPC.

Through `front` everything leads to atelierd. Through `past` the workloads' paths lead to an application without any
decision of its own (Echo): what reaches it passed by the check alone."""
import hashlib
import http.client
import json
import socket
import time

import pytest

from atelier import PATIENCE, free_port, running, wait_for
from envoy import FORMS, TRUSTED_PROXIES, ByHttp2, Echo, Envoy, Port

ALICE, BOB, CAROL = "alice@example.com", "bob@example.com", "carol@example.com"
NB = "/notebook/alice/nb"
BROWSER = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}


@pytest.fixture(scope="module")
def house():
    check = free_port()
    with running(ALICE, BOB, CAROL, ATELIER_CHECK_LISTEN=f"127.0.0.1:{check}") as instance:
        instance.check_port = check
        instance.cli("profile", "create", "bob", "--wait", user=BOB)
        instance.cli("share", "alice", CAROL, "--role", "viewer", user=ALICE)
        instance.cli("-n", "alice", "notebook", "create", "nb", user=ALICE)
        instance.cli("-n", "bob", "notebook", "create", "nb", user=BOB)
        suspended = {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": "rc"}, "spec": {
            "suspend": True, "rayVersion": "2.60.0", "headGroupSpec": {"rayStartParams": {}, "template": {"spec": {
                "containers": [{"name": "ray-head", "image": "ray-2.60"}]}}}}}
        made = instance.http("POST", "/apis/ray.io/v1/namespaces/alice/rayclusters", user=ALICE, body=suspended)
        assert made.status == 201, made
        instance.wait_notebook("alice", "nb", ALICE)
        instance.wait_notebook("bob", "nb", BOB)
        yield instance


@pytest.fixture(scope="module")
def echo():
    made = Echo()
    yield made
    made.close()


@pytest.fixture(scope="module", params=FORMS)
def form(request):
    return request.param


@pytest.fixture(scope="module")
def front(house, form):
    made = Envoy(house, house.check_port, form)
    yield made
    made.close()


@pytest.fixture(scope="module")
def past(house, echo, form):
    made = Envoy(house, house.check_port, form, direct=echo.port, prefixes=("/notebook/", "/ray/", "/serve/"))
    yield made
    made.close()


def field(answer, name):
    return [value for key, value in answer.json["headers"] if key == name]


def raw(port, text):
    """Status of one request, byte by byte as it is written here."""
    with socket.create_connection(("127.0.0.1", port), timeout=20 * PATIENCE) as client:
        client.sendall(text.encode())
        return int(client.makefile("rb").readline().split()[1])


# --- who ----------------------------------------------------------------------------------------------------------------

def test_a_member_passes_and_is_named_whatever_they_say(past):
    forged = {"X-Atelier-User": BOB, "x-atelier-USER": "root@example.com", "X_Atelier_User": BOB,
              "Cookie": "theme=dark; atelier_session=stolen", "X-Request-Id": "mine"}
    seen = past.get(f"{NB}/api/status?x=1", ALICE, headers=forged)
    assert seen.status == 200 and seen.json["path"] == f"{NB}/api/status?x=1", seen
    assert [pair for pair in seen.json["headers"] if "user" in pair[0] and pair[0] != "user-agent"] == [["x-atelier-user", ALICE]], seen
    assert past.tokens[ALICE] not in seen.text and "stolen" not in seen.text, seen
    assert not field(seen, "authorization") and not field(seen, "cookie"), seen


def test_outsiders_and_viewers_are_refused_as_by_atelierd(house, front, past, echo):
    before = len(echo.seen)
    for user, method, status in ((BOB, "GET", 404), (BOB, "POST", 404), (CAROL, "GET", 403), (CAROL, "POST", 403)):
        direct = house.http(method, f"{NB}/api/status", user=user)
        for through in (front, past):
            answer = through.http(method, f"{NB}/api/status", user=user)
            assert (answer.status, answer.body) == (status, direct.body), (user, method, answer, direct)
    assert house.http("GET", f"{NB}/api", token="atelier_nonsense").status == past.http("GET", f"{NB}/api", token="nonsense").status == 401
    assert len(echo.seen) == before


def test_nobody_is_led_to_sign_in_and_programs_are_told(front, past, echo):
    before = len(echo.seen)
    for through in (front, past):
        page = through.get(f"{NB}/lab", headers=BROWSER)
        assert page.status == 302 and page.headers["location"] == "/signin?next=%2Fnotebook%2Falice%2Fnb%2Flab", page
        told = through.get(f"{NB}/lab")
        assert told.status == 401 and told.headers["www-authenticate"].startswith("Bearer"), told
    assert len(echo.seen) == before
    # What is no workload's is atelierd's own, which decides: sign-in must be there for nobody.
    assert front.get("/signin", headers=BROWSER).status == 200
    assert front.get("/api/atelier/v1/whoami").status == 401
    assert front.get("/api/atelier/v1/whoami", ALICE).json["email"] == ALICE


def test_a_browser_comes_to_the_notebook_s_own_host(house, front, past):
    """By the cookie of the main host to that of the notebook's, which passes and goes no further."""
    led = front.get(f"{NB}/lab", headers={**BROWSER, "Cookie": house.cookie})
    own = f"notebook-nb--alice.localhost:{front.port}"
    assert led.status == 302 and led.headers["location"].startswith(f"http://{own}/auth/handoff?"), led
    handed = front.get(led.headers["location"].split(own)[1], host=own)
    assert handed.status == 302 and handed.headers["location"] == f"{NB}/lab", handed
    cookie = handed.headers["set-cookie"].split(";")[0]
    assert front.get(f"{NB}/api/status", host=own, headers={"Cookie": cookie}).status == 200
    # A forged word on https would make another cookie count.
    seen = past.get(f"{NB}/api/status", host=f"notebook-nb--alice.localhost:{past.port}", headers={
        "Cookie": f"{cookie}; theme=dark", "X-Forwarded-Proto": "https", "X-Atelier-User": BOB})
    assert seen.status == 200 and field(seen, "x-atelier-user") == [ALICE], seen
    assert not field(seen, "cookie"), seen
    for wrong, host in ((cookie, f"notebook-nb--bob.localhost:{past.port}"), (cookie, f"127.0.0.1:{past.port}")):
        assert past.get(f"{NB}/api/status", host=host, headers={"Cookie": wrong}).status in (401, 404)
    assert past.http("POST", f"{NB}/api", host=own, headers={"Cookie": cookie, "Origin": "http://evil.example"}).status == 403


def test_behind_a_load_balancer_that_ends_tls_its_word_counts(house, past, echo, form):
    """The check then looks for the cookie that browsers have under TLS, and only for that one."""
    behind = Envoy(house, house.check_port, form, direct=echo.port, prefixes=("/notebook/",), trusted_proxies=TRUSTED_PROXIES)
    try:
        plain = house.cookie
        assert plain.startswith("atelier_session=")
        origin = {"Origin": "https://127.0.0.1", "X-Forwarded-Proto": "https"}

        def said(envoy, cookie, **more):
            return envoy.get(f"{NB}/lab", host="127.0.0.1", headers={**BROWSER, "Cookie": cookie, **more}).headers["location"]
        # Known: on to the notebook's own host. Unknown: to sign in.
        assert "/auth/handoff?" in said(behind, "__Host-" + plain, **origin)
        assert said(behind, plain, **origin).startswith("/signin?")
        assert "/auth/handoff?" in said(behind, plain, **{"X-Forwarded-Proto": "http"})
        assert said(past, "__Host-" + plain, **origin).startswith("/signin?")  # nobody stands before that one
    finally:
        behind.close()


def test_access_that_is_taken_back_is_gone(house, front, past, echo):
    house.cli("share", "alice", BOB, "--role", "editor", user=ALICE)
    for through in (front, past):
        wait_for("bob passes", lambda: through.get(f"{NB}/api/status", BOB).status == 200, 20)
    house.cli("unshare", "alice", BOB, user=ALICE)
    for through in (front, past):
        wait_for("bob is refused", lambda: through.get(f"{NB}/api/status", BOB).status == 404, 20)


# --- what passes ----------------------------------------------------------------------------------------------------------

def test_a_token_for_one_application_passes_to_that_alone(house, past, echo):
    """By the check alone, as the number of the token."""
    made = json.loads(house.cli("ray", "token", "rc", "/app", "-n", "alice", "-o", "json", user=ALICE).stdout)
    token = made["token"]
    assert past.get("/serve/alice/rc/app/x", token=token).status == 200
    assert dict(echo.seen[-1]["headers"])["x-atelier-user"] == f"token-{made['id']}"
    before = len(echo.seen)
    for path in ("/serve/alice/rc/apple", "/serve/alice/rc/", "/ray/alice/rc/", f"{NB}/lab", "/serve/bob/rc/app"):
        assert past.get(path, token=token).status == 404, path
    assert len(echo.seen) == before
    house.cli("token", "delete", str(made["id"]), user=ALICE)
    wait_for("it is refused", lambda: past.get("/serve/alice/rc/app/x", token=token).status == 401, 20)


def test_a_kernel_answers_by_websocket(front):
    kernel = front.kernel("alice", "nb", ALICE)
    assert kernel.run("print(6 * 7)").strip() == "42"
    kernel.close()


def test_the_check_knows_a_websocket_when_it_is_asked(past, echo):
    """A viewer may look at a Ray dashboard, as whom the application sees; a WebSocket is more."""
    import websocket
    channel = past.websocket(f"{NB}/api/kernels/x/channels", ALICE)
    assert channel.recv() == "hello" and dict(echo.seen[-1]["headers"])["x-atelier-user"] == ALICE
    channel.close()
    before = len(echo.seen)
    for user, status in ((CAROL, 403), (BOB, 404), (None, 401)):
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            past.websocket(f"{NB}/api/kernels/x/channels", user)
        assert refused.value.status_code == status
    looked = past.get("/ray/alice/rc/api/version", CAROL)
    assert looked.status == 200 and field(looked, "x-atelier-user") == [CAROL], looked
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        past.websocket("/ray/alice/rc/api/version", CAROL)
    assert refused.value.status_code == 403
    assert past.http("POST", "/ray/alice/rc/api/jobs/", user=CAROL).status == 403
    assert len(echo.seen) == before + 1


def upgrade(port, path, token=None, *more):
    """Status of a WebSocket's handshake, whatever is answered to a key that somebody on the way has taken out."""
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", *([f"Authorization: Bearer {token}"] if token else []), *more]
    return raw(port, "\r\n".join(lines) + "\r\n\r\n")


def test_a_websocket_by_http2_is_decided_as_one(house, past, echo):
    """Envoy asks about an extended CONNECT as about a GET with Upgrade, and has no key to tell."""
    way = ByHttp2(past)
    channels = f"{NB}/api/kernels/x/channels"
    try:
        before = len(echo.seen)
        assert upgrade(way.port, channels, way.tokens[ALICE]) == 101
        seen = dict(echo.seen[-1]["headers"])
        assert seen["x-atelier-user"] == ALICE and seen["upgrade"] == "websocket" and "sec-websocket-key" not in seen, seen
        for path, user, status in ((channels, BOB, 404), (channels, CAROL, 403), (channels, None, 401),
                                   ("/ray/alice/rc/api/version", CAROL, 403)):
            for port in (way.port, past.port):
                assert upgrade(port, path, user and way.tokens[user]) == status, (path, user)
        assert way.get("/ray/alice/rc/api/version", CAROL).status == 200  # who may look
        assert len(echo.seen) == before + 2
        house.cli("share", "alice", BOB, "--role", "editor", user=ALICE)
        wait_for("bob passes", lambda: upgrade(way.port, channels, way.tokens[BOB]) == 101, 20)
        house.cli("unshare", "alice", BOB, user=ALICE)
        wait_for("bob is refused", lambda: upgrade(way.port, channels, way.tokens[BOB]) == 404, 20)
        assert upgrade(way.port, channels, way.tokens[ALICE], "Origin: http://evil.example") == 101  # a token, not a cookie
    finally:
        way.close()


def test_a_websocket_by_http2_does_not_lead_to_atelierd(front):
    """It passes the check, and has no key that could be answered."""
    way = ByHttp2(front)
    try:
        assert upgrade(way.port, f"{NB}/api/kernels/x/channels", way.tokens[ALICE]) == 400
        assert upgrade(way.port, f"{NB}/api/kernels/x/channels", way.tokens[BOB]) == 404
        assert way.get("/api/atelier/v1/whoami", ALICE).json["email"] == ALICE
    finally:
        way.close()


def test_bodies_pass_untouched(past):
    body = bytes(range(256)) * 20_000
    for send in (body, iter([body[:1000], body[1000:]])):
        seen = past.http("PUT", f"{NB}/api/contents/x", user=ALICE, body=send)
        assert seen.status == 200 and (seen.json["bytes"], seen.json["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())


def test_a_stream_is_read_as_it_comes(house, front):
    connection = http.client.HTTPConnection("127.0.0.1", front.port, timeout=20 * PATIENCE)
    connection.request("GET", "/api/v1/namespaces/alice/configmaps?watch=1", headers={"Authorization": f"Bearer {front.tokens[ALICE]}"})
    stream = connection.getresponse()
    assert stream.status == 200
    name = f"came-{time.time_ns()}"
    assert front.http("POST", "/api/v1/namespaces/alice/configmaps", user=ALICE, body={
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}).status == 201
    while json.loads(stream.readline())["object"]["metadata"]["name"] != name:
        pass
    connection.close()


# --- two readers of one request ---------------------------------------------------------------------------------------------

TRICKS = (
    "//notebook/alice/nb/api", "/notebook//alice/nb/api", "/notebook/alice//nb/api", "/%2fnotebook/alice/nb/api",
    "/notebook%2falice/nb/api", "/notebook/alice%2fnb/api", "/notebook/alice%2Fnb%2Fapi", "/notebook/%61lice/nb/api",
    "/%6eotebook/alice/nb/api", "/notebook/alice;x/nb/api", "/notebook/alice/nb;x/api", "/notebook;x/alice/nb/api",
    "/notebook/bob/nb/../../alice/nb/api", "/notebook/bob/nb/..%2f..%2falice/nb/api", "/notebook/bob/nb/%2e%2e/%2e%2e/alice/nb/api",
    "/notebook/bob/nb/..;/..;/alice/nb/api", "/notebook/bob/nb/%252e%252e/%252e%252e/alice/nb/api",
    "/notebook/bob/nb/..\\..\\alice\\nb\\api", "/notebook/bob/nb/..%5c..%5calice%5cnb%5capi", "/notebook/bob/../alice/nb/api",
    "/notebook/./alice/nb/api", "/notebook/alice/./nb/api", "/x/../notebook/alice/nb/api", "/./notebook/alice/nb/api",
    "/notebook/alice/nb/api%00", "/notebook/alice/nb/%c0%ae%c0%ae/api", "/NOTEBOOK/alice/nb/api", "/notebook/ALICE/nb/api",
    "/notebook/alice/nb/api?x=/../../bob/nb", "/notebook/alice/nb/api#/notebook/bob/nb/",
)


@pytest.mark.parametrize("target", TRICKS)
def test_no_spelling_of_a_path_leads_to_another_decision(front, past, echo, target):
    """Bob never reaches alice's; what alice reaches is what was asked about, and both ways in say the same."""
    def ask(port, user):
        return raw(port, f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n"
                         f"Authorization: Bearer {front.tokens[user]}\r\n\r\n")
    before = len(echo.seen)
    status = ask(past.port, BOB)
    for seen in echo.seen[before:]:
        assert seen["path"].startswith("/notebook/bob/nb/"), (target, seen)
    assert status in (400, 404) or echo.seen[before:] or not target.lower().startswith("/notebook/"), (target, status)
    through = ask(front.port, BOB)
    if echo.seen[before:]:
        assert through in (200, 404), (target, through)  # bob's own notebook, which answers for itself
    else:
        assert through == status, (target, through, status)
    before = len(echo.seen)
    ask(past.port, ALICE)
    for seen in echo.seen[before:]:
        assert seen["path"].startswith("/notebook/alice/nb/") and "%2f" not in seen["path"].lower(), (target, seen)


@pytest.mark.parametrize("host", ("LOCALHOST", "LocalHost.", "NOTEBOOK-NB--ALICE.localhost", "notebook-nb--alice.LOCALHOST",
                                  "notebook-nb--bob.localhost", "evil.example", "127.0.0.1.", "[::1]", "localhost@evil.example"))
def test_hosts_are_one_to_both(house, front, past, host):
    for user in (ALICE, BOB):
        def ask(port, target=f"{NB}/api/status"):
            return raw(port, f"GET {target} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n"
                             f"Authorization: Bearer {house.tokens[user]}\r\n\r\n")
        direct = ask(house.port)
        assert ask(front.port) == ask(past.port) == direct, (host, user, direct)


def test_absolute_targets_are_decided_by_their_host(house, past, echo):
    """Envoy takes the target's host for Host, and asks about that."""
    def ask(user, authority, host):
        return raw(past.port, f"GET http://{authority}:{past.port}{NB}/api/status HTTP/1.1\r\nHost: {host}:{past.port}\r\n"
                              f"Connection: close\r\nAuthorization: Bearer {house.tokens[user]}\r\n\r\n")
    before = len(echo.seen)
    assert ask(BOB, "localhost", "localhost") == ask(BOB, "localhost", "evil.example") == 404
    assert ask(ALICE, "evil.example", "localhost") == 421 and len(echo.seen) == before
    assert ask(ALICE, "localhost", "localhost") == 200 and len(echo.seen) == before + 1


def test_names_that_two_readers_take_differently_are_refused(past, echo):
    """Bytes that are no UTF-8, and large values: refused, never an error that lets pass."""
    before = len(echo.seen)
    token = past.tokens[BOB]
    for line in ("Cookie: a=\udcff\udcfe", f"Origin: {'x' * 9000}", "Accept: \udcc0\udcae", "Upgrade: websocket",
                 "Sec-WebSocket-Key: x", "Connection: X-Atelier-User, Upgrade", "Sec-Fetch-Site: cross-site"):
        text = (f"GET {NB}/api HTTP/1.1\r\nHost: 127.0.0.1:{past.port}\r\n{line}\r\n"
                f"Authorization: Bearer {token}\r\n\r\n").encode("utf-8", "surrogateescape")
        with socket.create_connection(("127.0.0.1", past.port), timeout=20 * PATIENCE) as client:
            client.sendall(text)
            status = int(client.makefile("rb").readline().split()[1])
        assert 400 <= status < 500, (line, status)
    assert len(echo.seen) == before


def test_what_is_too_large_for_atelierd_is_too_large_to_ask_about(front, past, echo):
    before = len(echo.seen)
    for size in (17_000, 40_000):
        for through in (front, past):
            status = raw(through.port, f"GET {NB}/api HTTP/1.1\r\nHost: 127.0.0.1:{through.port}\r\nCookie: a={'x' * size}\r\n"
                                       f"Authorization: Bearer {through.tokens[ALICE]}\r\n\r\n")
            assert status == 431, (size, status)
    assert len(echo.seen) == before


# --- without an answer --------------------------------------------------------------------------------------------------------

def test_without_an_answer_nothing_passes(house, echo, form):
    """Nobody listens, or nobody answers: closed, also for what would pass for everybody."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        for port in (free_port(), silent.getsockname()[1]):
            shut = Envoy(house, port, form, direct=echo.port, prefixes=("/notebook/",), timeout="0.5s")
            try:
                before = len(echo.seen)
                for path in (f"{NB}/api", "/signin", "/api/atelier/v1/whoami"):
                    assert shut.get(path, ALICE).status in (403, 503), path
                assert len(echo.seen) == before
            finally:
                shut.close()


def test_a_provider_that_does_not_speak_as_the_service_says_lets_nothing_pass(house, echo, form):
    shut = Envoy(house, house.check_port, form, direct=echo.port, prefixes=("/notebook/",), http2=form == "http")
    try:
        before = len(echo.seen)
        for path in (f"{NB}/api", "/signin", "/api/atelier/v1/whoami"):
            assert 400 <= shut.get(path, ALICE).status < 600, path
        # To who speaks gRPC, Envoy says so in gRPC's way.
        posted = shut.http("POST", f"{NB}/api", user=ALICE, headers={"Content-Type": "application/grpc"}, body=b"\0\0\0\0\0")
        assert posted.headers["grpc-status"] not in ("", "0"), posted
        assert len(echo.seen) == before
    finally:
        shut.close()


def test_the_check_s_own_port_gives_nothing_away(house):
    """Whoever can reach it learns what atelierd would answer, and is served nothing."""
    check = Port(house.check_port)
    asked = check.get("/api/atelier/v1/whoami", token=house.tokens[ALICE])
    assert asked.status == 200 and not asked.body and asked.headers["x-atelier-user"] == ALICE
    assert check.get(f"{NB}/api", token=house.tokens[BOB]).status == 404
