"""A person's day in the console: the first notebook, forms the server judges, volumes, Ray jobs, usage, the palette, Chinese."""
import json
import os
import re
import signal
import subprocess

import pytest
import yaml
from playwright.sync_api import expect

from atelier import ROOT, wait_for
from console import SHOTS, browser, button, ms, running, settled, shot, visit  # noqa: F401 (browser and visit are fixtures)

NORA, EDDA, VERA, OTTO = (f"{name}@example.com" for name in ("nora", "edda", "vera", "otto"))
ADMIN = "root@example.com"
CLUSTERS = "/apis/ray.io/v1/namespaces/nora/rayclusters"
COUNT = "python -c \"import time; [(print('step', i, flush=True), time.sleep(1)) for i in range(600)]\""


@pytest.fixture(scope="module")
def cookies(house):
    """Nora owns a profile with a small Ray cluster that is starting; edda edits, vera views, otto has nothing to do with it."""
    running(house)
    found = {email: house.add_user(email) for email in (NORA, EDDA, VERA, OTTO)}
    link = house.cli("user", "create", ADMIN, "--admin").stdout.strip()
    found[ADMIN] = house.accept_link(link, "correct horse " + ADMIN)
    return found


def post(house, path, body, status=201):
    made = house.http("POST", path, NORA, body=body)
    assert made.status == status, made
    return made.json


def test_the_first_visit_leads_to_a_notebook(house, visit):
    page = visit(NORA)
    expect(page.get_by_label("Profile name")).to_have_value("nora")  # as the e-mail begins
    button(page, "^create profile$").click()
    expect(page.get_by_role("heading", name="Three steps to a running cell")).to_be_visible(timeout=ms(30))
    settled(page)
    shot(page, "30-first-steps")
    for email, role in ((EDDA, "editor"), (VERA, "viewer")):
        post(house, "/api/atelier/v1/profiles/nora/members", {"subject": {"kind": "User", "name": email}, "role": role})
    page.get_by_role("link", name="Make a notebook").click()
    house.cli("-n", "nora", "ray", "create", "mini", "--replicas", "0", "--head-cpu", "1", "--head-memory", "3Gi", user=NORA)
    dialog = page.get_by_role("dialog", name="New notebook")
    dialog.get_by_label("Name").fill("lab")
    dialog.get_by_label("CPU").fill("lots")  # nothing is sent to be stored, and the mistake is told at its field
    expect(dialog.get_by_label("CPU")).to_have_attribute("aria-invalid", "true")
    expect(dialog.get_by_role("alert")).to_contain_text("CPU must be a quantity")
    shot(page, "31-judged")
    assert house.notebook("nora", "lab", NORA) is None
    dialog.get_by_label("CPU").fill("0.5")
    dialog.get_by_text("More").click()
    dialog.get_by_label("Environment").fill("GREETING")
    expect(dialog.get_by_role("alert")).to_contain_text('"GREETING" is not NAME=value')
    dialog.get_by_label("Environment").fill("GREETING=yes, it is: #1")
    expect(dialog.get_by_text("The server would accept this.")).to_be_visible()
    dialog.get_by_label("Open it once it runs").uncheck()  # who wants no page but the list stays here
    dialog.get_by_role("button", name="Show YAML").click()
    text = dialog.get_by_label("Manifest (YAML or JSON)").input_value()
    with page.expect_request(lambda sent: sent.method == "POST" and "dryRun" not in sent.url) as sent:
        dialog.get_by_role("button", name="Create").click()
    assert sent.value.post_data == text  # exactly what was shown
    expect(dialog).to_have_count(0)
    row = page.get_by_role("row", name=re.compile("^lab"))
    expect(row).to_contain_text(re.compile("Starting|Pending|Running"))
    stored = house.notebook("nora", "lab", NORA)["spec"]["template"]["spec"]["containers"][0]
    assert yaml.safe_load(text)["spec"]["template"]["spec"]["containers"][0]["env"] == stored["env"]
    assert stored["env"] == [{"name": "GREETING", "value": "yes, it is: #1"}]
    expect(row).to_contain_text("Running", timeout=ms(120))
    page.get_by_role("link", name="lab", exact=True).click()
    expect(page.get_by_role("heading", name="lab")).to_be_visible()
    expect(page.get_by_text("started container")).to_be_visible()
    shot(page, "32-notebook")


def test_who_begins_at_once_lands_in_a_notebook(house, visit):
    page = visit(OTTO)
    expect(page.get_by_label("Profile name")).to_have_value("otto")
    expect(page.get_by_label("Profile name")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("It opens by itself once it runs.")).to_be_visible(timeout=ms(30))
    shot(page, "29-opens-itself")
    page.wait_for_url(re.compile(r"^http://notebook-lab--otto\.localhost:.*/lab/tree/Untitled\.ipynb"), timeout=ms(120))
    idle = page.get_by_role("button", name=re.compile(r"\| Idle"))
    expect(idle).to_be_visible(timeout=ms(120))  # the document has a kernel, and its cell the focus
    page.keyboard.type("print(6 * 7, 'it is')")
    page.keyboard.press("Shift+Enter")
    expect(page.locator(".jp-OutputArea-output").first).to_contain_text("42 it is", timeout=ms(60))
    page.keyboard.press("Control+s")
    contents = "/notebook/otto/lab/api/contents"
    saved = wait_for("the saved document", lambda: "it is" in json.dumps(house.get(f"{contents}/Untitled.ipynb", OTTO).json), 30)
    assert saved
    # Opened by itself once more: the document is there, so none is made, and nothing is written over.
    page.goto(f"http://localhost:{house.port}/p/otto/notebooks/lab?open")
    page.wait_for_url(re.compile(r"^http://notebook-lab--otto\.localhost:"), timeout=ms(60))
    names = [entry["name"] for entry in house.get(contents, OTTO).json["content"] if entry["type"] == "notebook"]
    assert names == ["Untitled.ipynb"]
    assert "it is" in json.dumps(house.get(f"{contents}/Untitled.ipynb", OTTO).json)
    page.goto("about:blank")
    page.errors.clear()  # JupyterLab's own, not the console's
    house.cli("profile", "delete", "otto", "--confirm", "otto", user=OTTO)


def test_who_signs_in_opens_the_notebook_by_enter(house, browser, cookies):  # noqa: F811
    """The notebook that runs has the focus; one that is linked to is there without a click."""
    for path, target in (("/", None), ("/notebook/nora/lab/", r"^http://notebook-lab--nora\.localhost:")):
        context = browser.new_context(viewport={"width": 1280, "height": 860})
        page = context.new_page()
        page.goto(f"http://localhost:{house.port}{path}")
        page.get_by_label("E-mail").fill(NORA)
        page.get_by_label("Password").fill("correct horse " + NORA)
        page.keyboard.press("Enter")
        if target:
            page.wait_for_url(re.compile(target), timeout=ms(60))
        else:
            expect(page.get_by_role("link", name="Open lab")).to_be_focused(timeout=ms(30))
        context.close()


def test_versions_that_do_not_meet_are_told_before_ray_init(house, visit):
    """The platform's list has one more image, of another Ray: a made-up answer, as images take minutes to make."""
    page = visit(NORA)

    def more(route):
        answer = route.fetch()
        items = answer.json()["items"] + [{"name": "ray-2.9", "rayVersion": "2.9.3", "pythonVersion": "3.9.18", "ready": True}]
        route.fulfill(response=answer, json={"items": items})

    page.route("**/api/atelier/v1/images", more)
    page.goto(f"http://localhost:{house.port}/p/nora/ray?new")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Image")).to_have_value("ray-2.60")
    expect(dialog.get_by_text("will be refused")).to_have_count(0)
    dialog.get_by_label("Image").select_option("ray-2.9")
    expect(dialog.get_by_text(re.compile(r"ray.init from these notebooks will be refused: lab \(Ray 2\.60\.0(, Python 3\.\d+)?\)\. The cluster has Ray 2\.9\.3, Python 3\.9\."))).to_be_visible()
    shot(page, "33-versions")
    page.goto(f"http://localhost:{house.port}/p/nora/notebooks?new")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Image").select_option("ray-2.9")
    expect(dialog.get_by_text("this notebook will be refused by these clusters: mini (Ray 2.60.0")).to_be_visible()


def test_a_name_that_is_taken_is_told_at_once(visit):
    page = visit(NORA, "/p/nora/notebooks?new")
    page.get_by_label("Name").fill("lab")
    expect(page.get_by_role("alert")).to_have_text("exists already in this profile")


def test_a_cluster_s_form_says_all_that_is_sent(house, visit):
    page = visit(NORA, "/p/nora/ray?new")
    fill = {"Name": "grown", "Head memory": "700Gi", "Worker GPUs": "0", "Min": "1", "Max": "3"}
    for label, value in fill.items():
        page.get_by_label(label, exact=True).fill(value)
    button(page, "^add a group$").click()
    page.get_by_label("Replicas 2").fill("9")
    expect(page.get_by_label("Replicas 2")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("alert")).to_contain_text("Replicas 2 must be from minReplicas (0) to maxReplicas (4)")
    page.get_by_label("Replicas 2").fill("0")
    page.get_by_label("Scale by itself").check()
    page.get_by_label("Remove a worker after idle seconds").fill("90")
    page.get_by_text("More", exact=True).click()
    page.get_by_label("Environment", exact=True).fill("MODE=fast\nEMPTY=")
    expect(page.get_by_text("The server would accept this.")).to_be_visible()
    button(page, "^show yaml$").click()
    area = page.get_by_label("Manifest (YAML or JSON)")
    page.screenshot(path=SHOTS / "33-cluster-yaml.png")
    wanted = yaml.safe_load(area.input_value())
    area.fill(area.input_value().replace("MODE", "MODE_OF_WORK"))  # what the form cannot say, YAML can
    expect(button(page, "^discard changes")).to_be_visible()
    button(page, "^create$").click()
    expect(page.get_by_role("row", name=re.compile("^grown"))).to_be_visible()
    spec = house.raycluster("nora", "grown", NORA)["spec"]
    assert spec["enableInTreeAutoscaling"] is True and spec["autoscalerOptions"]["idleTimeoutSeconds"] == 90
    assert [(g["groupName"], g["replicas"], g["minReplicas"], g["maxReplicas"]) for g in spec["workerGroupSpecs"]] == [
        (g["groupName"], g["replicas"], g["minReplicas"], g["maxReplicas"]) for g in wanted["spec"]["workerGroupSpecs"]]
    for group in [spec["headGroupSpec"], *spec["workerGroupSpecs"]]:
        env = group["template"]["spec"]["containers"][0]["env"]
        assert {"name": "MODE_OF_WORK", "value": "fast"} in env and {"name": "EMPTY", "value": ""} in env
    assert spec["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    button(page, "^stop grown$").click()
    wait_for("it is suspended", lambda: house.raycluster("nora", "grown", NORA)["spec"].get("suspend") is True, 10)
    expect(page.get_by_role("row", name=re.compile("^grown"))).to_contain_text("Stopped", timeout=ms(30))
    house.cli("-n", "nora", "delete", "raycluster", "grown", user=NORA)
    expect(page.get_by_role("row", name=re.compile("^grown"))).to_have_count(0, timeout=ms(30))


def test_a_volume_is_made_mounted_and_deleted(house, visit):
    page = visit(NORA, "/p/nora/volumes")
    expect(page.get_by_role("row", name=re.compile("^home"))).to_contain_text("lab")  # who mounts it
    assert page.get_by_role("button", name="Delete home").count() == 0
    button(page, "^new volume$").click()
    page.get_by_label("Name").fill("data")
    page.get_by_label("Size").fill("endless")
    expect(page.get_by_role("alert")).to_contain_text("Size must be a size between")
    page.get_by_label("Size").fill("100Mi")
    button(page, "^create$").click()
    row = page.get_by_role("row", name=re.compile("^data"))
    expect(row).to_contain_text("Ready", timeout=ms(30))
    shot(page, "34-volumes")
    button(page, "^delete data$").click()
    expect(button(page, "^delete volume$")).to_be_disabled()
    page.get_by_label("Type data to confirm").fill("data")
    button(page, "^delete volume$").click()
    expect(row).to_have_count(0, timeout=ms(30))
    vera = visit(VERA, "/p/nora/volumes")
    settled(vera)
    assert vera.get_by_role("main").get_by_role("button").count() == 0


def test_jobs_are_submitted_followed_stopped_and_deleted(house, visit):
    house.wait_raycluster("nora", "mini", NORA, workers=0, timeout_s=400)
    page = visit(NORA, "/p/nora/ray/mini")
    expect(page.get_by_text("No jobs yet.")).to_be_visible(timeout=ms(20))
    button(page, "^submit job$").click()
    page.get_by_label("Command").fill("echo the answer is $((6 * 7))")
    page.get_by_label("Job ID").fill("answer")
    button(page, "^submit$").click()
    row = page.get_by_role("row", name=re.compile("^answer"))
    expect(row).to_contain_text("Succeeded", timeout=ms(120))
    button(page, "^logs of answer$").click()
    expect(page.get_by_label("log", exact=True)).to_contain_text("the answer is 42", timeout=ms(20))
    page.keyboard.press("Escape")
    button(page, "^submit job$").click()
    page.get_by_label("Command").fill(COUNT)
    page.get_by_label("Job ID").fill("counting")
    button(page, "^submit$").click()
    expect(page.get_by_role("row", name=re.compile("^counting"))).to_contain_text("Running", timeout=ms(120))
    vera = visit(VERA, "/p/nora/ray/mini")  # who may only look follows the log, and does nothing else
    vera.get_by_role("button", name="Logs of counting").click()
    expect(vera.get_by_label("log", exact=True)).to_contain_text(re.compile("step [1-9]"), timeout=ms(30))
    seen = vera.get_by_label("log", exact=True).inner_text()
    expect(vera.get_by_label("log", exact=True)).not_to_have_text(seen, timeout=ms(30))  # it goes on by itself
    vera.screenshot(path=SHOTS / "35-job-log.png")
    vera.keyboard.press("Escape")
    for name in ("submit job", "stop counting", "delete answer", "scale mini", "stop mini"):
        assert button(vera, f"^{name}$").count() == 0, name
    edda = visit(EDDA, "/p/nora/ray/mini")
    edda.get_by_role("button", name="Stop counting").click()
    expect(page.get_by_role("row", name=re.compile("^counting"))).to_contain_text("Stopped", timeout=ms(60))
    shot(page, "36-jobs")
    button(page, "^delete answer$").click()
    button(page, "^delete now$").click()
    expect(row).to_have_count(0, timeout=ms(30))
    otto = visit(OTTO, "/p/nora/ray/mini")
    expect(otto.get_by_role("heading", name="Not found")).to_be_visible()
    assert otto.evaluate("fetch('/ray/nora/mini/api/jobs/').then((answer) => answer.status)") == 404


def test_the_palette_goes_and_does(house, visit):
    page = visit(NORA, "/p/nora")
    settled(page)
    page.keyboard.press("Control+k")
    box = page.get_by_role("combobox", name="Where to, or what to do?")
    box.fill("stop lab")
    expect(page.get_by_role("dialog").get_by_role("option")).to_have_count(1)
    page.screenshot(path=SHOTS / "37-palette.png")
    page.keyboard.press("Enter")
    wait_for("the notebook is to stop", lambda: "kubeflow-resource-stopped" in house.notebook(
        "nora", "lab", NORA)["metadata"].get("annotations", {}), 10)
    page.keyboard.press("Control+k")
    box.fill("ray")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("dialog").get_by_role("option", selected=True)).to_have_attribute("id", "command-1")
    box.fill("volume new")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="New volume")).to_be_visible()
    page.wait_for_url("**/p/nora/volumes?new")
    page.keyboard.press("Escape")
    page.wait_for_url("**/p/nora/volumes")
    page.keyboard.press("Control+k")
    box.fill("nothing of this kind")
    expect(page.get_by_text("Nothing matches.")).to_be_visible()
    page.keyboard.press("Escape")
    vera = visit(VERA, "/p/nora")
    vera.keyboard.press("Control+k")
    expect(vera.get_by_role("dialog").get_by_role("option", name=re.compile("^lab"))).to_be_visible()
    assert not [one for one in vera.get_by_role("dialog").get_by_role("option").all_inner_texts() if re.match("Start|Stop|New|Open", one)]


def test_a_lost_line_is_said_and_made_good(house, visit):
    page = visit(NORA, "/p/nora/notebooks")
    row = page.get_by_role("row", name=re.compile("^lab"))
    expect(row.get_by_text("Stopped", exact=True)).to_be_visible(timeout=ms(60))
    page.route("**/apis/**", lambda route: route.abort())
    os.kill(house.pid_of("atelierd"), signal.SIGKILL)  # the supervisor starts it again
    expect(page.get_by_text("Reconnecting…")).to_be_visible(timeout=ms(20))
    expect(row).to_be_visible()  # what was seen stays
    page.screenshot(path=SHOTS / "38-reconnecting.png")
    wait_for("service ready", house.ready, 60)
    started = house.http("PATCH", "/apis/kubeflow.org/v1/namespaces/nora/notebooks/lab", NORA, headers={
        "Content-Type": "application/merge-patch+json"}, body=json.dumps({"metadata": {"annotations": {"kubeflow-resource-stopped": None}}}))
    assert started.status == 200, started
    page.unroute("**/apis/**")
    expect(page.get_by_text("Reconnecting…")).to_have_count(0, timeout=ms(30))
    expect(row).to_contain_text(re.compile("Pending|Starting|Running"), timeout=ms(30))  # what changed meanwhile is seen


def test_what_is_used_is_drawn(house, visit):
    path = "/api/atelier/v1/profiles/nora/samples?kind=RayCluster&name=mini"
    wait_for("a sample of mini", lambda: house.get(path, NORA).json["items"], 180, 2)
    page = visit(VERA, "/p/nora/ray/mini")
    for title in ("CPU", "Memory", "Ray nodes"):
        expect(page.get_by_role("img", name=re.compile(f"^{title}: now"))).to_be_visible(timeout=ms(40))
    wait_for("it is drawn", lambda: page.locator(".plot canvas").first.evaluate("""(canvas) => canvas.getContext('2d')
        .getImageData(0, 0, canvas.width, canvas.height).data.some((byte) => byte > 0)"""), 20)
    shot(page, "39-usage")


def test_who_did_what_is_told_to_those_who_manage(visit):
    page = visit(NORA, "/p/nora/activity")
    settled(page)
    page.get_by_label("Filter").fill("create notebook lab")
    rows = page.get_by_role("table", name="Activity").get_by_role("row")
    expect(rows).to_have_count(2)
    expect(rows.last).to_contain_text(NORA)
    for email in (EDDA, VERA):
        other = visit(email, "/p/nora/activity")
        expect(other.get_by_role("heading", name="Not found")).to_be_visible()


def test_the_platform_s_pages_are_the_admin_s(house, visit):
    page = visit(ADMIN, "/machine")
    for part in ("Who may do what", "Database", "Workloads"):
        expect(page.get_by_role("listitem").filter(has_text=part)).to_contain_text("in order")
    expect(page.get_by_role("row", name=re.compile("^nora"))).to_be_visible()
    expect(page.get_by_role("row", name=re.compile(r"^ray-2\.60 "))).to_contain_text("installed")
    page.get_by_role("link", name="Profiles").click()
    expect(page.get_by_role("row", name=re.compile("^nora"))).to_contain_text(NORA)
    page.get_by_role("link", name="Audit log").click()
    page.get_by_label("Filter").fill("root@example.com")
    expect(page.get_by_role("row").nth(1)).to_contain_text(ADMIN)
    edda = visit(EDDA)
    for path in ("/machine", "/profiles", "/audit", "/users"):
        edda.goto(f"http://localhost:{house.port}{path}")
        expect(edda.get_by_role("heading", name="Not found")).to_be_visible()
        assert house.get("/api/atelier/v1/health", EDDA).status == 403


# --- languages ---------------------------------------------------------------------------------------------------------

# Every message as [path, its text or "function", how many arguments it takes], of each language.
TABLES = """import { build } from "esbuild";
const out = {};
for (const name of ["en", "zh"]) {
  const { outputFiles } = await build({ entryPoints: [`src/messages/${name}.ts`], bundle: true, format: "esm", write: false });
  const table = (await import("data:text/javascript;base64," + Buffer.from(outputFiles[0].text).toString("base64")))[name];
  const walk = (value, path) => typeof value === "object" ? Object.entries(value).flatMap(([key, item]) => walk(item, [...path, key]))
    : [[path.join("."), typeof value === "string" ? value : "function", value.length]];
  out[name] = walk(table, []);
}
console.log(JSON.stringify(out));"""
SAME = {"CPU", "GPU", "GPUs", "Pod", "Pods", "Ray"}  # names that need no translation


@pytest.fixture(scope="module")
def tables():
    done = subprocess.run(["node", "--input-type=module", "-e", TABLES], cwd=ROOT / "console", check=True, text=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def test_no_message_is_missing_or_left_over(tables):
    english, chinese = ({path: (text, length) for path, text, length in tables[name]} for name in ("en", "zh"))
    assert english.keys() == chinese.keys()
    source = "\n".join(file.read_text() for file in (ROOT / "console" / "src").rglob("*.ts*") if file.parent.name != "messages")
    for path, (text, length) in english.items():
        other, others = chinese[path]
        assert (text == "function") == (other == "function") and (text != "function" or length == others), path
        assert text.strip() and other.strip(), path
        if text not in SAME | {"function"} and re.search("[A-Za-z]{4}", text):
            assert re.search("[\u4e00-\u9fff]", other), path
        assert path.startswith(("states.", "roles.", "themes.")) or re.search(rf"\bt\.{re.escape(path)}\b", source), f"{path} is said nowhere"


def test_everything_is_said_in_chinese(house, visit, tables):
    page = visit(NORA, "/p/nora", locale="zh-CN")
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    expect(page.get_by_role("heading", level=1)).to_have_text("首页")
    words = {text for _, text, _ in tables["en"] if len(text) > 3 and text not in SAME | {"function"}}
    for name, path, key in (("home", "/p/nora", None), ("notebooks", "/p/nora/notebooks?new", None), ("notebook", "/p/nora/notebooks/lab", None),
                            ("ray", "/p/nora/ray?new", None), ("cluster", "/p/nora/ray/mini", None), ("rayjobs", "/p/nora/rayjobs?new", None), ("volumes", "/p/nora/volumes?new", None),
                            ("members", "/p/nora/members", None), ("activity", "/p/nora/activity", None), ("tokens", "/tokens", None),
                            ("account", "/account", None), ("palette", "/p/nora", "Control+k")):
        page.goto(f"http://localhost:{house.port}{path}")
        expect(page.get_by_text("正在加载…")).to_have_count(0)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        if key:
            page.keyboard.press(key)
            expect(page.get_by_role("dialog").get_by_role("option").first).to_be_visible()
        said = page.evaluate("""() => { const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), said = [];
            while (walker.nextNode()) // what the server says of an event, or an object, is not the console's
                if (!walker.currentNode.parentElement.closest('.events, pre')) said.push(walker.currentNode.data.trim());
            for (const e of document.querySelectorAll('[aria-label]')) said.push(e.getAttribute('aria-label'));
            return said; }""")
        assert words.intersection(said) == set(), name
        page.screenshot(path=SHOTS / f"40-chinese-{name}.png")
    page.get_by_role("button", name="关闭").click()
    page.get_by_label("语言").select_option("English")
    expect(page.get_by_role("heading", level=1)).to_have_text("Home")
    page.reload()  # it is kept
    expect(page.get_by_role("heading", level=1)).to_have_text("Home")
