"""Long enough work for a test to kill."""

from pathlib import Path

import numpy as np
import torch

from augment.config import SamplingConfig, TrainingConfig
from augment.network.config import GeneratorConfig
from augment.sample.request import SamplingRequest
from augment.sample.sampling import sample_class
from augment.train.data import TrainingData
from augment.train.spec import TrainingSpec
from augment.train.training import train_generator

CPU = torch.device("cpu")
NETWORK = GeneratorConfig(image_size=16, dim=8, dim_mults=(1, 2), timesteps=10)


def train(folder: str) -> None:
    _train(Path(folder), steps=60)


def sample(folder: str) -> None:
    generator = _train(Path(folder).with_name("Pond-1"), steps=2)
    few = SamplingConfig(steps=10, batch_size=4)
    sample_class(SamplingRequest(generator, "Pond", 32, few, 0, Path(folder), CPU, "r"))


def _train(folder: Path, steps: int) -> Path:
    images = np.random.default_rng(0).integers(0, 256, (6, 3, 16, 16), np.uint8)
    loop = TrainingConfig(steps=steps, batch_size=4, checkpoint_every=5, preview_every=60)
    spec = TrainingSpec("Pond", NETWORK, loop, seed=1)
    return train_generator(TrainingData(images), spec, folder, [CPU])
