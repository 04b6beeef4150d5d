"""kubectl at a pod that runs, through Atelier: its log, a shell in it, files, a port; and who is kept out."""
import contextlib
import re
import urllib.request

import notebook
import pytest


@pytest.fixture(scope="module")
def house():
    with notebook.running() as node:
        node.service.alice, node.service.bob = node.alice, node.service.person("bob")
        yield node.service


@contextlib.contextmanager
def ended(process):
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def test_its_log(house):
    assert "jupyter" in house.alice.kubectl("logs", "nb1-0", "-n", "alice", "--tail", "50").lower()
    with ended(house.alice.start("logs", "-f", "nb1-0", "-n", "alice", "--tail", "1")) as follower:
        assert follower.stdout.readline()
    house.bob.refused("logs", "nb1-0", "-n", "alice")


def test_a_shell_in_it(house):
    out = house.alice.kubectl("exec", "nb1-0", "-n", "alice", "--", "sh", "-c", "id -u; touch $HOME/made-by-a-shell; ls $HOME")
    assert out.split()[0] != "0" and "made-by-a-shell" in out, out
    assert "exit code 7" in house.alice.refused("exec", "nb1-0", "-n", "alice", "--", "sh", "-c", "exit 7")
    assert house.alice.kubectl("exec", "-i", "nb1-0", "-n", "alice", "--", "wc", "-c", text_in="twelve bytes").strip() == "12"
    house.bob.refused("exec", "nb1-0", "-n", "alice", "--", "id")


def test_its_files(house):
    text = house.folder / "notes.txt"
    text.write_text("from outside\n")
    house.alice.kubectl("cp", str(text), "alice/nb1-0:/home/atelier/notes.txt")
    assert house.alice.kubectl("exec", "nb1-0", "-n", "alice", "--", "cat", "/home/atelier/notes.txt") == "from outside\n"


def test_a_port_of_it(house):
    with ended(house.alice.start("port-forward", "pod/nb1-0", "-n", "alice", ":8888")) as forward:
        line = forward.stdout.readline()
        port = re.search(r"127\.0\.0\.1:(\d+) -> 8888", line)
        assert port, line + forward.stdout.readline()
        with urllib.request.urlopen(f"http://127.0.0.1:{port[1]}/notebook/alice/nb1/api", timeout=30) as answer:
            assert b"version" in answer.read()
    house.bob.refused("port-forward", "pod/nb1-0", "-n", "alice", ":8888")
