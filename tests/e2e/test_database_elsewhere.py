"""`DATABASE_URL`: a PostgreSQL that somebody else runs, instead of the embedded one."""
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

import pytest
from atelier import wait_for

ALICE = "alice@example.com"
PROGRAMS = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))


class Database:
    """A PostgreSQL of the test's own, on a Unix socket alone."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="atelier-pg-", dir="/tmp"))
        owner = pwd.getpwnam("postgres")
        os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        self.folder.chmod(0o755)
        self.run("initdb", "--auth=trust", "--username=postgres", "--no-sync", "-D", self.folder / "data")
        self.start()
        self.run("createdb", "-h", self.folder, "-U", "postgres", "people")

    def run(self, program, *args):
        return subprocess.run(["runuser", "-u", "postgres", "--", PROGRAMS / program, *args], check=True, timeout=120,
                              cwd=self.folder, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout

    def start(self):
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c fsync=off"
        # Without -l it would keep our pipe, and we would wait for it.
        self.run("pg_ctl", "-w", "-s", "-D", self.folder / "data", "-l", self.folder / "log", "-o", options, "start")

    def stop(self):
        self.run("pg_ctl", "-w", "-s", "-D", self.folder / "data", "-m", "immediate", "stop")

    def ask(self, query):
        return self.run("psql", "-h", self.folder, "-U", "postgres", "-Atc", query, "people").strip()


@pytest.fixture(scope="module")
def database():
    if os.geteuid() != 0:
        pytest.skip("PostgreSQL does not run as root, and only root can run it as somebody else")
    made = Database()
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(made.folder)


@pytest.fixture(scope="module")
def own(database, house):
    house.env["DATABASE_URL"] = f"host={database.folder} user=postgres dbname=people"
    house.up()
    house.add_user(ALICE)
    return house


def test_people_and_objects_are_kept_there(own, database):
    own.cli("profile", "create", "alice", "--wait", user=ALICE)
    own.cli("-n", "alice", "notebook", "create", "nb1", "--wait", user=ALICE, timeout=180)
    assert database.ask("SELECT count(*) FROM users WHERE email = 'alice@example.com'") == "1"
    assert not (own.data / "postgres").exists()
    assert "postgres" not in own.processes()


def test_its_absence_is_survived_as_that_of_the_embedded_one(own, database):
    database.stop()
    assert own.notebook("alice", "nb1", ALICE)["status"]["phase"] == "Running"
    assert own.get("/notebook/alice/nb1/api", ALICE).status == 200
    refused = own.http("POST", "/api/v1/namespaces/alice/configmaps", user=ALICE,
                       body={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "late"}})
    assert refused.status == 503, refused
    database.start()
    wait_for("writes again", lambda: own.cli("-n", "alice", "notebook", "stop", "nb1", user=ALICE, check=False).returncode == 0,
             60, 1)


def test_after_local_down_everything_is_still_there(own):
    own.interrupt()
    assert own.down().returncode == 0
    own.up()
    assert own.notebook("alice", "nb1", ALICE)["metadata"]["annotations"]["kubeflow-resource-stopped"]
    assert ALICE in own.cli("whoami", user=ALICE).stdout
