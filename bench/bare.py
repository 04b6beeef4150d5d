"""The peer of a pod: the same program without Atelier, under the same limits."""
import contextlib
import os
import pathlib
import signal
import subprocess
import tempfile
import time

from atelier import IMAGE_BIN


class Bare:
    """A command in a cgroup of given limits and a network namespace of its own, or that of <beside>; removed on exit."""

    def __init__(self, name, argv, cpus, memory_bytes, env, beside=None):
        self.name = f"atelier-bench-{os.getpid()}-{name}"
        self.network = beside.network if beside else self.name
        self.owns_network = not beside
        self.groups = []
        roots = pathlib.Path("/sys/fs/cgroup")
        if (roots / "cgroup.controllers").exists():
            self._group(roots, {"cpu.max": f"{int(cpus * 100000)} 100000", "memory.max": memory_bytes})
        else:
            self._group(roots / "cpu", {"cpu.cfs_period_us": 100000, "cpu.cfs_quota_us": int(cpus * 100000)})
            self._group(roots / "memory", {"memory.limit_in_bytes": memory_bytes})
        if self.owns_network:
            subprocess.run(["ip", "netns", "add", self.name], check=True)
            subprocess.run(["ip", "-n", self.name, "link", "set", "lo", "up"], check=True)
        self.home = tempfile.TemporaryDirectory(prefix="atelier-bench-")
        tasks = [str(group / "cgroup.procs") for group in self.groups]
        script = "".join(f"echo $$ > {task}; " for task in tasks)
        script += "mount -t tmpfs -o size=4g tmpfs /dev/shm; exec \"$@\""
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [*self.inside(), "unshare", "--mount", "--pid", "--fork", "--kill-child",
             "--mount-proc", "bash", "-c", script, "bash", *argv], cwd=self.home.name,
            env={"PATH": f"{IMAGE_BIN}:/usr/bin:/bin", "HOME": self.home.name, "RAY_USAGE_STATS_ENABLED": "0",
                 "LANG": "C.UTF-8", **env},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def inside(self):
        return ["nsenter", f"--net=/run/netns/{self.network}"]

    def _group(self, root, values):
        group = root / self.name
        group.mkdir()
        self.groups.append(group)
        for key, value in values.items():
            (group / key).write_text(str(value))

    def wait_http(self, port, path, timeout_s, headers=()):
        # One long-lived prober inside the namespace, so that its own start-up is not measured each time.
        loop = ("import http.client,time,sys\nend=time.time()+%f\nwhile time.time()<end:\n try:\n"
                "  c=http.client.HTTPConnection('127.0.0.1',%d,timeout=5)\n  c.request('GET',%r,headers=dict(%r))\n"
                "  r=c.getresponse();r.read()\n  if r.status==200: sys.exit(0)\n except OSError: pass\n time.sleep(0.02)\nsys.exit(1)"
                ) % (timeout_s, port, path, list(headers))
        done = subprocess.run([*self.inside(), "/usr/bin/python3", "-c", loop],
                              timeout=timeout_s + 30, check=False)
        assert done.returncode == 0, f"{self.name}: {path} not within {timeout_s} s"
        return time.monotonic() - self.started

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for _ in range(50):
            with contextlib.suppress(OSError):
                for group in list(self.groups):
                    group.rmdir()
                    self.groups.remove(group)
            if not self.groups:
                break
            time.sleep(0.1)
        if self.owns_network:
            subprocess.run(["ip", "netns", "del", self.name], check=False)
        self.home.cleanup()


@contextlib.contextmanager
def bare(*arguments):
    command = Bare(*arguments)
    try:
        yield command
    finally:
        command.close()
