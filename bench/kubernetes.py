#!/usr/bin/env python3
"""The figures of the Kubernetes engine, beside the API server's own speed in the same run; prints a table. BENCH_PEER names the
program of Kubeflow's profile-controller, which then makes BENCH_PEER_PROFILES profiles on the same API server, alone, first."""
import concurrent.futures
import http.client
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import time

root = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(root / "tests" / name) for name in ("kubernetes", "e2e")]
import service  # noqa: E402

PROFILES = int(os.environ.get("BENCH_PROFILES", "500"))
PEER = os.environ.get("BENCH_PEER")
PEER_PROFILES = int(os.environ.get("BENCH_PEER_PROFILES", "60"))
ROUNDS = 4
QUIET_S = 30
rows = []


def row(what, value, goal=""):
    rows.append((what, value, goal))
    print(f"{what:64} {value:>22}  {goal}", flush=True)


def writes(cluster):
    """What the API server has written so far, by its own count; the lease apart, and what was only tried (dryRun)."""
    total = lease = 0
    for line in cluster.kubectl("get", "--raw", "/metrics").splitlines():
        found = re.match(r'apiserver_request_total\{(.*)\} (\S+)', line)
        if found and re.search(r'verb="(POST|PUT|PATCH|APPLY|DELETE)"', found[1]) and 'dry_run="All"' not in found[1]:
            if 'resource="leases"' in found[1]:
                lease += float(found[2])
            elif 'resource="nodes"' in found[1]:  # kwok's heartbeats
                continue
            elif 'resource="events"' not in found[1] and "review" not in found[1]:
                total += float(found[2])
    return int(total), int(lease)


def resident_mib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def cpu_s(pid):
    parts = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


class Api:
    """Requests to the API server, one connection a thread."""

    def __init__(self, running):
        settings = json.loads(running.cluster.kubectl("config", "view", "--raw", "-o", "json"))
        self.server = settings["clusters"][0]["cluster"]["server"].removeprefix("https://")
        self.token = (running.cluster.kubeconfig.parent / "admin.token").read_text().strip()
        self.local = __import__("threading").local()
        self.context = __import__("ssl")._create_unverified_context()  # loopback, of a cluster that this made

    def ask(self, method, target, body=None, stream=False):
        try:
            return self.ask_once(method, target, body, stream)
        except (OSError, http.client.HTTPException):  # the server has ended a connection that was idle for long
            self.local.connection = None
            return self.ask_once(method, target, body, stream)

    def ask_once(self, method, target, body, stream):
        connection = getattr(self.local, "connection", None)
        if connection is None or stream:
            connection = http.client.HTTPSConnection(self.server, context=self.context, timeout=600)
            if not stream:
                self.local.connection = connection
        connection.request(method, target, body=json.dumps(body) if body else None,
                           headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"})
        answer = connection.getresponse()
        if stream:
            return answer
        return answer.status, json.loads(answer.read())


def profile(name):
    return {"apiVersion": "kubeflow.org/v1", "kind": "Profile", "metadata": {"name": name},
            "spec": {"owner": {"kind": "User", "name": "alice@example.com"}}}


def is_ready(item):
    return any(c["type"] == "Ready" and c["status"] == "True" for c in item.get("status", {}).get("conditions", []))


def wait_ready(api, prefix, count, began):
    """Seconds until that many profiles of that prefix are Ready, by a watch, and another once an API server has ended it."""
    ready, end = set(), began + 300 + count
    while time.monotonic() < end:
        for line in api.ask("GET", "/apis/kubeflow.org/v1/profiles?watch=1", stream=True):
            item = json.loads(line)["object"]
            if is_ready(item) and item["metadata"]["name"].startswith(prefix):
                ready.add(item["metadata"]["name"])
            if len(ready) >= count:
                return time.monotonic() - began
    raise AssertionError(f"{len(ready)} of {count} profiles were Ready after {time.monotonic() - began:.0f} s")


# In the order in which atelierd makes them, and by which name each kind is asked for.
KINDS = ["networkpolicies", "authorizationpolicies", "resourcequotas", "limitranges", "serviceaccounts", "rolebindings",
         "secrets", "persistentvolumeclaims"]
SERVERS_OWN = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "ownerReferences", "finalizers",
               "namespace")


def template(running, name):
    """What a profile consists of, as lines for kubernetes_writes: the same objects, without the labels by which atelierd
    would take them for its own."""
    lines = []
    for kind in ["namespaces", *KINDS]:
        of = [name] if kind == "namespaces" else ["-n", name, "-l", "app.kubernetes.io/managed-by=atelier"]
        found = json.loads(running.cluster.kubectl("get", kind, *of, "-o", "json"))
        for item in found.get("items", [found]):
            item = {**item, "metadata": {k: v for k, v in item["metadata"].items() if k not in SERVERS_OWN}, "status": None}
            item["metadata"]["labels"] = {k: v for k, v in item["metadata"]["labels"].items() if v not in ("atelier", name)}
            group = item["apiVersion"]
            path = ("/api/" if group == "v1" else "/apis/") + group
            path += "/namespaces" if kind == "namespaces" else f"/namespaces/raw-~/{kind}"
            lines.append(f"POST\t{path}\t" + re.sub(rf"\b{name}\b", "raw-~", json.dumps(item)))
    return lines


def applied(lines):
    """The same as server-side applies, which is how atelierd writes: the API server does more for each."""
    made = []
    for line in lines:
        _, path, body = line.split("\t")
        item = {key: value for key, value in json.loads(body).items() if key != "status"}
        made.append(f"PATCH\t{path}/{item['metadata']['name']}?fieldManager=raw&force=true\t{json.dumps(item)}")
    return made


def raw_rate(running, name, lines, count):
    """Writes a second, by the API server's count, when nobody decides anything: its controllers write meanwhile too."""
    program = root / "build/bench/kubernetes_writes"
    path = running.folder / "template"
    path.write_text("\n".join(lines).replace("raw-~", f"{name}-~") + "\n")
    before, _ = writes(running.cluster)
    began = time.monotonic()
    subprocess.run([program, running.cluster.kubeconfig, path, str(count), "32"], check=True, stdout=subprocess.DEVNULL)
    took = time.monotonic() - began
    after, _ = writes(running.cluster)
    return (after - before) / took


def make_profiles(running, api, round, count):
    before, _ = writes(running.cluster)
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: api.ask("POST", "/apis/kubeflow.org/v1/profiles", profile(f"p{round}-{i}")), range(count)))
    took = wait_ready(api, f"p{round}-", count, began)
    after, _ = writes(running.cluster)
    return count / took, (after - before) / took, (after - before) / count


def rates(running, api):
    """Raw writes and profiles in turns, since a machine that others use, or a store that grows, changes under both."""
    api.ask("POST", "/apis/kubeflow.org/v1/profiles", profile("model"))
    wait_ready(api, "model", 1, time.monotonic())
    lines = template(running, "model")
    running.cluster.kubectl("create", "namespace", "bindings")
    path, binding = next(line for line in lines if "rolebindings" in line).split("\t")[1:]
    binding = json.dumps({**json.loads(binding), "metadata": {"name": "raw-~"}})
    alone = raw_rate(running, "alone", ["\t".join(("POST", path.replace("raw-~", "bindings"), binding))], 4 * PROFILES)
    each, raw, made, patched = PROFILES // ROUNDS, [raw_rate(running, "raw-0", lines, PROFILES // ROUNDS)], [], []
    for turn in range(ROUNDS):
        made.append(make_profiles(running, api, turn, each))
        patched.append(raw_rate(running, f"apply-{turn}", applied(lines), each))
        raw.append(raw_rate(running, f"raw-{turn + 1}", lines, each))
    shares = [one[1] / ((raw[i] + raw[i + 1]) / 2) for i, one in enumerate(made)]
    row(f"{PROFILES} profiles made Ready, a second", f"{statistics.median(m[0] for m in made):.1f}")
    row("writes a profile (its own creation and status included)", f"{statistics.median(m[2] for m in made):.1f}")
    row("writes a second meanwhile", f"{statistics.median(m[1] for m in made):.0f}")
    row("raw writes a second, of the same objects", f"{statistics.median(raw):.0f}")
    row("raw server-side applies a second, of the same objects", f"{statistics.median(patched):.0f}")
    row("raw writes a second, of RoleBindings alone", f"{alone:.0f}")
    row("share of raw applies", f"{statistics.median(one[1] / patched[i] for i, one in enumerate(made)):.0%}")
    row("share of raw: median, each turn", f"{statistics.median(shares):.0%} ({', '.join(f'{s:.0%}' for s in shares)})",
        ">= 70 %")
    row(f"atelierd's memory with {PROFILES} profiles", f"{resident_mib(running.first.process.pid):.1f} MiB",
        "<= 48 MiB at 2,000")


def peer(running, api):
    """Kubeflow's profile-controller makes some profiles, and takes them away again, while no atelierd runs. It says of a
    profile that it made nothing: it is done when it has the last right."""
    running.first.end()
    labels = running.folder / "namespace-labels.yaml"
    labels.write_text("{}\n")
    with open(running.folder / "peer.log", "w") as log:
        process = subprocess.Popen(
            [PEER, f"--metrics-bind-address=127.0.0.1:{service.free_port()}", f"--namespace-labels-path={labels}",
             f"--health-probe-bind-address=127.0.0.1:{service.free_port()}"],
            env={**os.environ, "KUBECONFIG": str(running.cluster.kubeconfig)}, stdout=log, stderr=subprocess.STDOUT, cwd="/")
    rights = "/apis/rbac.authorization.k8s.io/v1/rolebindings?fieldSelector=metadata.name%3DnamespaceAdmin"
    try:
        before, _ = writes(running.cluster)
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda i: api.ask("POST", "/apis/kubeflow.org/v1/profiles", profile(f"peer-{i}")), range(PEER_PROFILES)))
        service.eventually("the peer's profiles are made", lambda: len(api.ask("GET", rights)[1]["items"]) >= PEER_PROFILES,
                           60 + 2 * PEER_PROFILES)
        took = time.monotonic() - began
        after, _ = writes(running.cluster)
        row(f"Kubeflow's profile-controller: {PEER_PROFILES} profiles made, a second", f"{PEER_PROFILES / took:.1f}")
        row("Kubeflow's profile-controller: writes a profile", f"{(after - before) / PEER_PROFILES:.1f}")
        row("Kubeflow's profile-controller: its memory", f"{resident_mib(process.pid):.1f} MiB")
        running.cluster.kubectl("delete", "profiles", "--all", "--timeout=300s")
        service.eventually("the peer's namespaces are gone", lambda: not any(
            item["metadata"]["name"].startswith("peer-") for item in api.ask("GET", "/api/v1/namespaces")[1]["items"]), 300)
    finally:
        process.terminate()
        process.wait(60)
    running.first.start()


def steady(running):
    pid = running.first.process.pid
    time.sleep(5)
    before, leases = writes(running.cluster)
    used, began = cpu_s(pid), time.monotonic()
    time.sleep(QUIET_S)
    after, leases_after = writes(running.cluster)
    row(f"writes in {QUIET_S} s of nothing happening", f"{after - before}, lease {leases_after - leases}", "0 but the lease")
    row("processor meanwhile, of one core", f"{(cpu_s(pid) - used) / (time.monotonic() - began):.2%}", "<= 1 %")


def restart(running, api):
    running.first.end(signal.SIGKILL)
    api.ask("DELETE", "/apis/networking.k8s.io/v1/namespaces/p0-1/networkpolicies/" + json.loads(running.cluster.kubectl(
        "get", "networkpolicies", "-n", "p0-1", "-o", "json"))["items"][0]["metadata"]["name"])
    gone = len(json.loads(running.cluster.kubectl("get", "networkpolicies", "-n", "p0-1", "-o", "json"))["items"])
    before, _ = writes(running.cluster)
    began = time.monotonic()
    running.first.start()
    row("killed and started again, to /readyz", f"{time.monotonic() - began:.2f} s")
    service.eventually("the policy is back", lambda: len(api.ask(
        "GET", "/apis/networking.k8s.io/v1/namespaces/p0-1/networkpolicies")[1]["items"]) > gone, every=0.02)
    row("to the first useful reconcile (a policy deleted meanwhile)", f"{time.monotonic() - began:.2f} s",
        "<= 10 s (plus the dead one's lease)")
    time.sleep(10)
    after, _ = writes(running.cluster)
    row("writes after the restart, all profiles looked at", f"{after - before}")


def member(running, api):
    person = running.person("bob")
    path = "/api/v1/namespaces/p0-2/configmaps"
    assert person.ask("GET", path)[0] == 404
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {
        "user": "bob@example.com", "resourceAttributes": {"namespace": "p0-2", "verb": "list", "resource": "configmaps"}}}
    allowed = lambda: api.ask("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)[1]["status"]["allowed"]
    before, _ = writes(running.cluster)
    began = time.monotonic()
    running.first.cli("share", "p0-2", "bob@example.com", "--role", "viewer")
    said = time.monotonic()
    service.eventually("the gateway lets bob in", lambda: person.ask("GET", path)[0] == 200, every=0.001)
    gateway = time.monotonic() - said
    service.eventually("RBAC lets bob in", allowed, every=0.01)
    rbac = time.monotonic() - said
    time.sleep(2)
    after, _ = writes(running.cluster)
    row("a member added: the command line itself", f"{(said - began) * 1000:.0f} ms")
    row("a member added: then effective in the gateway", f"{gateway * 1000:.0f} ms", "<= 50 ms")
    row("a member added: then effective in Kubernetes RBAC", f"{rbac * 1000:.0f} ms", "<= 1 s")
    row("a member added: writes", f"{after - before}", "1")


def main():
    running = service.Service("--controllers")
    try:
        api = Api(running)
        running.person("alice")
        if PEER:
            peer(running, api)
        rates(running, api)
        steady(running)
        member(running, api)
        restart(running, api)
    finally:
        running.close()


if __name__ == "__main__":
    main()
