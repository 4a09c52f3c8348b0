"""Trainings of classifiers that are long enough for a test to kill."""

from pathlib import Path

from classifier.train.experiment import Experiment, Trial
from classifier.train.loop import CHECKPOINT_EVERY_S
from classifier.train.training import train, train_baseline
from terrabalance.manifest import read_manifest
from terrabalance.progress import Progress

from ..conftest import experiment_for

DATA = "data"  # beside the folder of a training: a dataset with its manifest
WEIGHTS = "net.safetensors"  # likewise
REPORTED = "reported.txt"  # a line for each step; a step done twice is there twice
_STEPS = 40


def pixels(folder: str, every_s: float = CHECKPOINT_EVERY_S) -> None:
    """Train a transformer, with images pasted into others."""
    experiment = _experiment(folder, model="test_vit")
    train(experiment, Trial("class-cutmix", 1), _reported(folder), every_s)


def batch_norm(folder: str, every_s: float = CHECKPOINT_EVERY_S) -> None:
    """Train a network with statistics of batches, on synthetic images too."""
    train(_experiment(folder), Trial("synthetic", 0), _reported(folder), every_s)


def head(folder: str, every_s: float = CHECKPOINT_EVERY_S) -> None:
    """Train a linear layer on features."""
    experiment = _experiment(folder, frozen=True, weights=Path(folder).with_name(WEIGHTS))
    train(experiment, Trial("real", 0), _reported(folder), every_s)


def baseline(folder: str, every_s: float = CHECKPOINT_EVERY_S) -> None:
    """Train the network behind the features."""
    home = Path(folder) / "baseline"
    train_baseline(_experiment(folder), home, _reported(folder), every_s)


def _experiment(folder: str, **changes: object) -> Experiment:
    root = Path(folder)
    manifest = read_manifest(root.with_name(DATA))
    return experiment_for(manifest, root, steps=_STEPS, **changes)


def _reported(folder: str) -> Progress:
    def report(done: int, total: int, _message: str = "") -> None:
        if total == _STEPS:
            with (Path(folder) / REPORTED).open("a") as file:
                file.write(f"{done}\n")

    Path(folder).mkdir(exist_ok=True)
    return report
