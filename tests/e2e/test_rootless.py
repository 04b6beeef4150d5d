"""An ordinary user's `local up`: what it needs, what it says where something is missing, and whose its processes are.
All that tenants see of it is the conformance suite's to ask (ATELIER_TEST_PLATFORM=rootless)."""
import contextlib
import os
import pathlib
import pwd
import signal
import subprocess

import ordinary
import pytest
from atelier import IMAGES, PATIENCE, Atelier, wait_for

ALICE = "alice@example.com"


class Own(Atelier):
    def __init__(self, user, group=False):
        super().__init__()
        user.give(self.data)
        self.env["HOME"] = str(self.data)
        self.command = user.command(user.programs / "atelier")
        self.surroundings = user.surroundings(IMAGES, group)


@pytest.fixture(scope="module")
def user():
    one = ordinary.User("atelier-e2e")
    yield one
    one.close()


@pytest.fixture(scope="module")
def own(user):
    """One without a control group, as after a plain log-in."""
    instance = Own(user)
    try:
        instance.up()
        instance.add_user(ALICE)
        instance.cli("profile", "create", "alice", user=ALICE)
        yield instance
    finally:
        instance.remove()


def ids(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return {int(word) for line in status.splitlines() if line.startswith(("Uid:", "Gid:")) for word in line.split()[1:]}


def processes_in(holder):
    """Every process in the user namespace of <holder>, found as the kernel tells them apart."""
    wanted = os.readlink(f"/proc/{holder}/ns/user")
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and os.readlink(entry / "ns" / "user") == wanted:
                yield int(entry.name)


def holder_of(own):
    return int((own.data / "namespace.pid").read_text().split()[0])


def start_notebook(own, name):
    own.cli("-n", "alice", "notebook", "create", name, user=ALICE)
    own.wait_notebook("alice", name, ALICE)
    wait_for("it answers", lambda: own.get(f"/notebook/alice/{name}/api", ALICE).status == 200, 60)


def test_a_notebook_of_an_ordinary_user(own, user):
    start_notebook(own, "nb1")
    kernel = own.kernel("alice", "nb1", ALICE)
    assert kernel.run("import os; os.getuid() >= 2000, open('/home/atelier/kept', 'w').write('x')") == "(True, 1)"
    assert kernel.run("open('/proc/self/status').read().count('CapEff:\\t0000000000000000')") == "1"
    kernel.close()


def test_no_process_is_anybody_else(own, user):
    """Each is the user himself or one of his subordinate ids; root of the machine is nobody."""
    granted = set()
    for line in pathlib.Path("/etc/subuid").read_text().splitlines():
        name, first, count = line.split(":")
        if name == user.name:
            granted |= set(range(int(first), int(first) + int(count)))
    pids = list(processes_in(holder_of(own)))
    assert len(pids) > 8  # three daemons, PostgreSQL's own, a notebook
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            assert ids(pid) <= granted | {user.id}, pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()


def test_says_what_is_not_enforced(own):
    log = own.log_path.read_text()
    assert "volume sizes are not enforced" in log and "neither limited nor measured" in log
    claim = own.get("/api/v1/namespaces/alice/persistentvolumeclaims/home", ALICE).json
    assert claim["status"]["phase"] == "Bound"


def test_the_command_line_is_the_admin_from_outside(own):
    assert "running" in own.cli("local", "status").stdout
    assert ALICE in own.cli("user", "list").stdout
    other = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *own.command[5:], "user", "list"],
                           env=own.env, text=True, capture_output=True, check=False)
    assert other.returncode != 0 and ALICE not in other.stdout, other


def test_second_start_is_refused_while_it_runs(own):
    second = subprocess.run([*own.surroundings, *own.command, "local", "up"], env=own.env, text=True, capture_output=True,
                            timeout=30 * PATIENCE, check=False)
    assert second.returncode != 0 and "already runs" in second.stderr, second


def test_adopted_after_kill_9_of_supervisor_and_of_what_holds_the_namespaces(own):
    kernel = own.kernel("alice", "nb1", ALICE)
    kernel.run("survivor = 'adopted'")
    kernel.close()
    held = os.readlink(f"/proc/{holder_of(own)}/ns/user")
    os.kill(holder_of(own), signal.SIGKILL)
    own.process.kill()
    own.process.wait()
    own.up()
    wait_for("adopted", lambda: own.log_path.read_text().count('"adopted"') == 3, 10)
    assert os.readlink(f"/proc/{holder_of(own)}/ns/user") == held
    again = type(kernel)(own, "alice", "nb1", ALICE, kernel.id)
    assert again.run("survivor") == "'adopted'"
    again.close()


def test_down_leaves_no_process_and_no_namespace(own):
    pids = list(processes_in(holder_of(own)))
    assert pids
    own.interrupt()
    own.down()
    wait_for("all ended", lambda: not any(pathlib.Path(f"/proc/{pid}/ns/user").exists() and not is_zombie(pid) for pid in pids), 10)
    assert not (own.data / "namespace.pid").exists()
    assert not own.run_dir().exists()


def is_zombie(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


def refusal(user, data, command=None, **env):
    done = subprocess.run([*(command or user.command(user.programs / "atelier")), "local", "up"], text=True, capture_output=True,
                          timeout=30 * PATIENCE, check=False,
                          env=dict(os.environ, ATELIER_DATA=str(data), ATELIER_IMAGES=str(IMAGES), HOME="/nonexistent", **env))
    assert done.returncode == 1, done
    return done.stderr


def test_without_subordinate_ids_it_says_who_grants_them(user, tmp_path):
    tmp_path.chmod(0o755)
    data = tmp_path / "data"
    data.mkdir()
    nobody = pwd.getpwnam("nobody")
    os.chown(data, nobody.pw_uid, nobody.pw_gid)
    for folder in list(tmp_path.parents)[:2]:
        folder.chmod(0o755)
    text = refusal(user, data, ("setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups",
                                str(user.programs / "atelier")))
    assert "/etc/subuid" in text and "usermod --add-subuids" in text and "nobody" in text
    assert not list(data.glob("namespace*"))


def test_somebody_elses_data_is_left_alone(user, tmp_path):
    tmp_path.chmod(0o755)
    for folder in list(tmp_path.parents)[:2]:
        folder.chmod(0o755)
    text = refusal(user, tmp_path)
    assert "belongs to another user" in text and "ATELIER_DATA" in text
    assert list(tmp_path.iterdir()) == []
