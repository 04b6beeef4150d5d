"""The platform as a tenant meets it, in three places: this machine, a cluster whose nodes only say that they run pods
(kwok), and a cluster with a node whose pods run. Each is a Client with the same few words about its own side."""
import contextlib
import itertools
import json
import os
import pathlib
import re
import signal

import chart
import service
import ordinary
import rayoperator
import yaml
from atelier import Atelier, Client, free_port, is_alive, wait_for

volumes = itertools.count(1)  # a node outlives the platforms on it
kubernetes = pathlib.Path(service.__file__).resolve().parent


class Local(Atelier):
    """The local engine: pods are processes of this machine."""
    name, real_pods = "local", True
    reconcilers = ["atelierd", "atelier-sandboxd"]
    daemons = (["atelierd"], ["atelier-sandboxd"], ["postgres"], ["atelierd", "atelier-sandboxd", "postgres"])

    def sign_in_link(self):
        return wait_for("the sign-in line", lambda: self.sign_in_links, 5)[-1]

    def fitted(self, manifest):
        return manifest

    def kill(self, programs):
        """kill -9; returns what tells that each runs again. The supervisor starts them."""
        old = [self.pid_of(program) for program in programs]
        for pid in old:
            os.kill(pid, signal.SIGKILL)
        wait_for("the old ones are gone", lambda: not any(is_alive(pid) for pid in old), 5, 0.01)

        def back():
            with contextlib.suppress(AssertionError, OSError, IndexError, ValueError):
                return all(self.pid_of(program) not in old for program in programs)
            return False
        return back

    def leftovers(self, profile):
        """What the machine still has of it: run-time files, mounts, cgroups, directories."""
        found = [str(path) for path in self.run_dir().rglob(f"*{profile}*")]
        found += [line for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()
                  if str(self.data) in line and f"/{profile}/" in line]
        tag = self.run_dir().name.removeprefix("atelier-")
        found += [str(group) for group in pathlib.Path("/sys/fs/cgroup").glob(f"*/atelier-{tag}/{profile}*")]
        return found + [str(path) for path in self.data.glob(f"sandboxes/{profile}*")]

    def close(self):
        self.remove()


class Rootless(ordinary.Ordinary, Local):
    """The local engine as an ordinary user."""
    account = "atelier-conformance"


def give_volume(cluster, name, namespace, claim, folder):
    """Of a node's folder, for that claim alone."""
    cluster.kubectl("apply", "-f", "-", text_in=json.dumps({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce", "ReadWriteMany"], "capacity": {"storage": "100Gi"},
                 "hostPath": {"path": str(folder)}, "persistentVolumeReclaimPolicy": "Retain",
                 "claimRef": {"namespace": namespace, "name": claim}}}))


class OnCluster(Client):
    """atelierd beside a real API server, with the rights of the chart; KubeRay is its double."""
    real_pods = False
    reconcilers = ["atelierd"]
    daemons = (["atelierd"], ["postgres"], ["atelierd", "postgres"])

    def __init__(self):
        self.service, self.operator, self.tokens = None, None, {}
        self.metrics_port = free_port()
        self.settings = {"ATELIER_METRICS_LISTEN": f"127.0.0.1:{self.metrics_port}"}

    def up(self, timeout_s=None):
        self.service = self.start()
        self.operator = rayoperator.Operator(self.service.cluster.kubeconfig)

    @property
    def port(self):
        return self.service.first.port

    @property
    def tls_port(self):
        return self.service.first.tls_port

    @property
    def env(self):
        return self.service.first.env

    def log_tail(self):
        return self.service.first.tail()

    def sign_in_link(self):
        return re.findall(r"^Sign in: (\S+)$", self.service.first.log.read_text(), re.MULTILINE)[-1]

    def wait_profile(self, name, user):
        """Nothing provides volumes here: one is made for the profile's home."""
        number = next(volumes)
        give_volume(self.service.cluster, f"home-{number}", name, "home", self.folder_of(f"{name}-{number}"))
        return super().wait_profile(name, user)

    def folder_of(self, name):
        return f"/nonexistent/{name}"

    def fitted(self, manifest):
        """The file, or one like it for which there is room."""
        return manifest

    def kill(self, programs):
        """kill -9; returns what tells that each runs again. Started anew as a kubelet or an operator would."""
        if "atelierd" in programs:
            self.service.first.end(signal.SIGKILL)
        if "postgres" in programs:
            self.service.postgres.kill()
        if "atelierd" in programs:
            self.service.first.start()
        return lambda: True

    def leftovers(self, profile):
        """What the cluster still has of it."""
        found = self.service.cluster.kubectl("get", "namespaces", "-o", "name").split()
        found += self.service.cluster.kubectl("get", "profiles", "-o", "name").split()
        return [name for name in found if name.endswith(f"/{profile}")]

    def close(self):
        if self.operator:
            self.operator.close()
        if self.service:
            self.service.close()


class Kwok(OnCluster):
    name = "kwok"

    def start(self):
        return service.Service("--kwok", "--nodes", "2", **self.settings)


class NodeCluster:
    """The cluster that tests/kubernetes/node.sh has started around us; it is not ours to end."""
    kubectl, get = chart.Cluster.kubectl, chart.Cluster.get

    def __init__(self, folder):
        self.dir, self.kubeconfig = folder, folder / "cluster/admin.kubeconfig"

    def folder_of(self, name):
        """For a volume; whoever runs a pod may write there."""
        path = self.dir / "volumes" / name
        path.mkdir(parents=True)
        path.chmod(0o777)
        return path

    def close(self):
        pass


class Node(OnCluster):
    name, real_pods = "node", True

    def start(self):
        self.folder = pathlib.Path(os.environ["ATELIER_TEST_NODE"])
        cluster = NodeCluster(self.folder)
        # From outside the cluster pods are reached through the API server: one right more than the chart gives.
        outside = [{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "outside"},
                    "rules": [{"apiGroups": [""], "resources": ["pods/portforward"], "verbs": ["get", "create"]}]},
                   {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "outside"},
                    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "outside"},
                    "subjects": [{"kind": "ServiceAccount", "name": "atelier", "namespace": "atelier-system"}]}]
        cluster.kubectl("apply", "-f", "-", text_in=json.dumps({"apiVersion": "v1", "kind": "List", "items": outside}))
        return service.Service(cluster=cluster, ATELIER_KUBE_IMAGES=str(self.folder / "images.json"), **self.settings)

    def close(self):
        """The node is used again, by the next house."""
        if self.service and self.service.first.process.poll() is None:
            self.service.cluster.kubectl("delete", "profiles", "--all", "--timeout", "180s")
        super().close()

    def fitted(self, manifest):
        """A scheduler hands out whole cores, and a test machine has few: less is asked for, as much is allowed."""
        objects = list(yaml.safe_load_all(manifest.read_text()))
        for group in (objects[0]["spec"]["headGroupSpec"], *objects[0]["spec"]["workerGroupSpecs"]):
            group["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "250m"
        path = self.folder / manifest.name
        path.write_text(yaml.safe_dump_all(objects))
        return path

    def folder_of(self, name):
        return self.service.cluster.folder_of(name)
