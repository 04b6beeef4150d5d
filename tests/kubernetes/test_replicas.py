"""Two atelierd on one cluster and one database: both serve, one reconciles, and whoever is left takes over."""
import datetime
import json
import signal

import pytest
import service


@pytest.fixture(scope="module")
def pair():
    made = service.Service("--controllers")
    try:
        made.second = made.replica("second")
        yield made
    finally:
        for replica in made.replicas:
            print(replica.name, replica.tail())
        made.close()


def lease(pair):
    items = json.loads(pair.cluster.kubectl("-n", "atelier-system", "get", "leases", "-o", "json"))["items"]
    return next((item["spec"] for item in items if item["metadata"]["name"] == "atelier"), {})


def holder(pair):
    return lease(pair).get("holderIdentity")


def when(text):
    return datetime.datetime.fromisoformat(text).timestamp()


def made_ready(pair, replica, name):
    """A profile asked for through that replica, whoever reconciles it."""
    replica.cli("profile", "create", name, "--owner", "alice@example.com")
    is_ready(pair, name)


def is_ready(pair, name):
    service.eventually(f"{name} is ready", lambda: any(
        condition["type"] == "Ready" and condition["status"] == "True" for condition in
        pair.cluster.get("profile", name).get("status", {}).get("conditions", [])), 120)


def status(person, replica, profile):
    return person.ask("GET", f"/api/v1/namespaces/{profile}/configmaps", replica=replica)[0]


def test_both_serve_and_one_leads(pair):
    pair.alice = pair.person("alice")
    pair.bob = pair.person("bob")
    leader = service.eventually("somebody leads", lambda: holder(pair))
    assert leader in ("first", "second")
    made_ready(pair, pair.first, "one")
    made_ready(pair, pair.second, "two")
    for replica in (pair.first, pair.second):
        for profile in ("one", "two"):
            service.eventually("both know it", lambda: status(pair.alice, replica, profile) == 200, 20)
    assert holder(pair) == leader


def test_a_member_is_one_on_every_replica(pair):
    assert status(pair.bob, pair.second, "one") == 404
    pair.first.cli("share", "one", pair.bob.email, "--role", "viewer")
    service.eventually("the other replica lets bob in", lambda: status(pair.bob, pair.second, "one") == 200, 20)
    pair.second.cli("unshare", "one", pair.bob.email)
    service.eventually("the other replica shows him out", lambda: status(pair.bob, pair.first, "one") == 404, 20)


def test_the_survivor_takes_over_from_the_killed(pair):
    leader = holder(pair)
    dead, alive = (pair.first, pair.second) if leader == "first" else (pair.second, pair.first)
    dead.end(signal.SIGKILL)
    renewed = when(lease(pair)["renewTime"])
    assert status(pair.alice, alive, "one") == 200  # people notice nothing
    # Asked for while nobody leads: whoever comes to lead finds it.
    alive.cli("profile", "create", "meanwhile", "--owner", "alice@example.com")
    service.eventually("the other leads", lambda: holder(pair) == alive.name, 60)
    took = when(lease(pair)["acquireTime"]) - renewed
    print(f"the lease passed on {took:.1f} s after it was last renewed")
    assert took <= 20, took
    is_ready(pair, "meanwhile")
    made_ready(pair, alive, "three")
    dead.start()
    assert status(pair.alice, dead, "three") == 200
    assert holder(pair) == alive.name


def test_who_ends_gives_the_lease_back(pair):
    leader = holder(pair)
    ending, other = (pair.first, pair.second) if leader == "first" else (pair.second, pair.first)
    ending.end()
    assert ending.process.returncode == 0
    assert holder(pair) != leader  # given back, not run out: a Lease that nobody holds is taken at the next try
    service.eventually("the other leads", lambda: holder(pair) == other.name, 30)
    made_ready(pair, other, "four")
