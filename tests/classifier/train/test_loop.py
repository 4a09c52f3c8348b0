import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from classifier.network.features import trained_network
from classifier.network.model import WEIGHTS, build_model
from classifier.train.experiment import Experiment, Trial
from classifier.train.loop import CHECKPOINT_EVERY_S, pause_s
from classifier.train.training import train
from terrabalance.checkpoint import save_checkpoint, write_tensors
from terrabalance.errors import BadInput, TrainingDiverged

from ..conftest import REAL, auto_takes, experiment_for, outputs, tiny_config


def stop_after(step: int, total: int):
    def stop(done: int, of: int, message: str = "") -> None:
        if of == total and done == step:
            raise KeyboardInterrupt

    return stop


def steps_of(experiment: Experiment, trial: Trial) -> list[int]:
    """Train a trial of six steps to its end; return the steps that were still to do."""
    steps: list[int] = []

    def note(done: int, total: int, message: str = "") -> None:
        if total == 6:
            steps.append(done)

    train(experiment, trial, note)
    return steps


def test_stopped_and_resumed_equals_uninterrupted(squares, tmp_path):
    whole = experiment_for(squares, tmp_path / "whole", model="test_vit")
    cut = experiment_for(squares, tmp_path / "cut", model="test_vit")
    train(whole, Trial("real", 1))
    with pytest.raises(KeyboardInterrupt):
        train(cut, Trial("real", 1), stop_after(4, 6), 0)
    assert (cut.folder(Trial("real", 1)) / "checkpoints" / "step_0000004.pt").is_file()
    assert steps_of(cut, Trial("real", 1)) == [5, 6]
    assert outputs(whole, Trial("real", 1)) == outputs(cut, Trial("real", 1))


@pytest.mark.parametrize("frozen", [False, True])
def test_a_training_goes_on_in_the_precision_that_auto_took_when_it_began(
    squares, tmp_path, backbone, monkeypatch, frozen
):
    settings = {"frozen": True, "weights": backbone} if frozen else {}
    whole, cut = (experiment_for(squares, tmp_path / name, **settings) for name in ("a", "b"))
    auto_takes("bf16", monkeypatch)
    train(whole, REAL)
    with pytest.raises(KeyboardInterrupt):
        train(cut, REAL, stop_after(4, 6), 0)
    auto_takes("fp32", monkeypatch)
    assert steps_of(cut, REAL)[-2:] == [5, 6]
    assert outputs(whole, REAL) == outputs(cut, REAL)


def test_a_checkpoint_of_other_settings_is_not_resumed_and_that_is_said(squares, tmp_path, caplog):
    experiment = experiment_for(squares, tmp_path / "a")
    with pytest.raises(KeyboardInterrupt):
        train(experiment, REAL, stop_after(3, 6), 0)
    other = [experiment_for(squares, tmp_path / name, learning_rate=1e-4) for name in "ab"]
    experiment.folder(REAL).rename(other[0].folder(REAL))
    assert [steps_of(each, REAL) for each in other] == [[1, 2, 3, 4, 5, 6]] * 2
    assert [str(other[0].folder(REAL)) in record.message for record in caplog.records] == [True]
    assert outputs(other[0], REAL) == outputs(other[1], REAL)


def _stopped_at_four(squares, root: Path) -> tuple[Experiment, list[Path]]:
    """Return a training that was stopped after step 4, and its two newest checkpoints."""
    experiment = experiment_for(squares, root)
    with pytest.raises(KeyboardInterrupt):
        train(experiment, REAL, stop_after(4, 6), 0)
    files = sorted((experiment.folder(REAL) / "checkpoints").glob("step_*.pt"))
    assert [path.name for path in files] == ["step_0000003.pt", "step_0000004.pt"]
    return experiment, files


@pytest.mark.parametrize(("n_damaged", "steps_left"), [(1, [4, 5, 6]), (2, [1, 2, 3, 4, 5, 6])])
def test_a_damaged_checkpoint_costs_the_steps_since_the_one_before_and_a_line(
    squares, tmp_path, caplog, n_damaged, steps_left
):
    whole = experiment_for(squares, tmp_path / "whole")
    train(whole, REAL)
    cut, files = _stopped_at_four(squares, tmp_path / "cut")
    for path in files[-n_damaged:]:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    assert steps_of(cut, REAL) == steps_left
    said = [record.message for record in caplog.records]
    assert len(said) == n_damaged
    assert all(str(path) in "".join(said) for path in files[-n_damaged:])
    assert outputs(whole, REAL) == outputs(cut, REAL)


def test_what_is_no_checkpoint_of_a_classifier_is_not_resumed(squares, tmp_path, caplog):
    experiment, files = _stopped_at_four(squares, tmp_path)
    shutil.rmtree(files[0].parent)
    save_checkpoint(files[0].parent, 5, {"network": {}, "key": "of a generator"})
    assert steps_of(experiment, REAL) == [1, 2, 3, 4, 5, 6]
    assert "other settings or images" in caplog.text


@pytest.mark.parametrize("writing_s", [0.01, 0.5, 1.2, 40.0])
def test_checkpoints_take_a_thirtieth_of_the_time_at_most(writing_s):
    pause = pause_s(CHECKPOINT_EVERY_S, writing_s)
    assert pause >= CHECKPOINT_EVERY_S and writing_s / pause <= 1 / 30


def test_an_exploding_loss_names_its_step(squares, tmp_path):
    weights = tmp_path / "huge.safetensors"
    state = build_model(tiny_config(), 2).state_dict()
    huge = {name: torch.full_like(value, 3e38) for name, value in state.items()
            if value.is_floating_point()}  # fmt: skip
    save_file({**state, **huge}, weights)
    experiment = experiment_for(squares, tmp_path / "out", weights=weights)
    with pytest.raises(TrainingDiverged, match="loss is nan at step 1 of 6"):
        train(experiment, REAL)
    assert not list((tmp_path / "out").glob("*/done.json"))


def test_weights_that_the_last_step_spoils_are_no_finished_training(squares, tmp_path, monkeypatch):
    def spoil(network: torch.nn.Module) -> None:  # as torch's gradients of bf16 did
        list(network.parameters())[-1].register_hook(lambda gradient: gradient * torch.nan)

    monkeypatch.setattr("classifier.train.loop.keep_gradients_written", spoil)
    with pytest.raises(TrainingDiverged, match=r"NaN or infinity .*Lower classifier\.learning_rat"):
        train(experiment_for(squares, tmp_path, steps=1), REAL)
    assert not list(tmp_path.glob("*/done.json"))


def test_a_finished_classifier_with_nan_is_refused_with_its_folder_to_delete(squares, tmp_path):
    experiment = experiment_for(squares, tmp_path, steps=1)
    folder = train(experiment, REAL)
    state = load_file(folder / WEIGHTS)
    write_tensors(folder / WEIGHTS, {**state, "fc.bias": state["fc.bias"] * torch.nan})
    (folder / "val.parquet").unlink()
    for read in (
        lambda: train(experiment, REAL),
        lambda: trained_network(folder, experiment.device),
    ):
        with pytest.raises(BadInput, match=rf"NaN.*Delete the folder {folder} to have it made aga"):
            read()
    shutil.rmtree(folder)
    assert train(experiment, REAL) == folder
