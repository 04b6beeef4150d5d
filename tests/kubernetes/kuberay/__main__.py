"""A double of the KubeRay operator, for tests: RayCluster, RayJob and RayService become what KubeRay 1.7 makes of them,
as far as anybody else can see it; no Ray is needed. What runs is up to the cluster's nodes (kwok's only say that they do).

    python3 tests/kubernetes/kuberay KUBECONFIG

Prints one line, "watching", once it follows all kinds. Ends with SIGTERM.
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import api  # noqa: E402
import cluster  # noqa: E402
import job  # noqa: E402
import operator_loop  # noqa: E402
import service  # noqa: E402


def main():
    client = api.Client(sys.argv[1])
    loop = operator_loop.Loop(client)
    loop.follow("rayclusters", cluster.reconcile)
    loop.follow("rayjobs", job.reconcile)
    loop.follow("rayservices", service.reconcile)
    loop.follow_owned("pods", "RayCluster")
    loop.follow_owned("rayclusters", "RayJob")
    loop.follow_owned("rayclusters", "RayService")
    loop.follow_owned("jobs", "RayJob")
    loop.wait_synced()
    print("watching", flush=True)
    loop.run()


main()
