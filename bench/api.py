#!/usr/bin/env python3
"""Reads and writes of the API a second, and their 99th percentile, beside JupyterHub's on the same machine, in turns."""
import contextlib
import http.client
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "e2e"))
import load  # noqa: E402
from atelier import BUILD, Atelier, free_port, wait_for  # noqa: E402

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
ALICE = "alice@example.com"
STOPPED = """
apiVersion: kubeflow.org/v1
kind: Notebook
metadata: {name: nb%d, annotations: {kubeflow-resource-stopped: "yes"}}
spec: {template: {spec: {containers: [{name: nb1, image: ray-2.60}]}}}
"""
CONFIG = """
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.bind_url = "http://127.0.0.1:{public}"
c.JupyterHub.hub_port = {hub}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy}"
c.ConfigurableHTTPProxy.command = [{command!r}]
c.JupyterHub.db_url = "sqlite:///hub.sqlite"
c.JupyterHub.services = [{{"name": "bench", "api_token": "{token}"}}]
c.JupyterHub.load_roles = [{{"name": "bench", "scopes": ["admin:users", "admin:groups"], "services": ["bench"]}}]
c.JupyterHub.log_level = "WARN"
"""


class Hub:
    """JupyterHub as its documentation starts it: the hub, its database and configurable-http-proxy before it."""

    def __init__(self, home):
        self.port, self.token = free_port(), os.urandom(16).hex()
        command = str(BUILD / "bench" / "hub" / "node_modules" / ".bin" / "configurable-http-proxy")
        config = pathlib.Path(home) / "jupyterhub_config.py"
        config.write_text(CONFIG.format(public=self.port, hub=free_port(), proxy=free_port(), command=command, token=self.token))
        self.process = subprocess.Popen([BUILD / "bench" / "hub" / "venv" / "bin" / "jupyterhub", "-f", config], cwd=home,
                                        stdout=subprocess.DEVNULL, stderr=open(pathlib.Path(home) / "log", "w"))
        self.headers = {"Authorization": f"token {self.token}", "Content-Type": "application/json"}
        self.url = f"http://127.0.0.1:{self.port}/hub/api/users/alice"
        wait_for("JupyterHub", lambda: self.make_user(), 90, 0.5)

    def make_user(self):
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            connection.request("POST", "/hub/api/users/alice", headers=self.headers)
            return connection.getresponse().status in (201, 409)
        return False

    def close(self):
        self.process.terminate()
        self.process.wait(30)


def row(name, rounds):
    return (f"{name:36} {statistics.median(r['rate'] for r in rounds):10.0f} {statistics.median(r['p50_ms'] for r in rounds):9.2f} "
            f"{statistics.median(r['p99_ms'] for r in rounds):9.2f}   {min(r['rate'] for r in rounds):.0f} - {max(r['rate'] for r in rounds):.0f}")


def main():
    results = {"machine": load.machine(), "ours_read": [], "ours_write": [], "hub_read": [], "hub_write": []}
    print(results["machine"])
    house = Atelier()
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as home:
        hub = None
        try:
            house.up(60)
            house.add_user(ALICE)
            house.cli("profile", "create", "alice", "--wait", user=ALICE)
            house.cli("apply", "-n", "alice", "-f", "-", user=ALICE, input="---".join(STOPPED % i for i in range(load.SPREAD)))
            hub = Hub(home)
            ours = {"Authorization": f"Bearer {house.tokens[ALICE]}", "Content-Type": "application/merge-patch+json"}
            url = f"{house.url}/apis/kubeflow.org/v1/namespaces/alice/notebooks/nb"
            for _ in range(ROUNDS):
                results["ours_read"].append(load.wrk(f"{url}0", ours))
                results["hub_read"].append(load.wrk(hub.url, hub.headers))
                results["ours_write"].append(load.wrk(f"{url}%d", ours, "PATCH", '{"metadata":{"annotations":{"bench":"%d"}}}'))
                results["hub_write"].append(load.wrk(hub.url, hub.headers, "PATCH", '{"admin":false}'))
        finally:
            if hub:
                hub.close()
            house.remove()
    print(f"{'':36} {'a second':>10} {'p50 ms':>9} {'p99 ms':>9}   least - most a second; {ROUNDS} rounds, {load.CONNECTIONS} connections")
    for key, name in {"ours_read": "Atelier: read a notebook", "hub_read": "JupyterHub: read a user",
                      "ours_write": "Atelier: change a notebook", "hub_write": "JupyterHub: change a user"}.items():
        print(row(name, results[key]))
    for what, goal in {"read": 20000, "write": 2000}.items():
        ours, theirs = (statistics.median(r["rate"] for r in results[f"{side}_{what}"]) for side in ("ours", "hub"))
        print(f"{what}s: {ours / theirs:.1f} times JupyterHub's; goal >= {goal} a second with p99 <= 10 ms: "
              f"{'met' if ours >= goal and statistics.median(r['p99_ms'] for r in results[f'ours_{what}']) <= 10 else 'missed'}")
    (BUILD / "bench-api.json").write_text(json.dumps(results, indent=1))


main()
