"""A dataset of coloured squares: two easy classes, some synthetic training images."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from classifier.config import ClassifierConfig
from classifier.network.model import build_model
from classifier.train.experiment import Experiment, Trial
from classifier.train.outputs import Outputs
from classifier.train.training import seal
from classifier.train.training import test_outputs as outputs_of
from terrabalance.files import sha256_of
from terrabalance.images import write_png
from terrabalance.manifest import Manifest, frame_of

COLOURS = {"Field": (40, 160, 50), "<b>Pond": (30, 60, 180)}
SIDE_PX = 32
REAL, SYNTHETIC = Trial("real", 0), Trial("synthetic", 0)


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
                             "status": "ok", "sha256": sha256_of(root / path)})  # fmt: skip
    return Manifest(root, frame_of(rows))


def tiny_config(**changes: object) -> ClassifierConfig:
    """Return a classifier that learns the colours in seconds, without a hub."""
    fields = {"model": "test_resnet", "pretrained": False, "image_size": 32, "steps": 6,
              "batch_size": 8, "learning_rate": 3e-3, "seeds": (0, 1), "tries": 1}  # fmt: skip
    return ClassifierConfig.model_validate({**fields, **changes})


def experiment_for(manifest: Manifest, root: Path, **changes: object) -> Experiment:
    """Return an experiment of a tiny classifier on a manifest; its trials go below `root`."""
    return Experiment(manifest, tiny_config(**changes), SIDE_PX, torch.device("cpu"), root)


def alone(experiment: Experiment, trial: Trial) -> Experiment:
    """Return the experiment of a comparison that is nothing but one trial."""
    only = {"arms": (trial.arm,), "seeds": (trial.seed,)}
    return replace(experiment, config=experiment.config.model_copy(update=only))


def ask_test(experiment: Experiment, trial: Trial) -> Outputs:
    """Return the outputs on test of a trial that is a comparison by itself."""
    return outputs_of(seal(alone(experiment, trial)), trial)


def outputs(experiment: Experiment, trial: Trial) -> list[bytes]:
    """Return the bytes that two equal trials have in common: logits on test, and all losses."""
    folder = experiment.folder(trial)
    return [ask_test(experiment, trial).logits.tobytes(), (folder / "losses.csv").read_bytes()]


@pytest.fixture(scope="session")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Two classes, 8 real training images each."""
    return draw_dataset(tmp_path_factory.mktemp("squares"))


def auto_takes(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `auto` choose as it would on another machine."""
    monkeypatch.setattr("terrabalance.device.supports_bf16", lambda _: precision == "bf16")


@pytest.fixture
def cpu() -> torch.device:
    """The device on which runs are bit-identical."""
    return torch.device("cpu")


@pytest.fixture
def backbone(tmp_path) -> Path:
    """Weights of an untrained network, for features."""
    torch.manual_seed(0)
    save_file(build_model(tiny_config(), 5).state_dict(), tmp_path / "net.safetensors")
    return tmp_path / "net.safetensors"
