"""What RayJobs leave is kept when their clusters, and they themselves, are gone; the end of a profile is its end too."""
import json

import chart
import pytest
import rayhouse
import service

JOBS = "/api/atelier/v1/profiles/alice/jobs"
JOB = {"entrypoint": "python train.py", "shutdownAfterJobFinishes": True, "rayClusterSpec": rayhouse.SPEC}


@pytest.fixture(scope="module")
def house():
    with rayhouse.running() as made:
        yield made


def runs(person):
    status, text = person.ask("GET", JOBS)
    assert status == 200, text
    return json.loads(text[text.index("{"):])["items"]


def run_of(house, name, deployment):
    return next((run for run in runs(house.alice) if run["name"] == name
                 and run["status"].get("jobDeploymentStatus") == deployment), None)


def command_line(house, *arguments):
    return chart.run(service.BUILD / "atelier", *arguments, env={
        **house.first.env, "ATELIER_URL": f"http://127.0.0.1:{house.first.port}", "ATELIER_TOKEN": house.alice.token})


def test_a_run_is_kept_when_its_cluster_and_its_job_are_gone(house):
    assert runs(house.alice) == []
    house.make("train", "RayJob", JOB)
    run = service.eventually("the run is kept", lambda: run_of(house, "train", "Complete"))
    assert run["status"]["jobStatus"] == "SUCCEEDED" and run["entrypoint"] == "python train.py"
    assert run["jobId"] == run["status"]["jobId"] and "rayClusterStatus" not in run["status"]
    assert any(event["reason"] == "CreatedHeadPod" and event["object"]["kind"] == "RayCluster" for event in run["events"]), run
    service.eventually("its cluster is gone", lambda: not house.get("raycluster", run["status"]["rayClusterName"]))
    house.cluster.kubectl("delete", "rayjob", "train", "-n", "alice")
    assert [kept["jobId"] for kept in runs(house.alice)] == [run["jobId"]]
    listed = command_line(house, "job", "list", "-n", "alice")
    assert "train" in listed and "SUCCEEDED" in listed
    command_line(house, "job", "logs", "train", "-n", "alice")  # kwok's pods have written nothing
    for path in (JOBS, f"{JOBS}/train", f"{JOBS}/train/log"):
        assert house.bob.ask("GET", path)[0] in (403, 404)


def test_another_replica_that_comes_to_lead_keeps_it_no_second_time(house):
    house.make("again", "RayJob", JOB)
    first = service.eventually("the run is kept", lambda: run_of(house, "again", "Complete"))
    house.first.end()
    house.first.start()
    house.make("later", "RayJob", JOB)
    service.eventually("the next is kept", lambda: run_of(house, "later", "Complete"))
    assert run_of(house, "again", "Complete") == first
    assert [run["name"] for run in runs(house.alice)] == ["later", "again", "train"]


def test_it_goes_with_the_profile(house):
    house.first.cli("profile", "delete", "alice", "--confirm", "alice")
    service.eventually("all of it is gone", lambda: "/alice" not in house.cluster.kubectl(
        "get", "profiles,namespaces", "-o", "name"), 120)
    house.profile("alice", house.alice.email)  # it might be somebody else's
    assert runs(house.alice) == []
    assert house.alice.ask("GET", f"{JOBS}/train/log")[0] == 404
