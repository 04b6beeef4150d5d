#!/usr/bin/env python3
"""One change, 1,000 browsers that watch: when has the last of them been told?"""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "e2e"))
import load  # noqa: E402
from atelier import BUILD, Atelier  # noqa: E402

WATCHES = int(os.environ.get("BENCH_WATCHES", "1000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "20"))
A_PERSON = 100  # watches of one person; the service allows 128
ALICE = "alice@example.com"


def main():
    results = {"machine": load.machine(), "watches": WATCHES}
    print(results["machine"])
    house = Atelier()
    try:
        house.up(60)
        house.add_user(ALICE)
        house.cli("profile", "create", "alice", "--wait", user=ALICE)
        house.cli("apply", "-n", "alice", "-f", "-", user=ALICE,
                  input="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: watched}\ndata: {mark: none}\n")
        tokens = [house.tokens[ALICE]] * A_PERSON
        for number in range((WATCHES - 1) // A_PERSON):
            email = f"watcher{number}@example.com"
            house.cli("user", "create", email)
            house.cli("share", "alice", email, "--role", "editor", user=ALICE)
            tokens += [house.cli("token", "create", "--user", email).stdout.strip()] * A_PERSON
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("\n".join(tokens[:WATCHES]) + "\n")
            file.flush()
            said = subprocess.run([BUILD / "bench" / "fanout", str(house.port), file.name, "/api/v1/namespaces/alice/configmaps/watched",
                                   str(ROUNDS)], stdout=subprocess.PIPE, text=True, check=True).stdout
        rounds = [list(map(float, line.split())) for line in said.splitlines()]
        assert len(rounds) == ROUNDS
    finally:
        house.remove()
    results["rounds_ms"] = rounds
    for column, name in enumerate(("first", "median", "last")):
        values = [r[column] for r in rounds]
        print(f"{name:7} of {WATCHES} told: median {statistics.median(values):7.2f} ms, least {min(values):.2f}, most {max(values):.2f}")
    last = statistics.median(r[2] for r in rounds)
    print(f"last one told in {last:.1f} ms; goal <= 50: {'met' if last <= 50 else 'missed'}")
    (BUILD / "bench-fanout.json").write_text(json.dumps(results, indent=1))


main()
