"""The Kubernetes Python client, unmodified, in pods of the local engine: exec, logs, ports. What it does with objects, every engine
is asked (conformance/test_clients.py)."""
import json
import threading
import time

import pytest
from atelier import wait_for
from kubernetes import client, config, dynamic
from kubernetes.client.rest import ApiException
from kubernetes.stream import portforward, stream

ALICE, CAROL = "alice@example.com", "carol@example.com"


def connect(house, user):
    """A client that is configured by what `atelier kubeconfig` prints."""
    file = house.data / f"kubeconfig-client-{user.split('@')[0]}"
    server = f"https://localhost:{house.tls_port}"
    file.write_text(house.cli("-n", "alice", "kubeconfig", "--server", server, user=user).stdout)
    return config.new_client_from_config(str(file))


@pytest.fixture(scope="module")
def alice(viewed):
    return connect(viewed, ALICE)


def test_kinds_that_are_discovered(alice):
    kinds = dynamic.DynamicClient(alice).resources
    notebooks = kinds.get(api_version="kubeflow.org/v1", kind="Notebook")
    made = notebooks.create(namespace="alice", body={"apiVersion": "kubeflow.org/v1", "kind": "Notebook",
                                                     "metadata": {"name": "nb1"}, "spec": {"template": {"spec": {}}}})
    assert made.spec.template.spec.containers[0].name == "nb1"
    assert kinds.get(api_version="kubeflow.org/v1alpha1", kind="PodDefault").name == "poddefaults"

    def phase():
        return notebooks.get(name="nb1", namespace="alice").to_dict().get("status", {}).get("phase")

    wait_for("the notebook runs", lambda: phase() == "Running", 120, 0.5)


def test_logs_and_a_command_in_its_pod(alice):
    core = client.CoreV1Api(alice)
    wait_for("Jupyter's lines", lambda: "Jupyter" in core.read_namespaced_pod_log("nb1-0", "alice", tail_lines=200), 10)
    said = stream(core.connect_get_namespaced_pod_exec, "nb1-0", "alice", command=["sh", "-c", "echo $((40 + 2))"],
                  stdout=True, stderr=True, stdin=False, tty=False)
    assert said == "42\n"
    shell = stream(core.connect_get_namespaced_pod_exec, "nb1-0", "alice", command=["sh"], stdout=True, stderr=True,
                   stdin=True, tty=False, _preload_content=False)
    shell.write_stdin("echo to-$((1 + 1)); exit 3\n")
    shell.run_forever(timeout=30)
    assert shell.read_stdout() == "to-2\n" and shell.returncode == 3
    shell.close()


def forwarded(api, ports):
    return portforward(client.CoreV1Api(api).connect_get_namespaced_pod_portforward, "nb1-0", "alice", ports=ports)


def asked(connection, path="/notebook/alice/nb1/api"):
    """The body of what the notebook's server answers on this connection."""
    connection.settimeout(30)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: nb1\r\nConnection: close\r\n\r\n".encode())
    answer = b""
    while piece := connection.recv(65536):
        answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), answer
    return body


def test_a_port_of_its_pod(alice):
    for _ in range(3):
        ports = forwarded(alice, "8888")
        assert "version" in json.loads(asked(ports.socket(8888))) and ports.error(8888) is None
        wait_for("it ends with its only port", lambda: not ports.connected, 10)


def test_several_ports_at_once_and_one_where_nobody_listens(alice):
    ports = forwarded(alice, "9,8888")
    wait_for("it says so", lambda: ports.error(9), 10)
    assert ports.error(9).startswith("error forwarding port 9 to pod nb1-0: ")
    assert "version" in json.loads(asked(ports.socket(8888))) and ports.error(8888) is None


def test_much_through_a_port(alice):
    """A program in the pod says back what it hears, through a connection that is not read for a while."""
    echo = ("import socket; server = socket.create_server(('', 9912)); print('listens', flush=True)\n"
            "peer, _ = server.accept()\nwhile piece := peer.recv(65536): peer.sendall(piece)")
    running = stream(client.CoreV1Api(alice).connect_get_namespaced_pod_exec, "nb1-0", "alice",
                     command=["python3", "-c", echo], stdout=True, stderr=True, stdin=False, tty=False,
                     _preload_content=False)
    assert running.readline_stdout(timeout=30) == "listens"
    ports = forwarded(alice, "9912")
    content, answer = bytes(range(256)) * 20000, b""
    sending = threading.Thread(target=ports.socket(9912).sendall, args=(content,), daemon=True)
    sending.start()
    time.sleep(1)
    while len(answer) < len(content):
        piece = ports.socket(9912).recv(65536)
        assert piece, len(answer)
        answer += piece
    sending.join(30)
    assert answer == content
    ports.close()
    running.run_forever(timeout=30)
    assert running.returncode == 0 and running.read_stderr() == ""
    running.close()


def test_ports_are_for_those_who_may_change_the_profile(viewed, alice):
    carol = connect(viewed, CAROL)
    for api, ports in ((carol, "8888"), (alice, ",".join(map(str, range(8000, 8033))))):
        with pytest.raises(ApiException):
            forwarded(api, ports)
    viewed.cli("share", "alice", CAROL, "--role", "editor", user=ALICE)
    connection = forwarded(carol, "8888").socket(8888)
    connection.sendall(b"GET /notebook/alice/nb1/api HTTP/1.1\r\n")
    viewed.cli("share", "alice", CAROL, "--role", "viewer", user=ALICE)
    connection.settimeout(30)
    assert connection.recv(1) == b""
