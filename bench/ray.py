#!/usr/bin/env python3
"""What the way through the gateway costs Ray's own clients, and how soon a worker is there: each beside the same without it."""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "e2e"))
import load  # noqa: E402
from atelier import BUILD, Atelier, wait_for  # noqa: E402
from bare import bare  # noqa: E402

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
ALICE = "alice@example.com"
UPLOAD_MIB = 100
TOKEN = "t" * 44
# One process a figure, the same on both ways: client.py WHAT HOST:PORT PREFIX TOKEN NUMBER
CLIENT = """
import http.client, json, os, sys, time
what, address, prefix, token, number = sys.argv[1:]
def ask(method, path, body=None, kind="application/json"):
    connection = http.client.HTTPConnection(address, timeout=120)
    connection.request(method, prefix + path, body, {"Authorization": "Bearer " + token, "Content-Type": kind})
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status == 200, (answer.status, text[:300])
    return text
if what == "log":
    started = time.monotonic()
    job = json.loads(ask("POST", "/api/jobs/", json.dumps({"entrypoint": "echo ready"})))["submission_id"]
    while "ready" not in json.loads(ask("GET", f"/api/jobs/{job}/logs"))["logs"]:
        assert time.monotonic() - started < 120
        time.sleep(0.01)
    print(time.monotonic() - started)
else:
    body = os.urandom(1 << 20) * int(what)
    started = time.monotonic()
    ask("PUT", f"/api/packages/gcs/_ray_pkg_{os.getpid():016x}{number}.zip", body, "application/octet-stream")
    print(int(what) / (time.monotonic() - started))
"""
SERVED = """
from ray import serve
serve.start(proxy_location="HeadOnly", http_options={"host": "0.0.0.0"})
@serve.deployment(ray_actor_options={"num_cpus": 0})
class Hello:
    def __call__(self):
        return "hello"
serve.run(Hello.bind(), name="hello", route_prefix="/hello")
"""


def pid_in_head(cluster):
    """A process of the head's pod: its network namespace is where the direct client stands."""
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                environment = (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if f"RAY_CLUSTER_NAME={cluster}".encode() in environment and b"gcs_server" in (entry / "cmdline").read_bytes():
                return int(entry.name)
    raise AssertionError(f"no head of {cluster} runs here")


class Ways:
    """The same request through the gateway and to the head itself."""

    def __init__(self, house, profile, cluster):
        self.inside = ["nsenter", f"--net=/proc/{pid_in_head(cluster)}/ns/net"]
        exports = house.cli("ray", "env", cluster, "-n", profile, user=ALICE).stdout
        token = next(line.split("=", 1)[1].strip("'") for line in exports.splitlines() if "RAY_AUTH_TOKEN" in line)
        self.gateway = ([], f"127.0.0.1:{house.port}", f"/ray/{profile}/{cluster}", house.tokens[ALICE])
        self.direct = (self.inside, "127.0.0.1:8265", "", token)

    def both(self, what, number):
        """(through the gateway, directly)"""
        return tuple(float(subprocess.run([*prefix, "/usr/bin/python3", "-c", CLIENT, str(what), *rest, str(number)], check=True,
                                          text=True, stdout=subprocess.PIPE, timeout=180).stdout)
                     for prefix, *rest in (self.gateway, self.direct))


def alive(ask):
    return sum(node["state"] == "ALIVE" for node in ask()["data"]["result"]["result"])


def worker_ours(house, profile, cluster, workers):
    """Seconds from the word to one more node that the head counts as ALIVE."""
    path = f"/ray/{profile}/{cluster}/api/v0/nodes"
    wait_for("the last worker is forgotten", lambda: alive(lambda: house.get(path, ALICE).json) == 1, 120, 0.5)
    started = time.monotonic()
    house.cli("-n", profile, "ray", "scale", cluster, "-r", str(workers), user=ALICE)
    wait_for("one worker more", lambda: alive(lambda: house.get(path, ALICE).json) == workers + 1, 120, 0.05)
    return time.monotonic() - started


def worker_bare(head, number):
    loop = ("import json,sys,time,urllib.request\nend=time.time()+120\n"
            f"ask=urllib.request.Request('http://127.0.0.1:8265/api/v0/nodes',headers={{'Authorization':'Bearer {TOKEN}'}})\n"
            "while time.time()<end:\n found=json.load(urllib.request.urlopen(ask,timeout=20))['data']['result']['result']\n"
            " if sum(n['state']=='ALIVE' for n in found)==int(sys.argv[1]): break\n time.sleep(0.05)\nelse: raise SystemExit(1)")
    subprocess.run([*head.inside(), "/usr/bin/python3", "-c", loop, "1"], check=True, timeout=180)
    with bare(f"worker{number}", ["ray", "start", "--address=127.0.0.1:6379", "--block", "--num-cpus=1", "--disable-usage-stats",
                                  "--object-store-memory=300000000"], 1, 2 * 2**30,
              {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}, head) as worker:
        subprocess.run([*head.inside(), "/usr/bin/python3", "-c", loop, "2"], check=True, timeout=180)
        return time.monotonic() - worker.started


def resident_mib(cluster, of=""):
    """What the processes of a cluster's pods keep whose command line has <of>, shared pages by their share."""
    kib = 0
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (f"RAY_CLUSTER_NAME={cluster}".encode() in (entry / "environ").read_bytes().split(b"\0")
                        and of.encode() in (entry / "cmdline").read_bytes().lower()):
                    kib += next(int(line.split()[1]) for line in (entry / "smaps_rollup").read_text().splitlines()
                                if line.startswith("Pss:"))
            except (OSError, StopIteration):
                continue
    return kib / 1024


def requests(house, profile, cluster, ways, results):
    house.cli("ray", "submit", cluster, "-n", profile, "--", "python", "-c", SERVED, user=ALICE, timeout=240)
    path = f"/serve/{profile}/{cluster}/hello"
    wait_for("the application", lambda: house.get(path, ALICE).status == 200, 60, 0.5)
    ways_of = (lambda: load.wrk(f"{house.url}{path}", {"Authorization": f"Bearer {house.tokens[ALICE]}"}, connections=4),
               lambda: load.wrk("http://127.0.0.1:8000/hello", {}, connections=4, prefix=ways.inside))
    for number in range(2 * ROUNDS):  # Serve's own rate swings by a fifth: in turns, and each first as often as the other
        first = number % 2
        said = {way: ways_of[way]() for way in (first, 1 - first)}
        for key, figure in (("serve_rate", "rate"), ("serve_p99_ms", "p99_ms")):
            results[key].append((said[0][figure], said[1][figure]))


def measure(house, profile, results):
    house.cli("ray", "create", "bench", "-n", profile, "--head-memory", "6Gi", "--worker-cpu", "1", "--worker-memory", "2Gi", "--replicas",
              "0", "--wait", user=ALICE, timeout=300)
    results["idle_cluster_mib"] = resident_mib("bench")
    results["dashboard_mib"] = resident_mib("bench", "dashboard")
    ways = Ways(house, profile, "bench")
    ways.both("log", 0)  # the first job starts what the next ones find running
    for number in range(ROUNDS):
        results["log_s"].append(ways.both("log", number))
        results["upload_mib_s"].append(ways.both(UPLOAD_MIB, number))
    with bare("head", ["ray", "start", "--head", "--block", "--node-ip-address=127.0.0.1", "--dashboard-host=127.0.0.1",
                       "--num-cpus=0", "--object-store-memory=300000000", "--disable-usage-stats"], 2, 4 * 2**30,
              {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}) as head:
        head.wait_http(8265, "/api/jobs/", 180, [("Authorization", "Bearer " + TOKEN)])
        for number in range(ROUNDS):
            ours = worker_ours(house, profile, "bench", 1)
            house.cli("-n", profile, "ray", "scale", "bench", "-r", "0", user=ALICE)
            house.wait_raycluster(profile, "bench", ALICE, workers=0)
            results["worker_s"].append((ours, worker_bare(head, number)))
    requests(house, profile, "bench", ways, results)
    house.cli("apply", "-n", profile, "-f", "-", user=ALICE, input=json.dumps({
        **house.raycluster(profile, "bench", ALICE), "spec": {**house.raycluster(profile, "bench", ALICE)["spec"], "suspend": True}}))
    wait_for("suspended", lambda: resident_mib("bench") == 0, 120, 1)
    results["suspended_cluster_mib"] = resident_mib("bench")


ROWS = (("log_s", "submit to the first log line, s", "<= 1.10", lambda ratio: ratio <= 1.10),
        ("upload_mib_s", f"upload of {UPLOAD_MIB} MiB, MiB/s", ">= 0.90", lambda ratio: ratio >= 0.90),
        ("worker_s", "worker added to ALIVE, s", "<= 1.15", lambda ratio: ratio <= 1.15),
        ("serve_rate", "requests to Serve a second", ">= 0.95", lambda ratio: ratio >= 0.95))


def main():
    results = {"machine": load.machine(), **{key: [] for key, *_ in ROWS}, "serve_p99_ms": []}
    print(results["machine"])
    house = Atelier()
    profile = f"bench{os.getpid()}"
    try:
        house.up(60)
        house.add_user(ALICE)
        house.cli("profile", "create", profile, "--wait", user=ALICE)
        measure(house, profile, results)
    finally:
        house.remove()
    print(f"{'medians':34} {'Atelier':>10} {'without':>10} {'ratio':>7}  goal")
    for key, name, goal, met in ROWS:
        ours, theirs = (statistics.median(values) for values in zip(*results[key]))
        ratio = statistics.median(a / b for a, b in results[key])
        print(f"{name:34} {ours:10.2f} {theirs:10.2f} {ratio:7.2f}  {goal}: {'met' if met(ratio) else 'missed'}")
    more_us = 1000 * statistics.median(a - b for a, b in results["serve_p99_ms"])
    print(f"p99 of a request to Serve: {more_us:+.0f} us; goal <= +200: {'met' if more_us <= 200 else 'missed'}")
    idle = results["idle_cluster_mib"]
    print(f"an idle cluster without workers keeps {idle:.0f} MiB (PSS): {int(22 * 1024 / idle)} of them in 22 of 24 GiB; "
          f"a suspended one {results['suspended_cluster_mib']:.0f} MiB")
    without = idle - results["dashboard_mib"]
    print(f"its dashboard and agent, without which it has no Jobs API, are {results['dashboard_mib']:.0f} MiB of that: "
          f"{int(22 * 1024 / without)} would fit without")
    (BUILD / "bench-ray.json").write_text(json.dumps(results, indent=1))


main()
