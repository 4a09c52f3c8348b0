import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from classifier.network.model import build_model
from classifier.train.experiment import Trial
from classifier.train.training import train
from terrabalance.errors import TrainingDiverged
from terrabalance.manifest import read_manifest, write_manifest

from ..conftest import REAL, draw_dataset, experiment_for, outputs, tiny_config


def stop_after(step: int, total: int):
    def stop(done: int, of: int, message: str = "") -> None:
        if of == total and done == step:
            raise KeyboardInterrupt

    return stop


def test_stopped_and_resumed_equals_uninterrupted(squares, tmp_path):
    whole = experiment_for(squares, tmp_path / "whole", model="test_vit")
    cut = experiment_for(squares, tmp_path / "cut", model="test_vit")
    train(whole, Trial("real", 1))
    with pytest.raises(KeyboardInterrupt):
        train(cut, Trial("real", 1), stop_after(4, 6), 0)
    assert (cut.folder(Trial("real", 1)) / "checkpoints" / "step_0000004.pt").is_file()
    steps: list[int] = []

    def note(done: int, total: int, message: str = "") -> None:
        if total == 6:
            steps.append(done)

    train(cut, Trial("real", 1), note)
    assert steps == [5, 6]
    assert outputs(whole, Trial("real", 1)) == outputs(cut, Trial("real", 1))


_CHILD = """
import sys, torch
from pathlib import Path
from classifier.train.experiment import Experiment, Trial
from classifier.config import ClassifierConfig
from classifier.train.training import train
from terrabalance.manifest import read_manifest
torch.set_num_threads(1)  # as in the tests
config = ClassifierConfig.model_validate_json(sys.argv[3])
manifest, root = read_manifest(Path(sys.argv[1])), Path(sys.argv[2])
experiment = Experiment(manifest, config, 32, torch.device("cpu"), root)

def stay(*_):
    if list(root.glob("*/checkpoints/step_*.pt")):
        print("in the middle", flush=True)
        sys.stdin.read()  # until it is killed

train(experiment, Trial("real", 0), stay, 0)
"""


def test_killed_and_resumed_equals_uninterrupted(tmp_path):
    manifest = draw_dataset(tmp_path / "data")
    write_manifest(manifest, manifest.root)
    config, cut = tiny_config(steps=8), tmp_path / "cut"
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, manifest.root, cut, config.model_dump_json()],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert child.stdout is not None and child.stdout.readline() == "in the middle\n"
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert not list(cut.glob("*/done.json"))
    again = read_manifest(manifest.root)
    experiments = [experiment_for(again, root, steps=8) for root in (cut, tmp_path / "whole")]
    for experiment in experiments:
        train(experiment, REAL)
    assert outputs(experiments[0], REAL) == outputs(experiments[1], REAL)


def test_a_checkpoint_of_other_settings_is_not_resumed(squares, tmp_path):
    experiment = experiment_for(squares, tmp_path / "a")
    with pytest.raises(KeyboardInterrupt):
        train(experiment, REAL, stop_after(3, 6), 0)
    other = [experiment_for(squares, tmp_path / name, learning_rate=1e-4) for name in "ab"]
    experiment.folder(REAL).rename(other[0].folder(REAL))
    for each in other:
        train(each, REAL)
    assert outputs(other[0], REAL) == outputs(other[1], REAL)


def test_an_exploding_loss_names_its_step(squares, tmp_path):
    weights = tmp_path / "nan.safetensors"
    state = build_model(tiny_config(), 2).state_dict()
    nan = {name: torch.full_like(value, float("nan")) for name, value in state.items()
           if value.is_floating_point()}  # fmt: skip
    save_file({**state, **nan}, weights)
    experiment = experiment_for(squares, tmp_path / "out", weights=weights)
    with pytest.raises(TrainingDiverged, match="loss is nan at step 1 of 6"):
        train(experiment, REAL)
    assert not list((tmp_path / "out").glob("*/done.json"))
