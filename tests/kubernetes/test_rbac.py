"""atelierd has exactly the rights that it uses: it works with the chart's, and the API server's audit log tells which."""
import json
import os

import chart
import pytest
import service

ATELIERD = "system:serviceaccount:atelier-system:atelier"
OWNERS = "asked for by clusters with OwnerReferencesPermissionEnforcement"
GIVEN_BACK = "a namespace that was adopted is given back without it"
# Granted and not asked for below: (resource, verb) -> why it stays.
KEPT = {
    ("profiles.kubeflow.org/finalizers", "update"): OWNERS,
    ("notebooks.kubeflow.org/finalizers", "update"): OWNERS,
    ("profiles.kubeflow.org", "update"): "a platform admin replaces a profile (PUT)",
    ("notebooks.kubeflow.org", "patch"): "a notebook that nobody uses is stopped",
    ("rayclusters.ray.io", "patch"): "a suspended cluster starts by a request (tests/conformance/test_kinds.py)",
    ("rayclusters.ray.io", "delete"): "one that has been suspended for long is deleted (test_ray_idle.py)",
    ("rayjobs.ray.io", "delete"): "a deleted profile's go before what they would make again (test_workloads.py)",
    ("rayservices.ray.io", "delete"): "a deleted profile's go before what they would make again (test_workloads.py)",
    ("serviceaccounts", "delete"): GIVEN_BACK,
    ("resourcequotas", "delete"): GIVEN_BACK,
    ("limitranges", "delete"): GIVEN_BACK,
    ("networkpolicies.networking.k8s.io", "delete"): GIVEN_BACK,
    ("authorizationpolicies.security.istio.io", "delete"): GIVEN_BACK,
    ("rolebindings.rbac.authorization.k8s.io", "delete"): GIVEN_BACK,
    ("virtualservices.networking.istio.io", "delete"): "a notebook's route goes when istio_gateway is no longer set",
    ("events", "patch"): "an event that comes again is counted",
    ("configmaps", "get"): "somebody without a role asks for one (tests/conformance)",
    ("configmaps", "list"): "a person lists config maps over all their profiles (test_passthrough.py)",
    ("secrets", "delete"): GIVEN_BACK,
    ("persistentvolumeclaims", "delete"): GIVEN_BACK,
    ("secrets", "update"): "a profile's Ray token is made again when somebody emptied its Secret",
    ("mutatingwebhookconfigurations.admissionregistration.k8s.io", "get"): "the webhook's authority",
    ("mutatingwebhookconfigurations.admissionregistration.k8s.io", "patch"): "the webhook's authority",
    ("validatingwebhookconfigurations.admissionregistration.k8s.io", "get"): "the webhook's authority",
    ("validatingwebhookconfigurations.admissionregistration.k8s.io", "patch"): "the webhook's authority",
}


def granted(items):
    """(resource, verb) -> the names it is limited to, or None."""
    rights = {}
    for item in items:
        if item["kind"] not in ("ClusterRole", "Role") or item["metadata"]["name"] not in ("atelier", "atelier-impersonate"):
            continue
        for rule in item["rules"]:
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    path, _, sub = resource.partition("/")
                    full = (f"{path}.{group}" if group else path) + (f"/{sub}" if sub else "")
                    for verb in rule["verbs"]:
                        rights[full, verb] = rule.get("resourceNames")
    return rights


def resource_of(event):
    about = event["objectRef"]
    full = about["resource"] + (f".{about['apiGroup']}" if about.get("apiGroup") else "")
    return full + (f"/{about['subresource']}" if about.get("subresource") else "")


def read_audit(cluster):
    """What atelierd asked: what was used, what was refused to itself, and whom it acted as."""
    used, refused, acted = set(), [], set()
    for line in cluster.audit_log():
        event = json.loads(line)
        if event["user"]["username"] != ATELIERD:
            continue
        decision = event.get("annotations", {}).get("authorization.k8s.io/decision")
        person = event.get("impersonatedUser")
        if person:
            acted.add((person["username"], tuple(sorted(person.get("extra", {})))))
        elif decision == "forbid":
            refused.append((event["verb"], event["requestURI"]))
        elif "objectRef" in event and event["objectRef"].get("resource"):
            used.add((resource_of(event), event["verb"]))
            # An apply of what is not there is authorized as both.
            if event["verb"] == "patch" and event.get("responseStatus", {}).get("code") == 201:
                used.add((resource_of(event), "create"))
    return used, refused, acted


POD_DEFAULT = {"apiVersion": "kubeflow.org/v1alpha1", "kind": "PodDefault", "metadata": {"name": "proxy", "namespace": "alice"},
               "spec": {"desc": "proxy", "selector": {"matchLabels": {"proxy": "yes"}}, "env": [{"name": "A", "value": "b"}]}}


def gone(cluster, *what):
    return not cluster.kubectl("get", *what, "--ignore-not-found")


def live(made):
    """A working day: profiles, members, notebooks, Ray, damage and repair, and what people ask for themselves."""
    first, cluster = made.first, made.cluster
    alice, bob = made.person("alice"), made.person("bob")
    made.profile("alice", alice.email)
    first.cli("share", "alice", bob.email, "--role", "viewer")
    alice.kubectl("-n", "alice", "create", "configmap", "notes")
    bob.refused("-n", "alice", "create", "configmap", "other")
    first.cli("unshare", "alice", bob.email)
    alice.kubectl("create", "-f", "-", text_in=json.dumps(POD_DEFAULT))
    first.cli("notebook", "create", "nb1", "-n", "alice")
    service.eventually("a pod", lambda: not gone(cluster, "-n", "alice", "pod", "nb1-0"), 40)
    first.cli("logs", "nb1-0", "-n", "alice")
    first.cli("events", "-n", "alice")
    first.cli("notebook", "stop", "nb1", "-n", "alice")
    service.eventually("a stop", lambda: gone(cluster, "-n", "alice", "pod", "nb1-0"))
    service.eventually("the stop is told", lambda: not gone(
        cluster, "-n", "alice", "events", "--field-selector", "involvedObject.kind=Notebook"), 40)
    first.cli("notebook", "start", "nb1", "-n", "alice")
    first.cli("ray", "create", "rc", "-n", "alice")
    first.cli("usage")
    for kind in ("rolebindings", "networkpolicies", "resourcequotas", "limitranges", "serviceaccounts",
                 "authorizationpolicies.security.istio.io"):
        ours = ("-n", "alice", kind, "-l", "app.kubernetes.io/managed-by=atelier", "-o", "name")
        before = cluster.kubectl("get", *ours)
        cluster.kubectl("delete", *ours)
        service.eventually(f"{kind} again", lambda: cluster.kubectl("get", *ours) == before)
    first.cli("ray", "delete", "rc", "-n", "alice")
    first.cli("notebook", "delete", "nb1", "-n", "alice")
    service.eventually("no notebook", lambda: gone(cluster, "-n", "alice", "statefulset", "nb1"))
    first.cli("profile", "delete", "alice", "--confirm", "alice")
    service.eventually("no namespace", lambda: gone(cluster, "namespace", "alice"))


@pytest.fixture(scope="module")
def audit():
    os.environ["ATELIER_ISTIO_GATEWAY"] = "istio-system/gateway"
    made = service.Service("--controllers", "--kwok", "--audit")
    try:
        try:
            live(made)
        except BaseException:
            print("refused:", *read_audit(made.cluster)[1], made.first.tail(), sep="\n")
            raise
        yield read_audit(made.cluster)
    finally:
        made.close()
        del os.environ["ATELIER_ISTIO_GATEWAY"]


def test_nothing_is_refused(audit):
    assert audit[1] == []


def test_everything_granted_is_used(audit):
    used, _, acted = audit
    rights = granted(chart.objects())
    # Who may list may as well get: it is less. The log does not name these as requests of their own:
    used = used | {(resource, "get") for resource, verb in used if verb == "list"}
    if acted:
        used |= {("serviceaccounts", "impersonate"), ("userextras.authentication.k8s.io/atelier.dev/person", "impersonate")}
    if ("rolebindings.rbac.authorization.k8s.io", "create") in used:
        used.add(("clusterroles.rbac.authorization.k8s.io", "bind"))
    assert not set(rights) - used - set(KEPT), sorted(set(rights) - used - set(KEPT))
    assert set(KEPT) <= set(rights), "no longer granted: " + str(sorted(set(KEPT) - set(rights)))


def test_it_acts_only_as_tenants(audit):
    for name, extras in audit[2]:
        assert name.startswith("system:serviceaccount:atelier-tenants:"), name
        assert extras == ("atelier.dev/person",), (name, extras)
