import numpy as np
import pytest
import torch

from augment.config import TrainingConfig
from augment.network.generator import build_diffusion
from augment.train.data import TrainingData
from augment.train.spec import TrainingSpec
from augment.train.training import train_generator

from .pond_requests import TINY


@pytest.fixture(scope="session")
def generator(tmp_path_factory):
    images = np.random.default_rng(0).integers(0, 256, (6, 3, 16, 16), np.uint8)
    spec = TrainingSpec("Pond", TINY, TrainingConfig(steps=4, batch_size=4), seed=1)
    folder = tmp_path_factory.mktemp("g") / "Pond-1"
    return train_generator(TrainingData(images), spec, folder, [torch.device("cpu")])


@pytest.fixture
def diffusion():
    torch.manual_seed(0)
    return build_diffusion(TINY).eval()
