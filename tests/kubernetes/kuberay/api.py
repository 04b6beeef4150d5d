"""A kube-apiserver over HTTP: only what the double needs, with nothing but Python's own library and a YAML parser."""
import base64
import http.client
import json
import os
import ssl
import tempfile
import threading
import urllib.parse

import yaml

GROUPS = {
    "pods": "/api/v1", "services": "/api/v1", "secrets": "/api/v1", "events": "/api/v1", "serviceaccounts": "/api/v1",
    "jobs": "/apis/batch/v1", "roles": "/apis/rbac.authorization.k8s.io/v1",
    "rolebindings": "/apis/rbac.authorization.k8s.io/v1",
    "rayclusters": "/apis/ray.io/v1", "rayjobs": "/apis/ray.io/v1", "rayservices": "/apis/ray.io/v1",
}
KINDS = {"RayCluster": "rayclusters", "RayJob": "rayjobs", "RayService": "rayservices"}


class Refused(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Client:
    def __init__(self, kubeconfig):
        config = yaml.safe_load(open(kubeconfig))
        context = next(c for c in config["contexts"] if c["name"] == config["current-context"])["context"]
        cluster = next(c for c in config["clusters"] if c["name"] == context["cluster"])["cluster"]
        user = next(u for u in config["users"] if u["name"] == context["user"])["user"]
        address = urllib.parse.urlsplit(cluster["server"])
        self.host, self.port = address.hostname, address.port
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self.ssl = ssl.create_default_context(cadata=authority)
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for name in ("client-certificate-data", "client-key-data"):
                paths.append(os.path.join(folder, name))
                with open(paths[-1], "wb") as file:
                    file.write(base64.b64decode(user[name]))
            self.ssl.load_cert_chain(*paths)
        self.local = threading.local()

    def connect(self, timeout=30):
        return http.client.HTTPSConnection(self.host, self.port, context=self.ssl, timeout=timeout)

    def call(self, method, path, body=None, content_type="application/json", again=True):
        """The answer as JSON; None for what is not there."""
        if not getattr(self.local, "connection", None):
            self.local.connection = self.connect()
        try:
            self.local.connection.request(method, path, json.dumps(body) if body is not None else None,
                                          {"Content-Type": content_type, "Accept": "application/json"})
            answer = self.local.connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            self.local.connection.close()
            self.local.connection = None
            if again and method in ("GET", "PUT"):
                return self.call(method, path, body, content_type, again=False)
            raise
        value = json.loads(text) if text else {}
        if answer.status == 404:
            return None
        if answer.status >= 300:
            raise Refused(answer.status, value.get("message", ""))
        return value

    @staticmethod
    def path(plural, namespace=None, name=None, query=None, part=""):
        path = GROUPS[plural] + (f"/namespaces/{namespace}" if namespace else "") + f"/{plural}"
        path += (f"/{name}" if name else "") + part
        return path + ("?" + urllib.parse.urlencode(query) if query else "")

    def get(self, plural, namespace, name):
        return self.call("GET", self.path(plural, namespace, name))

    def list(self, plural, namespace, selector):
        return self.call("GET", self.path(plural, namespace, query={"labelSelector": selector}))["items"]

    def create(self, plural, namespace, body):
        return self.call("POST", self.path(plural, namespace), body)

    def make(self, plural, namespace, body):
        """Creates it unless it is there."""
        return self.get(plural, namespace, body["metadata"]["name"]) or self.create(plural, namespace, body)

    def delete(self, plural, namespace, name):
        return self.call("DELETE", self.path(plural, namespace, name),
                         {"propagationPolicy": "Background", "kind": "DeleteOptions", "apiVersion": "v1"})

    def merge(self, plural, namespace, name, patch):
        return self.call("PATCH", self.path(plural, namespace, name), patch, "application/merge-patch+json")

    def write_status(self, plural, item, status):
        """Only if it differs from what is there."""
        if item.get("status") == status:
            return
        meta = item["metadata"]
        self.call("PUT", self.path(plural, meta["namespace"], meta["name"], part="/status"), {**item, "status": status})

    def event(self, item, kind, reason, message, now, type_="Warning"):
        meta = item["metadata"]
        self.create("events", meta["namespace"], {
            "metadata": {"generateName": meta["name"] + "."}, "type": type_, "reason": reason, "message": message,
            "involvedObject": {"apiVersion": "ray.io/v1", "kind": kind, "name": meta["name"], "uid": meta["uid"],
                               "namespace": meta["namespace"]},
            "source": {"component": "raycluster-controller"}, "firstTimestamp": now, "lastTimestamp": now, "count": 1})


def owner(kind, item):
    return [{"apiVersion": "ray.io/v1", "kind": kind, "name": item["metadata"]["name"], "uid": item["metadata"]["uid"],
             "controller": True, "blockOwnerDeletion": True}]


def owned_by(item, uid):
    return any(r.get("controller") and r["uid"] == uid for r in item["metadata"].get("ownerReferences", []))
