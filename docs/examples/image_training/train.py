"""Teaches a small convolutional network scikit-learn's digits, as images of 8 x 8, on two workers that average their gradients."""
import os
import socket
import tempfile
import time

os.environ["RAY_TRAIN_HEALTH_CHECK_INTERVAL_S"] = "0.5"  # a worker's report waits for the next look at it, 2 s by default
import ray.train
import ray.train.torch
import torch
from ray.train import Checkpoint, CheckpointConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

EPOCHS, HELD_BACK = 8, 360


def images():
    """(what is learnt from, images that are held back, what these are)."""
    pixels, digits = load_digits(return_X_y=True)
    pixels, digits = torch.tensor(pixels / 16, dtype=torch.float32).reshape(-1, 1, 8, 8), torch.tensor(digits)
    mixed = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(7))
    learn, check = mixed[HELD_BACK:], mixed[:HELD_BACK]
    return TensorDataset(pixels[learn], digits[learn]), pixels[check], digits[check]


def network():
    return nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
                         nn.Flatten(), nn.Linear(32 * 4 * 4, 10))


def loop(config):
    learn, check, are = images()
    batches = ray.train.torch.prepare_data_loader(DataLoader(learn, batch_size=32, shuffle=True))
    model = ray.train.torch.prepare_model(network())
    step = torch.optim.Adam(model.parameters(), lr=3e-3)
    context = ray.train.get_context()
    print(f"worker {context.get_world_rank()} of {context.get_world_size()} on {socket.gethostname()}", flush=True)
    for epoch in range(1, config["epochs"] + 1):
        batches.sampler.set_epoch(epoch)
        for some, digits in batches:
            step.zero_grad()
            nn.functional.cross_entropy(model(some), digits).backward()
            step.step()
        with torch.no_grad():
            right = (model.module(check).argmax(1) == are).float().mean().item()
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = None
            if context.get_world_rank() == 0:  # all workers have the same weights: one of them keeps them
                print(f"epoch {epoch}: {right:.3f} right", flush=True)
                torch.save(model.module.state_dict(), f"{folder}/model.pt")
                checkpoint = Checkpoint.from_directory(folder)
            ray.train.report({"right": right}, checkpoint=checkpoint)


if __name__ == "__main__":
    result = TorchTrainer(
        loop, train_loop_config={"epochs": EPOCHS}, scaling_config=ScalingConfig(num_workers=2, resources_per_worker={"CPU": 1}),
        run_config=RunConfig(name=f"images-{int(time.time())}", storage_path="/data/results",
                             checkpoint_config=CheckpointConfig(num_to_keep=2))).fit()
    print(f"{result.metrics['right']:.3f} right on {HELD_BACK} images that it never saw")
    print(f"checkpoint {result.checkpoint.path}")
