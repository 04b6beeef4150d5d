"""Ray services in the console: made by a form, followed by application and deployment, changed, and taken back from deletion."""
import json
import re

import pytest
from playwright.sync_api import expect

from atelier import wait_for
from console import EDDA, OTTO, RITA, VERA, browser, button, check_view, ms, ritas, settled, shot, visit  # noqa: F401 (browser and visit are fixtures)
from test_rayservice import MODULE, serve_config, service

SERVICES = "/apis/ray.io/v1/namespaces/rita/rayservices"


@pytest.fixture(scope="module")
def cookies(house):
    house.env["ATELIER_PUBLIC_APPS"] = "true"
    found = ritas(house)
    module = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "hello"}, "data": {"hello.py": MODULE}}
    house.cli("apply", "-f", "-", "-n", "rita", user=RITA, input=json.dumps(module))
    return found


def test_a_service_is_made_and_followed(house, visit):
    page = visit(EDDA, "/p/rita/rayservices")
    expect(page.get_by_role("heading", name="No Ray services yet")).to_be_visible()
    button(page, "^new ray service$").click()
    dialog = page.get_by_role("dialog", name="New Ray service")
    dialog.get_by_label("Name", exact=True).fill("hello")
    dialog.get_by_label("Memory", exact=True).fill("lots")
    expect(dialog.get_by_role("alert")).to_contain_text("Memory must be a quantity")
    dialog.get_by_label("Memory", exact=True).fill("2Gi")
    expect(dialog.get_by_text("The server would accept this.")).to_be_visible()
    check_view(page, "rayservice-form", whole=True)
    dialog.get_by_role("button", name="Show YAML").click()
    manifest = dialog.get_by_label("Manifest (YAML or JSON)")
    assert "serveConfigV2: |\n    applications:\n    - name: hello\n" in manifest.input_value()
    manifest.fill(json.dumps(service()))  # the module comes from a ConfigMap, which the fields have no place for
    dialog.get_by_role("button", name="Create").click()
    row = page.get_by_role("table", name="Ray services").get_by_role("row", name=re.compile("^hello"))
    expect(row).to_contain_text("Starting")
    expect(row).to_contain_text("hello Running", timeout=ms(400))
    check_view(page, "rayservices", whole=True)


def test_who_may_only_look_sees_it_and_does_nothing(visit):
    vera = visit(VERA, "/p/rita/rayservices/hello")
    table = vera.get_by_role("table", name="Applications")
    expect(table.get_by_role("row", name=re.compile("Hello.*Healthy"))).to_be_visible()
    expect(vera.get_by_label("Address of /hello")).to_have_value(re.compile("/serve/rita/hello/hello$"))
    for name in ("configure hello", "stop hello", "delete hello"):
        assert button(vera, f"^{name}$").count() == 0, name
    settled(vera)
    check_view(vera, "rayservice", whole=True)
    otto = visit(OTTO, "/p/rita/rayservices/hello")
    expect(otto.get_by_role("heading", name="Not found")).to_be_visible()


def row_of(page, route):
    return page.get_by_role("table", name="Who may use it").get_by_role("row", name=route)


def test_its_owner_opens_a_route_to_everybody_and_anybody_who_edits_closes_it(house, visit):
    """The annotation on the object that the server stored decides, and a stranger gets in or not."""
    def opened():
        return house.get(f"{SERVICES}/hello", RITA).json["metadata"].get("annotations", {}).get("atelier.dev/public-apps")

    page = visit(RITA, "/p/rita/rayservices/hello")
    expect(row_of(page, "/hello")).to_contain_text("Members of the profile")
    assert house.get("/serve/rita/hello/hello").status == 401
    page.get_by_role("button", name="Open to everybody: /hello").click()
    dialog = page.get_by_role("dialog", name="Open to everybody: /hello")
    expect(dialog).to_contain_text("/serve/rita/hello/hello, or anything below it, uses the application without signing in")
    check_view(page, "rayservice-open", whole=False)
    dialog.get_by_role("button", name="Cancel").click()
    assert opened() is None
    page.get_by_role("button", name="Open to everybody: /hello").click()
    dialog.get_by_role("button", name="Open to everybody: /hello").click()
    expect(row_of(page, "/hello")).to_contain_text("Everybody, without signing in")
    assert opened() == "/hello"
    wait_for("a stranger gets in", lambda: house.get("/serve/rita/hello/hello").status == 200, 10)
    settled(page)
    check_view(page, "rayservice-opened", whole=True)
    vera = visit(VERA, "/p/rita/rayservices/hello")
    expect(row_of(vera, "/hello")).to_contain_text("Everybody, without signing in")
    assert button(vera, "^(members only|open to everybody)").count() == 0
    edda = visit(EDDA, "/p/rita/rayservices/hello")  # an editor may close, and not open
    edda.get_by_role("button", name="Members only: /hello").click()
    edda.get_by_role("dialog").get_by_role("button", name="Members only: /hello").click()
    expect(row_of(edda, "/hello")).to_contain_text("Members of the profile")
    assert not opened() and button(edda, "^open to everybody").count() == 0
    wait_for("strangers stay out", lambda: house.get("/serve/rita/hello/hello").status == 401, 10)


def test_its_owner_makes_a_token_for_a_route_and_revokes_it(house, visit):
    """Shown once, with a line that tries it; who may only look sees that there is one."""
    page = visit(RITA, "/p/rita/rayservices/hello")
    page.get_by_role("button", name="New token for /hello").click()
    dialog = page.get_by_role("dialog", name="New token for /hello")
    expect(dialog).to_contain_text("/serve/rita/hello/hello, and everything below it, without an account")
    dialog.get_by_label("What for").fill("billing")
    check_view(page, "rayservice-token", whole=False)
    dialog.get_by_role("button", name="Create token").click()
    token = dialog.get_by_label("Your new token. It is shown only now.").input_value()
    line = dialog.get_by_label("A line that tries it").input_value()
    assert line.startswith(f"curl -H 'Authorization: Bearer {token}' http") and line.endswith("/serve/rita/hello/hello"), line
    assert house.get("/serve/rita/hello/hello", token=token).status == 200
    assert house.get("/serve/rita/hello/other", token=token).status == 404
    check_view(page, "rayservice-token-made", whole=False)
    page.keyboard.press("Escape")
    row = page.get_by_role("table", name="Tokens").get_by_role("row", name="billing")
    expect(row).to_contain_text("/hello")
    settled(page)
    check_view(page, "rayservice-tokens", whole=True)
    vera = visit(VERA, "/p/rita/rayservices/hello")
    expect(vera.get_by_role("table", name="Tokens").get_by_role("row", name="billing")).to_contain_text(RITA)
    assert button(vera, "^(revoke|new token)").count() == 0
    own = visit(RITA, "/tokens")
    expect(own.get_by_role("row", name="billing")).to_contain_text("/serve/rita/hello/hello")
    page.get_by_role("button", name="Revoke billing").click()
    page.get_by_role("dialog", name="Revoke token").get_by_role("button", name="Revoke token").click()
    expect(page.get_by_role("table", name="Tokens")).to_have_count(0)
    wait_for("it is refused", lambda: house.get("/serve/rita/hello/hello", token=token).status == 401, 10)


def test_it_is_configured_and_its_deletion_taken_back(house, visit):
    page = visit(EDDA, "/p/rita/rayservices/hello")
    button(page, "^configure hello$").click()
    dialog = page.get_by_role("dialog", name="Configure hello")
    box = dialog.get_by_label("Serve configuration (serveConfigV2)")
    box.fill("[1, 2")
    dialog.get_by_role("button", name="Apply").click()
    expect(box).to_have_attribute("aria-invalid", "true")
    box.fill(serve_config("two"))
    dialog.get_by_role("button", name="Apply").click()
    expect(dialog).to_have_count(0)
    wait_for("the new configuration answers", lambda: '"two"' in house.get("/serve/rita/hello/hello", EDDA).text, 120)
    button(page, "^logs of hello$").click()
    expect(page.get_by_label("log", exact=True)).not_to_be_empty(timeout=ms(60))
    page.keyboard.press("Escape")
    button(page, "^delete hello$").click()
    button(page, "^undo$").click()
    expect(button(page, "^delete hello$")).to_be_visible()  # nothing was sent
    assert house.get(f"{SERVICES}/hello", EDDA).status == 200
    shot(page, "55-rayservice")
