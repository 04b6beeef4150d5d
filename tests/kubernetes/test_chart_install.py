"""The chart on a real API server with Kubernetes' own controllers: installed, upgraded, taken away, and what its roles allow."""
import base64
import json

import chart
import pytest
import yaml
from service import eventually

ATELIERD = "system:serviceaccount:atelier-system:atelier"
TENANTS = "system:serviceaccount:atelier-tenants"
CRDS = ["profiles.kubeflow.org", "notebooks.kubeflow.org", "poddefaults.kubeflow.org"]
# A volume for the bundled database: the test cluster provisions none.
VOLUME = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "postgresql"},
          "spec": {"capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/nowhere"}}}


def install(cluster, *more):
    return cluster.helm("install", "atelier", chart.folder, "--wait", "--timeout", "300s", *more)


def upgrade(cluster, *more):
    """Only settings that leave the pods as they are: kwok's pods take their whole grace period to end."""
    return cluster.helm("upgrade", "atelier", chart.folder, *more)


@pytest.fixture(scope="module")
def cluster():
    made = chart.Cluster("--controllers", "--kwok")
    try:
        # Helm brings these itself.
        made.kubectl("delete", "crd", *CRDS)
        made.kubectl("create", "-f", "-", text_in=json.dumps(VOLUME))
        install(made, "--create-namespace")
        yield made
    finally:
        made.close()


def make_profile(cluster, name):
    """A profile's namespace and its three bindings, made with atelierd's own rights."""
    def binding(role):
        return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                "metadata": {"name": f"atelier-{role}", "namespace": name},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": f"atelier-{role}"},
                "subjects": [{"kind": "ServiceAccount", "namespace": "atelier-tenants", "name": f"{name}.{role}"}]}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"atelier.dev/profile": name}}}
    for item in [namespace] + [binding(role) for role in ("viewer", "editor", "admin")]:
        cluster.kubectl("--as", ATELIERD, "create", "-f", "-", text_in=json.dumps(item))
    eventually("an account", lambda: cluster.kubectl("-n", name, "get", "serviceaccount", "default", "--ignore-not-found"))
    # Roles are put together by a controller, and the API server hears of bindings a moment after they are written.
    eventually(f"the rights in {name}", lambda: all(review(cluster, [
        (user, groups_of(user), name, verb, resource, "") for user, verb, resource in (
            (f"{TENANTS}:{name}.viewer", "list", "pods"), (f"{TENANTS}:{name}.editor", "create", "configmaps"),
            (f"{TENANTS}:{name}.admin", "create", "serviceaccounts"))])))


@pytest.fixture(scope="module")
def alice(cluster):
    make_profile(cluster, "alice")
    make_profile(cluster, "bob")
    return "alice"


# --- installed --------------------------------------------------------------------------------------------------------

def test_services_lead_to_pods(cluster):
    """By the names of ports, which only a cluster resolves."""
    def ports(service):
        slices = cluster.get("-n", "atelier-system", "endpointslices", "-l", f"kubernetes.io/service-name={service}")["items"]
        return {(port["name"], port["port"]) for one in slices if one["endpoints"] for port in one["ports"]}
    expected = {"atelier": {("http", 8080), ("https", 8443)}, "atelier-metrics": {("metrics", 9464)},
                "atelier-webhook": {("webhook", 9443)}, "atelier-postgresql": {("postgresql", 5432)}}
    for service, wanted in expected.items():
        eventually(f"the ports of {service}", lambda: ports(service) == wanted)


def test_helm_brings_the_definitions(cluster):
    for name in CRDS:
        conditions = cluster.get("crd", name)["status"]["conditions"]
        assert any(one["type"] == "Established" and one["status"] == "True" for one in conditions), name


def test_upgrade_keeps_password_and_authority(cluster):
    def kept():
        secret = cluster.get("-n", "atelier-system", "secret", "atelier-postgresql")["data"]
        hooks = cluster.get("mutatingwebhookconfiguration", "atelier")["webhooks"]
        return secret, [hook["clientConfig"].get("caBundle") for hook in hooks]
    # As atelierd writes it: its rights, its own field manager.
    authority = base64.b64encode(chart.run("cat", cluster.dir / "cluster/keys/ca.crt").encode()).decode()
    names = [hook["name"] for hook in cluster.get("mutatingwebhookconfiguration", "atelier")["webhooks"]]
    apply = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
             "metadata": {"name": "atelier"},
             "webhooks": [{"name": name, "clientConfig": {"caBundle": authority}, "sideEffects": "None",
                           "admissionReviewVersions": ["v1"]} for name in names]}
    cluster.kubectl("--as", ATELIERD, "apply", "--server-side", "--field-manager", "atelier", "--validate=false", "-f", "-",
                    text_in=json.dumps(apply))
    before = kept()
    assert before[1] == [authority] * len(names) and len(before[0]["password"]) > 40
    upgrade(cluster, "--set", "webhook.timeoutSeconds=7")
    assert kept() == before
    assert cluster.get("mutatingwebhookconfiguration", "atelier")["webhooks"][0]["timeoutSeconds"] == 7


def test_another_atelierd_is_refused(cluster):
    """Names are the cluster's: a second release would share its roles."""
    said = cluster.helm("install", "second", chart.folder, fails=True)
    assert "cannot be imported into the current release" in said or "invalid ownership metadata" in said


# --- what atelierd may become -----------------------------------------------------------------------------------------

def review(cluster, questions):
    """Asks the API server: a list of (user, groups, namespace, verb, resource, name) -> list of bool."""
    items = []
    for user, groups, namespace, verb, resource, name in questions:
        path, _, sub = resource.partition("/")
        plural, _, group = path.partition(".")
        items.append({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {
            "user": user, "groups": groups, "resourceAttributes": {
                "namespace": namespace, "verb": verb, "group": group, "resource": plural, "subresource": sub, "name": name}}})
    said = cluster.kubectl("create", "-o", "json", "-f", "-",
                           text_in="\n---\n".join(json.dumps(item) for item in items))
    answers, decoder, at = [], json.JSONDecoder(), 0
    while at < len(said.rstrip()):
        one, at = decoder.raw_decode(said, at)
        answers += [item["status"].get("allowed", False) for item in one.get("items", [one])]
        at += len(said[at:]) - len(said[at:].lstrip())
    assert len(answers) == len(questions)
    return answers


def groups_of(account):
    return ["system:serviceaccounts", f"system:serviceaccounts:{account.split(':')[2]}", "system:authenticated"]


ATELIERD_MAY = [
    (True, "atelier-tenants", "impersonate", "serviceaccounts", "alice.editor"),
    (True, "", "impersonate", "userextras.authentication.k8s.io/atelier.dev/person", ""),
    (False, "", "impersonate", "userextras.authentication.k8s.io/scopes", ""),
    (False, "", "impersonate", "users", ""),
    (False, "", "impersonate", "users", "alice@example.com"),
    (False, "", "impersonate", "groups", "system:masters"),
    (False, "", "impersonate", "groups", "atelier:alice:editor"),
    (False, "", "impersonate", "uids.authentication.k8s.io", ""),
    (False, "kube-system", "impersonate", "serviceaccounts", "default"),
    (False, "alice", "impersonate", "serviceaccounts", "default"),
    (False, "atelier-system", "impersonate", "serviceaccounts", "atelier"),
    (False, "kube-system", "create", "serviceaccounts/token", "default"),
    (False, "atelier-tenants", "create", "serviceaccounts/token", "default"),
    (True, "alice", "create", "rolebindings.rbac.authorization.k8s.io", ""),
    (True, "", "bind", "clusterroles.rbac.authorization.k8s.io", "atelier-admin"),
    (False, "", "bind", "clusterroles.rbac.authorization.k8s.io", "cluster-admin"),
    (False, "", "bind", "clusterroles.rbac.authorization.k8s.io", "admin"),
    (False, "", "escalate", "clusterroles.rbac.authorization.k8s.io", ""),
    (False, "", "create", "clusterrolebindings.rbac.authorization.k8s.io", ""),
    (False, "", "update", "clusterroles.rbac.authorization.k8s.io", "atelier-viewer"),
    (False, "alice", "create", "roles.rbac.authorization.k8s.io", ""),
    (False, "alice", "create", "pods", ""),
    (False, "alice", "create", "pods/exec", "web-0"),
    (False, "alice", "get", "services/proxy", "web"),
    (False, "", "get", "nodes/proxy", "node-1"),
    (False, "", "patch", "nodes", "node-1"),
    (False, "", "create", "customresourcedefinitions.apiextensions.k8s.io", ""),
    (False, "", "create", "mutatingwebhookconfigurations.admissionregistration.k8s.io", ""),
    (True, "", "patch", "mutatingwebhookconfigurations.admissionregistration.k8s.io", "atelier"),
    (False, "", "patch", "mutatingwebhookconfigurations.admissionregistration.k8s.io", "istio-sidecar-injector"),
    (True, "atelier-system", "update", "leases.coordination.k8s.io", "atelier"),
    (False, "atelier-system", "update", "leases.coordination.k8s.io", "other"),
    (False, "kube-system", "update", "leases.coordination.k8s.io", "kube-controller-manager"),
]


def test_what_atelierd_may_do(cluster, alice):
    answers = review(cluster, [(ATELIERD, groups_of(ATELIERD), *one[1:]) for one in ATELIERD_MAY])
    wrong = [(one, answer) for one, answer in zip(ATELIERD_MAY, answers) if one[0] != answer]
    assert not wrong


def as_person(role, profile="alice"):
    return ["--as", f"{TENANTS}:{profile}.{role}"]


def test_atelierd_acts_for_people_and_for_nobody_else(cluster, alice):
    """Not reviews but requests, with a token of the chart's ServiceAccount."""
    token = cluster.kubectl("-n", "atelier-system", "create", "token", "atelier").strip()
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["users"] = [{"name": "admin", "user": {"token": token}}]
    kubeconfig = cluster.dir / "atelierd.kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    kubectl = lambda *arguments, **options: cluster.kubectl(*arguments, kubeconfig=kubeconfig, **options)
    who = json.loads(kubectl(*as_person("editor"), "auth", "whoami", "-o", "json"))["status"]["userInfo"]
    assert who["username"] == f"{TENANTS}:alice.editor" and "system:serviceaccounts:atelier-tenants" in who["groups"]
    kubectl(*as_person("editor"), "-n", "alice", "create", "configmap", "notes")
    assert "forbidden" in kubectl(*as_person("viewer"), "-n", "alice", "create", "configmap", "other", fails=True)
    assert "forbidden" in kubectl(*as_person("admin"), "-n", "bob", "get", "pods", fails=True)
    assert "forbidden" in kubectl(*as_person("editor"), "get", "pods", "--all-namespaces", fails=True)
    for stranger in (["--as", "alice@example.com"], ["--as", "admin", "--as-group", "system:masters"],
                     ["--as", "system:serviceaccount:kube-system:default"],
                     [*as_person("editor"), "--as-group", "system:masters"], [*as_person("editor"), "--as-uid", "1"]):
        assert "cannot impersonate resource" in kubectl(*stranger, "get", "nodes", fails=True), stranger


def test_atelierd_cannot_bind_more_than_its_roles(cluster, alice):
    def bind(role):
        return json.dumps({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                           "metadata": {"name": f"try-{role}", "namespace": "alice"},
                           "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
                           "subjects": [{"kind": "User", "name": "alice@example.com",
                                         "apiGroup": "rbac.authorization.k8s.io"}]})
    for role in ("cluster-admin", "admin", "edit", "system:node"):
        said = cluster.kubectl("--as", ATELIERD, "create", "-f", "-", text_in=bind(role), fails=True)
        assert "attempting to grant RBAC permissions not currently held" in said, role
    cluster.kubectl("--as", ATELIERD, "create", "-f", "-", text_in=bind("atelier-viewer"))


# --- what tenants may do ----------------------------------------------------------------------------------------------

def test_tenant_roles(cluster, alice):
    lines = [line.split("\t") for line in (chart.here / "tenant_roles.tsv").read_text().splitlines() if line[0] != "#"]
    roles = ("viewer", "editor", "admin")
    questions, wanted = [], []
    for verb, resource, *allowed in lines:
        for role, letter in zip(roles, allowed, strict=True):
            user = f"{TENANTS}:alice.{role}"
            questions += [(user, groups_of(user), "alice", verb, resource, ""), (user, groups_of(user), "bob", verb, resource, "")]
            wanted += [letter == "y", False]
    answers = review(cluster, questions)
    wrong = [(question, answer) for question, want, answer in zip(questions, wanted, answers) if want != answer]
    assert not wrong


@pytest.mark.parametrize("role,verb,resource", [("viewer", "get", "secrets"), ("editor", "create", "rolebindings"),
                                                ("admin", "create", "rolebindings"), ("admin", "delete", "resourcequotas"),
                                                ("admin", "impersonate", "serviceaccounts")])
def test_can_i(cluster, alice, role, verb, resource):
    """The same question as people ask it."""
    said = cluster.kubectl(*as_person(role), "-n", "alice", "auth", "can-i", verb, resource, fails=True)
    assert said.splitlines()[-1].startswith("no")


def test_admin_cannot_make_itself_more(cluster, alice):
    """An admin may make service accounts, but neither bind them nor take a token for one."""
    cluster.kubectl(*as_person("admin"), "-n", "alice", "create", "serviceaccount", "builder")
    for attempt in (["create", "rolebinding", "more", "--clusterrole=atelier-admin", "--serviceaccount=alice:builder"],
                    ["create", "role", "more", "--verb=get", "--resource=secrets"],
                    ["create", "token", "builder"], ["create", "token", "default"]):
        assert "forbidden" in cluster.kubectl(*as_person("admin"), "-n", "alice", *attempt, fails=True), attempt


def test_roles_can_be_extended_by_label(cluster, alice):
    """As Kubeflow's: an operator's own ClusterRole joins a tenant role."""
    def may(role, verb):
        user = f"{TENANTS}:alice.{role}"
        return review(cluster, [(user, groups_of(user), "alice", verb, "workflows.argoproj.io", "")])[0]
    assert not may("editor", "create")
    cluster.kubectl("create", "clusterrole", "argo-edit", "--verb=create", "--resource=configmaps")
    cluster.kubectl("patch", "clusterrole", "argo-edit", "--type=json", "-p", json.dumps([{
        "op": "replace", "path": "/rules", "value": [{"apiGroups": ["argoproj.io"], "resources": ["workflows"],
                                                      "verbs": ["create"]}]}]))
    cluster.kubectl("label", "clusterrole", "argo-edit", "rbac.authorization.atelier.dev/aggregate-to-editor=true")
    eventually("editors may", lambda: may("editor", "create"))
    eventually("admins may", lambda: may("admin", "create"))
    assert not may("viewer", "create")


def test_kubeflows_and_kubernetes_roles_include_ours(cluster, alice):
    cluster.kubectl("-n", "alice", "create", "rolebinding", "view", "--clusterrole=view", "--user=carol@example.com")
    def may(verb, resource):
        return review(cluster, [("carol@example.com", [], "alice", verb, resource, "")])[0]
    eventually("viewers may", lambda: may("list", "notebooks.kubeflow.org") and may("list", "rayclusters.ray.io"))
    assert not may("create", "notebooks.kubeflow.org")


def test_tenant_namespace_stays_empty(cluster):
    """Whoever could make an account there would hold a person's rights, even an admin of the cluster by mistake."""
    eventually("an account", lambda: cluster.kubectl("-n", "atelier-tenants", "get", "sa", "default", "--ignore-not-found"))
    eventually("it is counted", lambda: "count/serviceaccounts: 1/1" in cluster.kubectl("-n", "atelier-tenants", "get", "quota"))
    said = cluster.kubectl("-n", "atelier-tenants", "create", "serviceaccount", "alice.admin", fails=True)
    assert "exceeded quota: empty" in said
    said = cluster.kubectl("-n", "atelier-tenants", "create", "secret", "generic", "x", fails=True)
    assert "exceeded quota: empty" in said


# --- changed and taken away -------------------------------------------------------------------------------------------

def test_services_of_tenants_stay_inside(cluster, alice):
    upgrade(cluster, "--set", "hardening.enabled=true")
    # The policy is read by the API server some moments after it is made.
    eventually("a NodePort is refused", lambda: "spec.type: in a profile only ClusterIP is allowed" in cluster.kubectl(
        *as_person("editor"), "-n", "alice", "create", "service", "nodeport", "web", "--tcp=80", "--dry-run=server", fails=None))
    cluster.kubectl(*as_person("editor"), "-n", "alice", "create", "service", "clusterip", "web", "--tcp=80")
    cluster.kubectl("-n", "default", "create", "service", "nodeport", "web", "--tcp=80", "--dry-run=server")


def test_istio_takes_what_is_rendered(cluster):
    """Against Istio's own definitions."""
    cluster.kubectl("create", "namespace", "istio-system")
    upgrade(cluster, *chart.values_arguments("istio", ["serviceMonitor.enabled=false"]))
    assert cluster.get("-n", "atelier-system", "virtualservices", "atelier")["spec"]["hosts"]


@pytest.mark.parametrize("name", [name for name in chart.value_sets if name != "default"])
def test_api_server_takes_every_object(cluster, name):
    """Field by field, strictly; but for kinds that Google, the Gateway API and Prometheus define: they are not installed here."""
    items = [item for item in chart.objects(name) if "helm.sh/hook" not in item["metadata"].get("annotations", {})]
    foreign = ("cloud.google.com", "networking.gke.io", "gateway.networking.k8s.io", "monitoring.coreos.com")
    items = [item for item in items if item["apiVersion"].split("/")[0] not in foreign]
    assert len(items) > 20
    there = {item["metadata"]["name"] for item in cluster.get("namespaces")["items"]}
    for namespace in sorted({item["metadata"].get("namespace", "default") for item in items} - there):
        cluster.kubectl("create", "namespace", namespace)
    cluster.kubectl("apply", "--dry-run=server", "--server-side", "--force-conflicts", "--validate=strict", "-f", "-",
                    text_in="\n---\n".join(json.dumps(item) for item in items))


def test_uninstall_keeps_what_cannot_be_made_again(cluster, alice):
    password = cluster.get("-n", "atelier-system", "secret", "atelier-postgresql")["data"]["password"]
    cluster.helm("uninstall", "atelier", "--wait", "--timeout", "300s")
    for gone in ("clusterrole/atelier", "mutatingwebhookconfiguration/atelier", "clusterrolebinding/atelier"):
        assert "NotFound" in cluster.kubectl("get", gone, fails=True)
    assert cluster.get("-n", "atelier-system", "pvc", "data-atelier-postgresql-0")["status"]["phase"] == "Bound"
    assert cluster.get("crd", "profiles.kubeflow.org") and cluster.get("namespace", "alice")["status"]["phase"] == "Active"
    install(cluster)
    assert cluster.get("-n", "atelier-system", "secret", "atelier-postgresql")["data"]["password"] == password
