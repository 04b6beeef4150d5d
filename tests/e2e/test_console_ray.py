"""A Ray cluster's form, with what few people say; a cluster stopped and started again, and Ray's own dashboard used; Ray jobs in the console: made, followed, stopped, run again, and what is kept of them when cluster and job are gone."""
import json
import pathlib
import re

import pytest
from playwright.sync_api import expect

from atelier import wait_for
from console import EDDA, OTTO, RITA, SHOTS, VERA, browser, button, check_view, ms, ritas, settled, shot, visit  # noqa: F401 (browser and visit are fixtures)

REDIS = pathlib.Path("/usr/bin/redis-server")  # where the local engine looks for it
JOBS = "/apis/ray.io/v1/namespaces/rita/rayjobs"
COUNT = "python -c \"import time; [(print('step', i, flush=True), time.sleep(1)) for i in range(900)]\""


@pytest.fixture(scope="module")
def cookies(house):
    return ritas(house)


def status(house, name):
    answer = house.get(f"{JOBS}/{name}", RITA)
    return answer.json.get("status", {}) if answer.status == 200 else None


def row_of(page, name, table="Ray jobs"):
    return page.get_by_role("table", name=table).get_by_role("row", name=re.compile(f"^{name}"))


def test_the_form_of_a_cluster_says_where_pods_run_and_what_a_head_remembers(house, visit):
    """Judged by the server while it is written; what is stored is what was said. It fits nowhere, so nothing of it runs."""
    page = visit(RITA, "/p/rita/ray")
    button(page, "^new ray cluster$").click()
    dialog = page.get_by_role("dialog", name="New Ray cluster")
    more = dialog.locator("summary", has_text="More")
    expect(dialog.get_by_label("Node selector: Head")).to_be_hidden()  # the simple case is as short as ever
    fill = {"Name": "placed", "Head memory": "800Gi", "Worker memory": "800Gi"}
    for label, value in fill.items():
        dialog.get_by_label(label, exact=True).fill(value)
    more.click()
    wrong = [("Labels of the cluster", "team vision", "is not NAME=value", "team=vision\ntier=batch"),
             ("Node selector: Head", "pool=", None, "pool=system"),
             ("Tolerations: Workers, group 1", "gpu=a100:Never", "the effect is NoSchedule", "gpu=a100:NoSchedule\nspot"),
             ("Labels of pods: Workers, group 1", "notebook-name=x", "is the platform's", "team=vision"),
             ("Node selector: Workers, group 1", "a b=c", "is not NAME=value", "pool=gpu"),
             ("Runtime environment", "pipp: [emoji]", "pipp", "pip: [emoji]"),
             ("Environment", "RAY_AUTH_MODE=none", "authentication is set by the platform", "STAGE=trial")]
    for label, first, says, then in wrong:
        box = dialog.get_by_label(label, exact=True)
        box.fill(first)
        if says:
            expect(dialog.get_by_role("alert").filter(has_text=says).first).to_be_visible()
            expect(box).to_have_attribute("aria-invalid", "true")
        box.fill(then)
        expect(box).to_be_visible()  # nothing folds under somebody's hands
        expect(dialog.get_by_text("The server would accept this.")).to_be_visible()
    dialog.get_by_label("Spot nodes: Workers, group 1").check()
    expect(dialog.get_by_label("Spot nodes: Head")).to_have_count(0)
    expect(dialog.get_by_label("Vendor of Worker GPUs", exact=True)).to_have_count(0)
    dialog.get_by_label("Worker GPUs", exact=True).fill("1")
    dialog.get_by_label("Vendor of Worker GPUs", exact=True).select_option("amd.com/gpu")
    button(dialog, "^add a group$").click()
    total = dialog.get_by_label("Most workers of all groups")
    total.fill("1")
    expect(dialog.get_by_role("alert").filter(has_text="together are 2").first).to_be_visible()
    total.fill("5")
    expect(dialog.get_by_text("The server would accept this.")).to_be_visible()
    dialog.get_by_label("A head that comes back").check()
    secret = dialog.get_by_label("Redis password")
    secret.fill("redis")
    expect(dialog.get_by_role("alert")).to_contain_text('"redis" is not SECRET:key')
    secret.fill("redis:password")  # a password of no Redis: the server's own rule, at the field it is about
    expect(dialog.get_by_role("alert")).to_contain_text("it belongs to a redisAddress")
    expect(secret).to_have_attribute("aria-invalid", "true")
    dialog.get_by_label("Redis address").fill("redis:6379")
    expect(dialog.get_by_text("The server would accept this.")).to_be_visible()
    check_view(page, "cluster-form-more", whole=False)
    more.scroll_into_view_if_needed()
    shot(page, "49-cluster-form-more")
    dialog.get_by_role("button", name="Show YAML").click()
    text = dialog.get_by_label("Manifest (YAML or JSON)").input_value()
    for line in ("gcsFaultToleranceOptions:", "nodeSelector:", "key: gpu", "effect: NoSchedule", "team: vision"):
        assert line in text, line
    dialog.get_by_role("button", name="Create").click()
    expect(dialog).to_have_count(0)
    made = house.raycluster("rita", "placed", RITA)
    spec, head = made["spec"], made["spec"]["headGroupSpec"]["template"]
    worker = spec["workerGroupSpecs"][0]["template"]
    assert made["metadata"]["labels"] == {"team": "vision", "tier": "batch"}
    assert spec["gcsFaultToleranceOptions"] == {
        "redisAddress": "redis:6379", "redisPassword": {"valueFrom": {"secretKeyRef": {"name": "redis", "key": "password"}}}}
    assert head["spec"]["nodeSelector"] == {"pool": "system"} and "tolerations" not in head["spec"]
    assert made["metadata"]["annotations"]["atelier.dev/max-workers"] == "5" and len(spec["workerGroupSpecs"]) == 2
    assert made["metadata"]["annotations"]["atelier.dev/runtime-env"] == "pip: [emoji]"
    assert worker["spec"]["containers"][0]["resources"]["limits"]["amd.com/gpu"] == "1"
    spot = "cloud.google.com/gke-spot"
    assert worker["spec"]["nodeSelector"] == {"pool": "gpu", spot: "true"} and worker["metadata"]["labels"]["team"] == "vision"
    assert worker["spec"]["tolerations"] == [{"key": "gpu", "operator": "Equal", "value": "a100", "effect": "NoSchedule"},
                                             {"key": "spot", "operator": "Exists"},
                                             {"key": spot, "operator": "Equal", "value": "true", "effect": "NoSchedule"}]
    for template in (head, worker):
        assert {"name": "STAGE", "value": "trial"} in template["spec"]["containers"][0]["env"]
    button(page, "^connect to placed$").click()
    dialog = page.get_by_role("dialog", name="Connect to placed")
    for kind in ("rayclient", "grpc"):
        expect(dialog.get_by_text(f"{kind}-placed--rita.localhost:{house.tls_port}")).to_be_visible()
    check_view(page, "cluster-connect", whole=False)
    shot(page, "49-cluster-connect")
    page.keyboard.press("Escape")
    wait_for("it waits for room", lambda: any("memory" in condition.get("message", "") for condition in house.raycluster(
        "rita", "placed", RITA).get("status", {}).get("conditions", [])), 60)
    waiting = page.context.new_page()  # who opens its dashboard meanwhile sees what it waits for
    waiting.goto(f"http://localhost:{house.port}/ray/rita/placed/")
    waiting.route("**/*", lambda route: route.abort("aborted"))  # one look at a page that loads itself again
    expect(waiting.get_by_role("heading", name="The Ray cluster placed is starting")).to_be_visible()
    expect(waiting.locator("[aria-current=step]")).to_have_text("Room and volumes: waiting for it")
    expect(waiting.get_by_role("status")).to_contain_text("memory")
    # It has no script by which it could ask; who is reading loses nothing when it is loaded again (WCAG 2.2.1, essential).
    waiting.evaluate("document.querySelector('meta[http-equiv=refresh]').remove()")
    check_view(waiting, "starting", whole=True)
    waiting.close()
    house.cli("delete", "raycluster", "placed", "-n", "rita", user=RITA)


def test_a_head_is_remembered_by_the_profiles_own_redis(house, visit):
    page = visit(RITA, "/p/rita/ray")
    button(page, "^new ray cluster$").click()
    dialog = page.get_by_role("dialog", name="New Ray cluster")
    for label, value in {"Name": "lasting", "Head memory": "800Gi", "Replicas": "0"}.items():
        dialog.get_by_label(label, exact=True).fill(value)
    dialog.locator("summary", has_text="More").click()
    keeps = dialog.get_by_label("A head that comes back")
    if REDIS.exists():
        expect(keeps).to_be_checked()  # as usual, and left out where somebody does not want it
        keeps.uncheck()
        button(dialog, "^show yaml$").click()
        expect(dialog.get_by_label("Manifest (YAML or JSON)")).not_to_have_value(re.compile("gcsFaultTolerance"))
        button(dialog, "^back to the form$").click()
        dialog.locator("summary", has_text="More").click()
        keeps.check()
        dialog.get_by_role("button", name="Create").click()
        expect(dialog).to_have_count(0)
        assert house.raycluster("rita", "lasting", RITA)["spec"]["gcsFaultToleranceOptions"] == {}
        house.cli("delete", "raycluster", "lasting", "-n", "rita", user=RITA)
    else:
        expect(keeps).not_to_be_checked()
        expect(dialog.get_by_text("redis-server is not installed on this machine")).to_be_visible()
        keeps.check()
        expect(dialog.get_by_role("alert")).to_contain_text("Redis address is missing; expected such as redis:6379")


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
    expect(row_of(page, "count")).to_contain_text("Running", timeout=ms(400))
    vera = visit(VERA, "/p/rita/rayjobs/count")  # who may only look follows the log, and does nothing else
    vera.get_by_role("button", name="Logs of count").click()
    log = vera.get_by_label("log", exact=True)
    expect(log).to_contain_text(re.compile("step [1-9]"), timeout=ms(60))
    seen = log.inner_text()
    expect(log).not_to_have_text(seen, timeout=ms(30))  # it goes on by itself
    shot(vera, "51-rayjob-log")
    vera.keyboard.press("Escape")
    for name in ("stop count", "suspend count", "delete count", "run count again"):
        assert button(vera, f"^{name}$").count() == 0, name
    check_view(vera, "rayjob", whole=True)
    edda = visit(EDDA, "/p/rita/rayjobs/count")
    button(edda, "^stop count$").click()
    expect(row_of(page, "count")).to_contain_text("Stopped", timeout=ms(120))
    wait_for("its cluster is gone", lambda: house.raycluster("rita", status(house, "count")["rayClusterName"], RITA) is None, 60)
    expect(page.get_by_role("table", name="Runs that have ended").get_by_role("row")).to_have_count(2, timeout=ms(30))
    settled(page)
    shot(page, "52-rayjobs")
    otto = visit(OTTO, "/p/rita/rayjobs/count")
    expect(otto.get_by_role("heading", name="Not found")).to_be_visible()


def test_a_job_runs_again_and_is_suspended(house, visit):
    page = visit(EDDA, "/p/rita/rayjobs/count")
    button(page, "^run count again$").click()
    page.wait_for_url("**/p/rita/rayjobs/count-2")
    button(page, "^suspend count-2$").click()
    expect(page.get_by_text("Suspended", exact=True)).to_be_visible(timeout=ms(120))
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
    expect(page.get_by_role("table", name="Ray jobs").get_by_role("row")).to_have_count(2, timeout=ms(60))
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


def test_a_job_names_the_packages_it_needs(house, visit):
    page = visit(EDDA, "/p/rita/rayjobs")
    button(page, "^new ray job$").click()
    dialog = page.get_by_role("dialog", name="New Ray job")
    for label, value in {"Name": "packed", "Command": "python -c 1", "Memory": "800Gi"}.items():
        dialog.get_by_label(label, exact=True).fill(value)
    dialog.locator("summary", has_text="More").click()
    dialog.get_by_label("Packages").fill("emoji==2.0\nnumpy>=2; python_version < '4'\n")
    dialog.get_by_label("Environment").fill("STAGE")
    expect(dialog.get_by_role("alert")).to_contain_text("is not NAME=value")
    dialog.get_by_label("Environment").press_sequentially("=x")  # nothing folds under the hands, and the focus stays
    expect(dialog.get_by_label("Environment")).to_have_value("STAGE=x")
    expect(dialog.get_by_text("The server would accept this.")).to_be_visible()
    check_view(page, "rayjob-form-more", whole=True)
    dialog.get_by_role("button", name="Create").click()
    expect(dialog).to_have_count(0)
    spec = house.get(f"{JOBS}/packed", EDDA).json["spec"]
    assert spec["runtimeEnvYAML"] == 'pip:\n  - "emoji==2.0"\n  - "numpy>=2; python_version < \'4\'"\n'
    house.cli("delete", "rayjob", "packed", "-n", "rita", user=EDDA)


def test_a_stopped_cluster_is_started_again(house, visit):
    house.cli("-n", "rita", "ray", "create", "mini", "--replicas", "0", "--head-cpu", "1", "--head-memory", "3Gi", user=RITA)
    page = visit(EDDA, "/p/rita/ray")
    row = row_of(page, "mini", "Ray clusters")
    expect(row).to_contain_text("Running", timeout=ms(180))
    button(page, "^stop mini$").click()
    expect(row).to_contain_text("Stopped", timeout=ms(60))
    assert row.get_by_role("link", name=re.compile("dashboard", re.I)).count() == 0
    button(page, "^start mini$").click()
    expect(row).to_contain_text("Starting", timeout=ms(30))
    expect(row).to_contain_text("Running", timeout=ms(180))
    house.wait_raycluster("rita", "mini", RITA, workers=0)
    with page.context.expect_page() as opened:
        row.get_by_role("link", name=re.compile("dashboard", re.I)).click()
    expect(opened.value.get_by_text("Recent jobs")).to_be_visible(timeout=ms(60))


STOP = """async (url) => {
  const answer = await fetch(url, { method: "POST", credentials: "include", mode: new URL(url, location).origin === location.origin ? "cors" : "no-cors" });
  return [answer.status, await answer.text()];
}"""
# Every request of the dashboard's script that is no GET, by its path.
WRITES = r"\.(?:post|put|patch|delete)\(\(0,\w+\.\w+\)\(\"([^\"]+)\""


def test_the_page_of_rays_dashboard_may_do_what_its_viewer_may(house, visit):
    """Ray's server refuses what a browser asks to change, and here the gateway judges that: the page's own host, and the role."""
    def dashboard(email):
        page = visit(email, "/p/rita/ray").context.new_page()
        page.goto(f"http://localhost:{house.port}/ray/rita/mini/")
        page.wait_for_url(re.compile(rf"^http://ray-mini--rita\.localhost:{house.port}/ray/rita/mini/"), timeout=ms(30))
        page.evaluate("location.hash = '#/jobs'")
        expect(page.get_by_role("row", name=re.compile(r"\blong\b"))).to_contain_text("RUNNING", timeout=ms(60))
        return page
    house.cli("-n", "rita", "ray", "submit", "mini", "--no-wait", "--submission-id", "long", "--", "python", "-c",
              "import time; time.sleep(900)", user=RITA)
    wait_for("it runs", lambda: "RUNNING" in house.cli("-n", "rita", "ray", "jobs", "mini", user=RITA).stdout, 120, 1)
    vera = dashboard(VERA)
    status, text = vera.evaluate(STOP, "api/jobs/long/stop")
    assert status == 403 and "your role" in text, text
    edda = dashboard(EDDA)
    edda.screenshot(path=SHOTS / "53-ray-dashboard-jobs.png")
    other = edda.context.new_page()  # another host's page, in the same browser
    other.goto(f"http://localhost:{house.port}/livez")
    with other.expect_response("**/api/jobs/long/stop") as answered:
        other.evaluate(STOP, f"{edda.url.split('#')[0]}api/jobs/long/stop")
    assert answered.value.status == 403
    # The dashboard of this Ray has no button that changes anything; a script in its page may, as one with buttons would.
    scripts = edda.evaluate("""async () => (await Promise.all([...document.scripts].filter((one) => one.src)
        .map(async (one) => (await fetch(one.src)).text()))).join("\\n")""")
    assert set(re.findall(WRITES, scripts)) == {"/api/authenticate"}  # of its own form for a token, which nobody sees here
    expect(edda.get_by_role("row", name=re.compile(r"\blong\b"))).to_contain_text("RUNNING")
    status, text = edda.evaluate(STOP, "api/jobs/long/stop")
    assert (status, json.loads(text)) == (200, {"stopped": True}), text
    expect(edda.get_by_role("row", name=re.compile(r"\blong\b"))).to_contain_text("STOPPED", timeout=ms(60))
    house.cli("delete", "raycluster", "mini", "-n", "rita", user=RITA)


def test_where_the_platform_opens_nothing_the_owner_is_told_so(house, visit):
    body = {"apiVersion": "ray.io/v1", "kind": "RayService", "metadata": {"name": "shut"}, "spec": {
        "serveConfigV2": "applications: [{name: a, import_path: 'a:b', route_prefix: /a}]", "rayClusterConfig": {"headGroupSpec": {
            "rayStartParams": {}, "template": {"spec": {"containers": [{"name": "ray-head", "image": "ray-2.60", "resources": {
                "requests": {"cpu": "1", "memory": "800Gi"}, "limits": {"cpu": "1", "memory": "800Gi"}}}]}}}}}}
    house.cli("apply", "-f", "-", "-n", "rita", user=RITA, input=json.dumps(body))
    page = visit(RITA, "/p/rita/rayservices/shut")
    expect(page.get_by_role("table", name="Who may use it").get_by_role("row", name="/a")).to_contain_text("Members of the profile")
    expect(page.get_by_text("This platform opens no application to everybody")).to_be_visible()
    assert button(page, "^open to everybody").count() == 0
    house.cli("delete", "rayservice", "shut", "-n", "rita", user=RITA)
