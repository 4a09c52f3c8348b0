"""A training for a test to kill: `python train_until_killed.py FOLDER`."""

import sys
from pathlib import Path

import numpy as np
import torch

from augment.generator import GeneratorConfig
from augment.training import Recipe, TrainingConfig, train_generator

images = np.random.default_rng(0).integers(0, 256, (6, 3, 16, 16), np.uint8)
recipe = Recipe(
    "Pond",
    GeneratorConfig(image_size=16, dim=8, dim_mults=(1, 2), timesteps=20),
    TrainingConfig(steps=60, batch_size=4, checkpoint_every=5, preview_every=60),
    seed=1,
)
train_generator(images, recipe, Path(sys.argv[1]), torch.device("cpu"))
