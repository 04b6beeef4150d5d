"""The console for everybody: keyboard, screen reader, narrow screens, every role, and what happens when a role ends."""
import gzip
import re

import pytest
from playwright.sync_api import expect

from atelier import wait_for
from console import (BASICS, SHOTS, browser, button, check_view, ms, running, settled, shot,  # noqa: F401
                     violations, visit)  # browser and visit are fixtures

FRANK, GINA, HEIDI, IVAN, JUDY = (f"{name}@example.com" for name in ("frank", "gina", "heidi", "ivan", "judy"))
ADMIN = "root@example.com"
LONG = "a-notebook-whose-name-fills-forty-chars1"
MEMBERS = "/api/atelier/v1/profiles/frank/members"
COMPRESSED_BYTES = 150_000


@pytest.fixture(scope="module")
def cookies(house):
    """frank's profile with two notebooks and a cluster that does not fit; gina edits, heidi views, judy has one notebook."""
    running(house)
    found = {email: house.add_user(email) for email in (FRANK, GINA, HEIDI, IVAN, JUDY)}
    link = house.cli("user", "create", ADMIN, "--admin").stdout.strip()
    found[ADMIN] = house.accept_link(link, "correct horse " + ADMIN)
    made = house.http("POST", "/apis/kubeflow.org/v1/profiles", FRANK, body={
        "apiVersion": "kubeflow.org/v1", "kind": "Profile", "metadata": {"name": "frank"}})
    assert made.status == 201, made
    house.wait_profile("frank", FRANK)
    for name in ("nb", LONG):
        made = house.http("POST", "/apis/kubeflow.org/v1/namespaces/frank/notebooks", FRANK, body=notebook(name))
        assert made.status == 201, made
    made = house.http("POST", "/apis/ray.io/v1/namespaces/frank/rayclusters", FRANK, body=cluster("huge"))
    assert made.status == 201, made
    share(house, GINA, "editor")
    share(house, HEIDI, "viewer")
    share(house, JUDY, "editor", {"kind": "Notebook", "name": "nb"})
    house.wait_notebook("frank", "nb", FRANK)
    house.wait_notebook("frank", LONG, FRANK)
    return found


def notebook(name):
    size = {"cpu": "0.5", "memory": "1Gi"}
    return {"apiVersion": "kubeflow.org/v1", "kind": "Notebook", "metadata": {"name": name, "namespace": "frank"},
            "spec": {"template": {"spec": {"containers": [
                {"name": name, "image": "ray-2.60", "resources": {"requests": size, "limits": size}}]}}}}


def cluster(name):
    size = {"cpu": "1", "memory": "900Gi"}
    head = {"name": "ray-head", "image": "ray-2.60", "resources": {"requests": size, "limits": size}}
    workers = {"groupName": "workers", "replicas": 0, "minReplicas": 0, "maxReplicas": 2, "rayStartParams": {},
               "template": {"spec": {"containers": [{**head, "name": "ray-worker"}]}}}
    return {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": name, "namespace": "frank"},
            "spec": {"rayVersion": "2.60.0", "workerGroupSpecs": [workers], "headGroupSpec": {
                "rayStartParams": {"num-cpus": "0"}, "template": {"spec": {"containers": [head]}}}}}


def share(house, email, role, resource=None):
    body = {"subject": {"kind": "User", "name": email}, "role": role}
    made = house.http("POST", MEMBERS, FRANK, body={**body, **({"resource": resource} if resource else {})})
    assert made.status == 201, made
    return made.json["id"]


def remove_member(house, email):
    for member in house.get(MEMBERS, FRANK).json["items"]:
        if member["subject"]["name"] == email:
            assert house.http("DELETE", f"{MEMBERS}/{member['id']}", FRANK).status == 204


# Every page, and every dialog that opens without changing anything: (name, path, what to click).
VIEWS = [
    ("home", "/p/frank", None), ("notebooks", "/p/frank/notebooks", None), ("notebook", "/p/frank/notebooks/nb", None),
    ("ray", "/p/frank/ray", None), ("cluster", "/p/frank/ray/huge", None), ("rayjobs", "/p/frank/rayjobs", None),
    ("volumes", "/p/frank/volumes", None), ("members", "/p/frank/members", None), ("activity", "/p/frank/activity", None), ("tokens", "/tokens", None),
    ("account", "/account", None), ("new-profile", "/new", None), ("missing", "/p/nobody", None),
    ("new-notebook", "/p/frank/notebooks", "new notebook"), ("resize", "/p/frank/notebooks", "resize nb"),
    ("logs", "/p/frank/notebooks", "logs of nb"), ("new-cluster", "/p/frank/ray", "new ray cluster"),
    ("new-rayjob", "/p/frank/rayjobs", "new ray job"),
    ("scale", "/p/frank/ray", "scale huge"), ("connect", "/p/frank/ray", "connect to huge"),
    ("new-volume", "/p/frank/volumes", "new volume"), ("delete-profile", "/p/frank/members", "delete this profile"),
    ("transfer", "/p/frank/members", "transfer ownership"), ("remove-member", "/p/frank/members", f"remove {GINA}"),
    ("sign-out-everywhere", "/account", "sign out everywhere"), ("palette", "/p/frank", "search"),
]
ADMIN_VIEWS = [("users", "/users", None), ("profiles", "/profiles", None), ("machine", "/machine", None),
               ("audit", "/audit", None), ("delete-user", "/users", f"delete {GINA}")]


def view(house, page, path, click):
    page.goto(f"http://localhost:{house.port}{path}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    settled(page)
    if click:
        button(page, f"^{click}").click()
        expect(page.get_by_role("dialog")).to_be_visible()


# --- what the server sends ---------------------------------------------------------------------------------------------

def test_the_content_security_policy_is_strict(house, cookies):
    answer = house.get("/", headers={"Accept": "text/html"})
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] in ("'self'", "'none'")
    for name in ("object-src", "base-uri", "frame-ancestors"):
        assert policy[name] == "'none'", name
    assert policy["form-action"] == "'self'"
    for name, sources in policy.items():
        assert not re.search(r"unsafe|\*|https?:|blob:", sources), (name, sources)
        assert "data:" not in sources or name == "img-src"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<style|<script(?![^>]*\bsrc=)|\son[a-z]+=|\bstyle=|javascript:", answer.text, re.I)


def test_the_console_is_small(house, cookies):
    files = ["/", "/console.js", "/console.css", "/favicon.svg"]
    answers = [house.get(path, headers={"Accept": "*/*", "Accept-Encoding": "gzip"}) for path in files]
    assert all(answer.status == 200 for answer in answers)
    assert b"Atelier" in gzip.decompress(answers[0].body)
    assert sum(len(answer.body) for answer in answers) <= COMPRESSED_BYTES


# --- for everybody -----------------------------------------------------------------------------------------------------

def test_every_view_is_for_everybody(house, visit):
    page = visit(FRANK)
    for name, path, click in VIEWS:
        view(house, page, path, click)
        check_view(page, name, whole=click is None)
    view(house, page, "/p/frank", None)
    page.set_viewport_size({"width": 3840, "height": 2160})
    page.screenshot(path=SHOTS / "21-home-3840.png")


@pytest.mark.parametrize("role, email", [("editor", GINA), ("viewer", HEIDI), ("guest", JUDY), ("outsider", IVAN)])
def test_every_page_is_for_every_role(house, visit, role, email):
    page = visit(email)
    own = {"tokens", "account", "new-profile"}  # everybody has these, whatever they were given
    of_profile = {"home", "notebooks", "notebook", "ray", "cluster", "rayjobs", "volumes", "members"}
    theirs = own | {"outsider": set(), "guest": {"home", "notebooks", "notebook"}}.get(role, of_profile)
    for name, path, click in VIEWS:
        if click:
            continue
        view(house, page, path, click)
        # That there is nothing is known once the server has said so, which may come after the page's heading.
        if name in theirs:
            check_view(page, f"{role}-{name}", whole=True, schemes=("light",))
        expect(page.get_by_role("heading", name="Not found")).to_have_count(int(name not in theirs))


def test_the_admin_s_pages_and_sign_in_are_accessible(house, visit, browser):  # noqa: F811
    page = visit(ADMIN)
    for name, path, click in ADMIN_VIEWS:
        view(house, page, path, click)
        check_view(page, f"admin-{name}", whole=click is None)
    stranger = browser.new_context().new_page()
    stranger.goto(f"http://localhost:{house.port}/")
    expect(stranger.get_by_role("heading", name="Sign in")).to_be_visible()
    assert stranger.evaluate(BASICS) == [] and violations(stranger) == []
    stranger.evaluate("document.querySelector('main').append(document.createElement('input'))")
    assert len(stranger.evaluate(BASICS)) == 1 and len(violations(stranger)) == 1  # both see what is wrong
    stranger.context.close()


def luminance(color):
    parts = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colours_have_contrast(visit, scheme):
    page = visit(FRANK, color_scheme=scheme)
    token = {name: page.evaluate("""(name) => { const probe = document.body.appendChild(document.createElement('i'));
        probe.style.color = `var(--${name})`; const value = getComputedStyle(probe).color; probe.remove(); return value; }""", name)
             for name in ("ground", "sheet", "shade", "ink", "soft", "accent", "on-accent", "good", "bad", "wait", "edge")}
    for surface in ("ground", "sheet", "shade"):
        for text in ("ink", "soft", "accent", "bad"):
            assert contrast(token[text], token[surface]) >= 4.5, (text, surface)
        for mark in ("edge", "good", "wait"):  # WCAG 1.4.11: the outline of a control, the dot of a state
            assert contrast(token[mark], token[surface]) >= 3, (mark, surface)
    assert contrast(token["on-accent"], token["accent"]) >= 4.5


def test_light_or_dark_can_be_chosen(visit):
    """Whatever the system prefers; in every open tab at once, and on the next visit."""
    page = visit(FRANK, "/account", color_scheme="light")
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.get_by_label("Colours")).to_have_value("system")

    def ground(of):
        return of.evaluate("getComputedStyle(document.body).backgroundColor")
    light = ground(page)
    page.get_by_label("Colours").select_option("dark")
    dark = ground(page)
    assert luminance(dark) < 0.05 < 0.8 < luminance(light)
    wait_for("the other tab", lambda: ground(other) == dark, 10)
    page.reload()
    expect(page.get_by_label("Colours")).to_have_value("dark")
    assert ground(page) == dark and page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    page.emulate_media(color_scheme="dark")
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Where to, or what to do?").fill("colours light")
    page.keyboard.press("Enter")
    wait_for("light again", lambda: ground(page) == light, 10)
    page.get_by_label("Colours").select_option("system")
    assert ground(page) == dark


FOCUSABLE = """() => [...document.querySelectorAll('a[href], button, input, select, textarea, [tabindex="0"]')]
  .filter((e) => !e.disabled && e.tabIndex >= 0 && e.checkVisibility() && (!document.querySelector('dialog[open]') || e.closest('dialog')))
  .map((e, at) => { e.dataset.stop = String(at); return e.outerHTML.slice(0, 120); })"""


def reached_by_tab(page):
    """(every control, those that Tab reaches, those that show no outline when it does)"""
    controls = page.evaluate(FOCUSABLE)
    page.evaluate("document.activeElement?.blur()")
    reached, bare = set(), []
    for _ in range(2 * len(controls) + 6):
        page.keyboard.press("Tab")
        stop, outlined = page.evaluate("""() => { const e = document.activeElement, s = getComputedStyle(e);
            return [e?.dataset?.stop ?? null, s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2]; }""")
        if stop is not None:
            reached.add(int(stop))
            if not outlined:
                bare.append(controls[int(stop)])
    return controls, reached, bare


def test_every_control_is_reached_by_keyboard(house, visit):
    page = visit(FRANK)
    for name, path, click in VIEWS:
        view(house, page, path, click)
        controls, reached, bare = reached_by_tab(page)
        assert [controls[at] for at in range(len(controls)) if at not in reached] == [], name
        assert bare == [], name


def test_dialogs_give_the_focus_back(house, visit):
    page = visit(FRANK, "/p/frank/notebooks")
    settled(page)
    button(page, "^resize nb$").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("CPU")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(button(page, "^resize nb$")).to_be_focused()
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Where to, or what to do?")).to_be_focused()
    page.keyboard.press("Escape")
    expect(button(page, "^resize nb$")).to_be_focused()
    page.get_by_role("link", name="Members", exact=True).click()
    expect(page.locator("#main")).to_be_focused()


# --- every role --------------------------------------------------------------------------------------------------------

def has_only(part, role, names):
    """What is there of that role, once the page has drawn what it knows: a set of names, or a list in its order."""
    def look():
        found = part.get_by_role(role).evaluate_all("(all) => all.map((one) => one.getAttribute('aria-label') || one.innerText)")
        return len(found) == len(names) and type(names)(found) == names
    wait_for(f"nothing but the {role}s {names}", look, 10)


def test_an_editor_runs_but_does_not_manage(visit):
    page = visit(GINA, "/p/frank/notebooks")
    settled(page)
    expect(page.get_by_role("link", name="Open nb")).to_be_visible()
    for name in ("new notebook", "stop nb", "resize nb", "logs of nb", "delete nb"):
        expect(button(page, f"^{name}$")).to_be_visible()
    page.get_by_role("link", name="Members", exact=True).click()
    expect(page.get_by_role("row", name=re.compile(JUDY))).to_contain_text("Notebook nb")
    main = page.get_by_role("main")
    assert main.get_by_role("button").count() == 0 and main.get_by_role("combobox").count() == 0


def test_a_viewer_looks_and_changes_nothing(house, visit):
    page = visit(HEIDI, "/p/frank/notebooks")
    settled(page)
    main = page.get_by_role("main")
    expect(page.get_by_role("row", name=re.compile("^nb"))).to_contain_text("Running")
    has_only(main, "button", {"Logs of nb", f"Logs of {LONG}"})
    has_only(main, "link", {LONG, "nb"})  # a notebook runs code: who may only look does not open it
    button(page, "^logs of nb$").click()
    expect(page.get_by_label("log", exact=True)).to_contain_text(re.compile("jupyter", re.I), timeout=ms(15))
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Ray clusters").click()
    settled(page)
    has_only(main, "button", {"Logs of huge"})
    page.goto(f"http://localhost:{house.port}/p/frank/activity")
    expect(page.get_by_role("heading", name="Not found")).to_be_visible()
    page.get_by_role("link", name="Home", exact=True).click()
    settled(page)
    expect(page.get_by_role("link", name="nb", exact=True)).to_be_visible()


def test_a_viewer_with_one_notebook_of_their_own(house, visit):
    page = visit(HEIDI, "/p/frank/notebooks")
    settled(page)
    grant = share(house, HEIDI, "editor", {"kind": "Notebook", "name": "nb"})
    expect(page.get_by_role("link", name="Open nb")).to_be_visible(timeout=ms(20))
    has_only(page.get_by_role("main"), "button", {"Logs of nb", "Resize nb", "Stop nb", f"Logs of {LONG}"})
    assert house.http("DELETE", f"{MEMBERS}/{grant}", FRANK).status == 204
    expect(page.get_by_role("link", name="Open nb")).to_have_count(0, timeout=ms(20))


def test_an_outsider_finds_nothing(visit):
    page = visit(IVAN)
    expect(page.get_by_label("Profile name")).to_be_visible()
    for path in ("/p/frank", "/p/frank/notebooks/nb", "/p/frank/members", "/p/nobody", "/users", "/machine", "/frank"):
        page.goto(re.sub(r"^(https?://[^/]+).*", r"\1", page.url) + path)
        expect(page.get_by_role("heading", name="Not found")).to_be_visible()
        expect(page.get_by_text(LONG)).to_have_count(0)


def test_a_guest_sees_the_one_notebook(house, visit):
    page = visit(JUDY)
    expect(page.get_by_role("heading", name="Shared with you in frank")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("^nb"))).to_contain_text("Running")
    has_only(page.get_by_role("navigation"), "link", ["Shared with you", "Notebooks", "Tokens", "Account"])
    page.get_by_role("link", name="Notebooks").click()
    settled(page)
    expect(button(page, "^stop nb$")).to_be_visible()
    has_only(page.get_by_role("main"), "button", {"Logs of nb", "Resize nb", "Stop nb"})
    expect(page.get_by_text(LONG)).to_have_count(0)
    shot(page, "22-guest-notebooks")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Open nb").click()
    opened.value.wait_for_url(re.compile(r"^http://notebook-nb--frank\.localhost:"), timeout=ms(60))
    opened.value.close()


def test_a_changed_role_changes_the_buttons(house, visit):
    page = visit(GINA, "/p/frank/notebooks")
    expect(button(page, "^resize nb$")).to_be_visible()
    remove_member(house, GINA)
    share(house, GINA, "viewer")
    expect(button(page, "^resize nb$")).to_have_count(0, timeout=ms(20))
    expect(button(page, "^logs of nb$")).to_be_visible()


@pytest.mark.parametrize("email, path, seen", [
    (HEIDI, "/p/frank/notebooks", LONG), (GINA, "/p/frank", "nb"), (JUDY, "/p/frank", "nb")])
def test_who_is_removed_sees_it_at_once(house, visit, email, path, seen):
    page = visit(email, path)
    expect(page.get_by_text(seen, exact=True).first).to_be_visible()
    page.wait_for_timeout(1000)  # the watch stands
    remove_member(house, email)
    expect(page.get_by_role("heading", name="Not found")).to_be_visible(timeout=ms(2.5))
    expect(page.get_by_text(seen, exact=True)).to_have_count(0)
    expect(page.get_by_role("link", name="Notebooks")).to_have_count(0)


# --- the forms ---------------------------------------------------------------------------------------------------------

def test_an_address_leads_through_sign_in_to_where_it_pointed(house, cookies, browser):  # noqa: F811
    for path, lands in (("/p/frank/members", r"/p/frank/members$"),
                        ("/notebook/frank/nb/", r"^http://notebook-nb--frank\.localhost:\d+/notebook/frank/nb/")):
        page = browser.new_context().new_page()
        page.goto(f"http://localhost:{house.port}{path}")
        page.get_by_label("E-mail").fill(FRANK)
        page.get_by_label("Password").fill("correct horse " + FRANK)
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(lands), timeout=ms(60))
        page.context.close()


def test_a_cluster_is_made_scaled_and_deleted(house, visit):
    page = visit(FRANK, "/p/frank/ray")
    button(page, "^new ray cluster$").click()
    page.get_by_label("Name", exact=True).fill("formed")
    page.get_by_label("Head memory").fill("lots")
    button(page, "^create$").click()
    expect(page.get_by_role("alert")).to_contain_text("memory")
    shot(page, "26-refused-cluster")
    page.get_by_label("Head memory").fill("800Gi")
    page.get_by_label("Replicas").fill("0")
    button(page, "^show yaml$").click()
    expect(page.get_by_label("Manifest (YAML or JSON)")).to_have_value(re.compile("memory: (\"?)800Gi"))
    button(page, "^create$").click()
    row = page.get_by_role("row", name=re.compile("^formed"))
    expect(row).to_contain_text("quota", timeout=ms(15))
    button(page, "^scale formed$").click()
    page.get_by_label("Replicas of workers").fill("3")
    button(page, "^scale$").click()
    wait_for("three replicas", lambda: house.raycluster("frank", "formed", FRANK)["spec"]["workerGroupSpecs"][0]["replicas"] == 3, 20)
    button(page, "^delete formed$").click()
    button(page, "^delete now$").click()
    expect(row).to_have_count(0, timeout=ms(30))


def test_a_notebook_is_resized(house, visit):
    page = visit(FRANK, "/p/frank/notebooks")
    button(page, "^resize nb$").click()
    page.get_by_label("Memory").fill("1536Mi")
    button(page, "^resize$").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("row", name=re.compile("^nb"))).to_contain_text("1.5 GiB")
    house.wait_notebook("frank", "nb", FRANK)
    (container,) = house.get("/api/v1/namespaces/frank/pods/nb-0", FRANK).json["spec"]["containers"]
    assert container["resources"]["limits"]["memory"] == "1536Mi"  # the pod of now, not the one before


def test_sharing_for_a_day_with_somebody_unknown(house, visit):
    page = visit(FRANK, "/p/frank/members")
    page.get_by_label("E-mail").fill("Lena@Example.com")
    page.get_by_label("Role", exact=True).select_option("viewer")
    page.get_by_label("For").select_option("only notebook nb")
    page.get_by_label("Until").select_option("a day")
    button(page, "^share$").click()
    row = page.get_by_role("row", name=re.compile("lena@example.com"))
    expect(row).to_contain_text("pending")
    expect(row).to_contain_text("Notebook nb")
    expect(row).not_to_contain_text("no end")
    page.get_by_label("Role of lena@example.com").select_option("editor")
    wait_for("the new role", lambda: [one["role"] for one in house.get(MEMBERS, FRANK).json["items"]
                                      if one["subject"]["name"] == "lena@example.com"] == ["editor"], 20)
    button(page, "^remove lena").click()
    button(page, "^remove member$").click()
    expect(row).to_have_count(0)


def test_people_are_shown_as_they_change(house, visit):
    members, activity, users = visit(FRANK, "/p/frank/members"), visit(FRANK, "/p/frank/activity"), visit(ADMIN, "/users")
    asked = []
    for page in (members, activity, users):
        settled(page)
        page.on("request", lambda request: asked.append(request.url))
    made = house.http("POST", MEMBERS, FRANK, body={"subject": {"kind": "User", "name": "mia@example.com"}, "role": "viewer"})
    assert made.status == 201, made
    mia = members.get_by_role("row", name=re.compile("mia@example.com"))
    expect(mia).to_contain_text("pending")
    expect(activity.get_by_role("row", name=re.compile("member add mia@example.com as viewer"))).to_be_visible()
    house.cli("user", "create", "mia@example.com")
    expect(users.get_by_role("row", name=re.compile("mia@example.com"))).to_contain_text("invited")
    expect(mia).not_to_contain_text("pending")
    assert house.http("DELETE", f"{MEMBERS}/{made.json['id']}", FRANK).status == 204
    expect(mia).to_have_count(0)
    house.cli("user", "delete", "mia@example.com")
    expect(users.get_by_role("row", name=re.compile("mia@example.com"))).to_have_count(0)
    assert [url for url in asked if re.search("/(members|audit|users)", url)] == []  # told, not asked


def test_a_profile_changes_hands(house, visit):
    page = visit(IVAN)
    page.get_by_label("Profile name").fill("ivan")
    button(page, "^create profile$").click()
    page.get_by_role("link", name="Members", exact=True).click(timeout=ms(30))
    button(page, "^transfer ownership").click()
    page.get_by_label("New owner's e-mail").fill(JUDY)
    button(page.get_by_role("dialog"), "^transfer ownership$").click()
    wait_for("judy owns it", lambda: {"name": "ivan", "role": "owner", "owner": JUDY} in house.get(
        "/api/atelier/v1/whoami", JUDY).json["profiles"], 20)
    expect(button(page, "^transfer ownership")).to_have_count(0)


# --- what cannot be taken back -----------------------------------------------------------------------------------------

def test_a_token_is_shown_once_and_revoked_after_a_question(house, visit):
    page = visit(FRANK, "/tokens")
    page.get_by_label("What for").fill("nightly")
    button(page, "^create token$").click()
    box = page.get_by_label("Your new token. It is shown only now.")
    expect(box).to_be_visible()
    token = box.input_value()
    assert house.get("/api/atelier/v1/whoami", token=token).json["email"] == FRANK
    named = page.get_by_label("The same for clients that want name:secret").input_value()
    assert named.split(":")[1] == token[4:] and house.get("/api/atelier/v1/whoami", token=named).json["email"] == FRANK
    shot(page, "23-token")
    page.reload()
    settled(page)
    expect(page.get_by_role("row", name=re.compile("nightly"))).to_be_visible()
    assert token not in page.content()
    button(page, "^revoke nightly$").click()
    button(page, "^cancel$").click()
    assert house.get("/api/atelier/v1/whoami", token=token).status == 200
    button(page, "^revoke nightly$").click()
    button(page.get_by_role("dialog"), "^revoke token$").click()
    expect(page.get_by_role("row", name=re.compile("nightly"))).to_have_count(0)
    wait_for("the token is dead", lambda: house.get("/api/atelier/v1/whoami", token=token).status == 401, 20)


def test_password_and_sessions(house, visit, browser):  # noqa: F811
    other = house.http("POST", "/auth/login", body={"email": IVAN, "password": "correct horse " + IVAN},
                       headers={"Origin": f"http://127.0.0.1:{house.port}"})
    assert other.status == 204, other
    cookie = other.headers["set-cookie"].split(";")[0]
    page = visit(IVAN, "/account")
    settled(page)
    rows = page.get_by_role("table", name="Sessions").get_by_role("row")
    expect(rows).to_have_count(3)
    expect(page.get_by_text("this one, now")).to_have_count(1)
    button(page, "^end the session").first.click()
    expect(rows).to_have_count(2)
    wait_for("the ended session is dead", lambda: house.get(
        "/api/atelier/v1/whoami", headers={"Cookie": cookie}).status == 401, 20)
    page.get_by_label("Old password").fill("not the password")
    page.get_by_label("New password").fill("a new sentence for ivan")
    button(page, "^change password$").click()
    expect(page.get_by_label("Old password")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("alert")).to_have_text("Old password is not your present password.")
    shot(page, "24-wrong-password")
    page.get_by_label("Old password").fill("correct horse " + IVAN)
    button(page, "^change password$").click()
    expect(page.get_by_text("Changed. All other sessions")).to_be_visible()
    assert house.http("POST", "/auth/login", body={"email": IVAN, "password": "a new sentence for ivan"},
                      headers={"Origin": f"http://127.0.0.1:{house.port}"}).status == 204


def test_an_admin_invites_and_disables(house, visit, browser):  # noqa: F811
    page = visit(ADMIN, "/users")
    page.get_by_label("E-mail").fill("not an e-mail")
    button(page, "^create account$").click()
    assert page.evaluate("document.querySelector('input[type=email]').validity.typeMismatch")
    page.get_by_label("E-mail").fill("kim@example.com")
    button(page, "^create account$").click()
    link = page.get_by_label("Send this link to kim@example.com: it sets their password, once.")
    expect(link).to_be_visible()
    shot(page, "25-users")
    kim = browser.new_context().new_page()
    kim.goto(link.input_value())
    kim.get_by_label("New password").fill("kim's own sentence")
    kim.get_by_label("Repeat it").fill("kim's own sentence")
    button(kim, "^set password$").click()
    expect(kim.get_by_label("Profile name")).to_be_visible()
    button(page, "^disable kim").click()
    button(page, "^disable account$").click()
    expect(page.get_by_role("row", name=re.compile("kim@"))).to_contain_text("disabled")
    expect(kim.get_by_role("heading", name="Sign in")).to_be_visible(timeout=ms(20))
    kim.context.close()
    button(page, "^delete kim").click()
    expect(button(page, "^delete account$")).to_be_disabled()
    page.get_by_label("Type kim@example.com to confirm").fill("kim@example.com")
    button(page, "^delete account$").click()
    expect(page.get_by_role("row", name=re.compile("kim@"))).to_have_count(0)


def test_usage_says_what_is_held(visit):
    page = visit(FRANK, "/p/frank")
    settled(page)
    expect(page.get_by_role("meter", name="Memory")).to_have_count(2)
    share_of, memory = page.get_by_role("meter", name="Memory").all()
    assert share_of.get_attribute("max") == str(64 * 2**30)
    assert 2 * 2**30 <= float(memory.get_attribute("value")) <= float(memory.get_attribute("max"))
    expect(page.get_by_role("row", name=re.compile(r"^frank 1 CPU 2\.5 GiB$"))).to_be_visible()


def test_the_server_going_away_and_coming_back(house, visit):
    page = visit(FRANK, "/p/frank/notebooks")
    settled(page)
    page.context.set_offline(True)
    button(page, "^stop nb$").click()
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    page.context.set_offline(False)
    button(page, "^stop nb$").click()
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.get_by_role("row", name=re.compile("^nb")).get_by_text("Stopped", exact=True)).to_be_visible(timeout=ms(30))
    button(page, "^start nb$").click()
    expect(page.get_by_role("link", name="Open nb")).to_be_visible(timeout=ms(90))


def test_a_deleted_notebook_can_be_taken_back(house, visit):
    page = visit(FRANK, "/p/frank/notebooks")
    row = page.get_by_role("row", name=re.compile(LONG))
    notice = page.get_by_role("complementary", name="Deletions that wait")
    button(page, f"^delete {LONG}$").click()
    notice.hover()  # the time stands still while somebody reads
    expect(row).to_contain_text(re.compile(r"Deletion in \d+ s"))
    expect(notice).to_contain_text("Nothing has been sent yet")
    shot(page, "28-undo")
    notice.get_by_role("button", name="Undo").click()
    expect(row).to_contain_text("Running")
    expect(notice.get_by_role("button")).to_have_count(0)
    assert "deletionTimestamp" not in house.notebook("frank", LONG, FRANK)["metadata"]
    button(page, f"^delete {LONG}$").click()
    notice.hover()
    before = notice.inner_text()
    page.wait_for_timeout(2500)
    assert notice.inner_text() == before  # it stands still
    page.mouse.move(0, 0)
    page.get_by_role("link", name="Home").click()  # it waits on, whatever page is looked at
    expect(notice.get_by_role("button")).to_have_count(0, timeout=ms(20))
    wait_for("the notebook is gone", lambda: house.notebook("frank", LONG, FRANK) is None, 60)


def test_a_profile_is_deleted_only_by_its_name(house, visit):
    page = visit(FRANK, "/p/frank/members")
    button(page, "^delete this profile").click()
    confirm = button(page, "^delete profile$")
    expect(confirm).to_be_disabled()
    page.get_by_label("Type frank to confirm").fill("fran")
    expect(confirm).to_be_disabled()
    page.get_by_label("Type frank to confirm").fill("frank")
    confirm.click()
    expect(page.get_by_label("Profile name")).to_be_visible(timeout=ms(60))
    wait_for("the profile is gone", lambda: house.get("/apis/kubeflow.org/v1/profiles/frank", FRANK).status == 404, 60)
