"""What the browser tests share: Debian's Chromium, pages that note every complaint, screenshots, a person's browser."""
import os
import pathlib
import re

import pytest
from playwright.sync_api import expect, sync_playwright

from atelier import ROOT

SHOTS = pathlib.Path(os.environ.get("ATELIER_SHOTS", ROOT / "build" / "screenshots"))
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="module")
def browser():
    SHOTS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path="/usr/bin/chromium", args=QUIET)
        yield chromium
        chromium.close()


def running(house):
    if house.process is None or house.process.poll() is not None:
        house.up(timeout_s=60)
    return house


def open_page(context):
    """A page whose .errors are uncaught exceptions and whatever Chromium complains about, refused requests aside."""
    page = context.new_page()
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("console", lambda message: page.errors.append(message.text) if message.type in ("error", "warning")
            and not message.text.startswith("Failed to load resource") else None)
    return page


def sign_in(house, browser, cookie, **options):
    """The browser of somebody who has signed in: <cookie> is what house.add_user() returned."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 860}, **options})
    name, value = cookie.split("=", 1)
    context.add_cookies([{"name": name, "value": value, "url": f"http://localhost:{house.port}"}])
    return open_page(context)


def shot(page, name):
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=SHOTS / f"{name}-{scheme}.png", full_page=True)
    page.emulate_media(color_scheme="light")


@pytest.fixture
def visit(house, browser, cookies):
    """visit(email, path, …) opens the console as somebody; whatever Chromium complained about fails the test."""
    opened = []

    def go(email, path="/", **options):
        page = sign_in(house, browser, cookies[email], **options)
        opened.append(page)
        page.goto(f"http://localhost:{house.port}{path}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        return page

    yield go
    errors = [error for page in opened for error in page.errors]
    for page in opened:
        page.context.close()
    assert errors == []


def settled(page):
    expect(page.get_by_text("Loading…")).to_have_count(0)


def button(page, name):
    return page.get_by_role("button", name=re.compile(name, re.I))
