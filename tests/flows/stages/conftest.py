from pathlib import Path

import numpy as np
import pytest
import torch

from augment.config import TrainingConfig
from augment.network.config import GeneratorConfig
from augment.train.data import TrainingData
from augment.train.spec import TrainingSpec
from augment.train.training import train_generator
from terrabalance.images import write_png


@pytest.fixture(scope="session")
def generator(tmp_path_factory) -> Path:
    """Trained for two steps on noise: it only has to fill something in."""
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 16, 16), np.uint8)
    network = GeneratorConfig(image_size=16, dim=8, dim_mults=(1, 2), timesteps=20)
    spec = TrainingSpec("Pond", network, TrainingConfig(steps=2, batch_size=2), seed=0)
    folder = tmp_path_factory.mktemp("g") / "Pond-1"
    return train_generator(TrainingData(images), spec, folder, [torch.device("cpu")])


@pytest.fixture
def photo(tmp_path) -> Path:
    y, x = np.mgrid[0:40, 0:60]
    write_png(tmp_path / "pond.png", np.stack([x * 4, y * 6, x + y]).astype(np.uint8))
    return tmp_path / "pond.png"
