"""Looks for the best depth of the trees, 1 to 9, two trials at a time in two processes."""
import time

import ray
import xgboost
from features import RESULTS, split
from ray import tune


def trial(config, train=None, valid=None):
    train, valid = (xgboost.DMatrix(table.drop(columns="target"), table["target"]) for table in (train, valid))
    seen = {}
    xgboost.train({"objective": "binary:logistic", "eval_metric": "logloss", "eta": 0.3, "max_depth": config["max_depth"]}, train,
                  num_boost_round=30, evals=[(valid, "validation")], evals_result=seen, verbose_eval=False)
    tune.report({"logloss": seen["validation"]["logloss"][-1]})


train, valid, _ = split()
tuner = tune.Tuner(
    tune.with_parameters(trial, train=train.to_pandas(), valid=valid.to_pandas()),
    param_space={"max_depth": tune.grid_search(list(range(1, 10)))},
    tune_config=tune.TuneConfig(metric="logloss", mode="min", max_concurrent_trials=2, reuse_actors=True),
    run_config=tune.RunConfig(name=f"depth-{int(time.time())}", storage_path=RESULTS))
results = tuner.fit()
best = results.get_best_result()
print(f"{len(results)} trials, best max_depth {best.config['max_depth']} with logloss {best.metrics['logloss']:.4f}")
ray.shutdown()
