"""Serves the model that train.py kept, at /digits on port 8000 of the cluster's head service.

    ray job submit --address ADDRESS --working-dir . -- python serve_digits.py
    curl http://example-cluster-head-svc:8000/digits?sample=7

The job ends once the application is up; the application stays until `serve.delete("digits")` or the cluster's end.
"""

import json
import pickle
import sys

import ray
from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse

SHELF = "digits-model"
NAMESPACE = "examples"
PIXELS = 64


@serve.deployment(num_replicas=1, ray_actor_options={"num_cpus": 0.5})
class Digits:
    def __init__(self, model):
        from sklearn.datasets import load_digits

        self.model = pickle.loads(model)
        self.samples = load_digits()

    def answer(self, pixels):
        return int(self.model.predict([pixels])[0])

    async def __call__(self, request: Request):
        """GET ?sample=N classifies an image of the data set; POST {"pixels": [64 numbers]} one of your own."""
        if request.method == "GET":
            try:
                at = int(request.query_params.get("sample", "0"))
                pixels, label = self.samples.data[at], int(self.samples.target[at])
            except (ValueError, IndexError):
                return JSONResponse({"error": f"sample must be 0 to {len(self.samples.data) - 1}"}, status_code=400)
            return {"digit": self.answer(pixels), "label": label}
        try:
            pixels = [float(value) for value in (await request.json())["pixels"]]
        except (json.JSONDecodeError, KeyError, TypeError, ValueError):
            pixels = []
        if len(pixels) != PIXELS:
            return JSONResponse({"error": f"pixels must be a list of {PIXELS} numbers from 0 to 16"}, status_code=400)
        return {"digit": self.answer(pixels)}


def main():
    ray.init(namespace=NAMESPACE)
    try:
        model, accuracy = ray.get(ray.get_actor(SHELF).get.remote())
    except ValueError:
        sys.exit("there is no trained model on this cluster yet; run train.py first")
    # The head's service sends requests to the head's own address, so the proxy must listen there, not on loopback only.
    serve.start(http_options={"host": "0.0.0.0", "port": 8000})
    serve.run(Digits.bind(model), name="digits", route_prefix="/digits")
    print(f"serving digits (accuracy {accuracy:.4f}) at port 8000, path /digits", flush=True)


if __name__ == "__main__":
    main()
