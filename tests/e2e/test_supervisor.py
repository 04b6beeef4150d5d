"""The supervisor: start, refusal, restart, adoption, stop. Each test has a data directory and ports of its own."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

import pytest
from atelier import BUILD, PATIENCE, Atelier, wait_for

DAEMONS = ("atelierd", "atelier-sandboxd", "postgres")


@pytest.fixture
def own():
    instance = Atelier()
    try:
        yield instance
    finally:
        instance.remove()


def running(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def pids(own):
    return {name: own.pid_of(name) for name in DAEMONS}


def local(own, verb, timeout=90):
    return subprocess.run([BUILD / "atelier", "local", verb], env=own.env, text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=timeout * PATIENCE, check=False)


def owner_of(pid):
    return os.stat(f"/proc/{pid}").st_uid


def test_fresh_start_status_and_clean_stop(own):
    own.up(timeout_s=30)
    wait_for("the sign-in link", lambda: own.sign_in_links, 5)
    before = pids(own)
    assert owner_of(before["atelierd"]) != 0 and owner_of(before["postgres"]) != 0
    assert owner_of(before["atelier-sandboxd"]) == 0
    # Only the three and the supervisor, each by its own name; nobody listens on a TCP port but atelierd.
    assert own.get("/healthz").status == 200
    status = local(own, "status")
    assert status.returncode == 0, status.stderr
    for name in ("supervisor", *DAEMONS):
        line = next(line for line in status.stdout.splitlines() if line.startswith(name + " "))
        assert line.split()[-1] == "running", status.stdout
    assert own.interrupt(timeout_s=20) == 0, own.log_tail()
    assert not any(running(pid) for pid in before.values())
    assert "database system is shut down" in (own.data / "postgres.log").read_text()
    # The second start makes nothing anew and serves within the two seconds that `make run` has.
    assert own.up(timeout_s=10) < 2 * PATIENCE
    # Until the link has been used it is shown at every start.
    wait_for("the sign-in link again", lambda: len(own.sign_in_links) > 1, 5)


def test_second_instance_names_the_first(own):
    own.up()
    first = own.process.pid
    second = local(own, "up", timeout=10)
    assert second.returncode == 1
    assert str(first) in second.stderr and str(own.data) in second.stderr and "atelier:" in second.stderr
    assert own.ready()


def test_busy_port_is_told_once_and_stops_everything(own):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", own.port))
        taken.listen()
        done = local(own, "up", timeout=40)
    assert done.returncode == 1
    assert str(own.port) in done.stderr and "use" in done.stderr, done.stderr
    assert done.stderr.count("in use") <= 2, "it looped:\n" + done.stderr
    assert not own.processes()


def test_wrong_setting_is_told(own):
    own.env["ATELIER_PROFILES_PER_USER"] = "many"
    done = local(own, "up", timeout=40)
    assert done.returncode == 1 and "profiles_per_user" in done.stderr, done.stderr
    assert not own.processes()


@pytest.mark.parametrize("content", ["PG_VERSION", "holiday.jpg"])
def test_foreign_data_directory_is_left_alone(own, content):
    (own.data / content).write_text("15\n")
    done = local(own, "up", timeout=20)
    assert done.returncode == 1 and "not made by Atelier" in done.stderr and str(own.data) in done.stderr
    assert [p.name for p in own.data.iterdir()] == [content]
    assert not own.run_dir().exists()


def test_foreign_or_other_database_is_refused(own):
    own.up()
    assert own.interrupt() == 0
    postgres = own.data / "postgres"
    version = (postgres / "PG_VERSION").read_text()
    (postgres / "PG_VERSION").write_text("9\n")
    done = local(own, "up", timeout=20)
    assert done.returncode == 1 and "PostgreSQL 9" in done.stderr, done.stderr
    (postgres / "PG_VERSION").write_text(version)
    (own.data / "postgres.state").unlink()
    done = local(own, "up", timeout=20)
    assert done.returncode == 1 and "not made by Atelier" in done.stderr, done.stderr
    assert (postgres / "PG_VERSION").read_text() == version


def test_interrupted_initdb_is_done_again(own):
    own.process = subprocess.Popen([BUILD / "atelier", "local", "up"], env=own.env, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    wait_for("initdb is at work", lambda: (own.data / "postgres" / "PG_VERSION").exists(), 20, 0.005)
    own.process.kill()
    own.process.wait()
    assert (own.data / "postgres.state").read_text() == "initializing\n"
    own.up(timeout_s=30)
    assert (own.data / "postgres.state").read_text() == "ready\n"


@pytest.mark.parametrize("killed", [(name,) for name in DAEMONS] + [DAEMONS], ids=lambda names: "+".join(names))
def test_killed_processes_are_back_within_five_seconds(own, killed):
    own.up()
    before = pids(own)
    for name in killed:
        os.kill(before[name], signal.SIGKILL)
    started = time.monotonic()
    wait_for("they are gone", lambda: not any(running(before[name]) for name in killed), 5, 0.01)

    def back():
        try:
            now = pids(own)
        except (AssertionError, OSError, IndexError):
            return False
        return all(now[n] != before[n] and running(now[n]) for n in killed) and own.ready() and \
            own.cli("user", "list", check=False).returncode == 0
    wait_for(f"{killed} back", back, 5 - (time.monotonic() - started), 0.05)
    after = pids(own)
    assert all(after[name] == before[name] for name in DAEMONS if name not in killed)


def test_killed_supervisor_leaves_them_and_is_adopted(own):
    own.up()
    before = pids(own)
    own.process.kill()
    own.process.wait()
    assert own.get("/readyz").status == 200 and all(running(pid) for pid in before.values())
    started = time.monotonic()
    links = len(own.sign_in_links)
    own.up(timeout_s=5)
    wait_for("adoption", lambda: own.log_tail().count("adopted") >= 3, 2)
    assert time.monotonic() - started < 2 * PATIENCE
    assert pids(own) == before
    wait_for("the unused link is shown to the new one", lambda: len(own.sign_in_links) > links, 3)
    # The adopted are supervised like its own.
    os.kill(before["atelierd"], signal.SIGKILL)
    wait_for("it is gone", lambda: not running(before["atelierd"]), 5, 0.01)
    wait_for("atelierd back", own.ready, 5)
    assert own.interrupt() == 0
    assert not any(running(pid) for pid in before.values())


def test_changed_settings_replace_atelierd_only(own):
    own.up()
    before = pids(own)
    own.process.kill()
    own.process.wait()
    own.env["ATELIER_PROFILES_PER_USER"] = "7"
    own.up(timeout_s=10)

    def replaced():
        try:
            return own.ready() and pids(own)["atelierd"] != before["atelierd"]
        except AssertionError:
            return False
    wait_for("replaced", replaced, 5)
    after = pids(own)
    assert after["postgres"] == before["postgres"] and after["atelier-sandboxd"] == before["atelier-sandboxd"]


def test_all_killed_at_once_supervisor_too(own):
    own.up()
    for pid in (own.process.pid, *pids(own).values()):
        os.kill(pid, signal.SIGKILL)
    own.process.wait()
    assert own.up(timeout_s=10) < 5 * PATIENCE


def test_down_leaves_nothing(own):
    own.up()
    before = pids(own)
    supervisor = own.process.pid
    started = time.monotonic()
    done = local(own, "down")
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - started < 30 * PATIENCE
    assert own.process.wait(5 * PATIENCE) == 0
    assert not any(running(pid) for pid in (supervisor, *before.values()))
    assert not own.run_dir().exists()
    mounts = pathlib.Path("/proc/self/mounts").read_text()
    assert str(own.run_dir()) not in mounts and str(own.data) not in mounts
    assert not own.processes()
    again = local(own, "down")
    assert again.returncode == 0, again.stderr
    # What was kept is still good.
    own.up(timeout_s=15)


def test_down_without_a_supervisor(own):
    own.up()
    before = pids(own)
    own.process.kill()
    own.process.wait()
    assert local(own, "down").returncode == 0
    assert not any(running(pid) for pid in before.values())
    assert not own.run_dir().exists()


def test_data_directory_removed_while_it_runs(own):
    own.up()
    before = pids(own)
    shutil.rmtree(own.data)
    own.data.mkdir()
    done = local(own, "up", timeout=20)
    assert done.returncode == 1 and str(own.process.pid) in done.stderr, done.stderr
    assert local(own, "down").returncode == 0
    assert not any(running(pid) for pid in (own.process.pid, *before.values())) and not own.run_dir().exists()
    own.process.wait(5 * PATIENCE)
    own.up(timeout_s=30)


def test_down_ends_only_its_own(own):
    other = Atelier()
    try:
        own.up()
        other.up()
        before = pids(other)
        assert local(own, "down").returncode == 0
        assert other.ready() and pids(other) == before
    finally:
        other.remove()


def test_data_and_programs_behind_a_closed_directory(own):
    """A clone under /root (mode 700): neither `postgres` nor `atelier` can walk there, and nothing is opened for them."""
    closed = own.data / "closed"
    build = closed / "build"
    build.mkdir(parents=True)
    closed.chmod(0o700)
    for name in ("atelier", "atelierd", "atelier-sandboxd"):
        shutil.copy2(BUILD / name, build / name)
    images = closed / "images"
    images.mkdir()
    own.env.update(ATELIER_DATA=str(closed / "data"), ATELIER_IMAGES=str(images))
    own.process = subprocess.Popen([build / "atelier", "local", "up"], env=own.env, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=open(own.log_path, "ab"), start_new_session=True)
    try:
        wait_for("service ready", own.ready, 30, 0.05)
        assert os.stat(closed).st_mode & 0o777 == 0o700
    finally:
        subprocess.run([build / "atelier", "local", "down"], env=own.env, timeout=60 * PATIENCE, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        own.process.wait(10 * PATIENCE)


def test_sockets_are_closed_to_others(own):
    own.up()
    run = own.run_dir()
    for path in (run / "db" / ".s.PGSQL.5432", run / "atelierd" / "admin.sock"):
        probe = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c",
                                "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])", str(path)],
                               capture_output=True, text=True, check=False)
        assert probe.returncode != 0 and "PermissionError" in probe.stderr, (path, probe.stderr)
    assert pathlib.Path(own.data / "postgres").stat().st_mode & 0o777 == 0o700
