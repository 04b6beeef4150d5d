#!/usr/bin/env python3
"""The console as somebody far away sees it: its first view over a slow line, and what it takes from sign-in to a cell that has run."""
import json
import os
import pathlib
import re
import statistics
import sys
import time

from playwright.sync_api import expect, sync_playwright

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "e2e"))
from atelier import BUILD, Atelier, wait_for  # noqa: E402
from console import QUIET  # noqa: E402

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
MBIT_S = 10
LATENCY_MS = 40  # added by the browser before each answer
OWNER, NEW = "alice@example.com", "bob@example.com"
# Notes when the page first shows what it is for: a heading, and nothing that still loads.
WATCH = """new MutationObserver((_, observer) => {
  if (!document.querySelector('main h1:not(.unseen)') || /Loading…/.test(document.body.textContent)) return;
  observer.disconnect();
  requestAnimationFrame(() => { window.complete = performance.now(); });
}).observe(document, {childList: true, subtree: true, characterData: true});"""
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


def first_view(browser, url, cookie=None):
    """(first contentful paint in ms, complete in ms, bytes over the line) of a browser that has never been here."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    if cookie:
        name, value = cookie.split("=", 1)
        context.add_cookies([{"name": name, "value": value, "url": url}])
    page = context.new_page()
    line, received = context.new_cdp_session(page), []
    line.send("Network.enable")
    line.send("Network.emulateNetworkConditions", {"offline": False, "latency": LATENCY_MS,
              "downloadThroughput": MBIT_S * 1e6 / 8, "uploadThroughput": MBIT_S * 1e6 / 8})
    line.on("Network.dataReceived", lambda event: received.append(event["encodedDataLength"]))
    page.add_init_script(WATCH)
    page.goto(url)
    wait_for("the view", lambda: page.evaluate("window.complete > 0"), 30, 0.05)  # wait_for_function evaluates strings in the page: its policy forbids that
    complete, painted = page.evaluate("window.complete"), page.evaluate(PAINTED)
    context.close()
    return painted, complete, sum(received)


class Person:
    """Does what a person does, and counts it: clicks, and keys that confirm. What is typed as text is not counted."""

    def __init__(self, page):
        self.page, self.clicks, self.keys = page, 0, 0

    def click(self, what):
        what.click(timeout=120000)
        self.clicks += 1

    def press(self, key):
        self.page.keyboard.press(key)
        self.keys += 1

    def sign_in(self, house, email, path="/"):
        self.page.goto(f"http://localhost:{house.port}{path}")
        self.page.get_by_label("E-mail").fill(email)
        self.page.get_by_label("Password").fill("correct horse " + email)
        self.press("Enter")

    def run_a_cell(self, code=""):
        """The cell that has the focus: with <code> typed into it, or as it is."""
        lab = self.page
        # JupyterLab draws the cell anew once the kernel has answered: what was typed before is lost.
        expect(lab.get_by_role("button", name=re.compile(r"\| Idle"))).to_be_visible(timeout=120000)
        prompt = lab.locator(".jp-InputPrompt").first
        before = prompt.inner_text()
        lab.keyboard.type(code)
        self.press("Shift+Enter")
        expect(lab.locator(".jp-OutputArea-output").first).to_contain_text("42 it is", timeout=60000)
        expect(prompt).not_to_have_text(before, timeout=60000)  # it has run now, and not only before


def first_day(house, page):
    """Nothing is there: a profile is made, and a notebook in it that opens by itself with a document."""
    person = Person(page)
    person.sign_in(house, NEW)
    expect(page.get_by_label("Profile name")).to_have_value("bob")
    person.press("Enter")
    page.wait_for_url(re.compile(r"^http://notebook-lab--bob\.localhost"), timeout=180000)
    person.run_a_cell("print(6 * 7, 'it is')")
    page.keyboard.press("Control+s")  # for the other days
    page.wait_for_timeout(3000)
    return person


def another_day(house, page):
    """The notebook of the first day runs; Home shows it, and JupyterLab reopens what was open."""
    person = Person(page)
    person.sign_in(house, NEW)
    expect(page.get_by_role("link", name="Open lab")).to_be_focused(timeout=30000)
    with page.context.expect_page() as opened:
        person.press("Enter")
    person.page = opened.value
    person.run_a_cell()
    return person


def another_day_by_mouse(house, page):
    person = Person(page)
    person.sign_in(house, NEW)
    with page.context.expect_page() as opened:
        person.click(page.get_by_role("link", name="Open lab"))
    person.page = opened.value
    person.run_a_cell()
    return person


def by_its_address(house, page):
    """The notebook's address was kept, as a bookmark or in a message."""
    person = Person(page)
    person.sign_in(house, NEW, "/notebook/bob/lab/")
    page.wait_for_url(re.compile(r"^http://notebook-lab--bob\.localhost"), timeout=60000)
    person.run_a_cell()
    return person


def measure_views(house, browser, cookie, results):
    print(f"first view, empty cache, {MBIT_S} Mbit/s and {LATENCY_MS} ms, {ROUNDS} times: median and worst")
    print(f"{'':14} {'first paint':>16} {'complete':>16} {'bytes':>9}   (goal: complete <= 1 s)")
    for name, path, who in (("sign-in", "/", None), ("home", "/p/alice", cookie), ("notebooks", "/p/alice/notebooks", cookie)):
        views = [first_view(browser, f"http://localhost:{house.port}{path}", who) for _ in range(ROUNDS)]
        painted, complete, received = zip(*views)
        results[name] = {"painted_ms": painted, "complete_ms": complete, "bytes": received}
        print(f"{name:14} {statistics.median(painted):6.0f} / {max(painted):4.0f} ms {statistics.median(complete):6.0f} / {max(complete):4.0f} ms {max(received):9}")


def measure_clicks(house, browser, results):
    print(f"\n{'from sign-in to a cell that has run':40} {'clicks':>6} {'keys':>5} {'seconds':>8}")
    for name, day in (("first day: profile and notebook are made", first_day), ("another day, from Home", another_day),
                      ("another day, from Home by mouse", another_day_by_mouse), ("another day, by its address", by_its_address)):
        context = browser.new_context(viewport={"width": 1280, "height": 860})
        began = time.monotonic()
        person = day(house, context.new_page())
        seconds = time.monotonic() - began
        context.close()
        results[name] = {"clicks": person.clicks, "keys": person.keys, "seconds": seconds}
        print(f"{name:40} {person.clicks:6} {person.keys:5} {seconds:8.1f}")


def main():
    results = {"rounds": ROUNDS, "mbit_s": MBIT_S, "latency_ms": LATENCY_MS}
    house = Atelier()
    try:
        house.up(60)
        cookie = house.add_user(OWNER)
        house.add_user(NEW)
        house.cli("profile", "create", "alice", "--wait", user=OWNER)
        house.cli("-n", "alice", "notebook", "create", "nb", user=OWNER)
        house.wait_notebook("alice", "nb", OWNER)
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=QUIET)
            measure_views(house, browser, cookie, results)
            measure_clicks(house, browser, results)
            browser.close()
    finally:
        house.remove()
    (BUILD / "bench-console.json").write_text(json.dumps(results, indent=1))


main()
