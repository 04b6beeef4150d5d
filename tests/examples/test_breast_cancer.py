"""docs/examples/breast_cancer, walked as its README says: by alice, with bob let in to the page and carol kept out."""
import json
import pathlib
import re
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from atelier import ROOT, running, wait_for  # noqa: E402

ALICE, BOB, CAROL = "alice@example.com", "bob@example.com", "carol@example.com"
EXAMPLE = ROOT / "docs" / "examples" / "breast_cancer"
SERVED = "/serve/alice/example-cluster"


@pytest.fixture(scope="module")
def own():
    with running(ALICE, BOB, CAROL) as instance:
        instance.cli("volume", "create", "data", "-n", "alice", "--size", "2Gi", user=ALICE)
        make_cluster(instance)
        yield instance


def make_cluster(own):
    own.cli("apply", "-f", EXAMPLE / "cluster.yaml", "-n", "alice", user=ALICE)
    own.cli("wait", "raycluster", "example-cluster", "-n", "alice", "--timeout", "400s", user=ALICE, timeout=420)


def run(own, *words, timeout=400):
    return own.cli("ray", "submit", "example-cluster", "-n", "alice", "--working-dir", EXAMPLE, "--", "python", *words, user=ALICE,
                   timeout=timeout).stdout


def test_1_a_table_on_the_volume(own):
    assert "wrote 569 rows, 31 columns" in run(own, "table.py")


def test_2_a_killed_worker_resumes_from_its_checkpoint(own):
    said = run(own, "train.py", "--lose-a-worker")
    assert "this worker is killed" in said
    begun = re.findall(r"worker (\d) begins at round (\d+)", said)
    assert {"0", "1"} == {rank for rank, _ in begun} and {"0", "10"} == {number for _, number in begun}, begun
    rounds, error = re.search(r"rounds (\d+), validation error ([\d.]+)", said).groups()
    assert int(rounds) == 30 and float(error) < 0.08


def test_3_the_best_depth(own):
    trials, depth, loss = re.search(r"(\d+) trials, best max_depth (\d) with logloss ([\d.]+)", run(own, "find_depth.py")).groups()
    assert int(trials) == 9 and 1 <= int(depth) <= 9 and float(loss) < 0.25


def test_4_what_is_on_the_volume_outlives_the_cluster(own):
    own.cli("ray", "delete", "example-cluster", "-n", "alice", "--wait", user=ALICE, timeout=200)
    make_cluster(own)
    count, right = re.search(r"(\d+) predictions, ([\d.]+) right; tasks and actors agree", run(own, "predict.py")).groups()
    assert int(count) == 569 and float(right) > 0.95


def test_5_it_is_served_to_notebooks_and_outside(own):
    assert "serving /cancer and /page" in run(own, "app.py", SERVED)
    header = own.cli("-n", "alice", "exec", "raycluster/example-cluster", "--", "head", "-1", "/data/breast_cancer.csv", user=ALICE).stdout
    row = json.dumps({name: 1.0 for name in header.strip().split(",")[:-1]})
    answer = wait_for("an answer", lambda: (lambda got: got if got.status == 200 else None)(
        own.http("POST", f"{SERVED}/cancer", ALICE, body=row, headers={"Content-Type": "application/json"})), 60, 1)
    assert 0 <= answer.json["benign"][0] <= 1
    wrong = own.http("POST", f"{SERVED}/cancer", ALICE, body='{"mean radius": 1}', headers={"Content-Type": "application/json"})
    assert wrong.status == 400 and "mean texture" in wrong.json["error"]
    assert own.http("POST", f"{SERVED}/cancer", CAROL, body=row).status == 404
    notebook = {"apiVersion": "kubeflow.org/v1", "kind": "Notebook", "metadata": {"name": "asker"}, "spec": {"template": {"spec": {
        "containers": [{"name": "asker", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}}}}
    own.cli("apply", "-n", "alice", "-f", "-", user=ALICE, input=json.dumps(notebook))
    own.cli("wait", "notebook", "asker", "-n", "alice", "--timeout", "200s", user=ALICE, timeout=220)
    own.cli("-n", "alice", "notebook", "cp", EXAMPLE / "ask.py", "asker:ask.py", user=ALICE)
    said = own.cli("-n", "alice", "notebook", "exec", "asker", "--", "python", "ask.py", user=ALICE).stdout
    assert int(re.match(r"(\d+) of 20 right", said)[1]) >= 18


def test_6_a_page_that_one_colleague_may_use(own):
    page = f"{SERVED}/page/"
    assert own.http("GET", page, BOB).status == 404
    own.cli("share", "alice", BOB, "--ray", "example-cluster", "--role", "editor", user=ALICE)
    html = own.http("GET", page, BOB)
    assert html.status == 200 and "Breast cancer" in html.text and f"{SERVED}/page" in html.text
    begun = own.http("POST", f"{page}gradio_api/call/judge", BOB, body={"data": [30, 30, 0.2]})
    assert begun.status == 200, begun.text
    said = own.http("GET", f"{page}gradio_api/call/judge/{begun.json['event_id']}", BOB, timeout=60).text
    assert "event: complete" in said and "benign with a probability of 0." in said
    assert own.http("GET", page, CAROL).status == 404
    own.cli("unshare", "alice", BOB, "--ray", "example-cluster", user=ALICE)
    assert own.http("GET", page, BOB).status == 404
