"""The chart as people install it, where its pods run and NetworkPolicies are enforced: `helm install` with no setting but the API
server's port, `helm test`, the first person, admission, a notebook through the gateway."""
import json
import os
import pathlib
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import chart
import platforms
import pytest
import service

FOLDER = pathlib.Path(os.environ["ATELIER_TEST_NODE"])
ALICE = "alice@example.com"
# What the image of PostgreSQL does when its container starts, as far as the chart relies on it.
POSTGRESQL = """#!/bin/sh
set -e
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    "$bin/initdb" -U "$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" $POSTGRES_INITDB_ARGS
    echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
    echo "CREATE DATABASE $POSTGRES_DB" | "$bin/postgres" --single -j postgres
fi
exec "$bin/postgres" -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql
"""


class Cluster(platforms.NodeCluster):
    helm = chart.Cluster.helm

    def address(self, name, port):
        """Of a Service, as the node sees it."""
        return f"http://{self.get('-n', 'atelier-system', 'service', name)['spec']['clusterIP']}:{port}"

    def atelier(self, *arguments):
        """The administrator's command line, as the chart's notes tell to use it."""
        return self.kubectl("-n", "atelier-system", "exec", "deploy/atelier", "-c", "atelierd", "--", "atelier", *arguments).strip()


def full_name(image):
    return {0: f"docker.io/library/{image}", 1: f"docker.io/{image}"}.get(image.count("/"), image)


def give_images(folder):
    """The three that the chart names, under those names."""
    items = chart.objects()
    programs, server, tools = (folder / name for name in ("atelierd", "postgresql", "tools"))
    for place, files in ((programs / "opt", [service.BUILD / "atelierd", service.BUILD / "atelier"]), (tools, []), (server / "opt", [])):
        place.mkdir(parents=True)
        for file in files:
            shutil.copy(file, place)
    (programs / "var/lib/atelier").mkdir(parents=True)
    (server / "var/lib/postgresql/data").mkdir(parents=True)
    (server / "opt/start").write_text(POSTGRESQL)
    (server / "opt/start").chmod(0o755)
    for kind, name, root, entry in (("Deployment", "atelier", programs, ["/opt/atelierd"]),
                                    ("StatefulSet", "atelier-postgresql", server, ["/opt/start"]), ("Pod", "atelier-ready", tools, [])):
        found = chart.find(items, kind, name)["spec"]
        image = found.get("template", {"spec": found})["spec"]["containers"][0]["image"]
        subprocess.run([chart.here / "node.sh", "image", FOLDER, full_name(image), root, json.dumps(entry)], check=True)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    made = Cluster(FOLDER)
    give_images(tmp_path_factory.mktemp("images"))
    platforms.give_volume(made, "postgresql", "atelier-system", "data-atelier-postgresql-0", made.folder_of("postgresql"))
    port = urllib.parse.urlsplit(made.kubectl("config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}")).port
    try:
        made.helm("install", "atelier", chart.folder, "--create-namespace", "--wait", "--timeout", "300s", "--set-json",
                  f'networkPolicy.egress=[{{"ports":[{{"port":{port},"protocol":"TCP"}}]}}]')
        yield made
    except BaseException:
        print(made.kubectl("-n", "atelier-system", "get", "pods,events"))
        raise
    finally:
        made.kubectl("delete", "profiles", "--all", "--timeout", "120s")
        made.helm("uninstall", "atelier", "--ignore-not-found", "--wait", "--timeout", "200s")
        made.kubectl("delete", "namespace", "atelier-system", "atelier-tenants", "--ignore-not-found", "--timeout", "120s")


def ask(address, path, token=None):
    request = urllib.request.Request(address + path, headers={"Host": "localhost", **({"Authorization": f"Bearer {token}"} if token else {})})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_every_replica_is_ready(cluster):
    status = cluster.get("-n", "atelier-system", "deployment", "atelier")["status"]
    assert status["readyReplicas"] == status["replicas"] == 2
    restarts = [container["restartCount"] for pod in cluster.get("-n", "atelier-system", "pods", "-l", "app.kubernetes.io/component=control-plane")[
        "items"] for container in pod["status"]["containerStatuses"]]
    assert restarts == [0, 0]


def test_helm_test(cluster):
    """The hook's pod finds the Service by its name in DNS and is told that a replica can decide."""
    said = cluster.helm("test", "atelier", "--timeout", "180s", "--logs")
    print(said)
    assert "Phase:          Succeeded" in said, said


def test_the_first_person_signs_in_through_the_service(cluster):
    address = cluster.address("atelier", 80)
    assert ask(address, "/readyz")[0] == 200
    assert ask(address, "/api/atelier/v1/whoami")[0] == 401
    cluster.atelier("user", "create", ALICE)
    token = cluster.atelier("token", "create", "--user", ALICE)
    status, said = ask(address, "/api/atelier/v1/whoami", token)
    assert status == 200 and json.loads(said)["email"] == ALICE, said


def test_a_profile_and_admission_through_the_service(cluster):
    """Who reconciles makes the namespace; the API server asks the webhook, by its Service and the authority of its own."""
    cluster.atelier("profile", "create", "alice", "--owner", ALICE)
    service.eventually("the profile's namespace", lambda: cluster.kubectl("get", "rolebindings", "-n", "alice", "--ignore-not-found"), 120)
    notebook = {"apiVersion": "kubeflow.org/v1", "kind": "Notebook", "metadata": {
        "name": "nb1", "namespace": "alice", "annotations": {"kubeflow-resource-stopped": "yes"}},
        "spec": {"template": {"spec": {"containers": [{"name": "nb1", "image": "example.com/jupyter:1"}]}}}}
    cluster.kubectl("apply", "-f", "-", text_in=json.dumps(notebook))
    made = cluster.get("-n", "alice", "notebook", "nb1")
    assert made["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"], made["spec"]
    cluster_of_rays = {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": "open", "namespace": "alice"}, "spec": {
        "authOptions": {"mode": "disabled"}, "headGroupSpec": {"rayStartParams": {}, "template": {"spec": {"containers": [
            {"name": "head", "image": "rayproject/ray:2.60.0"}]}}}}}
    said = cluster.kubectl("apply", "-f", "-", text_in=json.dumps(cluster_of_rays), fails=True)
    assert "spec.authOptions" in said, said


def test_a_notebook_through_the_gateway(cluster):
    """A real JupyterLab, found by its name in DNS, past the policies of the chart and of the profile."""
    address = cluster.address("atelier", 80)
    cluster.atelier("user", "create", "bob@example.com")
    alice, bob = (cluster.atelier("token", "create", "--user", email) for email in (ALICE, "bob@example.com"))
    platforms.give_volume(cluster, "home-of-alice", "alice", "home", cluster.folder_of("home-of-alice"))
    cluster.kubectl("apply", "-f", "-", text_in=json.dumps({
        "apiVersion": "kubeflow.org/v1", "kind": "Notebook", "metadata": {"name": "nb2", "namespace": "alice"},
        "spec": {"template": {"spec": {"containers": [{"name": "nb2", "image": "localhost/ray-2.60:test",
                                                       "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}]}}}}))
    service.eventually("JupyterLab answers", lambda: ask(address, "/notebook/alice/nb2/api", alice)[0] == 200, 180, 1)
    assert "version" in json.loads(ask(address, "/notebook/alice/nb2/api", alice)[1])
    assert ask(address, "/notebook/alice/nb2/api", bob)[0] in (403, 404)
    assert ask(address, "/notebook/alice/nb2/api")[0] == 401


def test_a_replica_that_dies_is_not_missed(cluster):
    address = cluster.address("atelier", 80)
    pods = cluster.kubectl("-n", "atelier-system", "get", "pods", "-l", "app.kubernetes.io/component=control-plane", "-o", "name").split()
    cluster.kubectl("-n", "atelier-system", "delete", pods[0], "--grace-period", "0", "--force")
    service.eventually("a new one is ready", lambda: cluster.get("-n", "atelier-system", "deployment", "atelier")["status"].get(
        "readyReplicas") == 2 and ask(address, "/readyz")[0] == 200, 180)
