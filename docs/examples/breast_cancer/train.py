"""Trains XGBoost on two workers, with a checkpoint on the volume every ten rounds.

--lose-a-worker kills one of them after round 15 of the first attempt: the second goes on from the checkpoint of round 10.
"""
import os
import signal
import sys
import time

os.environ["RAY_TRAIN_HEALTH_CHECK_INTERVAL_S"] = "0.5"  # a worker's report of a round waits for the next look at it, 2 s by default
import ray
import xgboost
from features import RESULTS, keep, split
from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.xgboost import RayTrainReportCallback, XGBoostTrainer

ROUNDS, EVERY, LOST_AT = 30, 10, 15


class Lose(xgboost.callback.TrainingCallback):
    def after_iteration(self, model, epoch, evals_log):
        if epoch == LOST_AT:
            print("this worker is killed", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        return False


def matrix(name):
    table = ray.train.get_dataset_shard(name).materialize().to_pandas()
    return xgboost.DMatrix(table.drop(columns="target"), table["target"])


def loop(config):
    checkpoint = ray.train.get_checkpoint()
    model = RayTrainReportCallback.get_model(checkpoint) if checkpoint else None
    done = model.num_boosted_rounds() if model else 0
    rank = ray.train.get_context().get_world_rank()
    print(f"worker {rank} begins at round {done}", flush=True)
    callbacks = [RayTrainReportCallback(frequency=EVERY, checkpoint_at_end=True)]
    if config["lose"] and rank == 1 and not done:
        callbacks.append(Lose())
    xgboost.train({"objective": "binary:logistic", "eval_metric": ["logloss", "error"], "max_depth": 3, "eta": 0.3}, matrix("train"),
                  num_boost_round=ROUNDS - done, evals=[(matrix("valid"), "validation")], xgb_model=model, callbacks=callbacks,
                  verbose_eval=False)


train, valid, scaler = split()
trainer = XGBoostTrainer(
    loop, train_loop_config={"lose": "--lose-a-worker" in sys.argv}, datasets={"train": train, "valid": valid},
    scaling_config=ScalingConfig(num_workers=2, resources_per_worker={"CPU": 1}),
    run_config=RunConfig(name=f"breast-cancer-{int(time.time())}", storage_path=RESULTS, failure_config=FailureConfig(max_failures=2),
                         checkpoint_config=CheckpointConfig(num_to_keep=2)))
result = trainer.fit()
model = RayTrainReportCallback.get_model(result.checkpoint)
keep(model, scaler)
print(f"rounds {model.num_boosted_rounds()}, validation error {result.metrics['validation-error']:.3f}")
print(f"checkpoint {result.checkpoint.path}")
