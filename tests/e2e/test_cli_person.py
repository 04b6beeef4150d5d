"""The command line as a person's daily tool: contexts, completion of live names, describe, events, the manual page."""
import json
import subprocess

import pytest
from atelier import BUILD, ROOT, Atelier

ALICE, BOB = "alice@example.com", "bob@example.com"
STOPPED = """
apiVersion: kubeflow.org/v1
kind: Notebook
metadata: {name: nb1, annotations: {kubeflow-resource-stopped: "yes"}}
spec: {template: {spec: {containers: [{name: nb1, image: ray-2.60}]}}}
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    instance = Atelier()
    try:
        instance.up()
        instance.add_user(ALICE)
        instance.add_user(BOB)
        instance.cli("profile", "create", "alice", "--wait", user=ALICE)
        instance.cli("apply", "-n", "alice", "-f", "-", input=STOPPED, user=ALICE)
        instance.home = tmp_path_factory.mktemp("home")
        yield instance
    finally:
        instance.remove()


def person(own, *args, input=None, check=True, shell=None):
    """As a person of a laptop: a HOME of their own, no admin socket, nothing in the environment."""
    env = {"PATH": "/usr/bin:/bin", "HOME": str(own.home), "ATELIER_DATA": "/nonexistent"}
    words = shell or [BUILD / "atelier", *args]
    done = subprocess.run(words, env=env, cwd=ROOT, text=True, input=input, capture_output=True, timeout=60, check=False,
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
    person(own, "logout", "bob")
    assert person(own, "whoami", "--context", "bob", check=False).returncode == 1
    assert person(own, "context", "use", "absent", check=False).returncode == 1
    assert person(own, "login", "ftp://x", check=False).returncode == 2


def complete(own, *words):
    return person(own, "__complete", "--", *words).stdout.splitlines()


def test_completion_knows_the_table_and_live_names(own):
    assert complete(own, "not") == ["notebook"]
    assert "stop" in complete(own, "notebook", "")
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
