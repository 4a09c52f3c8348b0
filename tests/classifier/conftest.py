"""A dataset of coloured squares: two easy classes, some synthetic training images."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from classifier.config import ClassifierConfig
from classifier.train.experiment import Bench, Training
from terrabalance.images import write_png
from terrabalance.manifest import Manifest, frame_of

COLOURS = {"Field": (40, 160, 50), "<b>Pond": (30, 60, 180)}
SIDE_PX = 32


def draw_dataset(root: Path, n: int = 8) -> Manifest:
    """Write n train, 2 val and 4 test images a class, and n // 2 synthetic ones of the pond."""
    rng, rows = np.random.default_rng(0), []
    parts = [("train", "real", n), ("val", "real", 2), ("test", "real", 4)]
    for label, (name, colour) in enumerate(COLOURS.items()):
        extra = [("train", "synthetic", n // 2)] if label else []
        for split, source, count in parts + extra:
            for i in range(count):
                path = f"{split}/{label}/{source}_{i}.png"
                noise = rng.normal(0, 12, (3, SIDE_PX, SIDE_PX))
                pixels = np.array(colour)[:, None, None] + noise
                write_png(root / path, pixels.clip(0, 255).astype(np.uint8))
                rows.append({"path": path, "class": name, "split": split, "source": source,
                             "status": "ok", "sha256": f"{path}-sum"})  # fmt: skip
    return Manifest(root, frame_of(rows))


def tiny_config(**changes: object) -> ClassifierConfig:
    """Return a judge that learns the colours in seconds, without a hub."""
    fields = {"model": "test_resnet", "pretrained": False, "image_size": 32, "steps": 6,
              "batch_size": 8, "learning_rate": 3e-3, "seeds": (0, 1), "tries": 1}  # fmt: skip
    return ClassifierConfig.model_validate({**fields, **changes})


def bench_for(manifest: Manifest, root: Path, **changes: object) -> Bench:
    """Put a tiny judge before a manifest; its trainings go below `root`."""
    return Bench(manifest, tiny_config(**changes), SIDE_PX, torch.device("cpu"), root)


def alone(bench: Bench, training: Training) -> Bench:
    """Return the bench of a comparison that is nothing but one training."""
    only = {"arms": (training.arm,), "seeds": (training.seed,)}
    return replace(bench, config=bench.config.model_copy(update=only))


@pytest.fixture(scope="session")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Two classes, 8 real training images each."""
    return draw_dataset(tmp_path_factory.mktemp("squares"))


@pytest.fixture
def cpu() -> torch.device:
    """The device on which runs are bit-identical."""
    return torch.device("cpu")
