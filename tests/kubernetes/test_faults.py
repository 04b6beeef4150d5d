"""A whole atelierd whose API server fails it, or that is killed: what becomes of a profile is what becomes of one in peace.

Each test plays the same scene, people who make and change a profile, its members, notebooks and a Ray cluster, and then
waits until everything there is what the undisturbed play left behind. ATELIER_TEST_AWAY_S: how long the API server is away."""
import collections
import contextlib
import difflib
import http.client
import itertools
import json
import os
import random
import re
import signal
import threading
import time

import faults
import pytest
import service

ALICE, BOB, CAROL = (f"{name}@example.com" for name in ("alice", "bob", "carol"))
AWAY_S = int(os.environ.get("ATELIER_TEST_AWAY_S", "25"))
KILLED_EVERY = int(os.environ.get("ATELIER_TEST_KILLED_EVERY", "6"))  # write; each play begins with another one
PLAYS = int(os.environ.get("ATELIER_TEST_KILLED_PLAYS", "3"))  # KILLED_EVERY of them kill after every write there is
PATIENCE = 240
LAG_S = 2
OFTEN = 36  # writes of one object; tried again every 50 ms they would be more within one lag
KINDS = ("rolebindings,serviceaccounts,resourcequotas,limitranges,networkpolicies,secrets,configmaps,persistentvolumeclaims,services,"
         "statefulsets,pods,notebooks,poddefaults,rayclusters,authorizationpolicies,virtualservices")
# What differs between two profiles that were made alike.
OF_THE_MOMENT = {"uid", "resourceVersion", "creationTimestamp", "managedFields", "generation", "observedGeneration", "lastTransitionTime",
                 "startTime", "startedAt", "finishedAt", "lastProbeTime", "clusterIP", "clusterIPs", "podIP", "podIPs", "hostIP", "hostIPs",
                 "nodeName", "containerID", "currentRevision", "updateRevision", "controller-revision-hash", "used", "volumeName", "lastActivity",
                 "atelier.dev/applied", "atelier.dev/adopted-by", "atelier.dev/asked", "atelier.dev/nudged", "atelier.dev/secret-uid",
                 "atelier.dev/template-hash"}
names = (f"scene{number}" for number in itertools.count(1))


class House:
    """atelierd, three people, and what is between it and its API server."""

    def __init__(self, between):
        self.service = service.Service("--kwok", "--nodes", "1", between=between, ATELIER_PROFILES_PER_USER="50")
        self.first, self.between, self.cluster = self.service.first, self.service.between, self.service.cluster
        self.tokens = {}
        for email in (ALICE, BOB, CAROL):
            self.first.cli("user", "create", email)
            self.tokens[email] = self.first.cli("token", "create", "--user", email).strip()

    def ask(self, user, method, path, body=None, content_type="application/json"):
        """(status, JSON); status 0: no answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.first.port, timeout=60 * service.PATIENCE)
        try:
            connection.request(method, path, body=None if body is None else json.dumps(body), headers={
                "Authorization": f"Bearer {self.tokens[user]}", "Content-Type": content_type})
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        except (OSError, http.client.HTTPException):
            return 0, None
        finally:
            connection.close()

    def insist(self, user, method, path, body=None, done=(), **more):
        """As a patient person does: again until it is done, or has been by a try whose answer was lost."""
        def tried():
            status, answer = self.ask(user, method, path, body, **more)
            assert status == 0 or status == 429 or status >= 500 or 200 <= status < 300 or status in done, (method, path, status, answer)
            return 200 <= status < 300 or status in done
        service.eventually(f"{method} {path}", tried, PATIENCE, 0.25)

    @contextlib.contextmanager
    def disturbed(self, before=lambda request: None, after=lambda request: None):
        self.between.before, self.between.after = before, after
        try:
            yield
        finally:
            self.between.before = self.between.after = lambda request: None

    # --- the scene ---
    def play(self, name, at=lambda step: None):
        """at(step) is called before each step."""
        space, members = f"/namespaces/{name}", f"/api/atelier/v1/profiles/{name}/members"
        notebooks = f"/apis/kubeflow.org/v1{space}/notebooks"
        self.provide_home(name)

        def make(user, path, body):
            self.insist(user, "POST", path, body, done=(409,))

        def change(user, path, body):
            self.insist(user, "PATCH", path, body, content_type="application/merge-patch+json")

        def grant(user, email, role):
            self.insist(user, "POST", members, {"subject": {"kind": "User", "name": email}, "role": role}, done=(409,))

        def member(email):
            def found():
                status, answer = self.ask(ALICE, "GET", members)
                ids = [item["id"] for item in answer["items"] if item["subject"]["name"] == email] if status == 200 else []
                return [*ids, "none"] if status == 200 else None
            return f"{members}/{service.eventually('the members', found, PATIENCE)[0]}"

        def notebook(title, stopped):
            size = {"cpu": "250m", "memory": "512Mi"}
            return {"apiVersion": "kubeflow.org/v1", "kind": "Notebook", "metadata": {
                "name": title, "annotations": {"kubeflow-resource-stopped": "yes"} if stopped else {}},
                "spec": {"template": {"spec": {"containers": [{"name": title, "image": "example.com/jupyter:1", "resources": {
                    "limits": size, "requests": size}}]}}}}
        bigger = [{"name": "one", "image": "example.com/jupyter:1", "resources": {
            "limits": {"cpu": "500m", "memory": "1Gi"}, "requests": {"cpu": "500m", "memory": "1Gi"}}}]
        head = {"rayStartParams": {}, "template": {"spec": {"containers": [{"name": "head", "image": "rayproject/ray:2.60.0"}]}}}
        steps = [
            lambda: make(ALICE, "/apis/kubeflow.org/v1/profiles", {"apiVersion": "kubeflow.org/v1", "kind": "Profile", "metadata": {"name": name}}),
            lambda: self.wait_for_namespace(name),
            lambda: grant(ALICE, BOB, "editor"),
            lambda: make(ALICE, notebooks, notebook("one", False)),
            lambda: make(BOB, notebooks, notebook("two", True)),
            lambda: make(ALICE, notebooks, notebook("three", True)),
            lambda: grant(ALICE, CAROL, "viewer"),
            lambda: make(BOB, f"/apis/ray.io/v1{space}/rayclusters", {
                "apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": "rc"}, "spec": {"suspend": True, "headGroupSpec": head}}),
            lambda: change(ALICE, f"{notebooks}/one", {"spec": {"template": {"spec": {"containers": bigger}}}}),
            lambda: self.insist(ALICE, "PATCH", member(CAROL), {"role": "admin"}),
            lambda: change(CAROL, f"{notebooks}/two", {"metadata": {"annotations": {"kubeflow-resource-stopped": None}}}),
            lambda: self.insist(ALICE, "DELETE", f"{notebooks}/three", done=(404,)),
            lambda: self.insist(ALICE, "DELETE", member(BOB), done=(404,)),
            lambda: change(ALICE, f"{notebooks}/one", {"metadata": {"annotations": {"kubeflow-resource-stopped": "yes"}}}),
            lambda: self.insist(ALICE, "PUT", f"/api/atelier/v1/profiles/{name}/owner", {"email": CAROL}, done=(403, 404)),
        ]
        for number, step in enumerate(steps):
            at(number)
            step()

    def provide_home(self, name):
        self.cluster.kubectl("apply", "-f", "-", text_in=json.dumps({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"home-{name}"}, "spec": {
                "accessModes": ["ReadWriteOnce", "ReadWriteMany"], "capacity": {"storage": "100Gi"}, "hostPath": {"path": "/nonexistent"},
                "persistentVolumeReclaimPolicy": "Retain", "claimRef": {"namespace": name, "name": "home"}}}))

    def wait_for_namespace(self, name):
        """What is put into a profile before its namespace is there is refused."""
        service.eventually(f"the namespace of {name}", lambda: self.ask(
            ALICE, "GET", f"/apis/kubeflow.org/v1/namespaces/{name}/notebooks")[0] == 200 and self.service.has_rights(name), PATIENCE, 0.25)

    # --- what it leaves behind ---
    def left_by(self, name):
        """Every object of the profile and its members, as lines."""
        items = json.loads(self.cluster.kubectl("get", KINDS, "-n", name, "-o", "json"))["items"]
        items = [item for item in items if item["metadata"]["name"] != "kube-root-ca.crt"]  # the cluster's
        items += [self.cluster.get("profile", name), self.cluster.get("namespace", name)]
        status, members = self.ask(CAROL, "GET", f"/api/atelier/v1/profiles/{name}/members")
        people = [(item["subject"]["name"], item["role"]) for item in members["items"]] if status == 200 else status
        texts = sorted(json.dumps(without_the_moment(item), indent=1, sort_keys=True) for item in items)
        return re.sub(rf"\b{name}\b", "SCENE", "\n".join([f"members: {people}", *texts])).splitlines()

    def remove(self, name):
        self.insist(CAROL, "DELETE", f"/apis/kubeflow.org/v1/profiles/{name}", done=(404,))


def without_the_moment(value):
    if isinstance(value, list):
        return [without_the_moment(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: without_the_moment(item) for key, item in value.items() if key not in OF_THE_MOMENT}
    if value.get("kind") == "Secret":
        kept["data"] = sorted(value.get("data", {}))
    return kept


@pytest.fixture(scope="module")
def seen():
    """What the undisturbed play left, for all that follow."""
    return {}


def same_as_in_peace(house, seen, name):
    """Waits for it, and that it stays so."""
    def differences():
        return list(difflib.unified_diff(seen["peace"], house.left_by(name), "in peace", name, lineterm="", n=2))
    end = time.monotonic() + PATIENCE * service.PATIENCE
    while (found := differences()) and time.monotonic() < end:
        time.sleep(0.5)
    assert not found, "\n".join(found) + "\n" + house.first.tail()
    time.sleep(2)
    assert not differences(), differences()
    house.remove(name)


def all_gone(house):
    service.eventually("nothing is left of what was deleted", lambda: "scene" not in house.cluster.kubectl(
        "get", "profiles,namespaces", "-o", "name"), PATIENCE, 0.5)


def settled(house, name):
    """The state once it no longer changes and is what was asked for."""
    def still():
        before = house.left_by(name)
        time.sleep(3)
        return before if before == house.left_by(name) else None

    def done():
        there = house.cluster.kubectl("get", "pods,statefulsets,services,secrets", "-n", name, "-o", "name").split()
        phases = {item["metadata"]["name"]: item.get("status", {}).get("phase") for item in json.loads(
            house.cluster.kubectl("get", "notebooks", "-n", name, "-o", "json"))["items"]}
        return [one for one in there if one.startswith("pod/")] == ["pod/two-0"] and not [one for one in there if "three" in one] and \
            phases == {"one": "Stopped", "two": "Running"} and house.cluster.get("profile", name)["spec"]["owner"]["name"] == CAROL
    service.eventually("the play's end", done, PATIENCE, 0.5)
    return service.eventually("it stands still", still, PATIENCE)


# --- requests go wrong ------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def desk():
    made = House(faults.Desk)
    yield made
    made.service.close()


def test_in_peace(desk, seen):
    name, writes = next(names), []
    with desk.disturbed(after=lambda request: writes.append(request.path) if faults.is_write(request) else None):
        desk.play(name)
        seen["peace"] = settled(desk, name)
    assert len(seen["peace"]) > 300 and len(writes) > 30
    assert f"members: [('{CAROL}', 'owner'), ('{ALICE}', 'admin')]" in seen["peace"]
    seen["writes"] = len(writes)
    print(f"the scene takes {len(writes)} writes and leaves {len(seen['peace'])} lines")
    desk.remove(name)


@pytest.mark.parametrize("first", range(PLAYS))
def test_killed_after_many_a_write(desk, seen, first):
    """kill -9 as soon as the API server has done a write and before its answer: every so many writes, from another one on."""
    count, name = itertools.count(KILLED_EVERY - first * KILLED_EVERY // PLAYS), next(names)
    with faults.killed(desk.between, desk.first, lambda request: next(count) % KILLED_EVERY == 0) as killed:
        desk.play(name)
    assert len(killed) >= 3
    same_as_in_peace(desk, seen, name)


def deal(seed, *cards):
    """These among twenty, for ever: each comes, however few are taken."""
    dice, pack = random.Random(seed), [*cards, *[None] * (20 - len(cards))]
    lock, left = threading.Lock(), []

    def take():
        with lock:
            if not left:
                left.extend(dice.sample(pack, len(pack)))
            return left.pop()
    return iter(take, "never")


def test_answers_that_are_refusals_or_get_lost(desk, seen):
    """429, 500 and 503 before anything is done; 500, or no answer at all, when it is done."""
    wanted = {"429": (429, {"Retry-After": "1"}), "500": (500, {}), "503": (503, {"Retry-After": "1"}),
              "500 though done": (500, {}), "no answer though done": None}
    first, then, given = deal(4, "429", "429", "500", "503"), deal(5, "500 though done", "no answer though done"), []

    def verdict(what):
        if what:
            given.append(what)
        if what == "no answer though done":
            raise faults.Cut
        return wanted[what] if what else None

    def before(request):
        return verdict(next(first))

    def after(request):
        return verdict(next(then))
    name = next(names)
    with desk.disturbed(before, after):
        desk.play(name)
    counts = {what: given.count(what) for what in sorted(set(given))}
    print(counts)
    assert len(counts) == 5, counts
    same_as_in_peace(desk, seen, name)


def test_answers_that_come_late(desk, seen):
    """Some later than anybody waits for them: what they are about has happened."""
    dice, late = random.Random(7), []

    def after(request):
        if dice.random() < 0.15:
            late.append(request.path)
            time.sleep(dice.choice((1, 2, 7)))
    name = next(names)
    with desk.disturbed(after=after):
        desk.play(name)
    assert len(late) > 3
    same_as_in_peace(desk, seen, name)


def test_what_is_known_is_old(desk, seen):
    """Whatever others change is heard of seconds later, own writes among it: it is neither undone nor written again and again meanwhile."""
    name, writes = next(names), []
    desk.between.watches_lag_s = LAG_S
    try:
        with desk.disturbed(after=lambda request: writes.append(f"{request.method} {request.path.partition('?')[0]}")
                            if faults.is_write(request) else None):
            desk.play(name)
            same_as_in_peace(desk, seen, name)
    finally:
        desk.between.watches_lag_s = 0
    counts = collections.Counter(writes).most_common(8)
    print(f"{len(writes)} writes, {seen['writes']} in peace; most often:", *counts, sep="\n  ")
    assert counts[0][1] < OFTEN, counts  # refused ones among them: what was read is not the newest
    all_gone(desk)


# --- the connection goes wrong ----------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def passage():
    made = House(faults.Passage)
    yield made
    made.service.close()


def drift(house, name):
    """Somebody's hands, where atelierd cannot see them."""
    house.cluster.kubectl("delete", "rolebinding", "atelier-viewer", "-n", name)
    house.cluster.kubectl("delete", "service", "two", "-n", name)
    house.cluster.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce-", "--overwrite")
    house.cluster.kubectl("patch", "resourcequota", "kf-resource-quota", "-n", name, "--type", "merge", "-p", '{"spec":{"hard":{"cpu":"1000"}}}')


def test_the_api_server_is_away(passage, seen):
    """In the middle of the scene; meanwhile members change, things drift, and whoever asks is told that it is away."""
    name, told = next(names), []

    def at(step):
        if step != 9:
            return
        service.eventually("the second notebook's service", lambda: passage.cluster.kubectl(
            "get", "service", "two", "-n", name, "--ignore-not-found"), PATIENCE)
        passage.between.go_away()
        begun = time.monotonic()
        drift(passage, name)
        passage.insist(ALICE, "POST", f"/api/atelier/v1/profiles/{name}/members", {"subject": {"kind": "User", "name": BOB}, "role": "admin"},
                       done=(409,))  # PostgreSQL is there
        while time.monotonic() < begun + AWAY_S:
            told.append(passage.ask(ALICE, "PATCH", f"/apis/kubeflow.org/v1/namespaces/{name}/notebooks/one", {"metadata": {"labels": {"a": "b"}}},
                                    content_type="application/merge-patch+json")[0])
            assert passage.first.process.poll() is None
            time.sleep(0.5)
        passage.between.come_back()
    passage.play(name, at)
    assert told and set(told) <= {502, 503, 504}, told
    same_as_in_peace(passage, seen, name)


def test_every_connection_falls_silent(passage, seen):
    """Watches too: others take over, and what happened meanwhile is made up for."""
    name = next(names)
    passage.play(name)
    settled(passage, name)
    begun = time.monotonic()
    silent = passage.between.fall_silent()
    assert silent
    drift(passage, name)
    same_as_in_peace(passage, seen, name)
    print(f"drift behind silent watches was undone after {time.monotonic() - begun:.0f} s")
    took = max(pair.ended for pair in silent if pair.ended) - begun
    assert took < 80  # a call that ran out of time ends the connection; a watch alone would wait for 90 s
    all_gone(passage)


def test_it_ends_well(passage):
    """After all that, it still ends when it is asked to, at once."""
    passage.first.end(signal.SIGTERM)
    assert passage.first.process.returncode == 0
