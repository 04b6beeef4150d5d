"""Ray jobs in the console: made, followed, stopped, run again, and what is kept of them when cluster and job are gone."""
import re

import pytest
from playwright.sync_api import expect

from atelier import wait_for
from console import browser, button, check_view, running, settled, shot, visit  # noqa: F401 (browser and visit are fixtures)

RITA, EDDA, VERA, OTTO = (f"{name}@example.com" for name in ("rita", "edda", "vera", "otto"))
JOBS = "/apis/ray.io/v1/namespaces/rita/rayjobs"
COUNT = "python -c \"import time; [(print('step', i, flush=True), time.sleep(1)) for i in range(900)]\""


@pytest.fixture(scope="module")
def cookies(house):
    """Rita owns a profile; edda edits, vera views, otto has nothing to do with it."""
    running(house)
    found = {email: house.add_user(email) for email in (RITA, EDDA, VERA, OTTO)}
    house.cli("profile", "create", "rita", "--wait", user=RITA)
    house.cli("share", "rita", EDDA, user=RITA)
    house.cli("share", "rita", VERA, "--role", "viewer", user=RITA)
    return found


def status(house, name):
    answer = house.get(f"{JOBS}/{name}", RITA)
    return answer.json.get("status", {}) if answer.status == 200 else None


def row_of(page, name, table="Ray jobs"):
    return page.get_by_role("table", name=table).get_by_role("row", name=re.compile(f"^{name}"))


def test_a_job_is_made_followed_and_stopped(house, visit):
    page = visit(RITA, "/p/rita/rayjobs")
    expect(page.get_by_role("heading", name="No Ray jobs yet")).to_be_visible()
    button(page, "^new ray job$").click()
    dialog = page.get_by_role("dialog", name="New Ray job")
    fill = {"Name": "count", "Command": COUNT, "Retries": "0", "CPU": "1", "Memory": "lots"}
    for label, value in fill.items():
        dialog.get_by_label(label, exact=True).fill(value)
    expect(dialog.get_by_label("Memory")).to_have_attribute("aria-invalid", "true")
    expect(dialog.get_by_role("alert")).to_contain_text("Memory must be a quantity")
    dialog.get_by_label("Memory").fill("2Gi")
    expect(dialog.get_by_text("The server would accept this.")).to_be_visible()
    shot(page, "50-rayjob-form")
    dialog.get_by_role("button", name="Show YAML").click()
    text = dialog.get_by_label("Manifest (YAML or JSON)").input_value()
    with page.expect_request(lambda sent: sent.method == "POST" and "dryRun" not in sent.url) as sent:
        dialog.get_by_role("button", name="Create").click()
    assert sent.value.post_data == text  # exactly what was shown
    expect(row_of(page, "count")).to_contain_text("Running", timeout=400000)
    vera = visit(VERA, "/p/rita/rayjobs/count")  # who may only look follows the log, and does nothing else
    vera.get_by_role("button", name="Logs of count").click()
    log = vera.get_by_label("log", exact=True)
    expect(log).to_contain_text(re.compile("step [1-9]"), timeout=60000)
    seen = log.inner_text()
    expect(log).not_to_have_text(seen, timeout=30000)  # it goes on by itself
    shot(vera, "51-rayjob-log")
    vera.keyboard.press("Escape")
    for name in ("stop count", "suspend count", "delete count", "run count again"):
        assert button(vera, f"^{name}$").count() == 0, name
    check_view(vera, "rayjob", whole=True)
    edda = visit(EDDA, "/p/rita/rayjobs/count")
    button(edda, "^stop count$").click()
    expect(row_of(page, "count")).to_contain_text("Stopped", timeout=120000)
    wait_for("its cluster is gone", lambda: house.raycluster("rita", status(house, "count")["rayClusterName"], RITA) is None, 60)
    expect(page.get_by_role("table", name="Runs that have ended").get_by_role("row")).to_have_count(2, timeout=30000)
    settled(page)
    shot(page, "52-rayjobs")
    otto = visit(OTTO, "/p/rita/rayjobs/count")
    expect(otto.get_by_role("heading", name="Not found")).to_be_visible()


def test_a_job_runs_again_and_is_suspended(house, visit):
    page = visit(EDDA, "/p/rita/rayjobs/count")
    button(page, "^run count again$").click()
    page.wait_for_url("**/p/rita/rayjobs/count-2")
    button(page, "^suspend count-2$").click()
    expect(page.get_by_text("Suspended", exact=True)).to_be_visible(timeout=120000)
    assert status(house, "count-2")["jobDeploymentStatus"] == "Suspended"
    expect(button(page, "^resume count-2$")).to_be_visible()
    first, second = (house.get(f"{JOBS}/{name}", RITA).json["spec"] for name in ("count", "count-2"))
    assert first == {key: value for key, value in second.items() if key != "suspend"}


def test_what_is_kept_of_a_deleted_job_is_found_by_its_address(house, visit):
    page = visit(RITA, "/p/rita/rayjobs")
    button(page, "^delete count$").click()
    button(page, "^undo$").click()
    expect(button(page, "^delete count$")).to_be_visible()  # nothing was sent
    button(page, "^delete count$").click()
    button(page, "^delete now$").click()
    expect(row_of(page, "count-2")).to_be_visible()
    expect(page.get_by_role("table", name="Ray jobs").get_by_role("row")).to_have_count(2, timeout=60000)
    page.get_by_role("table", name="Runs that have ended").get_by_role("link", name="count", exact=True).click()
    expect(page.get_by_text("This job has been deleted")).to_be_visible()
    page.get_by_role("table", name="Runs that have ended").get_by_role("button", name=re.compile("^Logs of count")).click()
    expect(page.get_by_label("log", exact=True)).to_contain_text("step 1")
    page.keyboard.press("Escape")
    check_view(page, "rayjob-kept", whole=True)


def test_the_palette_leads_to_jobs(visit):
    page = visit(RITA, "/p/rita")
    page.keyboard.press("Control+k")
    box = page.get_by_role("combobox", name="Where to, or what to do?")
    box.fill("count-2 job")
    expect(page.get_by_role("dialog").get_by_role("option")).to_have_count(1)
    page.keyboard.press("Enter")
    page.wait_for_url("**/p/rita/rayjobs/count-2")
    page.keyboard.press("Control+k")
    box.fill("new ray job")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="New Ray job")).to_be_visible()
