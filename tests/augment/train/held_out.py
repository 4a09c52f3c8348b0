"""A tiny training with held-out images, whose features are colours.

Evaluations and previews take most of its time, and they draw in `timesteps` calls.
"""

import csv
from pathlib import Path

import numpy as np

from augment.config import TrainingConfig
from augment.network.config import GeneratorConfig
from augment.train.data import HeldOut, TrainingData
from augment.train.spec import TrainingSpec

TINY = GeneratorConfig(image_size=8, dim=8, dim_mults=(1,), timesteps=4)
LOOP = TrainingConfig(
    steps=12, batch_size=4, evaluations=4, checkpoint_every=5, preview_every=12, learning_rate=2e-3
)


def spec(**training: object) -> TrainingSpec:
    return TrainingSpec("Pond", TINY, LOOP.model_copy(update=training), seed=1)


def embed(images: np.ndarray) -> np.ndarray:
    """Return mean colours and their spread, as features."""
    flat = images.reshape(*images.shape[:2], -1) / 255
    return np.concatenate([flat.mean(2), flat.std(2)], axis=1).astype(np.float32)


def data(images: np.ndarray, unseen: np.ndarray) -> TrainingData:
    """Return images of 16 px, and what is held out of them, at the 8 px of the network."""
    images, unseen = images[..., ::2, ::2], unseen[..., ::2, ::2]
    held_out = HeldOut(unseen, np.zeros(len(unseen), np.int64), embed, "colours")
    return TrainingData(images, held_out=held_out)


def many(squares: np.ndarray) -> np.ndarray:
    """Return 24 images like the squares, none of which is trained on."""
    return np.concatenate([255 - squares, squares // 2])


def evaluations_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "looks.csv").open() as file:
        return list(csv.DictReader(file))
