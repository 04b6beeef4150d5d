"""A Serve application that takes a row as JSON, {"mean radius": 17.99, ...}, or a list of such rows, and answers probabilities."""
import sys

import pandas
import xgboost
from features import load
from ray import serve


@serve.deployment(ray_actor_options={"num_cpus": 0.2})
class Cancer:
    def __init__(self):
        self.model, self.scaler = load()

    def rows(self, given):
        """JSON to a table with the model's columns, in its order."""
        rows = given if isinstance(given, list) else [given]
        missing = [name for name in self.model.feature_names if any(name not in row for row in rows)]
        if not rows or missing:
            raise ValueError(f"each row needs {missing[0] if missing else 'values'}")
        return pandas.DataFrame(rows)[self.model.feature_names].astype(float)

    def predict(self, given):
        table = self.scaler.transform_batch(self.rows(given))
        return [round(float(one), 4) for one in self.model.predict(xgboost.DMatrix(table))]

    async def __call__(self, request):
        from starlette.responses import JSONResponse

        try:
            return {"benign": self.predict(await request.json())}
        except (ValueError, TypeError, AttributeError) as wrong:
            return JSONResponse({"error": str(wrong)}, 400)


if __name__ == "__main__":
    from page import page

    base = sys.argv[1]  # where the gateway shows this cluster's applications: /serve/alice/example-cluster
    serve.start(proxy_location="HeadOnly", http_options={"host": "0.0.0.0"})
    serve.run(Cancer.bind(), name="cancer", route_prefix="/cancer")
    serve.run(page(f"{base}/page"), name="page", route_prefix="/page")
    print("serving /cancer and /page")
