"""What a tenant can do with objects, whichever engine their work lives on."""
from asking import ALICE, BOB, CAROL, CLUSTERS, CORE, MERGE, NOTEBOOKS, configmap, notebook, wait_for


def soon(what, question):
    return wait_for(what, question, 60)


def test_a_profile_is_ready_and_its_owners(platform):
    status, profile = platform.ask(ALICE, "GET", "/apis/kubeflow.org/v1/profiles/alice")
    assert status == 200 and profile["spec"]["owner"]["name"] == ALICE
    assert any(c["type"] == "Ready" and c["status"] == "True" for c in profile["status"]["conditions"])
    status, claim = platform.ask(ALICE, "GET", f"{CORE}/persistentvolumeclaims/home")
    assert status == 200 and claim["kind"] == "PersistentVolumeClaim"
    status, quota = platform.ask(ALICE, "GET", f"{CORE}/resourcequotas/kf-resource-quota")
    assert status == 200 and "cpu" in str(quota["spec"]["hard"])


def test_objects_are_created_read_changed_listed_and_deleted(platform):
    status, made = platform.ask(ALICE, "POST", f"{CORE}/configmaps", configmap("c1", a="1"))
    assert status == 201 and made["metadata"]["uid"] and made["metadata"]["resourceVersion"]
    status, again = platform.ask(ALICE, "POST", f"{CORE}/configmaps", configmap("c1"))
    assert status == 409 and again["reason"] == "AlreadyExists"
    status, patched = platform.ask(ALICE, "PATCH", f"{CORE}/configmaps/c1",
                                   {"metadata": {"labels": {"l": "x"}}, "data": {"b": "2"}}, MERGE)
    assert status == 200 and patched["data"] == {"a": "1", "b": "2"}
    stale = {**patched, "metadata": {**patched["metadata"], "resourceVersion": made["metadata"]["resourceVersion"]}}
    status, conflict = platform.ask(ALICE, "PUT", f"{CORE}/configmaps/c1", stale)
    assert status == 409 and conflict["reason"] == "Conflict"
    status, found = platform.ask(ALICE, "GET", f"{CORE}/configmaps?labelSelector=l%3Dx")
    assert status == 200 and [item["metadata"]["name"] for item in found["items"]] == ["c1"]
    status, found = platform.ask(ALICE, "GET", f"{CORE}/configmaps?labelSelector=l%21%3Dx")
    assert status == 200 and "c1" not in [item["metadata"]["name"] for item in found["items"]]
    status, _ = platform.ask(ALICE, "DELETE", f"{CORE}/configmaps/c1")
    assert status == 200
    status, gone = platform.ask(ALICE, "GET", f"{CORE}/configmaps/c1")
    assert status == 404 and gone["reason"] == "NotFound"


def test_a_dry_run_is_refused_what_the_creation_would_be(platform):
    for path, taken in ((f"{CORE}/configmaps", configmap("there")),
                        ("/apis/kubeflow.org/v1/profiles", {"apiVersion": "kubeflow.org/v1", "kind": "Profile",
                                                            "metadata": {"name": "alice"}}),
                        ("/apis/kubeflow.org/v1/profiles", {"apiVersion": "kubeflow.org/v1", "kind": "Profile",
                                                            "metadata": {"name": "default"}})):
        platform.ask(ALICE, "POST", path, taken)
        really, dry = (platform.ask(ALICE, "POST", path + query, taken)[0] for query in ("", "?dryRun=All"))
        assert really == dry and really in (409, 422), (taken, really, dry)


def test_a_dry_run_leaves_nothing(platform):
    status, made = platform.ask(ALICE, "POST", f"{CORE}/configmaps?dryRun=All", configmap("dry"))
    assert status == 201 and made["metadata"]["name"] == "dry"
    assert platform.ask(ALICE, "GET", f"{CORE}/configmaps/dry")[0] == 404


def test_bad_input_names_the_field(platform):
    status, refused = platform.ask(ALICE, "POST", NOTEBOOKS, notebook("Bad_Name"))
    assert status == 422 and "metadata.name" in str(refused)
    status, refused = platform.ask(ALICE, "POST", CLUSTERS, {
        "apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": "rc"}, "spec": {}})
    assert status == 422 and "headGroupSpec" in refused["message"]
    status, refused = platform.ask(ALICE, "POST", f"{CORE}/configmaps", '{"metadata":')
    assert status == 400 and refused["kind"] == "Status"


def test_an_outsider_cannot_tell_that_anything_exists(platform):
    platform.ask(ALICE, "POST", f"{CORE}/configmaps", configmap("private", a="b"))
    for path in (f"{CORE}/configmaps/private", f"{CORE}/pods/x", NOTEBOOKS + "/nb", CLUSTERS + "/rc",
                 f"{CORE}/secrets/ray-auth"):
        mine, absent = platform.ask(BOB, "GET", path), platform.ask(BOB, "GET", path.replace("/alice/", "/nobody/"))
        assert mine[0] == absent[0] == 404, (path, mine, absent)
        assert str(mine[1]).replace("alice", "?") == str(absent[1]).replace("nobody", "?")
    for method, body in (("POST", configmap("mine")), ("DELETE", None)):
        assert platform.ask(BOB, method, f"{CORE}/configmaps" + ("" if body else "/private"), body)[0] == 404
    assert platform.ask(BOB, "GET", "/notebook/alice/nb/")[0] == 404
    assert platform.ask(BOB, "GET", "/ray/alice/rc/")[0] == 404
    status, everywhere = platform.ask(BOB, "GET", "/apis/kubeflow.org/v1/notebooks")
    assert status == 200 and everywhere["items"] == []


def test_roles_are_what_they_say_and_end_at_once(platform):
    platform.ask(ALICE, "POST", f"{CORE}/configmaps", configmap("shared", a="b"))
    platform.cli("share", "alice", BOB, "--role", "viewer", user=ALICE)
    soon("bob reads", lambda: platform.ask(BOB, "GET", f"{CORE}/configmaps/shared")[0] == 200)
    assert platform.ask(BOB, "PATCH", f"{CORE}/configmaps/shared", {"data": {"a": "c"}}, MERGE)[0] == 403
    assert platform.ask(BOB, "POST", NOTEBOOKS, notebook("bobs"))[0] == 403
    assert platform.ask(BOB, "GET", f"{CORE}/secrets/ray-auth")[0] in (403, 404)
    platform.cli("share", "alice", BOB, "--role", "editor", user=ALICE)
    soon("bob writes", lambda: platform.ask(BOB, "PATCH", f"{CORE}/configmaps/shared", {"data": {"a": "c"}}, MERGE)[0] == 200)
    assert platform.ask(BOB, "GET", "/api/atelier/v1/profiles/alice/members")[0] == 200
    assert platform.cli("share", "alice", CAROL, user=BOB, check=False).returncode != 0
    platform.cli("unshare", "alice", BOB, user=ALICE)
    last = platform.ask(BOB, "GET", f"{CORE}/configmaps/shared")
    assert last[0] == 404, last


def test_a_notebook_is_made_shared_alone_and_deleted_with_what_it_had(platform):
    status, made = platform.ask(ALICE, "POST", NOTEBOOKS, notebook("nb1"))
    assert status == 201 and made["spec"]["template"]["spec"]["containers"][0]["image"]
    soon("the service", lambda: platform.ask(ALICE, "GET", f"{CORE}/services/nb1")[0] == 200)
    sets = "/apis/apps/v1/namespaces/alice/statefulsets/nb1"
    soon("the set", lambda: platform.ask(ALICE, "GET", sets)[0] == 200)
    assert platform.ask(ALICE, "GET", sets)[1]["spec"]["replicas"] == 0  # it was made stopped
    platform.cli("share", "alice", CAROL, "--notebook", "nb1", "--role", "viewer", user=ALICE)
    soon("carol sees it", lambda: platform.ask(CAROL, "GET", f"{NOTEBOOKS}/nb1")[0] == 200)
    status, listed = platform.ask(CAROL, "GET", NOTEBOOKS)
    assert status == 200 and [item["metadata"]["name"] for item in listed["items"]] == ["nb1"]
    assert platform.ask(CAROL, "GET", f"{CORE}/configmaps/shared")[0] in (403, 404)
    assert platform.ask(ALICE, "DELETE", f"{NOTEBOOKS}/nb1")[0] == 200
    soon("the service goes", lambda: platform.ask(ALICE, "GET", f"{CORE}/services/nb1")[0] == 404)
    assert platform.ask(ALICE, "GET", f"{CORE}/persistentvolumeclaims/home")[0] == 200


def test_what_the_platform_made_is_protected(platform):
    for path in (f"{CORE}/resourcequotas/kf-resource-quota", f"{CORE}/persistentvolumeclaims/home", f"{CORE}/secrets/ray-auth"):
        assert platform.ask(ALICE, "DELETE", path)[0] in (403, 405), path
        assert platform.ask(ALICE, "GET", path)[0] in (200, 404), path


def test_a_profile_goes_with_everything_in_it(platform):
    platform.cli("profile", "create", "short-lived", user=ALICE)
    platform.wait_profile("short-lived", ALICE)
    status, _ = platform.ask(ALICE, "POST", "/api/v1/namespaces/short-lived/configmaps", configmap("c"))
    assert status == 201
    platform.cli("profile", "delete", "short-lived", "--confirm", "short-lived", "--wait", user=ALICE)
    assert platform.ask(ALICE, "GET", "/apis/kubeflow.org/v1/profiles/short-lived")[0] == 404
    assert platform.ask(ALICE, "GET", "/api/v1/namespaces/short-lived/configmaps")[0] == 404
