#!/usr/bin/env python3
"""What does atelierd cost on a cluster where nothing happens, with BENCH_PROFILES profiles, each with a notebook and a Ray
cluster? Prints a table. kwok's nodes say that they run the notebooks' pods; KubeRay is not there."""
import concurrent.futures
import json
import os
import sys
import time

import kubernetes as bench

ATELIERD = "system:serviceaccount:atelier-system:atelier"
PROFILES = int(os.environ.get("BENCH_PROFILES", "10000"))
CLUSTER = {"rayVersion": "2.60.0", "headGroupSpec": {"rayStartParams": {}, "template": {"spec": {"containers": [
    {"name": "ray-head", "image": "rayproject/ray:2.60.0",
     "resources": {"limits": {"cpu": "1", "memory": "2Gi"}, "requests": {"cpu": "1", "memory": "2Gi"}}}]}}}}
NOTEBOOK = {"template": {"spec": {"containers": [{"name": "nb", "image": "example.com/jupyter:1"}]}}}


def make_workloads(api, number):
    namespace = f"p0-{number}"
    for group, plural, kind, name, spec in (("kubeflow.org/v1", "notebooks", "Notebook", "nb", NOTEBOOK),
                                            ("ray.io/v1", "rayclusters", "RayCluster", "rc", CLUSTER)):
        for _ in range(10):
            status, said = api.ask("POST", f"/apis/{group}/namespaces/{namespace}/{plural}",
                                   {"apiVersion": group, "kind": kind, "metadata": {"name": name}, "spec": spec})
            if status not in (429, 500, 503, 504):  # an API server that cannot keep up; 409: it had made it all the same
                break
            time.sleep(5)
        assert status in (201, 409), said


def count(api, path):
    """Of objects, from the first page and what it says remains."""
    listed = api.ask("GET", f"{path}?limit=1")[1]
    return len(listed["items"]) + listed["metadata"].get("remainingItemCount", 0)


def wait_quiet(running):
    """Until nothing was written for 10 s: what was asked for has been made."""
    while True:
        before, _ = bench.writes(running.cluster)
        time.sleep(10)
        if bench.writes(running.cluster)[0] == before:
            return


def own_writes(running, since):
    """What atelierd alone has changed since that byte of the API server's audit log, its lease apart."""
    with open(running.cluster.dir / "cluster/audit.log") as log:
        log.seek(since)
        events = [json.loads(line) for line in log if line.endswith("\n")]
    return sum(event["user"]["username"] == ATELIERD and event["verb"] in ("create", "update", "patch", "delete") and
               event["objectRef"]["resource"] != "leases" and "dryRun=All" not in event["requestURI"] for event in events)


def main():
    running = bench.service.Service("--kwok", "--no-volumes", "--audit", "--nodes", str(PROFILES // 900 + 1))
    try:
        api = bench.Api(running)
        running.person("alice")
        began = time.monotonic()
        bench.make_profiles(running, api, 0, PROFILES)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: make_workloads(api, number), range(PROFILES)))
        bench.service.eventually("each notebook has its StatefulSet", lambda: count(
            api, "/apis/apps/v1/statefulsets") >= PROFILES, 3600, 1)
        wait_quiet(running)
        bench.row(f"{PROFILES} profiles, as many notebooks and Ray clusters, made in", f"{time.monotonic() - began:.0f} s")
        bench.row("pods in the cluster", f"{count(api, '/api/v1/pods')}")
        since = (running.cluster.dir / "cluster/audit.log").stat().st_size
        bench.steady(running)
        bench.row("of these writes, atelierd's own", f"{own_writes(running, since)}", "0")
        bench.row("atelierd, resident", f"{bench.resident_mib(running.first.process.pid):.1f} MiB", "<= 128 MiB at 10,000")
        since = (running.cluster.dir / "cluster/audit.log").stat().st_size
        bench.restart(running, api)
        wait_quiet(running)
        bench.row("atelierd's own writes since it was killed", f"{own_writes(running, since)}", "1, the policy")
        bench.row("atelierd, resident after that", f"{bench.resident_mib(running.first.process.pid):.1f} MiB",
                  "<= 128 MiB at 10,000")
    except AssertionError:
        print(running.first.tail(), file=sys.stderr)
        raise
    finally:
        running.close()


if __name__ == "__main__":
    main()
