"""The command line as a person's daily tool: contexts, completion of live names, describe, events, the manual page."""
import datetime
import json
import os
import pty
import select
import subprocess
import time

import pytest
import yaml
from atelier import BUILD, PATIENCE, ROOT, running, wait_for

ALICE, BOB = "alice@example.com", "bob@example.com"
STOPPED = """
apiVersion: kubeflow.org/v1
kind: Notebook
metadata: {name: nb1, annotations: {kubeflow-resource-stopped: "yes"}}
spec: {template: {spec: {containers: [{name: nb1, image: ray-2.60}]}}}
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    with running(ALICE, BOB) as instance:
        instance.cli("apply", "-n", "alice", "-f", "-", input=STOPPED, user=ALICE)
        instance.wait_notebook("alice", "nb1", ALICE, "Stopped")
        instance.home = tmp_path_factory.mktemp("home")
        yield instance


def person(own, *args, input=None, check=True, shell=None):
    """As a person of a laptop: a HOME of their own, no admin socket, nothing in the environment."""
    env = {"PATH": "/usr/bin:/bin", "HOME": str(own.home), "ATELIER_DATA": "/nonexistent"}
    words = shell or [BUILD / "atelier", *args]
    done = subprocess.run(words, env=env, cwd=ROOT, text=True, input=input, capture_output=True, timeout=60 * PATIENCE, check=False,
                          stdin=subprocess.DEVNULL if input is None else None)
    if check:
        assert done.returncode == 0, done
    return done


def test_login_keeps_a_context_that_works(own):
    wrong = person(own, "login", own.url, input="not-a-token\n", check=False)
    assert wrong.returncode == 1 and not (own.home / ".config").exists()
    done = person(own, "login", own.url, "--name", "box", "-n", "alice", input=own.tokens[ALICE] + "\n")
    assert ALICE in done.stderr and done.stdout == ""
    kept = own.home / ".config/atelier/contexts.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "nb1" in person(own, "get", "notebooks").stdout  # the context's profile, without -n
    listed = person(own, "context", "list").stdout
    assert "box" in listed and own.tokens[ALICE] not in listed
    person(own, "login", own.url, "--name", "bob", input=own.tokens[BOB] + "\n")
    assert BOB in person(own, "whoami").stdout
    assert ALICE in person(own, "whoami", "--context", "box").stdout
    person(own, "context", "use", "box")
    assert ALICE in person(own, "whoami").stdout
    assert "in the profile elsewhere" in person(own, "context", "use", "box", "-n", "elsewhere").stderr
    assert person(own, "get", "notebooks", check=False).returncode == 1
    person(own, "context", "use", "box", "-n", "alice")
    assert "nb1" in person(own, "get", "notebooks").stdout
    assert person(own, "context", "use", "local", "-n", "alice", check=False).returncode == 1
    person(own, "logout", "bob")
    assert person(own, "whoami", "--context", "bob", check=False).returncode == 1
    assert person(own, "context", "use", "absent", check=False).returncode == 1
    assert person(own, "login", "ftp://x", check=False).returncode == 2


class Typing:
    """A program on a terminal of its own, and somebody who types."""

    def __init__(self, words, env):
        self.terminal, theirs = pty.openpty()
        self.process = subprocess.Popen(words, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)
        self.seen = ""

    def type(self, text):
        self.seen = ""
        os.write(self.terminal, text.encode())

    def until(self, text, timeout_s=30):
        deadline = time.monotonic() + timeout_s * PATIENCE
        while text not in self.seen:
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.terminal], [], [], left)[0], f"no {text!r} in {self.seen!r}"
            self.seen += os.read(self.terminal, 65536).decode("utf-8", "replace")
        return self.seen

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)


def complete(own, *words):
    return person(own, "__complete", "--", *words).stdout.splitlines()


def test_completion_knows_the_table_and_live_names(own):
    assert complete(own, "not") == ["notebook"]
    assert "stop" in complete(own, "notebook", "")
    assert complete(own, "help", "not") == ["notebook"] and complete(own, "help", "notebook", "sto") == ["stop"]
    assert complete(own, "get", "noteb") == ["notebooks"]
    assert complete(own, "get", "notebooks", "") == ["nb1"]
    assert complete(own, "notebook", "start", "n") == ["nb1"]
    assert complete(own, "-n", "") == ["alice"]
    assert complete(own, "logs", "notebook/") == ["notebook/nb1"]
    assert complete(own, "share", "alice", BOB, "--role", "v") == ["viewer"]
    assert "--until" in complete(own, "share", "--")
    assert complete(own, "--context", "b") == ["box"]
    assert complete(own, "bogus", "x", "") == []
    # In a real shell, as its user presses Tab:
    script = ('. <("$1" completion bash); PATH="$(dirname "$1"):$PATH"; COMP_WORDS=(atelier notebook sto); COMP_CWORD=2; '
              '_atelier; echo "${COMPREPLY[@]}"')
    assert person(own, shell=["bash", "-c", script, "bash", str(BUILD / "atelier")]).stdout == "stop\n"
    for shell in ("zsh", "fish"):
        assert "__complete" in person(own, "completion", shell).stdout
    assert person(own, "completion", "csh", check=False).returncode == 2


@pytest.mark.parametrize("shell, ready", [
    (("bash", "--norc", "-i"), 'PS1="ready"\\> ; . <(atelier completion bash)\n'),
    (("zsh", "-f", "-i"), "PROMPT='ready'\\> ; autoload -U compinit; compinit -D; . <(atelier completion zsh)\n"),
    (("zsh", "-f", "-i"), "PROMPT='ready'\\> ; mkdir -p ~/site; atelier completion zsh > ~/site/_atelier; fpath=(~/site $fpath); "
                          "autoload -U compinit; compinit -u -D\n"),  # as `make install` leaves it: loaded by the first Tab
])
def test_tab_completes_a_live_name_in_a_real_shell(own, shell, ready):
    """Typed into the shell on a terminal of its own: the name that Tab found is what the command gets."""
    env = {"PATH": f"{BUILD}:/usr/bin:/bin", "HOME": str(own.home), "ATELIER_DATA": "/nonexistent", "TERM": "dumb"}
    typing = Typing(shell, env)
    try:
        typing.type(ready)
        typing.until("ready>")
        typing.type("atelier get notebook n\t")
        typing.until("nb1")
        typing.type(" -o name; echo fin$((40 + 2))\n")
        assert "notebook.kubeflow.org/nb1" in typing.until("fin42")
    finally:
        typing.close()


def test_fish_completes_live_names(own):
    env = {"PATH": f"{BUILD}:/usr/bin:/bin", "HOME": str(own.home), "ATELIER_DATA": "/nonexistent", "TERM": "dumb"}

    def offered(line):
        script = f"atelier completion fish | source; complete -C '{line}'"
        done = subprocess.run(["fish", "--no-config", "-c", script], env=env, text=True, capture_output=True, timeout=60 * PATIENCE,
                              check=False, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done
        return done.stdout.split()

    assert offered("atelier notebook start ") == ["nb1"]
    assert offered("atelier notebook sto") == ["stop"]
    assert offered("atelier -n ") == ["alice"]
    (own.home / "manifest.yaml").write_text("")
    assert offered(f"atelier apply -f {own.home}/mani") == [f"{own.home}/manifest.yaml"]


def test_who_is_stopped_is_told_with_what_starts_it(own):
    for words in (("notebook", "exec", "nb1", "--", "ls"), ("notebook", "forward", "nb1"), ("logs", "notebook/nb1"),
                  ("notebook", "cp", "nb1:file", ".")):
        done = person(own, *words, check=False)
        assert done.returncode == 1, done
        assert done.stderr.splitlines()[-1] == "atelier: nb1 is stopped: `atelier notebook start nb1 --wait` starts it", done


def test_a_suspended_cluster_is_told_with_what_resumes_it(own):
    container = {"name": "ray-head", "image": "ray-2.60"}
    own.cli("apply", "-n", "alice", "-f", "-", user=ALICE, input=json.dumps({
        "apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": "asleep"},
        "spec": {"suspend": True, "headGroupSpec": {"rayStartParams": {}, "template": {"spec": {"containers": [container]}}}}}))
    for words in (("jobs", "asleep"), ("logs", "asleep", "a"), ("stop", "asleep", "a"), ("submit", "asleep", "--", "true"), ("forward", "asleep")):
        told = wait_for("its service is there", lambda: (lambda done: done if "endpoints" not in done.stderr and "not found" not in done.stderr else None)(
            person(own, "ray", *words, check=False)), 30, 0.5)
        assert told.returncode == 1 and told.stderr == "atelier: asleep is suspended: `atelier ray resume asleep --wait` starts it\n", told
    own.cli("ray", "delete", "asleep", "-n", "alice", user=ALICE)


def test_describe_shows_state_and_events_and_no_secret(own):
    text = person(own, "describe", "notebook", "nb1").stdout
    assert text.startswith("Name:                nb1\nNamespace:           alice\nState:               Stopped\n")
    assert "Events:" in text and "managedFields" not in text
    assert person(own, "describe", "notebook/absent", check=False).returncode == 1
    own.cli("apply", "-n", "alice", "-f", "-", user=ALICE, input=json.dumps({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s1"}, "stringData": {"password": "hunter2"}}))
    text = person(own, "describe", "secret", "s1").stdout
    assert "7 bytes" in text and "hunter2" not in text and "aHVudGVyMg" not in text
    assert person(own, "events", "notebook/nb1").returncode == 0


def test_quiet_says_nothing_but_what_went_wrong(own):
    loud = person(own, "get", "rayclusters", "-n", "alice")
    quiet = person(own, "get", "rayclusters", "-n", "alice", "-q")
    assert "no rayclusters here" in loud.stderr and quiet.stderr == ""
    assert person(own, "get", "notebook", "absent", "-q", check=False).stderr.startswith("atelier: ")


def test_the_manual_page_is_a_manual_page(own):
    page = person(own, "man").stdout
    assert page.startswith(".TH ATELIER 1")
    shown = subprocess.run(["man", "-l", "-"], input=page, text=True, capture_output=True, check=False,
                           env={"PATH": "/usr/bin:/bin", "MANWIDTH": "100", "LC_ALL": "C.UTF-8"})
    assert "ray forward" in shown.stdout and "__complete" not in shown.stdout


def test_can_i_answers_as_the_service_decides(own):
    yes = own.cli("can-i", "delete", "notebook/nb1", "-n", "alice", user=ALICE)
    assert yes.stdout.startswith("yes")
    no = own.cli("can-i", "get", "notebooks", "-n", "alice", user=BOB, check=False)
    assert no.returncode == 1 and no.stdout.startswith("no")
    assert own.cli("can-i", "get", "pods", "--subresource", "log", "-n", "alice", user=ALICE).stdout.startswith("yes")
    assert own.cli("can-i", "create", "secrets.example.com", "-n", "alice", user=ALICE, check=False).returncode == 1
    rules = own.cli("can-i", "--list", "-n", "alice", user=ALICE).stdout
    row = next(line for line in rules.splitlines() if line.startswith("notebooks.kubeflow.org"))
    assert "create" in row and "delete" in row
    assert "notebooks" not in own.cli("can-i", "--list", "-n", "alice", user=BOB).stdout
    assert own.cli("can-i", "get", user=ALICE, check=False).returncode == 2


def test_dry_runs_print_the_object_and_change_nothing(own):
    before = own.cli("get", "notebooks", "-n", "alice", "-o", "json", user=ALICE).stdout
    here = yaml.safe_load(own.cli("notebook", "create", "nb9", "-n", "alice", "--image", "ray-2.60", "--dry-run", user=ALICE).stdout)
    assert here["metadata"] == {"name": "nb9"}
    there = yaml.safe_load(own.cli("notebook", "create", "nb9", "-n", "alice", "--image", "ray-2.60", "--dry-run=server", user=ALICE).stdout)
    assert there["metadata"]["namespace"] == "alice" and there["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    applied = json.loads(own.cli("apply", "-n", "alice", "-f", "-", "--dry-run=server", "-o", "json", user=ALICE,
                                 input=STOPPED.replace("annotations:", "labels: {a: b}, annotations:")).stdout)
    assert applied["metadata"]["labels"]["a"] == "b"
    started = yaml.safe_load(own.cli("notebook", "start", "nb1", "-n", "alice", "--dry-run", user=ALICE).stdout)
    assert "kubeflow-resource-stopped" not in started["metadata"].get("annotations", {})
    assert "dry run" in own.cli("notebook", "delete", "nb1", "-n", "alice", "--dry-run", user=ALICE).stdout
    refused = own.cli("notebook", "create", "nb9", "-n", "alice", "--cpu", "none", "--dry-run=server", user=ALICE, check=False)
    assert refused.returncode == 1 and "cpu" in refused.stderr
    for kind in ("--dry-run", "--dry-run=server"):
        assert own.cli("notebook", "create", "nb9", "-n", "alice", kind, "-o", "name", user=ALICE).stdout == "notebook.kubeflow.org/nb9\n"
    assert own.cli("notebook", "stop", "nb1", "-n", "alice", "--dry-run", "-o", "name", user=ALICE).stdout == "notebook.kubeflow.org/nb1\n"
    for name in ("alice", "admin", "kube-system"):
        done = [own.cli("profile", "create", name, *dry, user=ALICE, check=False) for dry in ((), ("--dry-run=server",))]
        assert done[0].returncode == done[1].returncode == 1 and done[0].stderr == done[1].stderr, done
    taken = own.cli("notebook", "create", "nb1", "-n", "alice", "--dry-run=server", user=ALICE, check=False)
    assert taken.returncode == 1 and "already exists" in taken.stderr
    assert own.cli("notebook", "create", "nb9", "--dry-run=maybe", user=ALICE, check=False).returncode == 2
    assert own.cli("get", "notebooks", "-n", "alice", "-o", "json", user=ALICE).stdout == before


def test_a_notebook_s_options_become_the_manifest(own):
    """All that the console's form has."""
    made = yaml.safe_load(own.cli("notebook", "create", "nb9", "-n", "alice", "--cpu", "2", "--gpus", "1", "--gpu-key", "amd.com/gpu", "-e", "A=b=c",
                                  "-e", "EMPTY=", "--volume", "data:/data", "--volume", "data:/again", "--label", "team=a", "--idle-after",
                                  "2h", "--dry-run", user=ALICE).stdout)
    (container,), (volume,) = made["spec"]["template"]["spec"]["containers"], made["spec"]["template"]["spec"]["volumes"]
    assert container["resources"]["limits"] == container["resources"]["requests"] == {"cpu": "2", "amd.com/gpu": "1"}
    assert container["env"] == [{"name": "A", "value": "b=c"}, {"name": "EMPTY", "value": ""}]
    assert container["volumeMounts"] == [{"name": "data", "mountPath": "/data"}, {"name": "data", "mountPath": "/again"}]
    assert volume == {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    assert made["metadata"]["labels"] == {"team": "a"} and made["metadata"]["annotations"] == {"atelier.dev/idle-after": "2h"}
    there = own.cli("notebook", "create", "nb9", "-n", "alice", "--gpus", "1", "--dry-run=server", "-o", "json", user=ALICE).stdout
    limits = json.loads(there)["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert limits == {"cpu": "500m", "memory": "1Gi", "nvidia.com/gpu": "1"}  # what was not said is the platform's to complete
    for words, said in ((("--gpus", "many"), "--gpus"), (("--gpus", "1", "--gpu-key", "gpu"), "no GPU of a vendor"), (("--env", "x"), "--env"),
                        (("--volume", "data"), "--volume"), (("--label", "x"), "--label")):
        refused = own.cli("notebook", "create", "nb9", "-n", "alice", *words, user=ALICE, check=False)
        assert refused.returncode == 2 and said in refused.stderr, refused


def test_a_notebook_is_kept_for_a_working_day(own):
    before = time.time()
    own.cli("notebook", "keep", "nb1", "-n", "alice", user=ALICE)
    until = own.notebook("alice", "nb1", ALICE)["metadata"]["annotations"]["atelier.dev/keep-until"]
    assert abs(datetime.datetime.fromisoformat(until.replace("Z", "+00:00")).timestamp() - before - 8 * 3600) < 60 * PATIENCE
    assert own.cli("notebook", "keep", "nb1", "-n", "alice", "--until", "soon", user=ALICE, check=False).returncode == 2
    assert "not found" in own.cli("ray", "keep", "absent", "-n", "alice", user=ALICE, check=False).stderr


def test_a_notebook_is_opened_in_the_browser(own, tmp_path, monkeypatch):
    browser = tmp_path / "browser"
    browser.write_text(f"#!/bin/sh\nprintf %s \"$1\" > {tmp_path}/new && mv {tmp_path}/new {tmp_path}/opened\n")
    browser.chmod(0o755)
    monkeypatch.setitem(own.env, "BROWSER", str(browser))
    url = own.cli("notebook", "open", "nb1", "-n", "alice", user=ALICE).stdout.strip()
    assert url.startswith("http") and "/notebook/alice/nb1/" in url
    assert own.cli("notebook", "open", "nb1", "-n", "alice", "--browser", user=ALICE).stdout.strip() == url
    wait_for("the browser", lambda: (tmp_path / "opened").exists() and (tmp_path / "opened").read_text() == url, 30)


def test_an_application_is_opened_only_where_the_platform_allows_it(own):
    cluster = yaml.safe_load(own.cli("ray", "create", "rc1", "-n", "alice", "--dry-run", user=ALICE).stdout)
    cluster["metadata"]["annotations"] = {"atelier.dev/public-apps": "/hello"}
    refused = own.cli("apply", "-n", "alice", "-f", "-", "--dry-run=server", user=ALICE, check=False, input=json.dumps(cluster))
    assert refused.returncode != 0 and "ATELIER_PUBLIC_APPS=true" in refused.stderr, refused
    absent = own.cli("ray", "publish", "rc1", "/hello", "-n", "alice", user=ALICE, check=False)
    assert absent.returncode != 0 and 'rayclusters.ray.io "rc1" not found' in absent.stderr, absent


def test_volumes_say_who_mounts_them(own):
    own.cli("volume", "create", "data", "-n", "alice", "--size", "1Gi", user=ALICE)
    wait_for("the volume is bound", lambda: own.get(
        "/api/v1/namespaces/alice/persistentvolumeclaims/data", ALICE).json.get("status", {}).get("phase") == "Bound", 60, 0.2)
    assert "data" in complete(own, "volume", "delete", "d")
    listed = own.cli("volume", "list", "-n", "alice", user=ALICE).stdout.splitlines()
    assert listed[0].split() == ["NAME", "STATUS", "SIZE", "USED", "BY"]
    assert any(line.split()[0] == "data" and "1Gi" in line for line in listed)
    everywhere = own.cli("volume", "list", "-A", user=ALICE).stdout.splitlines()
    assert everywhere[0].split() == ["NAMESPACE", *listed[0].split()]
    assert [line.split()[1:] for line in everywhere[1:] if line.split()[0] == "alice"] == [line.split() for line in listed[1:]]
    own.cli("volume", "delete", "data", "-n", "alice", "--wait", user=ALICE)
    assert "data" not in own.cli("volume", "list", "-n", "alice", "-o", "name", user=ALICE).stdout.split()


def test_a_person_changes_their_password(own):
    wrong = own.cli("password", user=BOB, input="not it\nanother good passphrase\n", check=False)
    assert wrong.returncode == 1 and "passphrase" not in wrong.stderr
    own.cli("password", user=BOB, input=f"correct horse {BOB}\nanother good passphrase\n")
    signed = own.http("POST", "/auth/login", body={"email": BOB, "password": "another good passphrase"},
                      headers={"Origin": own.url})
    assert signed.status == 204
    assert own.http("POST", "/auth/login", body={"email": BOB, "password": f"correct horse {BOB}"},
                    headers={"Origin": own.url}).status == 401
    local = own.cli("password", input="a\nb\n", check=False)
    assert local.returncode == 1 and "admin socket" in local.stderr


def test_sessions_are_listed_and_ended(own):
    cookie = own.http("POST", "/auth/login", body={"email": ALICE, "password": f"correct horse {ALICE}"},
                      headers={"Origin": own.url}).headers["set-cookie"].split(";")[0]

    def alive():
        return own.get("/api/atelier/v1/whoami", headers={"Cookie": cookie}).status == 200

    newest = max(map(int, own.cli("session", "list", "-o", "name", user=ALICE).stdout.split()))
    assert alive()
    own.cli("session", "end", newest, user=ALICE)
    assert not alive()
    own.cli("session", "end", "--all", user=ALICE)
    assert own.cli("session", "list", "-o", "name", user=ALICE).stdout == ""
    assert own.cli("session", "end", user=ALICE, check=False).returncode == 2


def test_a_profile_is_given_away(own):
    own.cli("profile", "create", "gift", "--wait", user=ALICE)
    assert own.cli("profile", "owner", "gift", "nobody@example.com", user=ALICE, check=False).returncode == 1
    own.cli("profile", "owner", "gift", BOB, user=ALICE)
    assert json.loads(own.cli("profile", "get", "gift", "-o", "json", user=BOB).stdout)["spec"]["owner"]["name"] == BOB
    assert own.cli("profile", "owner", "gift", ALICE, user=ALICE, check=False).returncode == 1
