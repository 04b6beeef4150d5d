"""https as people meet it: where http leads when the platform wants https only, and who trusts what is served there."""
import http.client
import json
import ssl
import subprocess

import pytest
from atelier import BUILD, PATIENCE, ROOT

ALICE = "alice@example.com"


@pytest.fixture(scope="module")
def own(house):
    """A platform whose administrator wants https only; alice's token is made on its own socket."""
    house.env["ATELIER_HTTPS_REDIRECT"] = "1"
    house.up()
    house.cli("user", "create", ALICE)
    house.tokens[ALICE] = house.cli("token", "create", "--user", ALICE).stdout.strip()
    house.authority = house.data / "ca-for-clients.crt"
    house.authority.write_text(house.cli("ca").stdout)
    return house


def secure(own, method, path, host="localhost", context=None, **headers):
    """(status, body) over https, as the name <host>."""
    context = context or ssl.create_default_context(cafile=own.authority)
    connection = http.client.HTTPSConnection(host, own.tls_port, context=context, timeout=30 * PATIENCE)
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    answer = response.status, response.read()
    connection.close()
    return answer


def test_http_leads_to_https_where_that_is_wanted(own):
    for method in ("GET", "POST"):
        answer = own.http(method, "/some/page?with=query", host=f"localhost:{own.port}")
        assert answer.status == 308, answer
        assert answer.headers["location"] == f"https://localhost:{own.tls_port}/some/page?with=query"
    label = "notebook-nb1--alice.localhost"
    there = own.http("GET", "/notebook/alice/nb1/", host=f"{label}:{own.port}").headers["location"]
    assert there == f"https://{label}:{own.tls_port}/notebook/alice/nb1/"
    assert own.http("GET", "/api/atelier/v1/whoami", user=ALICE).status == 308  # a token is not answered in the clear
    assert own.http("GET", "/readyz").status == 200 and own.http("GET", "/healthz").status == 200
    foreign = own.http("GET", "/", host="evil.example")
    assert "location" not in foreign.headers, foreign


def test_what_is_there_is_served_with_names_that_verify(own):
    token = {"Authorization": f"Bearer {own.tokens[ALICE]}"}
    for name in ("localhost", "127.0.0.1"):
        status, body = secure(own, "GET", "/api/atelier/v1/whoami", host=name, **token)
        assert status == 200 and json.loads(body)["email"] == ALICE
    with pytest.raises(ssl.SSLCertVerificationError):
        secure(own, "GET", "/", context=ssl.create_default_context())
    for version, spoken in ((ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True), (ssl.TLSVersion.TLSv1_1, False)):
        context = ssl.create_default_context(cafile=own.authority)
        context.minimum_version = context.maximum_version = version
        if spoken:
            assert secure(own, "GET", "/healthz", context=context)[0] == 200
        else:
            with pytest.raises(ssl.SSLError):
                secure(own, "GET", "/healthz", context=context)


def test_the_command_line_verifies_too(own):
    def whoami(**env):
        return subprocess.run([BUILD / "atelier", "whoami"], cwd=ROOT, text=True, capture_output=True, timeout=60 * PATIENCE, check=False,
                              env={"PATH": "/usr/bin:/bin", "HOME": str(own.data), "ATELIER_TOKEN": own.tokens[ALICE],
                                   "ATELIER_URL": f"https://localhost:{own.tls_port}", **env})

    trusted = whoami(ATELIER_CA=str(own.authority))
    assert trusted.returncode == 0 and ALICE in trusted.stdout, trusted
    untrusted = whoami()
    assert untrusted.returncode == 1 and ALICE not in untrusted.stdout and "certificate" in untrusted.stderr, untrusted


def test_http_from_a_proxy_that_ended_tls_counts_as_https(own):
    """No redirect round in a circle, and https's cookie and origin: those of http do not count."""
    own.down()
    own.env["ATELIER_TLS_OUTSIDE"] = "1"
    own.up()
    link = own.cli("user", "create", "carol@example.com").stdout.strip()
    opened = own.get("/auth/link/" + link.rsplit("/", 1)[1])
    cookie = opened.headers["set-cookie"]
    assert opened.status in (302, 303) and cookie.startswith("__Host-atelier_session=") and "; Secure" in cookie, opened
    cookie = cookie.split(";")[0]
    me = own.get("/api/atelier/v1/whoami", headers={"Cookie": cookie}).json
    assert me["email"] == "carol@example.com"
    assert own.get("/api/atelier/v1/whoami", headers={"Cookie": cookie.removeprefix("__Host-")}).status == 401

    def post(scheme):
        return own.http("POST", "/api/atelier/v1/nothing", headers={
            "Cookie": cookie, "Origin": f"{scheme}://127.0.0.1:{own.port}", "X-Atelier-CSRF": me["csrf"]}).status
    assert (post("https"), post("http")) == (404, 403)
