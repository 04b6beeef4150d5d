"""What the browser tests share: Debian's Chromium, pages that note every complaint, screenshots, a person's browser."""
import os
import pathlib
import re

import pytest
from playwright.sync_api import expect, sync_playwright

from atelier import PATIENCE, ROOT

AXE = ROOT / "console" / "node_modules" / "axe-core" / "axe.min.js"
SHOTS = pathlib.Path(os.environ.get("ATELIER_SHOTS", ROOT / "build" / "screenshots"))
expect.set_options(timeout=10_000 * PATIENCE)
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="module")
def browser():
    SHOTS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path="/usr/bin/chromium", args=QUIET)
        yield chromium
        chromium.close()


def ms(seconds):
    """How long a page may take, as Playwright counts."""
    return 1000 * seconds * PATIENCE


def running(house):
    if house.process is None or house.process.poll() is not None:
        house.up(timeout_s=60)
    return house


def open_page(context):
    """A page whose .errors are uncaught exceptions and whatever Chromium complains about, refused requests aside."""
    page = context.new_page()
    page.errors = []
    page.set_default_timeout(ms(30))
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
        paint(page, scheme)
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


RITA, EDDA, VERA, OTTO = (f"{name}@example.com" for name in ("rita", "edda", "vera", "otto"))


def ritas(house):
    """The sessions of four people: rita owns a profile; edda edits, vera views, otto has nothing to do with it."""
    running(house)
    found = {email: house.add_user(email) for email in (RITA, EDDA, VERA, OTTO)}
    house.cli("profile", "create", "rita", "--wait", user=RITA)
    house.cli("share", "rita", EDDA, user=RITA)
    house.cli("share", "rita", VERA, "--role", "viewer", user=RITA)
    return found


def settled(page):
    expect(page.get_by_text("Loading…")).to_have_count(0)


def button(page, name):
    return page.get_by_role("button", name=re.compile(name, re.I))


# --- for everybody -----------------------------------------------------------------------------------------------------

BASICS = """() => {
  const wrong = [];
  const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
  for (const id of ids) if (ids.filter((other) => other === id).length > 1) wrong.push(`id ${id} is used twice`);
  if (document.querySelectorAll('h1').length !== 1) wrong.push('there is not exactly one h1');
  if (!document.title.includes('Atelier')) wrong.push(`the title is ${document.title}`);
  for (const control of document.querySelectorAll('input, select, textarea')) {
    const label = control.labels?.[0]?.textContent?.trim() || control.getAttribute('aria-label');
    if (!label) wrong.push(`a control without a label: ${control.outerHTML}`);
  }
  for (const control of document.querySelectorAll('button, a[href]')) {
    const text = control.textContent.trim(), name = control.getAttribute('aria-label') ?? text;
    if (!name) wrong.push(`a control without a name: ${control.outerHTML}`);
    if (/\\w/.test(text) && !name.startsWith(text)) wrong.push(`${name} does not begin with what is seen: ${text}`);
  }
  return wrong;
}"""


def violations(page):
    if not page.evaluate("() => Boolean(window.axe)"):
        page.evaluate(AXE.read_text())
    # Styles may only come from files, so axe must not try to load them anew.
    found = page.evaluate("""() => axe.run(document, {preload: false, resultTypes: ['violations'],
        runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})""")["violations"]
    return [f"{one['id']}: {node['html'][:160]}: {node['failureSummary'][:300]}" for one in found for node in one["nodes"]]


# WCAG 1.4.10: nothing scrolls sideways, neither the page nor what is in it; and the dialog fits.
TOO_WIDE = """() => [...document.querySelectorAll('html, main, nav, dialog, .scroll, table, form, section')]
  .filter((e) => e.scrollWidth > e.clientWidth + 1 || e.getBoundingClientRect().right > innerWidth + 1)
  .map((e) => `${e.tagName}.${e.className} ${e.scrollWidth} > ${e.clientWidth}`)"""


# What is measured is what stays: nothing moves, nothing still loads, and the colours of <scheme> are painted.
STILL = """async (dark) => {
  const frame = () => new Promise((resume) => requestAnimationFrame(resume));
  for (let at = 0; at < 100; at++) {
    await Promise.all(document.getAnimations().map((one) => one.finished.catch(() => {})));
    await frame();
    await frame();
    if (matchMedia('(prefers-color-scheme: dark)').matches === dark && document.getAnimations().length === 0) return;
  }
  throw new Error('the page does not come to rest');
}"""


def paint(page, scheme):
    page.emulate_media(color_scheme=scheme)
    page.evaluate(STILL, scheme == "dark")


def check_view(page, name, whole, schemes=("dark", "light")):
    """What everybody needs of a view, in every colour scheme, from the width of a phone to 4k; and its pictures."""
    assert page.evaluate(BASICS) == [], name
    for scheme in schemes:
        paint(page, scheme)
        found = violations(page)
        assert not found, (name, scheme, found)
        page.screenshot(path=SHOTS / f"20-{name}-1280-{scheme}.png", full_page=whole)
    for width, height in ((3840, 2160), (320, 640), (1280, 860)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate(TOO_WIDE) == [], (name, width)
        if width == 320:
            page.screenshot(path=SHOTS / f"20-{name}-320-light.png", full_page=whole)
