"""A base and a class's generator that starts from it: work for a test to kill."""

from pathlib import Path

import numpy as np
import torch

from augment.config import GeneratorConfig, TrainingConfig
from augment.train.evaluation import HeldOut
from augment.train.spec import Recipe
from augment.train.training import train_generator

CPU = torch.device("cpu")
CLASSES = ("Pond", "Port")
# Tiny, for the time of the test is that of looks and previews: they draw in `timesteps` calls.
NETWORK = GeneratorConfig(image_size=8, dim=8, dim_mults=(1,), timesteps=4)
LOOP = TrainingConfig(
    steps=30, batch_size=4, looks=2, checkpoint_every=5, preview_every=15, memorizing=9.0
)
REPORTED = "reported.txt"  # a line for each report of progress; a step done twice is there twice


def mean_colours(images: np.ndarray) -> np.ndarray:
    """Return (N, 3) features."""
    return images.mean((2, 3)).astype(np.float32) / 255


def train(folder: str) -> None:
    """Train `folder`/base and then `folder`/Pond, going on with what is there."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    images, unseen = (rng.integers(0, 256, (n, 3, 8, 8), np.uint8) for n in (12, 24))
    labels, of_unseen = np.arange(12) % 2, np.arange(24) % 2
    home = Path(folder)
    home.mkdir(exist_ok=True)

    def report(step: int, n_steps: int, message: str) -> None:
        with (home / REPORTED).open("a") as file:
            file.write(f"{message.partition(':')[0]} {step}\n")

    held_out = HeldOut(unseen, of_unseen, mean_colours, "colours")
    simple = LOOP.model_copy(update={"ema_decay": 0.9})
    recipe = Recipe("", NETWORK, simple, 1, classes=CLASSES)
    base = train_generator(images, recipe, home / "base", CPU, report, labels, held_out)
    own = Recipe("Pond", NETWORK, LOOP, 1, start=base, classes=CLASSES)
    of_pond = HeldOut(unseen, np.zeros(24, np.int64), mean_colours, "colours")
    train_generator(images[labels == 0], own, home / "Pond", CPU, report, held_out=of_pond)
