"""A restart over finished profiles writes nothing, by the API server's own audit log, and still mends what is broken."""
import json
import signal
import time

import pytest
import service

ATELIERD = "system:serviceaccount:atelier-system:atelier"
PROFILES = [f"team-{n}" for n in range(6)]
POLICY = ("-n", PROFILES[0], "networkpolicy", "atelier-walls")


@pytest.fixture(scope="module")
def made():
    made = service.Service("--controllers", "--audit")
    try:
        yield made
    finally:
        print(made.first.tail())
        made.close()


def notebook(namespace, name):
    return {"apiVersion": "kubeflow.org/v1", "kind": "Notebook", "metadata": {"name": name, "namespace": namespace},
            "spec": {"template": {"spec": {"containers": [{"name": name, "image": "example.com/jupyter:1"}]}}}}


def writes(made, since):
    """(verb, URI) of what atelierd has changed since that line of the log; the lease and what is only tried apart."""
    found = []
    for line in made.cluster.audit_log()[since:]:
        event = json.loads(line)
        if event["user"]["username"] == ATELIERD and event["verb"] not in ("get", "list", "watch") and \
                event["objectRef"]["resource"] != "leases" and "dryRun=All" not in event["requestURI"]:
            found.append((event["verb"], event["requestURI"]))
    return found


def lines(made):
    return len(made.cluster.audit_log())


def quiet(made, seconds=5):
    """Until atelierd has written nothing for so long."""
    while True:
        since = lines(made)
        time.sleep(seconds)
        if not writes(made, since):
            return


def settle(made):
    made.alice = made.person("alice")
    for name in PROFILES:
        made.profile(name, made.alice.email)
        made.cluster.kubectl("create", "-f", "-", text_in=json.dumps(notebook(name, f"of-{name}")))
    for name in PROFILES[:2]:  # another number of members is another shape of the same binding
        made.first.cli("share", name, made.person(f"guest-of-{name}").email, "--role", "viewer")
    for name in PROFILES:
        service.eventually(f"{name}'s notebook", lambda: made.cluster.kubectl(
            "-n", name, "get", "statefulsets", f"of-{name}", "--ignore-not-found"))
    quiet(made)


def test_a_restart_writes_nothing_but_what_is_missing(made):
    settle(made)
    made.first.end(signal.SIGKILL)
    made.cluster.kubectl("delete", *POLICY)
    since = lines(made)
    made.first.start()
    service.eventually("the policy is back", lambda: made.cluster.kubectl("get", *POLICY, "--ignore-not-found"))
    quiet(made)
    written = writes(made, since)
    assert [verb for verb, _ in written] == ["patch"], written
    assert f"/namespaces/{PROFILES[0]}/networkpolicies/atelier-walls" in written[0][1]


def test_a_field_taken_over_meanwhile_is_taken_back(made):
    made.first.end(signal.SIGKILL)
    binding = ("-n", PROFILES[1], "rolebinding", "atelier-viewer")
    before = made.cluster.get(*binding)["subjects"]
    made.cluster.kubectl("patch", *binding, "--type", "merge", "-p", json.dumps({"subjects": before[:1]}))
    since = lines(made)
    made.first.start()
    service.eventually("its subjects are back", lambda: made.cluster.get(*binding)["subjects"] == before)
    quiet(made)
    written = writes(made, since)
    assert [verb for verb, _ in written] == ["patch"], written
