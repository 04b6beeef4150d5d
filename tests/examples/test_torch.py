"""docs/examples/image_training and docs/examples/rllib, walked as their README says, where the image that both need was made."""
import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from atelier import IMAGE_BIN, IMAGES, ROOT, running  # noqa: E402

pytestmark = pytest.mark.skipif(not (IMAGES / "ray-2.60-torch" / "image.json").exists(),
                                reason="there is no image ray-2.60-torch, of several GB: make test-examples-torch makes it")
ALICE, CAROL = "alice@example.com", "carol@example.com"
EXAMPLES = ROOT / "docs" / "examples"


@contextlib.contextmanager
def cluster(example):
    """An instance where alice has the cluster of that example, and the volume `data`."""
    with running(ALICE, CAROL) as instance:
        instance.cli("volume", "create", "data", "-n", "alice", "--size", "2Gi", user=ALICE)
        instance.cli("apply", "-f", EXAMPLES / example / "cluster.yaml", "-n", "alice", user=ALICE)
        instance.cli("wait", "raycluster", "example-cluster", "-n", "alice", "--timeout", "400s", user=ALICE, timeout=420)
        yield instance


def from_outside(own, user, *words):
    """Ray's own `ray job`, begun outside of every pod, through the gateway with that person's token."""
    return subprocess.Popen(
        [IMAGE_BIN / "ray", "job", *words], cwd=EXAMPLES / "image_training", text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "RAY_JOB_HEADERS": json.dumps({"Authorization": f"Bearer {own.tokens[user]}"}), "RAY_API_SERVER_ADDRESS":
             f"{own.url}/api/v1/namespaces/alice/services/http:example-cluster-head-svc:dashboard/proxy/"})


def state(own):
    return own.get("/ray/alice/example-cluster/api/jobs/images", ALICE).json["status"]


def test_images_learnt_by_a_job_from_outside_whose_log_is_followed():
    with cluster("image_training") as own:
        begun = from_outside(own, ALICE, "submit", "--no-wait", "--submission-id", "images", "--working-dir", ".", "--", "python", "train.py")
        said = begun.communicate(timeout=120)[0]
        assert begun.returncode == 0, said
        with from_outside(own, ALICE, "logs", "images", "--follow") as following:
            lines, meanwhile = [], None
            for line in following.stdout:
                lines.append(line)
                if meanwhile is None and "epoch 1:" in line:
                    meanwhile = state(own)
        said = "".join(lines)
        print(said)
        assert following.returncode == 0 and meanwhile == "RUNNING" and state(own) == "SUCCEEDED", said
        nodes = dict(re.findall(r"worker ([01]) of 2 on (\S+)", said))
        assert set(nodes) == {"0", "1"} and nodes["0"] != nodes["1"], said
        assert set(re.findall(r"epoch (\d): [\d.]+ right", said)) == set("12345678"), said
        assert float(re.search(r"^([\d.]+) right on 360 images", said, re.M)[1]) > 0.9
        checkpoint = re.search(r"^checkpoint (/data/results/\S+)", said, re.M)[1]
        kept = own.cli("-n", "alice", "exec", "raycluster/example-cluster", "--", "ls", checkpoint, user=ALICE).stdout
        assert "model.pt" in kept
        refused = from_outside(own, CAROL, "logs", "images", "--follow")
        said = refused.communicate(timeout=120)[0]
        assert refused.returncode != 0 and "404" in said and "epoch" not in said, said


def test_a_pole_balanced_by_rllib():
    with cluster("rllib") as own:
        said = own.cli("ray", "submit", "example-cluster", "-n", "alice", "--working-dir", EXAMPLES / "rllib", "--", "python", "balance.py",
                       user=ALICE, timeout=590).stdout
        print(said)
        means = [int(steps) for steps in re.findall(r"iteration \d+: an episode holds for (\d+) steps", said)]
        assert means[0] < 60 and means[-1] >= 150, said
        assert f"balanced for 150 steps or more after {len(means)} iterations" in said
