#!/usr/bin/env python3
"""The figures of the main job, each beside its peer in the same run; prints a table and build/bench.json."""
import contextlib
import json
import os
import pathlib
import platform
import signal
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "e2e"))
from atelier import BUILD, Atelier, wait_for  # noqa: E402
from bare import bare  # noqa: E402

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
USER = "alice@example.com"


def notebook_bare(number):
    with bare(f"nb{number}", ["jupyter", "lab", "--no-browser", "--allow-root", "--ServerApp.port=8888", "--ServerApp.port_retries=0",
                              "--IdentityProvider.token=x", "--LabApp.news_url=None",
                              "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"], 0.5, 2**30, {}) as jupyter:
        return jupyter.wait_http(8888, "/api/status", 120, [("Authorization", "token x")])


def notebook_ours(house, number):
    started = time.monotonic()
    house.cli("-n", "alice", "notebook", "create", f"nb{number}", user=USER)
    wait_for("usable", lambda: house.get(f"/notebook/alice/nb{number}/api/status", USER).status == 200, 120, 0.02)
    seconds = time.monotonic() - started
    house.cli("-n", "alice", "delete", "notebook", f"nb{number}", user=USER)
    wait_for("gone", lambda: house.notebook("alice", f"nb{number}", USER) is None, 60)
    return seconds


def ray_bare(number):
    with bare(f"ray{number}", ["ray", "start", "--head", "--block", "--node-ip-address=127.0.0.1", "--dashboard-host=127.0.0.1",
                               "--num-cpus=0", "--object-store-memory=300000000", "--disable-usage-stats"], 2, 4 * 2**30,
              {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "t" * 44}) as ray:
        return ray.wait_http(8265, "/api/jobs/", 180, [("Authorization", "Bearer " + "t" * 44)])


def ray_ours(house, number):
    started = time.monotonic()
    house.cli("-n", "alice", "ray", "create", f"rc{number}", "--replicas", "0", user=USER)
    wait_for("usable", lambda: house.get(f"/ray/alice/rc{number}/api/jobs/", USER).status == 200, 180, 0.02)
    seconds = time.monotonic() - started
    house.cli("-n", "alice", "delete", "raycluster", f"rc{number}", user=USER)
    wait_for("gone", lambda: house.raycluster("alice", f"rc{number}", USER) is None, 60)
    return seconds


def memory(house):
    rows = {}
    for name, pids in house.processes().items():
        for pid in pids:
            with contextlib.suppress(OSError):
                text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
                fields = dict(line.split(":", 1) for line in text.splitlines()[1:])
                kib = {key: int(fields[key].split()[0]) for key in ("Rss", "Pss")}
                if name in ("atelier", "atelierd", "atelier-sandbox", "postgres", "conmon"):
                    row = rows.setdefault(name, {"count": 0, "rss_mib": 0, "pss_mib": 0})
                    row["count"] += 1
                    row["rss_mib"] += kib["Rss"] / 1024
                    row["pss_mib"] += kib["Pss"] / 1024
    return rows


def exec_to_ready(house):
    """kill -9 of atelierd to /readyz would count the supervisor; this counts from the new process's own start."""
    samples = []
    hertz = os.sysconf("SC_CLK_TCK")
    for _ in range(max(ROUNDS, 5)):
        os.kill(house.pid_of("atelierd"), signal.SIGKILL)
        time.sleep(0.02)
        wait_for("ready", house.ready, 10, 0.002)
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        fields = pathlib.Path(f"/proc/{house.pid_of('atelierd')}/stat").read_text().rsplit(")", 1)[1].split()
        samples.append(now - int(fields[19]) / hertz)
        time.sleep(0.5)
    return samples


def spread(samples):
    return f"{min(samples):.2f} / {statistics.median(samples):.2f} / {max(samples):.2f} s"


def main():
    results = {"machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores", "rounds": ROUNDS}
    house = Atelier()
    try:
        house.up(60)
        house.add_user(USER)
        house.cli("profile", "create", "alice", "--wait", user=USER)
        pairs = {"notebook": ([], []), "ray head": ([], [])}
        for number in range(ROUNDS):
            pairs["notebook"][0].append(notebook_ours(house, number))
            pairs["notebook"][1].append(notebook_bare(number))
            pairs["ray head"][0].append(ray_ours(house, number))
            pairs["ray head"][1].append(ray_bare(number))
        print(f"{'':22} {'Atelier min/med/max':28} {'bare min/med/max':28} ratio of medians (goal <= 1.15)")
        for name, (ours, theirs) in pairs.items():
            ratio = statistics.median(ours) / statistics.median(theirs)
            results[name] = {"ours_s": ours, "bare_s": theirs, "ratio": ratio}
            print(f"{name:22} {spread(ours):28} {spread(theirs):28} {ratio:.2f}")
        house.cli("-n", "alice", "notebook", "create", "nb", user=USER)
        house.cli("-n", "alice", "ray", "create", "rc", user=USER)
        house.wait_notebook("alice", "nb", USER)
        house.wait_raycluster("alice", "rc", USER, workers=1)
        results["memory"] = rows = memory(house)
        print(f"\n{'process':18} {'count':>5} {'RSS MiB':>9} {'PSS MiB':>9}")
        for name, row in sorted(rows.items()):
            print(f"{name:18} {row['count']:5} {row['rss_mib']:9.1f} {row['pss_mib']:9.1f}")
        ours = sum(row["rss_mib"] for name, row in rows.items() if name not in ("postgres", "conmon"))
        results["memory_ours_mib"] = ours
        print(f"atelier + atelierd + atelier-sandboxd: {ours:.1f} MiB resident (goal <= 32)")
        samples = exec_to_ready(house)
        results["exec_to_ready_s"] = samples
        print(f"\nexec of atelierd to /readyz: {spread(samples)} (goal <= 0.15; resolution 0.01)")
    finally:
        house.remove()
    (BUILD / "bench.json").write_text(json.dumps(results, indent=1))


main()
