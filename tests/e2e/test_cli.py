"""The command line against a running service, without workloads: what it prints, where, and with which exit code."""
import datetime
import json
import os
import pty
import re
import socket
import ssl
import subprocess
import time

import pytest
from atelier import BUILD, private, ROOT

ALICE, BOB = "alice@example.com", "bob@example.com"
MANIFEST = """
apiVersion: v1
kind: ConfigMap
metadata: {name: cm1}
data: {a: "%s"}
---
apiVersion: kubeflow.org/v1
kind: Notebook
metadata: {name: nb1, annotations: {kubeflow-resource-stopped: "yes"}}
spec: {template: {spec: {containers: [{name: nb1, image: ray-2.60}]}}}
"""


@pytest.fixture(scope="module")
def own():
    instance = private()
    try:
        instance.up()
        instance.tokens[ALICE] = None
        yield instance
    finally:
        instance.remove()


def lines(done):
    return done.stdout.splitlines()


def test_accounts_and_tokens_print_only_what_a_script_wants(own):
    link = own.cli("user", "create", ALICE)
    assert re.fullmatch(r"http://localhost:\d+/auth/link/\S+\n", link.stdout) and link.stderr == ""
    again = own.cli("user", "create", ALICE, check=False)
    assert again.returncode == 1 and again.stdout == "" and again.stderr.startswith("atelier: ")
    assert len(again.stderr.splitlines()) == 1
    assert "http" in own.cli("user", "reset-link", ALICE).stdout
    token = own.cli("token", "create", "--user", ALICE, "--name", "laptop", "--ttl", "90d")
    assert re.fullmatch(r"\S+\n", token.stdout)
    own.tokens[ALICE] = token.stdout.strip()
    assert ALICE in own.cli("whoami", user=ALICE).stdout
    listed = own.cli("token", "list", "-o", "json", user=ALICE)
    items = json.loads(listed.stdout)["items"]
    assert [t["name"] for t in items] == ["laptop"] and own.tokens[ALICE] not in listed.stdout
    named = own.cli("token", "create", "--named", user=ALICE).stdout.strip()  # as Rancher and LLMOS write theirs
    name, secret = named.split(":")
    assert own.get("/api/atelier/v1/whoami", token=named).json["email"] == ALICE
    assert own.get("/api/atelier/v1/whoami", token=f"atl_{secret}").json["email"] == ALICE
    for wrong in (f"token-1{name[6:]}:{secret}", f"{name}:{secret[:-1]}", f"{name}:", secret, f"other:{secret}"):
        assert own.get("/api/atelier/v1/whoami", token=wrong).status == 401, wrong
    own.cli("token", "delete", name.removeprefix("token-"), user=ALICE)
    assert own.get("/api/atelier/v1/whoami", token=named).status == 401
    second = own.cli("token", "create", user=ALICE).stdout.strip()
    ids = {t["name"]: t["id"] for t in json.loads(own.cli("token", "list", "-o", "json", user=ALICE).stdout)["items"]}
    other = next(i for name, i in ids.items() if name != "laptop")
    own.cli("token", "delete", other, user=ALICE)
    own.tokens["gone"] = second
    assert own.cli("whoami", user="gone", check=False).returncode == 1


def test_ca_is_what_https_is_verified_with(own):
    done = own.cli("ca")
    assert done.returncode == 0, done.stderr
    trust = ssl.create_default_context(cadata=done.stdout)
    for host in ("localhost", "127.0.0.1", "notebook-nb1--alice.localhost"):
        with socket.create_connection(("127.0.0.1", own.tls_port), 10) as plain, \
                trust.wrap_socket(plain, server_hostname=host) as encrypted:
            encrypted.sendall(f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            assert encrypted.recv(12).startswith(b"HTTP/1.1 ")


def test_users_are_managed(own):
    own.cli("user", "create", "dave@example.com")
    own.cli("user", "disable", "dave@example.com")
    assert any("dave@example.com" in line and "disabled" in line for line in lines(own.cli("user", "list")))
    own.cli("user", "enable", "dave@example.com")
    own.cli("user", "delete", "dave@example.com")
    assert "dave@example.com" not in own.cli("user", "list").stdout
    assert own.cli("user", "list", user=ALICE, check=False).returncode == 1


def test_profile_is_created_waited_for_and_found_by_default(own):
    made = own.cli("profile", "create", "alice", "--wait", "--timeout", "5m", user=ALICE, timeout=320)
    assert lines(made)[0] == "profile.kubeflow.org/alice created" and "Ready" in made.stderr
    assert own.cli("profile", "create", "alice", user=ALICE, check=False).returncode == 1
    table = lines(own.cli("get", "profiles", user=ALICE))
    assert table[0].split() == ["NAME", "STATUS", "OWNER", "AGE", "REASON"]
    assert table[1].split()[:3] == ["alice", "Ready", ALICE]
    # The only profile of the caller is the one meant; with none, -n is asked for.
    assert own.cli("get", "pvc", user=ALICE).stdout.startswith("NAME")
    lost = own.cli("get", "pvc", check=False)
    assert lost.returncode == 2 and "-n" in lost.stderr


def test_apply_creates_configures_and_leaves_alone(own):
    first = own.cli("apply", "-f", "-", user=ALICE, input=MANIFEST % 1)
    assert lines(first) == ["configmap/cm1 created", "notebook.kubeflow.org/nb1 created"]
    own.wait_notebook("alice", "nb1", ALICE, "Stopped")  # nothing more is written to it by itself
    assert lines(own.cli("apply", "-f", "-", user=ALICE, input=MANIFEST % 1)) == \
        ["configmap/cm1 unchanged", "notebook.kubeflow.org/nb1 unchanged"]
    assert lines(own.cli("apply", "-f", "-", user=ALICE, input=MANIFEST % 2))[0] == "configmap/cm1 configured"
    assert json.loads(own.cli("get", "cm", "cm1", "-o", "json", user=ALICE).stdout)["data"] == {"a": "2"}
    printed = own.cli("get", "notebook", "nb1", "-o", "yaml", user=ALICE).stdout
    assert lines(own.cli("apply", "-f", "-", user=ALICE, input=printed)) == ["notebook.kubeflow.org/nb1 unchanged"]


def test_json_is_the_api_s_own(own):
    path = "/apis/kubeflow.org/v1/namespaces/alice/notebooks"
    assert own.cli("get", "notebooks", "-o", "json", user=ALICE).stdout.rstrip("\n") == own.get(path, ALICE).text
    assert own.cli("get", "nb", "-o", "name", user=ALICE).stdout == "notebook.kubeflow.org/nb1\n"
    everywhere = lines(own.cli("get", "notebooks", "-A", user=ALICE))
    assert everywhere[0].startswith("NAMESPACE") and everywhere[1].split()[:2] == ["alice", "nb1"]


def test_every_format_of_everything(own):
    def text(*words):
        return own.cli(*words, user=ALICE).stdout
    assert text("get", "nb", "nb1", "-o", "jsonpath={.metadata.name}") == "nb1"
    assert text("get", "nb", "-o", r'jsonpath={range .items[*]}{.kind}/{.metadata.name}{"\n"}{end}') == "Notebook/nb1\n"
    assert text("get", "cm", "-o", "jsonpath={.items[?(@.data.a==\"2\")].metadata.name}") == "cm1"
    assert "LAST ACTIVITY" in text("get", "nb", "-o", "wide") and "LAST ACTIVITY" not in text("get", "nb")
    assert text("token", "list", "-o", "jsonpath={.items[*].name}") == "laptop"
    assert text("token", "list", "-o", "name").strip().isdigit()
    assert text("members", "alice", "-o", "jsonpath={..subject.name}") == ALICE
    assert text("whoami", "-o", "jsonpath={.email}") == ALICE
    assert text("whoami", "-o", "name") == ALICE + "\n"
    assert text("usage", "-o", "yaml").startswith("allocatable:")
    assert "name: ray-2.60" in text("images", "-o", "yaml")
    assert json.loads(text("describe", "nb", "nb1", "-o", "json"))["metadata"]["name"] == "nb1"
    made = own.cli("apply", "-f", "-", "-o", "name", user=ALICE, input=MANIFEST % 2).stdout
    assert made == "configmap/cm1\nnotebook.kubeflow.org/nb1\n"
    # What has no answer to show says so as a Status.
    other = own.cli("token", "create", "--name", "brief", "-o", "jsonpath={.id}", user=ALICE).stdout
    done = json.loads(text("token", "delete", other, "-o", "json"))
    assert done["kind"] == "Status" and done["status"] == "Success"
    wrong = own.cli("get", "nb", "-o", "jsonpath={.items[}", user=ALICE, check=False)
    assert wrong.returncode == 2 and "a whole number at character 9" in wrong.stderr and wrong.stdout == ""


def test_describe_leaves_out_what_kubectl_keeps_for_itself(own):
    kept = '{metadata: {name: told, annotations: {kubectl.kubernetes.io/last-applied-configuration: "{}", example.com/why: test}}}'
    own.cli("apply", "-f", "-", user=ALICE, input=kept.replace("{", "{apiVersion: v1, kind: ConfigMap, ", 1))
    told = own.cli("describe", "cm", "told", user=ALICE).stdout
    assert "example.com/why: test" in told and "last-applied" not in told
    assert "last-applied" in own.cli("describe", "cm", "told", "-o", "yaml", user=ALICE).stdout
    own.cli("delete", "cm", "told", user=ALICE)


def test_colours_are_for_terminals_only(own):
    def run(**more):
        terminal, inner = pty.openpty()
        env = {**own.env, "ATELIER_URL": own.url, "ATELIER_TOKEN": own.tokens[ALICE], "TERM": "xterm", **more}
        done = subprocess.run([BUILD / "atelier", "get", "profiles"], env=env, stdin=subprocess.DEVNULL, stdout=inner,
                              timeout=60, check=True)
        os.close(inner)
        text = os.read(terminal, 65536).decode()
        os.close(terminal)
        return done and text
    assert "\033[32mReady\033[0m" in run()
    assert "\033" not in run(NO_COLOR="1") and "\033" not in run(TERM="dumb")
    assert "\033" not in own.cli("get", "profiles", user=ALICE).stdout


def test_one_bad_manifest_does_not_stop_the_others(own):
    text = "apiVersion: v1\nkind: Nonsense\nmetadata: {name: x}\n---\n" + MANIFEST % 3
    done = own.cli("apply", "-f", "-", user=ALICE, input=text, check=False)
    assert done.returncode == 1 and "configmap/cm1 configured" in done.stdout and "Nonsense" in done.stderr


def test_each_failure_among_several_is_told_once(own):
    bad = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad%d}\ndata: {a: 1}\n---\n"
    done = own.cli("apply", "-q", "-f", "-", user=ALICE, input=bad % 1 + MANIFEST % 3 + "---\n" + bad % 2, check=False)
    assert done.returncode == 1 and lines(done)[0].startswith("configmap/cm1 ") and len(lines(done)) == 2
    told = done.stderr.splitlines()
    assert len(told) == 2 and all(f"bad{i + 1}: data.a must be a text" in line for i, line in enumerate(told)), told
    gone = own.cli("delete", "-f", "-", user=ALICE, input=bad % 1 + bad % 2, check=False)
    assert gone.returncode == 1 and len(gone.stderr.splitlines()) == 2


def test_delete_goes_on_after_one_that_fails(own):
    for name in ("one", "two"):
        own.cli("apply", "-f", "-", user=ALICE, input=f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n")
    wrong = own.cli("delete", "cm", "one", "Not-a-name", user=ALICE, check=False)
    assert wrong.returncode == 2 and "cannot be a name" in wrong.stderr and wrong.stdout == ""
    wrong = own.cli("delete", "cm/one", "two", user=ALICE, check=False)
    assert wrong.returncode == 2 and wrong.stdout == ""
    done = own.cli("delete", "cm", "none", "one", "never", user=ALICE, check=False)
    assert done.returncode == 1 and lines(done) == ["configmap/one deleted"]
    assert done.stderr.splitlines() == [f'atelier: configmaps "{name}" not found' for name in ("none", "never")]
    assert lines(own.cli("delete", "cm/two", "nb/never", "--ignore-not-found", user=ALICE)) == ["configmap/two deleted"]


def test_watch_shows_changes(own):
    env = dict(own.env, ATELIER_URL=own.url, ATELIER_TOKEN=own.tokens[ALICE])
    watch = subprocess.Popen([BUILD / "atelier", "get", "cm", "--watch", "-o", "json"], env=env, text=True,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        first = watch.stdout.readline()
        assert "cm1" in first
        own.cli("apply", "-f", "-", user=ALICE, input=MANIFEST % 4)
        assert json.loads(watch.stdout.readline())["data"] == {"a": "4"}
    finally:
        watch.kill()
        watch.wait()


def test_what_no_server_watches_is_looked_at_again(own):
    env = dict(own.env, ATELIER_URL=own.url, ATELIER_TOKEN=own.tokens[ALICE])
    watch = subprocess.Popen([BUILD / "atelier", "token", "list", "--watch", "-o", "name"], env=env, text=True,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        first = watch.stdout.readline()
        assert first.strip().isdigit()
        own.cli("token", "create", "--name", "seen", user=ALICE)
        seen = watch.stdout.readline().strip()
        while seen == first.strip():  # its last use was noted meanwhile
            seen = watch.stdout.readline().strip()
        own.cli("token", "delete", seen, user=ALICE)
    finally:
        watch.kill()
        watch.wait()


def test_what_is_made_of_several_answers_is_looked_at_again(own):
    with own.cli_beside("volume", "list", "--watch", "-o", "name", user=ALICE) as seen:
        assert seen.readline() == "home\n"
        own.cli("volume", "create", "later", user=ALICE)
        while (name := seen.readline()) == "home\n":  # it was bound meanwhile
            pass
        assert name == "later\n"
        own.cli("volume", "delete", "later", user=ALICE)


def test_events_of_one_object_are_followed(own):
    env = dict(own.env, ATELIER_URL=own.url, ATELIER_TOKEN=own.tokens[ALICE])
    watch = subprocess.Popen([BUILD / "atelier", "events", "notebook/nb1", "--watch", "-o", "jsonpath={.involvedObject.name}:"],
                             env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        assert watch.stdout.read(4) == b"nb1:"  # it was stopped
        own.cli("notebook", "start", "nb1", user=ALICE)
        assert watch.stdout.read(4) == b"nb1:"  # it runs
        own.cli("notebook", "stop", "nb1", user=ALICE)
    finally:
        watch.kill()
        watch.wait()


def test_sharing(own):
    own.cli("user", "create", BOB)
    own.tokens[BOB] = own.cli("token", "create", "--user", BOB).stdout.strip()
    assert own.cli("get", "nb", "-n", "alice", user=BOB, check=False).returncode == 1
    told = own.cli("share", "alice", BOB, "--role", "viewer", "--until", "30d", user=ALICE).stdout
    assert re.fullmatch(r"bob@example\.com is viewer of alice until 20\d\d-\S+Z\n", told)
    kept = own.cli("share", "alice", BOB, "--role", "editor", user=ALICE)
    assert kept.stdout == told.replace("viewer", "editor") and "--until never" in kept.stderr
    lifted = own.cli("share", "alice", BOB.title(), "--role", "editor", "--until", "never", user=ALICE)
    assert lifted.stdout == "Bob@Example.Com is editor of alice for good\n" and lifted.stderr == ""
    own.cli("share", "alice", BOB, "--until", (datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=3)).strftime("%FT%TZ"), user=ALICE)
    time.sleep(4)
    assert own.cli("share", "alice", BOB, user=ALICE).stdout == "bob@example.com is editor of alice for good\n"  # what has ended is past
    own.cli("share", "alice", BOB, "--role", "viewer", "--until", "2w", user=ALICE)
    assert "nb1" in own.cli("get", "nb", "-n", "alice", user=BOB).stdout
    row = next(line for line in lines(own.cli("members", "alice", user=ALICE)) if line.startswith(BOB))
    assert "viewer" in row and "active" in row
    own.cli("unshare", "alice", BOB, user=ALICE)
    assert own.cli("get", "nb", "-n", "alice", user=BOB, check=False).returncode == 1
    again = own.cli("unshare", "alice", BOB, user=ALICE, check=False)
    assert again.returncode == 1 and BOB in again.stderr
    pending = own.cli("share", "alice", "nobody-yet@example.com", "--notebook", "nb1", user=ALICE)
    assert "account" in pending.stdout
    own.cli("unshare", "alice", "nobody-yet@example.com", "--notebook", "nb1", user=ALICE)


@pytest.mark.parametrize("words, code, part", [
    ([], 2, "name a command"),
    (["frobnicate"], 2, "no command"),
    (["gett", "pods"], 2, 'did you mean "get"?'),
    (["notebook", "lst"], 2, 'did you mean "notebook list"?'),
    (["get", "notbooks"], 2, "did you mean notebooks?"),
    (["notebook", "create", "x", "--memry", "1Gi"], 2, "did you mean --memory?"),
    (["notebook", "exec", "nope", "--", "ls"], 1, 'notebooks.kubeflow.org "nope" not found'),
    (["logs", "raycluster/nope"], 1, 'rayclusters.ray.io "nope" not found'),
    (["get"], 2, "KIND"),
    (["get", "deployments"], 2, "there are: profiles"),
    (["get", "nb", "-o", "xml"], 2, "--output"),
    (["get", "nb", "-n", "NOPE"], 2, "--namespace"),
    (["get", "nb", "-n", "nope"], 1, "not found"),
    (["get", "nb", "nope"], 1, "not found"),
    (["notebook", "create", "BAD"], 1, "metadata.name"),
    (["notebook", "create", "x", "--cpu", "lots"], 1, "cpu"),
    (["ray", "create", "x", "--min", "5", "--replicas", "1"], 2, "--min"),
    (["apply", "-f", "/nonexistent"], 1, "/nonexistent"),
    (["delete", "profile", "alice"], 2, "profile delete"),
    (["notebook"], 2, "see `atelier notebook --help`"),
    (["members", "nope"], 1, 'atelier: profile "nope" not found'),
    (["top", "-n", "nope"], 1, 'atelier: profile "nope" not found'),
    (["token", "delete", "999"], 1, 'atelier: token "999" not found'),
    (["job", "logs", "a+b", "-n", "alice"], 2, "cannot be the name of a job"),
    (["job", "logs", "nope"], 1, 'atelier: job "nope" not found'),
    (["notebook", "open", "nope"], 1, 'atelier: Notebook "nope" not found in alice'),
    (["profile", "create", "alice"], 1, 'atelier: the name "alice" is taken'),
    (["top", "-A"], 2, "top takes no -A: it is about one profile at most"),
    (["notebook", "create", "x", "--all-namespaces"], 2, "notebook create takes no --all-namespaces"),
    (["profile", "list", "-A"], 2, "profile list takes no -A"),
    (["-A", "get", "pods"], 2, "atelier get pods -A"),
    (["events", "notebook/nb1", "-A"], 2, "exclude each other"),
    (["get", "nb", "nb1", "-A"], 2, "exclude each other"),
    (["profile", "delete", "alice"], 2, "--confirm"),
    (["profile", "delete", "alice", "--confirm", "alicf"], 1, "nothing was deleted"),
    (["token", "create", "--ttl", "soon"], 2, "--ttl"),
    (["share", "alice", BOB, "--until", "soon"], 2, "or a duration (30d), or never"),
    (["ray", "submit", "c", "--working-dir", "/nonexistent", "--", "true"], 1, "/nonexistent"),
])
def test_wrong_ones_say_why_in_one_line(own, words, code, part):
    done = own.cli(*words, user=ALICE, check=False)
    assert done.returncode == code, done
    assert done.stdout == "" and part in done.stderr and done.stderr.startswith("atelier: ")
    assert len(done.stderr.splitlines()) == (2 if code == 2 else 1)


@pytest.mark.parametrize("words, part", [
    ("notebook create x -o xml", "--output"),
    ("usage -o name", "usage shows nothing that has a name"),
    ("health -o name", "health shows nothing that has a name"),
    ("notebook create x --dry-run=perhaps", "--dry-run"),
    ("notebook create x --wait --timeout soon", "--timeout"),
    ("delete nb x -n NOPE", "--namespace"),
    ("whoami -o jsonpath={", "--output"),
    ("token create --ttl 0s", "--ttl"),
    ("kubeconfig --ttl soon", "--ttl"),
    ("share alice bob@example.com --until soon", "--until"),
    ("wait nb x --for ever", "--for"),
    ("logs x --tail few", "--tail"),
    ("logs x --since lately", "--since"),
    ("notebook keep x --until soon", "--until"),
    ("audit --limit 0", "--limit"),
    ("forward x 70000", "70000"),
    ("notebook forward x a:80", "local port"),
    ("ray forward x 8265:", "expected PORT"),
    ("ray create x --env A", "--env"),
    ("ray create x --max many", "--max"),
    ("ray scale x -r many", "--replicas"),
    ("ray up tests/e2e/launcher/gcp-full.yaml --max-cpu lots", "--max-cpu"),
])
def test_wrong_values_are_told_before_anybody_is_asked(own, words, part):
    nobody = {**own.env, "ATELIER_URL": "http://127.0.0.1:1", "ATELIER_TOKEN": "t", "ATELIER_NAMESPACE": ""}
    done = subprocess.run([BUILD / "atelier", *words.split()], env=nobody, cwd=ROOT, text=True, capture_output=True, timeout=30,
                          check=False)
    assert done.returncode == 2 and part in done.stderr and done.stdout == "", done


def test_no_service_and_wrong_address_are_told(own):
    def run(**env):
        base = {k: v for k, v in os.environ.items() if not k.startswith("ATELIER_")}
        return subprocess.run([BUILD / "atelier", "whoami"], env={**base, **env}, text=True, capture_output=True,
                              timeout=30, check=False)
    absent = run(ATELIER_DATA="/tmp/atelier-no-such-data")
    assert absent.returncode == 1 and "make run" in absent.stderr and "atelier login" in absent.stderr
    assert "ATELIER_TOKEN" in run(ATELIER_URL=own.url).stderr
    assert "expected http" in run(ATELIER_URL="ftp://x", ATELIER_TOKEN="t").stderr
    assert "does not answer" in run(ATELIER_URL="http://127.0.0.1:1", ATELIER_TOKEN="t").stderr
    wrong = run(ATELIER_URL=own.url, ATELIER_TOKEN="wrong")
    assert wrong.returncode == 1 and "the token is not valid: sign in again with `atelier login" in wrong.stderr
    # A proxy of the environment gets neither the socket's requests nor those to this machine.
    own.env["http_proxy"] = "http://127.0.0.1:1"
    try:
        assert own.cli("user", "list").returncode == 0
        assert own.cli("whoami", user=ALICE).returncode == 0
    finally:
        del own.env["http_proxy"]


def test_full_disk_is_an_error(own):
    with open("/dev/full", "w") as full:
        done = subprocess.run([BUILD / "atelier", "user", "list"], env=own.env, stdout=full, stderr=subprocess.PIPE,
                              text=True, check=False)
    assert done.returncode == 1 and "No space left" in done.stderr


def test_delete_from_manifest_and_profile(own):
    gone = own.cli("delete", "-f", "-", "--wait", user=ALICE, input=MANIFEST % 1)
    assert lines(gone) == ["configmap/cm1 deleted", "notebook.kubeflow.org/nb1 deleted"]
    assert own.cli("delete", "nb", "nb1", user=ALICE, check=False).returncode == 1
    assert own.cli("delete", "nb", "nb1", "--ignore-not-found", user=ALICE).returncode == 0
    own.cli("profile", "delete", "alice", "--confirm", "alice", "--wait", user=ALICE)
    assert "alice" not in own.cli("get", "profiles", "-o", "name").stdout


def test_help_everywhere(own):
    assert own.cli("help", "ray", "create").stdout == own.cli("ray", "create", "--help").stdout
    assert own.cli("--version").stdout == own.cli("version").stdout != ""
    overview = own.cli("--help").stdout
    for words in re.findall(r"^  ([a-z]+(?: [a-z][a-z-]*)?)(?: |$)", overview.split("Options everywhere")[0], re.M):
        done = own.cli(*words.split(), "--help", check=False)
        assert done.returncode == 0 and done.stdout, words
