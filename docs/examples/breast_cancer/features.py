"""What all steps share: the table, split and scaled the same way each time, and where the model is kept."""
import pathlib
import pickle

import ray
from ray.data.preprocessors import StandardScaler

TABLE = "/data/breast_cancer.csv"
RESULTS = "/data/results"  # runs and their checkpoints; they outlive the cluster
ray.data.DataContext.get_current().enable_progress_bars = False
MODEL = pathlib.Path("/data/model")
SCALED = ["mean radius", "mean texture"]


def split():
    """(training, validation), as Ray Data; the scaler is fitted on the training part alone."""
    train, valid = ray.data.read_csv(TABLE).train_test_split(test_size=0.3, shuffle=True, seed=7)
    scaler = StandardScaler(columns=SCALED).fit(train)
    # Done now: while training holds the processors, nothing would be left to do it with.
    return scaler.transform(train).materialize(), scaler.transform(valid).materialize(), scaler


def keep(model, scaler):
    MODEL.mkdir(exist_ok=True)
    model.save_model(MODEL / "model.json")
    (MODEL / "scaler.pickle").write_bytes(pickle.dumps(scaler))


def load():
    """(model, scaler) of the last training."""
    import xgboost

    model = xgboost.Booster()
    model.load_model(MODEL / "model.json")
    return model, pickle.loads((MODEL / "scaler.pickle").read_bytes())
