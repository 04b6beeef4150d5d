"""Into running workloads: exec with its exit code, input and terminal, files in and out, forwarded ports, a shell on Ray."""
import contextlib
import json
import os
import pty
import re
import select
import socket
import subprocess
import time
import urllib.request

import pytest
from atelier import BUILD, PATIENCE, ROOT, free_port, running, wait_for

ALICE, BOB = "alice@example.com", "bob@example.com"


@pytest.fixture(scope="module")
def own():
    with running(ALICE, BOB) as instance:
        instance.cli("notebook", "create", "nb1", "-n", "alice", "--wait", user=ALICE, timeout=180)
        yield instance


def env(own, user=ALICE):
    return dict(own.env, ATELIER_URL=own.url, ATELIER_TOKEN=own.tokens[user], ATELIER_NAMESPACE="alice")


def run(own, *args, input=b"", check=True, user=ALICE):
    done = subprocess.run([BUILD / "atelier", *map(str, args)], env=env(own, user), cwd=ROOT, input=input, capture_output=True,
                          timeout=120 * PATIENCE, check=False)
    assert not check or done.returncode == 0, done
    return done


@contextlib.contextmanager
def on_terminal(own, *args):
    """The command with a terminal of its own; yields a function that reads until a pattern has come, and one that types."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(BUILD / "atelier", ["atelier", *args], env(own))
    seen = b""

    def read_until(pattern, timeout_s=60):
        nonlocal seen
        end = time.monotonic() + timeout_s * PATIENCE
        while not (found := re.search(pattern, seen)):
            assert time.monotonic() < end and select.select([fd], [], [], end - time.monotonic())[0], seen
            try:
                seen += os.read(fd, 65536)
            except OSError:  # its other end is closed
                raise AssertionError(f"{pattern!r} did not come: {seen!r}") from None
        seen = seen[found.end():]
        return found

    try:
        yield read_until, lambda keys: os.write(fd, keys)
        assert os.waitpid(pid, 0)[1] == 0
        pid = 0
    finally:
        if pid:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
        os.close(fd)


def test_exec_carries_output_errors_and_exit_code(own):
    done = run(own, "notebook", "exec", "nb1", "--", "sh", "-c", "echo out; echo err >&2; exit 3", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
    assert run(own, "exec", "notebook/nb1", "--", "printf", "%s|", "a b", "$HOME", "'").stdout == b"a b|$HOME|'|"
    missing = run(own, "notebook", "exec", "nb1", "--", "no-such-program", check=False)
    assert missing.returncode != 0 and b"no-such-program" in missing.stderr
    assert b'"nb9" not found' in run(own, "notebook", "exec", "nb9", "--", "true", check=False).stderr
    refused = run(own, "notebook", "exec", "nb1", "--", "true", check=False, user=BOB)
    assert refused.returncode == 1 and refused.stdout == b""


def test_exec_carries_input_to_its_end(own):
    content = os.urandom(3_000_000)
    assert run(own, "notebook", "exec", "-i", "nb1", "--", "cat", input=content).stdout == content
    assert run(own, "notebook", "exec", "nb1", "--", "cat", input=b"not asked for").stdout == b""
    assert run(own, "notebook", "exec", "-t", "nb1", "--", "true", check=False).returncode == 2


def test_exec_on_a_terminal(own):
    with on_terminal(own, "notebook", "exec", "-it", "nb1", "--", "sh") as (read_until, press):
        press(b"stty size; tty; echo $((40+2))\n")
        read_until(rb"\d+ \d+")
        read_until(rb"/dev/pts/\d+")
        read_until(rb"\n42")
        press(b"sh -c 'echo up$((1+1)); exec sleep 1000'\n")
        read_until(rb"up2")  # it runs: what is typed while a shell still starts a command is nobody's
        press(b"\x03")  # the command's, not ours
        read_until(rb"\$ ")
        press(b"echo in$((1))terrupted\n")
        read_until(rb"\nin1terrupted")
        press(b"exit\n")


def test_files_go_in_and_out(own, tmp_path):
    folder = tmp_path / "data"
    (folder / "deep").mkdir(parents=True)
    content = os.urandom(500_000)
    (folder / "deep" / "odd 'name' $x").write_bytes(content)
    (folder / "link").symlink_to("/etc/passwd")
    run(own, "notebook", "cp", folder, "nb1:in")
    listed = run(own, "notebook", "exec", "nb1", "--", "ls", "-A", "in", "in/deep").stdout.decode()
    assert "odd 'name' $x" in listed and "link" in listed
    assert ".atelier-" not in run(own, "notebook", "exec", "nb1", "--", "ls", "-A").stdout.decode()
    run(own, "notebook", "cp", "nb1:in", tmp_path / "back")
    assert (tmp_path / "back" / "deep" / "odd 'name' $x").read_bytes() == content
    run(own, "notebook", "cp", "nb1:in/deep/odd 'name' $x", tmp_path)  # into a folder that is there
    assert (tmp_path / "odd 'name' $x").read_bytes() == content
    run(own, "notebook", "cp", tmp_path / "odd 'name' $x", "nb1:in")
    assert run(own, "notebook", "exec", "nb1", "--", "cat", "in/odd 'name' $x").stdout == content
    absent = run(own, "notebook", "cp", "nb1:absent", tmp_path / "absent", check=False)
    assert absent.returncode == 1 and b"absent" in absent.stderr and not (tmp_path / "absent").exists()
    assert run(own, "notebook", "cp", "here", "there", check=False).returncode == 2
    assert not list(tmp_path.glob(".atelier-*"))


def test_forwarded_notebook_answers_here(own):
    port = free_port()
    running = subprocess.Popen([BUILD / "atelier", "notebook", "forward", "nb1", f"{port}:80"], env=env(own), cwd=ROOT,
                               stdout=subprocess.PIPE, text=True)
    try:
        assert f"127.0.0.1:{port}" in running.stdout.readline()
        with socket.create_connection(("127.0.0.1", port), 10 * PATIENCE):
            pass
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/notebook/alice/nb1/api", timeout=30 * PATIENCE) as answer:
            assert "version" in json.load(answer)
    finally:
        running.kill()
        running.wait()


def test_waiting_tells_how_long_it_still_takes(own, tmp_path):
    own.cli("notebook", "stop", "nb1", "-n", "alice", user=ALICE)
    wait_for("stopped", lambda: own.notebook("alice", "nb1", ALICE)["status"].get("phase") == "Stopped", 60)
    (tmp_path / "atelier").mkdir()
    (tmp_path / "atelier" / "waits.json").write_text('{"Notebook": 600000}')
    own.env["XDG_CACHE_HOME"] = str(tmp_path)
    with on_terminal(own, "notebook", "start", "nb1", "--wait") as (read_until, _):
        read_until(rb"notebook/nb1 \w+ \(\d+s, \d+m(\d+s)? left\)")
        read_until(rb"notebook/nb1 Running", 300)
    assert json.loads((tmp_path / "atelier" / "waits.json").read_text())["Notebook"] < 600000
    quiet = run(own, "notebook", "start", "nb1", "--wait", "-q")
    assert quiet.stderr == b""


def test_a_start_tells_nothing_of_before(own):
    own.cli("notebook", "stop", "nb1", "-n", "alice", user=ALICE)
    wait_for("stopped", lambda: own.notebook("alice", "nb1", ALICE)["status"].get("phase") == "Stopped", 60)
    told = own.cli("notebook", "start", "nb1", "-n", "alice", "--wait", user=ALICE).stderr.splitlines()
    assert re.match("notebook/nb1 (Starting|Pending)", told[0]) and told[-1].startswith("notebook/nb1 Running"), told
    assert not any("Stop" in line for line in told), told
    own.cli("notebook", "resize", "nb1", "-n", "alice", "--memory", "1100Mi", "--wait", user=ALICE)
    (container,) = own.http("GET", "/api/v1/namespaces/alice/pods/nb1-0", user=ALICE).json["spec"]["containers"]
    assert container["resources"]["limits"]["memory"] == "1100Mi"  # the pod of now, not the one before


def test_top_shows_what_is_used_now(own):
    def measured():
        items = json.loads(run(own, "top", "-o", "json").stdout)["items"]
        return items if items else None

    [item] = wait_for("a sample", measured, 150, 2)
    assert (item["kind"], item["name"]) == ("Notebook", "nb1") and item["memory"] > 1 << 20
    table = run(own, "top").stdout.decode().splitlines()
    assert table[0].split()[:3] == ["WORKLOAD", "CPU", "MEMORY"]
    assert re.match(r"notebook/nb1 +[\d.]+/0.5 +\S+/1\S*[GM]i", table[1]), table
    assert run(own, "top", check=False, user=BOB).returncode == 1


def test_a_shell_and_the_dashboard_of_a_cluster(own, tmp_path):
    own.cli("notebook", "delete", "nb1", "-n", "alice", "--wait", user=ALICE)
    own.cli("ray", "create", "rc", "-n", "alice", "--head-memory", "2Gi", "--replicas", "0", user=ALICE)
    # A shell needs a head that runs, not yet its Ray.
    wait_for("a shell on the head", lambda: b"ray, version" in run(own, "ray", "attach", "rc", input=b"ray --version\n", check=False).stdout,
             180, 1)
    with on_terminal(own, "ray", "attach", "rc") as (read_until, press):
        press(b"ray --version; exit\n")
        read_until(rb"ray, version")
    browser = tmp_path / "browser"
    browser.write_text(f"#!/bin/sh\necho \"$1\" > {tmp_path}/opened\n")
    browser.chmod(0o755)
    own.env["BROWSER"] = str(browser)
    url = run(own, "ray", "dashboard", "rc").stdout.decode().strip()
    assert url.startswith("http")
    wait_for("the browser", lambda: (tmp_path / "opened").exists() and (tmp_path / "opened").read_text().strip() == url, 30)
