"""The same house seen through real Chromium: sign-in, the console, JupyterLab on its own host, the Ray dashboard."""
import re

import pytest
from playwright.sync_api import expect

from atelier import wait_for
from console import SHOTS, browser, ms, open_page, running, shot  # noqa: F401 (browser is a fixture)

DANA = "dana@example.com"
PASSWORD = "correct horse " + DANA


@pytest.fixture(scope="module")
def page(house, browser):
    running(house).add_user(DANA)
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    yield open_page(context)
    context.close()


def test_sign_in_with_the_keyboard(house, page):
    page.goto(f"http://localhost:{house.port}/")
    expect(page.get_by_role("heading", name=re.compile("sign in", re.I))).to_be_visible()
    shot(page, "01-signin")
    page.get_by_label(re.compile("e-?mail", re.I)).focus()
    page.keyboard.type(DANA)
    page.keyboard.press("Tab")
    page.keyboard.type("not the password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label(re.compile("password", re.I)).fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_label(re.compile("profile name|name of your profile", re.I))).to_be_visible()
    shot(page, "02-first-visit")


def test_create_profile_and_notebook(house, page):
    page.get_by_label(re.compile("profile name|name of your profile", re.I)).fill("dana")
    page.get_by_role("button", name=re.compile("^create profile$", re.I)).click()
    expect(page.get_by_role("link", name=re.compile("^notebooks$", re.I))).to_be_visible(timeout=ms(20))
    page.get_by_role("link", name=re.compile("^notebooks$", re.I)).click()
    page.get_by_role("button", name=re.compile("new notebook", re.I)).click()
    page.get_by_label(re.compile("^name$", re.I)).fill("lab")
    page.get_by_label("Open it once it runs").uncheck()
    shot(page, "03-new-notebook")
    page.get_by_role("button", name=re.compile("^(create|start)", re.I)).click()
    row = page.get_by_role("row", name=re.compile(r"\blab\b"))
    expect(row.get_by_text(re.compile("^(starting|pending)$", re.I))).to_be_visible(timeout=ms(15))
    shot(page, "04-notebook-starting")
    expect(row.get_by_text(re.compile("^running$", re.I))).to_be_visible(timeout=ms(90))
    shot(page, "05-notebook-running")


def test_jupyterlab_opens_on_its_own_host_and_runs_a_cell(house, page):
    row = page.get_by_role("row", name=re.compile(r"\blab\b"))
    with page.context.expect_page() as opened:
        row.get_by_role("link", name=re.compile("open", re.I)).click()
    lab = opened.value
    lab.wait_for_url(re.compile(rf"^http://notebook-lab--dana\.localhost:{house.port}/notebook/dana/lab/"), timeout=ms(60))
    lab.locator("#jp-main-dock-panel, .jp-LauncherCard").first.wait_for(timeout=ms(90))
    lab.locator(".jp-LauncherCard[data-category=Notebook]").first.click()
    cell = lab.locator(".jp-Notebook .jp-Cell .cm-content").first
    cell.wait_for(timeout=ms(60))
    # JupyterLab draws the cell anew once the kernel has answered: what was typed before is lost.
    expect(lab.get_by_role("button", name=re.compile(r"\| Idle"))).to_be_visible(timeout=ms(90))
    cell.click()
    lab.keyboard.type("print(6 * 7, 'in the browser')")
    expect(cell).to_contain_text("in the browser")
    lab.keyboard.press("Shift+Enter")
    expect(lab.locator(".jp-OutputArea-output").first).to_contain_text("42 in the browser", timeout=ms(60))
    expect(lab.get_by_text(re.compile("Jupyter news"))).to_have_count(0)  # nothing here offers to call out
    lab.screenshot(path=SHOTS / "06-jupyterlab.png")
    lab.close()


def test_the_console_s_pages(house, page):
    for name in ("home", "ray clusters", "members", "tokens"):
        page.get_by_role("link", name=re.compile(f"^{name}$", re.I)).first.click()
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.wait_for_timeout(500)
        shot(page, "07-" + name.replace(" ", "-"))
    page.get_by_role("link", name=re.compile("^members$", re.I)).first.click()
    page.get_by_label(re.compile("e-?mail", re.I)).fill("erin@example.com")
    page.get_by_role("button", name=re.compile("^(share|invite|add)", re.I)).click()
    expect(page.get_by_text("erin@example.com")).to_be_visible()
    shot(page, "08-members-shared")
    assert page.errors == []


def test_ray_dashboard_on_its_own_host(house, page):
    house.cli("-n", "dana", "ray", "create", "mini", "--replicas", "0", "--head-cpu", "1", "--head-memory", "3Gi")
    house.tokens[DANA] = house.tokens.get(DANA) or house.cli("token", "create", "--user", DANA).stdout.strip()
    house.wait_raycluster("dana", "mini", DANA, workers=0)
    page.goto(f"http://localhost:{house.port}/ray/dana/mini/")
    page.wait_for_url(re.compile(rf"^http://ray-mini--dana\.localhost:{house.port}/ray/dana/mini/"), timeout=ms(30))
    page.get_by_text(re.compile("cluster|overview", re.I)).first.wait_for(timeout=ms(60))
    page.wait_for_timeout(1500)
    page.screenshot(path=SHOTS / "09-ray-dashboard.png")
    house.cli("-n", "dana", "delete", "raycluster", "mini")
    page.goto(f"http://localhost:{house.port}/")


def test_signing_out_ends_it(house, page):
    cookies = {c["name"]: c["value"] for c in page.context.cookies(f"http://localhost:{house.port}")}
    page.get_by_role("button", name=re.compile("sign out", re.I)).click()
    expect(page.get_by_role("heading", name=re.compile("sign in", re.I))).to_be_visible()
    old = "; ".join(f"{k}={v}" for k, v in cookies.items())
    wait_for("the old cookie is dead", lambda: house.http(
        "GET", "/api/atelier/v1/whoami", headers={"Cookie": old}).status == 401, 20)
