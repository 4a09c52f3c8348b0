"""Weights that are not finite, which no loss tells of."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from augment.config import TrainingConfig
from augment.network.card import WEIGHTS, read_card
from augment.network.config import GeneratorConfig
from augment.train.data import TrainingData
from augment.train.spec import TrainingSpec
from augment.train.stepper import Stepper
from augment.train.training import train_generator
from terrabalance.errors import TrainingDiverged

TINY = GeneratorConfig(image_size=16, dim=8, dim_mults=(1, 2), timesteps=5)
SHORT = TrainingConfig(steps=12, batch_size=4, checkpoint_every=4, preview_every=6)


def train(images: np.ndarray, folder: Path) -> Path:
    spec = TrainingSpec("Pond", TINY, SHORT, seed=1)
    return train_generator(TrainingData(images), spec, folder, [torch.device("cpu")])


def spoil_weights(monkeypatch, steps: dict[int, int]) -> None:
    """Leave NaN in a weight after some steps, each so many times; losses are read before."""
    usual = Stepper.advance

    def spoiled(stepper):
        read = usual(stepper)
        if steps.get(stepper.step, 0) > 0:
            steps[stepper.step] -= 1
            next(stepper.network.parameters()).data.fill_(torch.nan)
        return read

    monkeypatch.setattr(Stepper, "advance", spoiled)


def all_finite(state: dict[str, torch.Tensor]) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in state.values())


@pytest.mark.parametrize("step", [8, 12])  # of a checkpoint, and the last
def test_weights_that_are_not_finite_are_neither_saved_nor_a_generator(
    squares, tmp_path, cpu, monkeypatch, step
):
    spoil_weights(monkeypatch, {step: 1})
    folder = train(squares, tmp_path)
    assert read_card(folder)["n_rollbacks"] == 1
    assert all_finite(load_file(folder / WEIGHTS))


def test_weights_that_never_become_finite_stop_the_training_and_keep_the_good_checkpoint(
    squares, tmp_path, cpu, monkeypatch
):
    spoil_weights(monkeypatch, {12: 99})
    with pytest.raises(TrainingDiverged, match=r"weights of NaN.*checkpoints is good. Lower") as at:
        train(squares, tmp_path)
    assert str(tmp_path) in str(at.value) and not (tmp_path / "done.json").exists()
    newest = max((tmp_path / "checkpoints").glob("step_*.pt"))
    assert newest.name == "step_0000008.pt"
    assert all_finite(torch.load(newest, weights_only=True)["network"])
    monkeypatch.undo()
    assert all_finite(load_file(train(squares, tmp_path) / WEIGHTS))  # it goes on from there


def test_a_checkpoint_of_weights_that_are_not_finite_becomes_no_generator(
    squares, tmp_path, cpu, monkeypatch
):
    with monkeypatch.context() as patch:
        spoil_weights(patch, {12: 1})
        patch.setattr(Stepper, "lost_weights", lambda stepper: "")  # as earlier versions
        patch.setattr("augment.train.loop.TrainingLoop.finish", lambda loop: None)
        train(squares, tmp_path)
    with pytest.raises(TrainingDiverged, match="Delete the newest file in its folder checkpoints"):
        train(squares, tmp_path)
    max((tmp_path / "checkpoints").glob("step_*.pt")).unlink()
    assert all_finite(load_file(train(squares, tmp_path) / WEIGHTS))
