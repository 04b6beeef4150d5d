"""Which KubeRay a test cluster has: the double, or the operator that ATELIER_KUBERAY_OPERATOR names."""
import os
import pathlib
import subprocess
import sys
import time
import urllib.request

import chart
from ports import free_port

here = pathlib.Path(__file__).resolve().parent
PROGRAM = os.environ.get("ATELIER_KUBERAY_OPERATOR")
PATIENCE = 60 * chart.PATIENCE  # seconds until it follows all kinds


class Operator:
    """Follows the cluster of this kubeconfig until close(); <log> is a file, or None; <program> is the operator, or None for the double."""

    def __init__(self, kubeconfig, log=None, program=PROGRAM):
        self.process = None
        try:
            if program:
                self.start_named(program, kubeconfig, log)
            else:
                self.start_double(kubeconfig, log)
        except BaseException:
            self.close()
            raise

    def start_double(self, kubeconfig, log):
        self.process = subprocess.Popen([sys.executable, here / "kuberay", kubeconfig], stdout=subprocess.PIPE,
                                        stderr=log or subprocess.DEVNULL, text=True)
        assert self.process.stdout.readline() == "watching\n"

    def start_named(self, program, kubeconfig, log):
        """From outside of the cluster it reaches Ray's heads through the API server only."""
        metrics, probe = free_port(), free_port()
        features = os.environ.get("ATELIER_KUBERAY_FEATURES", "RayJobDeletionPolicy=true")
        self.process = subprocess.Popen(
            [program, f"--kubeconfig={kubeconfig}", "--enable-leader-election=false", "--use-kubernetes-proxy",
             f"--metrics-addr=127.0.0.1:{metrics}", f"--health-probe-bind-address=127.0.0.1:{probe}",
             f"--feature-gates={features}"],
            stdout=log or subprocess.DEVNULL, stderr=subprocess.STDOUT, cwd="/")
        until = time.monotonic() + PATIENCE
        while not self.answers(probe):
            assert self.process.poll() is None, f"{program} ended with {self.process.returncode}"
            assert time.monotonic() < until, f"{program} is not ready within {PATIENCE:g} s"
            time.sleep(0.2)

    @staticmethod
    def answers(port):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def close(self):
        if self.process:
            self.process.terminate()
            self.process.wait(30)
            self.process = None
