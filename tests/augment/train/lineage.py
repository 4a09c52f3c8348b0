"""A base, of images with and without labels, and a generator from it: work for a test to kill."""

from pathlib import Path

import numpy as np
import torch

from augment.catalogue.hashes import Sketches
from augment.config import TrainingConfig
from augment.network.config import GeneratorConfig
from augment.network.unlabelled import UnlabelledRecord
from augment.train.data import HeldOut, TrainingData, Unlabelled
from augment.train.spec import TrainingSpec
from augment.train.training import train_generator

CPU = torch.device("cpu")
CLASSES = ("Pond", "Port")
# Tiny: evaluations and previews take most of the time, and they draw in `timesteps` calls.
NETWORK = GeneratorConfig(image_size=8, dim=8, dim_mults=(1,), timesteps=4)
LOOP = TrainingConfig(
    steps=30, batch_size=4, evaluations=2, checkpoint_every=5, preview_every=15, memorizing=9.0
)
OF_MORE = UnlabelledRecord(
    folder="more", source=None, licence=None, n_listed=15, n_learned=15, n_labelled=12,
    near_held_out=None, left_out={},
)  # fmt: skip
REPORTED = "reported.txt"  # a line for each report of progress; a step done twice is there twice


def mean_colours(images: np.ndarray) -> np.ndarray:
    """Return (N, 3) features."""
    return images.mean((2, 3)).astype(np.float32) / 255


def train(folder: str) -> None:
    """Train `folder`/base and then `folder`/Pond, going on with what is there."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    images, unseen = (rng.integers(0, 256, (n, 3, 8, 8), np.uint8) for n in (12, 24))
    more = rng.integers(0, 256, (15, 3, 8, 8), np.uint8)
    labels, of_unseen = np.arange(12) % 2, np.arange(24) % 2
    home = Path(folder)
    home.mkdir(exist_ok=True)

    def report(step: int, n_steps: int, message: str) -> None:
        with (home / REPORTED).open("a") as file:
            file.write(f"{message.partition(':')[0]} {step}\n")

    held_out = HeldOut(unseen, of_unseen, mean_colours, "colours")
    simple = LOOP.model_copy(update={"ema_decay": 0.9})
    spec = TrainingSpec("", NETWORK, simple, 1, classes=CLASSES)
    data = TrainingData(
        np.concatenate([images, more]),
        np.concatenate([labels, np.full(15, len(CLASSES))]),
        held_out,
        unlabelled=Unlabelled(15, Sketches.room_for(15), OF_MORE),
    )
    base = train_generator(data, spec, home / "base", [CPU], report)
    own = TrainingSpec("Pond", NETWORK, LOOP, 1, start=base, classes=CLASSES)
    of_pond = HeldOut(unseen, np.zeros(24, np.int64), mean_colours, "colours")
    data = TrainingData(images[labels == 0], held_out=of_pond)
    train_generator(data, own, home / "Pond", [CPU], report)
