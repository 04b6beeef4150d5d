"""docs/examples/digits, walked as its README says: one notebook of alice's trains and serves, another one asks."""
import pathlib
import re
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from atelier import ROOT, running, wait_for  # noqa: E402

ALICE, CAROL = "alice@example.com", "carol@example.com"
EXAMPLE = ROOT / "docs" / "examples" / "digits"


@pytest.fixture(scope="module")
def own():
    with running(ALICE, CAROL) as instance:
        instance.cli("volume", "create", "data", "-n", "alice", "--size", "2Gi", user=ALICE)
        instance.cli("apply", "-f", EXAMPLE / "cluster.yaml", "-n", "alice", user=ALICE)
        for name, words in (("trainer", ["--image", "ray-2.60-ml", "--cpu", "1", "--memory", "2Gi"]), ("asker", [])):
            instance.cli("notebook", "create", name, "-n", "alice", *words, user=ALICE)
        for kind, name in (("raycluster", "example-cluster"), ("notebook", "trainer"), ("notebook", "asker")):
            instance.cli("wait", kind, name, "-n", "alice", "--timeout", "400s", user=ALICE, timeout=420)
        yield instance


def execute(own, notebook, document, timeout):
    """What the document prints when every cell of it is run in the notebook."""
    own.cli("notebook", "cp", EXAMPLE / document, f"{notebook}:{document}", "-n", "alice", user=ALICE)
    return own.cli("notebook", "exec", notebook, "-n", "alice", "--", "jupyter", "nbconvert", "--execute", "--to", "markdown", "--stdout",
                   document, user=ALICE, timeout=timeout).stdout


def workers(own):
    pods = own.get("/api/v1/namespaces/alice/pods?labelSelector=ray.io/cluster=example-cluster,ray.io/node-type=worker", ALICE)
    return [pod["metadata"]["name"] for pod in pods.json["items"]]


def test_1_four_workers_learn_on_nodes_that_come_for_them(own):
    assert workers(own) == []
    said = execute(own, "trainer", "train.ipynb", 590)
    assert re.search(r"^ *processors before: 0$", said, re.M), said
    shares = re.findall(r"worker (\d) of 4 has (\d+) images", said)
    assert {rank for rank, _ in shares} == {"0", "1", "2", "3"} and sum(int(count) for _, count in set(shares)) == 1437, said
    error, processors = re.search(r"^ *validation error ([\d.]+); processors now: (\d+)$", said, re.M).groups()
    assert float(error) < 0.08 and processors == "4"
    assert re.search(r"^ *serving /mnist$", said, re.M), said


def test_2_it_is_served_to_a_second_notebook_and_outside(own):
    said = execute(own, "asker", "ask.ipynb", 200)
    right, asked = re.search(r"^ *(\d+) of (\d+) right$", said, re.M).groups()
    assert int(asked) == 360 and int(right) >= 330
    served = "/serve/alice/example-cluster/mnist"
    image = [[0.0] * 64]
    answer = own.http("POST", served, ALICE, body=image)
    assert answer.status == 200 and answer.json[0] in range(10)
    wrong = own.http("POST", served, ALICE, body=[[1, 2]])
    assert wrong.status == 400 and "64 numbers" in wrong.json["error"]
    assert own.http("POST", served, CAROL, body=image).status == 404


def test_3_only_the_node_that_serves_stays(own):
    wait_for("one worker", lambda: len(workers(own)) == 1, 240, 1)
    assert own.http("POST", "/serve/alice/example-cluster/mnist", ALICE, body=[[0.0] * 64]).status == 200
