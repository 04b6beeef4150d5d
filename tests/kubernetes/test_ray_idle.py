"""Ray clusters that KubeRay makes: deleted when suspended for long, told of their heads' ends, never suspended on a guess. Times of seconds."""
import json
import subprocess
import time

import faults
import live
import pytest
import rayhouse
import service

AFTER_S, LONG_AFTER_S = 16, 60
DELETE_AFTER, DELETE_AT = "atelier.dev/delete-after", "atelier.dev/idle-delete-at"
METRICS = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {
    "name": "pods.metrics.k8s.io", "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"}},
    "spec": {"group": "metrics.k8s.io", "scope": "Namespaced",
             "names": {"plural": "pods", "singular": "pod", "kind": "PodMetrics", "listKind": "PodMetricsList"},
             "versions": [{"name": "v1beta1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
                 "type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]}}


@pytest.fixture(scope="module")
def house():
    with rayhouse.running() as made:
        yield made


def test_one_that_has_been_suspended_for_long_is_warned_of_and_deleted(house):
    house.make("old", **{DELETE_AFTER: f"{AFTER_S}s"})
    house.make("kept")
    for name in ("old", "kept"):
        house.ready(name)
    house.suspend("kept")  # for the next test
    assert not house.note("old", DELETE_AT)
    begun = time.time()
    with house.followed("old") as seen:
        house.suspend("old")
        house.suspended("old")
        service.eventually("a warning", lambda: any(DELETE_AT in annotations for annotations in seen), 60)
        assert service.eventually("its event", lambda: house.events("old", "IdleDelete"), 20)
        service.eventually("it is gone", lambda: not house.get("raycluster", "old"), 90)
    assert time.time() - begun > AFTER_S - 1  # KubeRay writes since when in whole seconds, cut off
    assert service.eventually("the event", lambda: house.events("old", "DeletedIdle"), 20)
    assert ("delete-idle", "RayCluster", "old") in house.audit()


def test_who_resumes_it_and_a_job_that_waits_for_it_keep_it(house):
    house.annotate("kept", delete_after=f"{LONG_AFTER_S}s")  # half of that is left when it is warned of
    service.eventually("a warning", lambda: house.note("kept", DELETE_AT), 60)
    house.suspend("kept", False)
    service.eventually("no warning", lambda: not house.note("kept", DELETE_AT), 30)
    house.ready("kept")
    house.suspend("kept")
    house.suspended("kept")
    house.make("waiting", "RayJob", {"entrypoint": "true", "clusterSelector": {"ray.io/cluster": "kept"}})
    house.annotate("kept", delete_after=f"{AFTER_S}s")
    until = time.monotonic() + 1.5 * AFTER_S
    while time.monotonic() < until:
        assert house.get("raycluster", "kept") and not house.note("kept", DELETE_AT)
        time.sleep(0.5)
    house.cluster.kubectl("delete", "rayjob", "waiting", "-n", "alice")
    service.eventually("it is gone", lambda: not house.get("raycluster", "kept"), 90)


def test_a_head_that_ends_is_told_of_once(house):
    house.make("rc")
    house.ready("rc")
    head = json.loads(house.cluster.kubectl("get", "pods", "-n", "alice", "-l", "ray.io/cluster=rc,ray.io/node-type=head", "-o", "json"))["items"][0]
    ended = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    statuses = head["status"]["containerStatuses"]
    for restarts in (1, 1):
        for status in statuses:
            status.update(restartCount=restarts, lastState={"terminated": ended})
        live.write_status(house.cluster, head, {"containerStatuses": statuses, "message": f"written {time.monotonic()}"})
    told = service.eventually("the event", lambda: house.events("rc", "HeadEnded"), 30)
    time.sleep(3)
    assert len(told) == 1 and told[0].get("count", 1) == 1 and told[0]["involvedObject"]["kind"] == "RayCluster"
    assert "OOMKilled, exit code 137" in told[0]["message"] and "begin anew" in told[0]["message"]
    assert house.events("rc", "HeadEnded") == told


def test_killed_after_each_of_its_writes():
    """kill -9 once the API server has done what it was asked: one is warned of and deleted all the same, and the other one stays."""
    with rayhouse.running(faults.Desk) as house:
        house.make("old", **{DELETE_AFTER: f"{AFTER_S}s"})
        house.make("kept")
        for name in ("old", "kept"):
            house.ready(name)
        with house.followed("old") as seen, faults.killed(house.between, house.first, lambda request: True) as killed:
            house.suspend("old")
            house.suspended("old")
            service.eventually("it is gone", lambda: not house.get("raycluster", "old"), 120)
        assert any(DELETE_AT in annotations for annotations in seen)
        asked = {line.split()[0] for line in killed if "/rayclusters/old" in line}
        assert asked == {"PATCH", "DELETE"}, killed
        assert house.ready("kept") and not house.note("kept", DELETE_AT)


def test_one_whose_head_does_not_answer_is_not_suspended(house):
    """Its processors are known to rest; kwok's head answers nobody."""
    assert not used(house, "rc")  # what nothing measures was not seen in use, and is not stopped either
    house.cluster.kubectl("apply", "-f", "-", text_in=json.dumps(METRICS))
    assert service.eventually("a pod without figures counts as used", lambda: used(house, "rc"), 60)
    names = house.cluster.kubectl("get", "pods", "-n", "alice", "-o", "name").split()
    service.eventually("PodMetrics are taken", lambda: all([give_metrics(house, name.partition("/")[2]) for name in names]), 60)
    house.annotate("rc", idle_after="6s")
    until = time.monotonic() + 20
    while time.monotonic() < until:
        item = house.get("raycluster", "rc")
        assert not item["spec"].get("suspend") and "atelier.dev/idle-stop-at" not in item["metadata"]["annotations"], item
        time.sleep(0.5)
    status, text = house.alice.ask("GET", "/api/atelier/v1/profiles/alice/samples?kind=RayCluster&name=rc")
    assert status == 200 and '"trouble"' not in text and '"rc"' in text, text


def used(house, name):
    done = subprocess.run([service.POSTGRES / "psql", house.postgres.url, "-Atc",
                           f"SELECT count(*) FROM workload_use WHERE kind = 'RayCluster' AND name = '{name}'"],
                          capture_output=True, text=True, check=True)
    return int(done.stdout)


def give_metrics(house, pod):
    try:
        return house.cluster.kubectl("apply", "-f", "-", text_in=json.dumps({
            "apiVersion": "metrics.k8s.io/v1beta1", "kind": "PodMetrics", "metadata": {"name": pod, "namespace": "alice"},
            "window": "15s", "containers": [{"name": "ray-head", "usage": {"cpu": "10m", "memory": "300Mi"}}]}))
    except AssertionError:
        return None
