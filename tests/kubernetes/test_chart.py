"""The chart without a cluster: what it renders, what it refuses, and what it never grants."""
import os
import re

import chart
import pytest
import yaml


@pytest.mark.parametrize("name", chart.value_sets)
def test_lint(name):
    said = chart.run(chart.tool("helm"), "lint", "--strict", chart.folder, *chart.values_arguments(name))
    assert "[ERROR]" not in said and "[WARNING]" not in said, said


@pytest.mark.parametrize("name", chart.value_sets)
def test_snapshot(name):
    """What is rendered is reviewed. ATELIER_UPDATE_SNAPSHOTS=1 writes it anew; git diff then shows what changed."""
    text = chart.steady(chart.render(name))
    kept = chart.here / "snapshots" / f"{name}.yaml"
    if os.environ.get("ATELIER_UPDATE_SNAPSHOTS"):
        kept.write_text(text)
    assert kept.read_text() == text


REFUSED = [
    ("baseDoman=x", "additional properties 'baseDoman' not allowed"),
    ("image.tga=x", "at '/image': additional properties 'tga' not allowed"),
    ("replicaCount=two", "at '/replicaCount': got string, want integer"),
    ("replicaCount=0", "at '/replicaCount': minimum: got 0, want 1"),
    ("settings.log_lvl=debug", "invalid propertyName 'log_lvl'"),
    ("settings.database_url=postgres://x", "invalid propertyName 'database_url'"),
    ("webhook.failurePolicy=Panic", "value must be one of 'Ignore', 'Fail'"),
    ("service.type=External", "value must be one of 'ClusterIP', 'NodePort', 'LoadBalancer'"),
    ("rbac.bindable={cluster-admin}", "at '/rbac/bindable/0'"),
    ("tenantNamespace=Tenants", "at '/tenantNamespace'"),
    ("tenantNamespace=atelier-system", "tenantNamespace: it stands for people in RBAC and must stay empty"),
    ("baseDomain=Atelier.example.com", 'baseDomain: "Atelier.example.com": expected a domain name in lower case'),
    ("baseDomain=", "baseDomain: \"\": expected a domain name"),
    ("adminEmail=alice", 'adminEmail: "alice": expected an e-mail address'),
    ("image.digest=latest", 'image.digest: "latest": expected sha256: and 64 hexadecimal digits'),
    ("ingress.enabled=true,istio.enabled=true", "ingress.enabled, istio.enabled: choose one way in, not 2"),
    ("gateway.enabled=true", "gateway: name a className (a Gateway is made) or parentRefs"),
    ("gke.enabled=true", "gke.enabled: it completes ingress.enabled or gateway.enabled"),
    ("gke.iap.enabled=true", "gke.iap.enabled: needs gke.enabled"),
    ("istio.tlsAtLoadBalancer=true,istio.tlsSecretName=x", "istio.tlsAtLoadBalancer: istio.tlsSecretName ends TLS"),
    ("istio.extAuthz.grpc=http", "at '/istio/extAuthz/grpc': got string, want boolean"),
    ("webhook.clientCA=x", "webhook.clientCA: expected certificates in PEM"),
    ("tls.enabled=false,tls.secretName=x", "tls.secretName: needs tls.enabled"),
    ("networkPolicy.egress[0].port=8443", "at '/networkPolicy/egress/0': additional properties 'port' not allowed"),
]


@pytest.mark.parametrize("setting,said", REFUSED)
def test_refusal(setting, said):
    answer = chart.run(chart.tool("helm"), "template", "atelier", chart.folder, "--namespace", "atelier-system",
                       "--set", setting, fails=True)
    assert said in answer


# --- what is never granted ------------------------------------------------------------------------------------------

# Why each of these is needed is in docs/kubernetes-rbac.md.
CLUSTER_WIDE_SECRETS = {"get", "list", "watch", "create", "update", "delete"}


def rules_of(items):
    for item in items:
        if item["kind"] in ("ClusterRole", "Role"):
            for rule in item.get("rules", []):
                yield item, rule


def is_bound_cluster_wide(items, role):
    return any(item["kind"] == "ClusterRoleBinding" and item["roleRef"]["name"] == role["metadata"]["name"]
               for item in items) and role["kind"] == "ClusterRole"


@pytest.mark.parametrize("name", chart.value_sets)
def test_no_rule_goes_too_far(name):
    items = chart.objects(name)
    secrets = set()
    for role, rule in rules_of(items):
        where = f"{role['kind']} {role['metadata']['name']}: {rule}"
        resources, verbs = rule.get("resources", []), rule["verbs"]
        assert "*" not in verbs + resources + rule.get("apiGroups", []), where
        assert not rule.get("nonResourceURLs"), where
        assert "escalate" not in verbs, where
        if "impersonate" in verbs:
            allowed = (["userextras/atelier.dev/person"],) if role["kind"] == "ClusterRole" else (["serviceaccounts"],)
            assert resources in allowed and verbs == ["impersonate"], where
            assert role["kind"] == "ClusterRole" or role["metadata"]["namespace"] == "atelier-tenants", where
        if "bind" in verbs:
            assert resources == ["clusterroles"] and rule["resourceNames"], where
            assert {"atelier-viewer", "atelier-editor", "atelier-admin"} <= set(rule["resourceNames"]), where
        assert "serviceaccounts/token" not in resources, where
        if is_bound_cluster_wide(items, role):
            assert not {"pods/exec", "pods/attach", "pods/portforward", "services/proxy", "pods/proxy",
                        "nodes/proxy"} & set(resources), where
            secrets |= set(verbs) if "secrets" in resources else set()
        if "clusterroles" in resources or "roles" in resources:
            assert verbs == ["bind"], where
    assert secrets == CLUSTER_WIDE_SECRETS


def aggregated(items, role):
    """The rules that the controller will put into an aggregated role."""
    wanted = [selector["matchLabels"] for selector in role["aggregationRule"]["clusterRoleSelectors"]]
    for item in items:
        labels = item["metadata"].get("labels", {})
        if item["kind"] == "ClusterRole" and any(all(labels.get(k) == v for k, v in one.items()) for one in wanted):
            yield from item["rules"]


def granted(items, role, resource):
    role = chart.find(items, "ClusterRole", f"atelier-{role}")
    return {verb for rule in aggregated(items, role) if resource in rule["resources"] for verb in rule["verbs"]}


def test_tenant_roles():
    items = chart.objects()
    reads = {"get", "list", "watch"}
    writes = {"create", "update", "patch", "delete", "deletecollection"}
    assert granted(items, "viewer", "secrets") == set()
    assert granted(items, "viewer", "notebooks") == reads
    assert granted(items, "viewer", "pods/log") == reads
    for role in ("viewer", "editor", "admin"):
        for kept in ("rolebindings", "networkpolicies", "resourcequotas", "limitranges", "authorizationpolicies"):
            assert granted(items, role, kept) <= reads, (role, kept)
        assert granted(items, role, "roles") == granted(items, role, "serviceaccounts/token") == set()
    for resource in ("notebooks", "rayclusters", "rayjobs", "rayservices", "secrets", "configmaps"):
        assert granted(items, "editor", resource) == granted(items, "admin", resource) == reads | writes
    for resource in ("pods/exec", "pods/attach", "pods/portforward", "services/proxy"):
        assert granted(items, "viewer", resource) == set() and "get" in granted(items, "editor", resource)
    assert granted(items, "editor", "serviceaccounts") == reads


def test_tenant_namespace_is_kept_empty():
    quota = chart.find(chart.objects(), "ResourceQuota", "empty")
    assert quota["metadata"]["namespace"] == "atelier-tenants"
    assert quota["spec"]["hard"] == {"pods": "0", "secrets": "0", "count/serviceaccounts": "1"}


# --- what every pod is ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", chart.value_sets)
def test_pods_are_confined(name):
    for item in chart.objects(name):
        spec = item["spec"] if item["kind"] == "Pod" else item.get("spec", {}).get("template", {}).get("spec")
        if not spec or item["kind"] not in ("Pod", "Deployment", "StatefulSet"):
            continue
        assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] == (spec.get("serviceAccountName") == "atelier")
        for container in spec["containers"]:
            assert container["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                                    "capabilities": {"drop": ["ALL"]}}
            assert container["resources"]["requests"] and container["resources"]["limits"]["memory"]
            for variable in container.get("env", []):
                assert "PASSWORD" not in variable["name"] or variable["name"].endswith("_FILE")


@pytest.mark.parametrize("name", chart.value_sets)
def test_a_sidecar_finds_istio_or_is_not_there(name):
    """Whoever labels the namespace for injection, and when: behind a policy that keeps a proxy from istiod no pod gets ready."""
    items = chart.objects(name)
    out = chart.find(items, "NetworkPolicy", "atelier")["spec"]["egress"]
    assert {"ports": [{"port": 15012, "protocol": "TCP"}], "to": [{"namespaceSelector": {
        "matchLabels": {"kubernetes.io/metadata.name": "istio-system"}}}]} in out
    for item in items:
        if item["kind"] in ("StatefulSet", "Pod"):
            made = item["spec"].get("template", item)
            assert made["metadata"]["labels"]["sidecar.istio.io/inject"] == "false", item["metadata"]["name"]


@pytest.mark.parametrize("name", chart.value_sets)
def test_webhook_cannot_lock_the_cluster(name):
    items = chart.objects(name)
    for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
        for hook in chart.find(items, kind, "atelier")["webhooks"]:
            assert hook["namespaceSelector"] == {
                "matchExpressions": [{"key": "atelier.dev/profile", "operator": "Exists"}]}
            assert "caBundle" not in hook["clientConfig"]
            touched = {resource for rule in hook["rules"] for resource in rule["resources"]}
            assert hook["failurePolicy"] == "Ignore" or not touched & {"pods", "*"}


# --- the chart and the program agree ------------------------------------------------------------------------------------

def test_versions_agree():
    version = re.search(r'ATELIER_VERSION "([^"]+)"', (chart.root / "base/version.h").read_text()).group(1)
    assert yaml.safe_load((chart.folder / "Chart.yaml").read_text())["appVersion"] == version
