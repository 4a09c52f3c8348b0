import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from classifier.model import build_model
from classifier.training import train_arm
from terrabalance.errors import BadInput, TrainingDiverged
from terrabalance.images import write_png
from terrabalance.manifest import Manifest, read_manifest, write_manifest

from .conftest import draw_dataset, tiny_config


def outputs(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in ("predictions.csv", "losses.csv")]


def test_coloured_squares_are_learned(squares, tmp_path, cpu):
    path = train_arm(squares, "synthetic", 0, tiny_config(steps=16), 32, tmp_path, cpu)
    rows = pd.read_csv(path)
    test = rows[rows["split"] == "test"]
    assert list(rows.columns) == ["split", "path", "class", "predicted", "confidence"]
    assert len(test) == 8 and (rows["split"] == "val").sum() == 4
    assert (test["class"] == test["predicted"]).all()
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["n_train"] == {"<b>Pond": 12, "Field": 8}
    assert not (tmp_path / "checkpoints").exists()


def test_stopped_and_resumed_equals_uninterrupted(squares, tmp_path, cpu):
    config = tiny_config(model="test_vit")
    train_arm(squares, "real", 1, config, 32, tmp_path / "whole", cpu)

    def stop(done: int, total: int, message: str = "") -> None:
        if total == config.steps and done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_arm(squares, "real", 1, config, 32, tmp_path / "cut", cpu, stop, 0)
    assert (tmp_path / "cut" / "checkpoints" / "step_0000004.pt").is_file()
    steps: list[int] = []

    def note(done: int, total: int, message: str = "") -> None:
        if total == config.steps:
            steps.append(done)

    train_arm(squares, "real", 1, config, 32, tmp_path / "cut", cpu, note)
    assert steps == [5, 6]
    assert outputs(tmp_path / "whole") == outputs(tmp_path / "cut")


_CHILD = """
import sys, time, torch
from pathlib import Path
from classifier.config import ClassifierConfig
from classifier.training import train_arm
from terrabalance.manifest import read_manifest
torch.set_num_threads(2)
config = ClassifierConfig.model_validate_json(sys.argv[3])
train_arm(read_manifest(Path(sys.argv[1])), "real", 0, config, 32, Path(sys.argv[2]),
          torch.device("cpu"), lambda done, total, message: time.sleep(0.02), 0)
"""


def test_killed_and_resumed_equals_uninterrupted(tmp_path, cpu):
    manifest = draw_dataset(tmp_path / "data")
    write_manifest(manifest, manifest.root)
    config, cut = tiny_config(steps=8), tmp_path / "cut"
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, manifest.root, cut, config.model_dump_json()],
        cwd=Path(__file__).parents[2],
    )
    deadline = time.monotonic() + 60
    while not list(cut.glob("checkpoints/step_*.pt")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert not (cut / "done.json").exists()
    again = read_manifest(manifest.root)
    train_arm(again, "real", 0, config, 32, cut, cpu)
    train_arm(again, "real", 0, config, 32, tmp_path / "whole", cpu)
    assert outputs(tmp_path / "whole") == outputs(cut)


def test_a_finished_arm_is_skipped_until_its_inputs_change(squares, tmp_path, cpu):
    config = tiny_config(steps=2)
    path = train_arm(squares, "real", 0, config, 32, tmp_path, cpu)
    written = path.stat().st_mtime_ns
    train_arm(squares, "real", 0, tiny_config(steps=2, seeds=(0, 5)), 32, tmp_path, cpu)
    assert path.stat().st_mtime_ns == written
    train_arm(squares, "real", 0, tiny_config(steps=3), 32, tmp_path, cpu)
    assert len(pd.read_csv(tmp_path / "losses.csv")) == 3


def test_a_checkpoint_of_other_settings_is_not_resumed(squares, tmp_path, cpu):
    def stop(done: int, total: int, message: str = "") -> None:
        if total == 6 and done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_arm(squares, "real", 0, tiny_config(), 32, tmp_path / "a", cpu, stop, 0)
    other = tiny_config(learning_rate=1e-4)
    train_arm(squares, "real", 0, other, 32, tmp_path / "a", cpu)
    train_arm(squares, "real", 0, other, 32, tmp_path / "b", cpu)
    assert outputs(tmp_path / "a") == outputs(tmp_path / "b")


def test_arms_without_synthetic_images_are_the_same_training(squares, tmp_path, cpu):
    frame = squares.frame[squares.frame["source"] == "real"]
    only_real = Manifest(squares.root, frame)
    for arm in ("real", "synthetic"):
        train_arm(only_real, arm, 0, tiny_config(), 32, tmp_path / arm, cpu)
    assert outputs(tmp_path / "real") == outputs(tmp_path / "synthetic")


def test_test_and_val_images_never_reach_training(tmp_path, cpu):
    manifest = draw_dataset(tmp_path / "data")
    train_arm(manifest, "synthetic", 0, tiny_config(), 32, tmp_path / "before", cpu)
    for path in [*manifest.root.glob("test/**/*.png"), *manifest.root.glob("val/**/*.png")]:
        write_png(path, torch.randint(256, (3, 32, 32), dtype=torch.uint8).numpy())
    train_arm(manifest, "synthetic", 0, tiny_config(), 32, tmp_path / "after", cpu)
    before, after = outputs(tmp_path / "before"), outputs(tmp_path / "after")
    assert before[1] == after[1]  # every loss is equal to the last digit
    assert before[0] != after[0]


def test_the_real_arm_never_opens_a_synthetic_image(tmp_path, cpu):
    manifest = draw_dataset(tmp_path / "data")
    for path in manifest.root.glob("train/**/synthetic_*.png"):
        path.unlink()
    assert train_arm(manifest, "real", 0, tiny_config(steps=1), 32, tmp_path / "a", cpu).is_file()


def test_a_synthetic_test_image_is_refused(squares, tmp_path, cpu):
    frame = squares.frame.copy()
    frame.loc[frame["split"] == "test", "source"] = "synthetic"
    with pytest.raises(BadInput, match=r"val or test are not real, the first is 'test/"):
        train_arm(Manifest(squares.root, frame), "real", 0, tiny_config(), 32, tmp_path, cpu)


def test_an_exploding_loss_names_its_step(squares, tmp_path, cpu):
    config, weights = tiny_config(), tmp_path / "nan.safetensors"
    state = build_model(config, 2).state_dict()
    nan = {name: torch.full_like(value, float("nan")) for name, value in state.items()
           if value.is_floating_point()}  # fmt: skip
    save_file({**state, **nan}, weights)
    broken = config.model_copy(update={"weights": weights})
    with pytest.raises(TrainingDiverged, match="loss is nan at step 1 of 6"):
        train_arm(squares, "real", 0, broken, 32, tmp_path / "run", cpu)
    assert not (tmp_path / "run" / "done.json").exists()
