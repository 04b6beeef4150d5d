"""Runs the real kubectl against a private Atelier instance, with the kubeconfig that `atelier kubeconfig` prints."""
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

from atelier import PATIENCE, ROOT

TOOLS = ROOT / "tests" / "kubernetes" / "tools" / "build.sh"


def program():
    """The machine's kubectl, or the one that the Kubernetes tests use."""
    folder = subprocess.run([TOOLS, "kubectl"], check=True, capture_output=True, text=True).stdout.strip()
    return f"{folder}/kubectl"


class Kubectl:
    def __init__(self, house, user, namespace):
        self.program = program()
        name = user.split("@")[0]
        self.config = house.data / f"kubeconfig-{name}"
        config = house.cli("-n", namespace, "kubeconfig", "--server", f"https://localhost:{house.tls_port}", user=user)
        self.config.write_text(config.stdout)
        self.env = dict(os.environ, KUBECONFIG=str(self.config), KUBECACHEDIR=str(house.data / f"kubecache-{name}"))

    def __call__(self, *args, check=True, input=None, timeout=120):
        done = subprocess.run([self.program, *map(str, args)], env=self.env, input=input, timeout=timeout * PATIENCE, check=False,
                              stdin=None if input is not None else subprocess.DEVNULL, capture_output=True,
                              text=not isinstance(input, bytes))
        if check:
            assert done.returncode == 0, f"kubectl {' '.join(map(str, args))}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def out(self, *args, **more):
        return self(*args, **more).stdout

    def json(self, *args, **more):
        return json.loads(self.out(*args, "-o", "json", **more))

    def start(self, *args):
        return subprocess.Popen([self.program, *map(str, args)], env=self.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def terminal(self, *args, rows=24, columns=80):
        return Terminal([self.program, *map(str, args)], self.env, rows, columns)


class Terminal:
    """A program on a terminal of its own, as a person sits at it."""

    def __init__(self, command, env, rows, columns):
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execvpe(command[0], command, env)
        self.text = ""

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.kill(self.pid, signal.SIGWINCH)

    def type(self, text):
        os.write(self.master, text.encode())

    def until(self, expected, timeout_s=30):
        """Reads until <expected> was printed, and forgets what came up to it."""
        deadline = time.monotonic() + timeout_s * PATIENCE
        while expected not in self.text:
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.master], [], [], left)[0], f"no {expected!r} in {self.text!r}"
            try:
                self.text += os.read(self.master, 65536).decode("utf-8", "replace")
            except OSError:
                raise AssertionError(f"it ended without {expected!r}: {self.text!r}") from None
        before, _, self.text = self.text.partition(expected)
        return before

    def wait(self, timeout_s=30):
        """Its exit code; whatever it still prints is read meanwhile."""
        deadline = time.monotonic() + timeout_s * PATIENCE
        while time.monotonic() < deadline:
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self.master, 65536).decode("utf-8", "replace")
                except OSError:
                    pass
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.master)
                return os.waitstatus_to_exitcode(status)
        raise AssertionError(f"it did not end: {self.text!r}")
