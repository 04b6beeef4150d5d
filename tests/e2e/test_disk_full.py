"""A disk that fills: pods do not start any more, who fills it is ended, and the database outlives even a full one."""
import contextlib
import json
import os
import pathlib
import subprocess
import tempfile
import threading

import pytest
from atelier import PATIENCE, running, wait_for

ALICE, BOB = "alice@example.com", "bob@example.com"
MIB = 1 << 20
RESERVED = "2Gi"  # more than /dev/zero fills between two looks: a disk that is really full loses what others have just written


@contextlib.contextmanager
def small_disk():
    """A filesystem of 4 GiB for the data directory."""
    with tempfile.TemporaryDirectory(prefix="atelier-disk-") as place:
        image, disk = pathlib.Path(place, "image"), pathlib.Path(place, "disk")
        disk.mkdir()
        with open(image, "wb") as file:
            file.truncate(4096 * MIB)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, disk], check=True)
        pathlib.Path(place).chmod(0o755)
        try:
            yield disk
        finally:
            subprocess.run(["umount", disk], check=True)


@pytest.fixture(scope="module")
def own():
    with small_disk() as disk, pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(disk))  # where an instance puts its data
        with running(ALICE, BOB, ATELIER_DISK_RESERVED=RESERVED) as instance:
            patch.undo()
            instance.cli("profile", "create", "bob", "--wait", user=BOB)
            for namespace, user in (("alice", ALICE), ("bob", BOB)):
                instance.cli("notebook", "create", "nb1", "-n", namespace, "--memory", "1Gi", user=user)
            for namespace, user in (("alice", ALICE), ("bob", BOB)):
                instance.wait_notebook(namespace, "nb1", user, timeout_s=180)
            yield instance


def disk(own):
    return own.get("/api/atelier/v1/usage", user=ALICE).json.get("disk")


def events(own, namespace, user, reason):
    items = own.get(f"/api/v1/namespaces/{namespace}/events", user=user).json["items"]
    return [item["message"] for item in items if item["reason"] == reason]


def started(own, namespace, user):
    pod = own.get(f"/api/v1/namespaces/{namespace}/pods/nb1-0", user=user)
    return pod.json["metadata"]["uid"] if pod.status == 200 else None


def put(own, name):
    return own.ask(ALICE, "POST", "/api/v1/namespaces/alice/configmaps", {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"text": os.urandom(60000).hex()}})


def test_who_fills_it_is_ended_and_begins_again(own):
    before, others = started(own, "alice", ALICE), started(own, "bob", BOB)
    wait_for("a first look", lambda: disk(own) and not disk(own)["short"], 30)
    writer = threading.Thread(target=own.cli, args=("exec", "-n", "alice", "nb1-0", "--", "sh", "-c",
                                                    "cat /dev/zero > /tmp/all-of-it"),
                              kwargs={"user": ALICE, "check": False, "timeout": 300}, daemon=True)
    writer.start()
    wait_for("evicted", lambda: events(own, "alice", ALICE, "Evicted"), 120)
    assert "while the machine's disk filled up" in events(own, "alice", ALICE, "Evicted")[0]
    writer.join(60 * PATIENCE)
    assert not writer.is_alive()
    wait_for("room", lambda: not disk(own)["short"], 90)
    wait_for("another pod", lambda: started(own, "alice", ALICE) not in (None, before), 60)
    own.wait_notebook("alice", "nb1", ALICE, timeout_s=120)
    assert started(own, "bob", BOB) == others, "somebody else's notebook went on"
    assert own.kernel("bob", "nb1", BOB).run("6 * 7") == "42"


def test_a_disk_full_to_the_last_byte_loses_nothing(own):
    """Not by a pod: nobody is ended for it."""
    running_pods = started(own, "alice", ALICE), started(own, "bob", BOB)
    filler = own.data / "somebody-elses"
    with open(filler, "wb") as file:
        free = os.statvfs(own.data)
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - 200 * MIB)
    try:
        wait_for("short", lambda: disk(own)["short"], 30)
        told = own.cli("health", check=False)
        assert told.returncode == 1 and f"{RESERVED} are kept free (ATELIER_DISK_RESERVED)" in told.stdout, told
        assert "not in order: disk" in told.stderr
        own.cli("notebook", "create", "nb2", "-n", "alice", "--memory", "1Gi", user=ALICE)
        wait_for("it waits", lambda: any("disk is almost full" in text for text in events(own, "alice", ALICE, "FailedScheduling")), 60)
        with open(filler, "ab") as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(MIB))
                file.flush()
        kept, refused = [], None
        for number in range(600):  # the log has some room of its own left
            status, answer = put(own, f"kept-{number}")
            if status != 201:
                refused = status, json.dumps(answer)
                break
            kept.append(f"kept-{number}")
        assert refused and refused[0] == 503, refused
        assert own.get("/api/v1/namespaces/alice/pods/nb1-0", user=ALICE).status == 200
        assert own.kernel("bob", "nb1", BOB).run("6 * 7") == "42"
    finally:
        filler.unlink()
    wait_for("it can be written again", lambda: put(own, "after")[0] in (201, 409), 60)
    names = {item["metadata"]["name"] for item in own.get("/api/v1/namespaces/alice/configmaps", user=ALICE).json["items"]}
    assert names >= {*kept, "after"}
    own.wait_notebook("alice", "nb2", ALICE, timeout_s=120)
    wait_for("in order", lambda: own.cli("health", check=False).returncode == 0, 30)
    assert (started(own, "alice", ALICE), started(own, "bob", BOB)) == running_pods
