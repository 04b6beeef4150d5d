"""Trains classifiers of handwritten digits on a Ray cluster's workers and keeps the best one on the cluster.

    ray job submit --address ADDRESS --working-dir . -- python train.py

Each candidate is a Ray task, so they run wherever the cluster has CPUs. The winner is kept by a detached actor, from which
serve_digits.py takes it.
"""

import pickle
import socket

import ray

SHELF = "digits-model"
NAMESPACE = "examples"
CANDIDATES = [{"C": c, "gamma": gamma} for c in (1.0, 10.0) for gamma in (0.0005, 0.001, 0.005)]


@ray.remote(num_cpus=0)
class Shelf:
    """Holds the best model after the job that trained it has ended."""

    def __init__(self):
        self.model = None
        self.accuracy = 0.0

    def put(self, model, accuracy):
        self.model, self.accuracy = model, accuracy

    def get(self):
        return self.model, self.accuracy


@ray.remote(num_cpus=1, scheduling_strategy="SPREAD")
def train(parameters):
    """Trains one candidate, on whichever node, and scores it on images it has not seen."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
    from sklearn.svm import SVC

    digits = load_digits()
    seen_x, unseen_x, seen_y, unseen_y = train_test_split(
        digits.data, digits.target, test_size=0.25, random_state=7, stratify=digits.target
    )
    model = SVC(**parameters).fit(seen_x, seen_y)
    return parameters, model.score(unseen_x, unseen_y), pickle.dumps(model), socket.gethostname()


def main():
    ray.init(namespace=NAMESPACE)
    print(f"nodes: {sum(node['Alive'] for node in ray.nodes())}, CPUs: {ray.cluster_resources().get('CPU', 0):g}", flush=True)
    waiting = [train.remote(parameters) for parameters in CANDIDATES]
    best = None
    while waiting:
        finished, waiting = ray.wait(waiting)
        parameters, accuracy, model, host = ray.get(finished[0])
        print(f"{accuracy:.4f}  {parameters}  on {host}", flush=True)
        if best is None or accuracy > best[0]:
            best = accuracy, parameters, model

    accuracy, parameters, model = best
    shelf = Shelf.options(name=SHELF, get_if_exists=True, lifetime="detached").remote()
    ray.get(shelf.put.remote(model, accuracy))
    print(f"accuracy: {accuracy:.4f} with {parameters}", flush=True)


if __name__ == "__main__":
    main()
