import json

import numpy as np
import pandas as pd
import pytest
import torch

from classifier.train.experiment import trials_of
from classifier.train.training import seal, train, train_baseline, val_outputs
from terrabalance.checkpoint import save_checkpoint
from terrabalance.errors import NotReady
from terrabalance.files import read_json, sha256_of
from terrabalance.images import write_png
from terrabalance.manifest import Manifest

from ..conftest import (
    REAL,
    SYNTHETIC,
    ask_test,
    auto_takes,
    draw_dataset,
    experiment_for,
    outputs,
)


def test_coloured_squares_are_learned(squares, tmp_path):
    experiment = experiment_for(squares, tmp_path, steps=16)
    folder = train(experiment, SYNTHETIC)
    rows = ask_test(experiment, SYNTHETIC).predictions()
    assert list(rows.columns) == ["path", "class", "predicted", "confidence"]
    assert len(rows) == 8 and (rows["class"] == rows["predicted"]).all()
    assert rows["confidence"].between(0.5, 1).all()
    assert len(val_outputs(experiment, SYNTHETIC).paths) == 4
    card = json.loads((folder / "card.json").read_text())
    assert card["n_train"] == {"<b>Pond": 12, "Field": 8}
    assert not (folder / "checkpoints").exists()


def test_training_leaves_test_unopened(tmp_path):
    manifest = draw_dataset(tmp_path / "data")
    for path in manifest.root.glob("test/**/*.png"):
        path.write_bytes(b"not an image")
    folder = train(experiment_for(manifest, tmp_path / "out", steps=1), REAL)
    assert (folder / "val.parquet").is_file() and not (folder / "test.parquet").exists()


def test_what_is_not_trained_cannot_be_asked(squares, tmp_path):
    with pytest.raises(NotReady, match="real, seed 0"):
        ask_test(experiment_for(squares, tmp_path), REAL)


def test_a_finished_training_is_skipped_until_its_inputs_change(squares, tmp_path):
    folder = train(experiment_for(squares, tmp_path, steps=2), REAL)
    written = (folder / "done.json").stat().st_mtime_ns
    more = {"seeds": (0, 5), "arms": ("real", "oversample"), "tries": 3}
    assert train(experiment_for(squares, tmp_path, steps=2, **more), REAL) == folder
    assert (folder / "done.json").stat().st_mtime_ns == written
    assert train(experiment_for(squares, tmp_path, steps=3), REAL) != folder


def test_checkpoints_that_a_finished_training_could_not_remove_are_removed(squares, tmp_path):
    experiment = experiment_for(squares, tmp_path, steps=2)
    folders = [train(experiment, REAL), train_baseline(experiment, tmp_path / "baseline")]
    for folder in folders:
        save_checkpoint(folder / "checkpoints", 1, {})
    train(experiment, REAL)
    train_baseline(experiment, folders[1])
    assert not any((folder / "checkpoints").exists() for folder in folders)


def test_other_test_images_are_predicted_anew_without_training(tmp_path):
    manifest = draw_dataset(tmp_path / "data")
    experiment = experiment_for(manifest, tmp_path / "out", steps=2)
    folder = train(experiment, REAL)
    trained = (folder / "done.json").stat().st_mtime_ns
    first = ask_test(experiment, REAL)
    kept = manifest.frame[manifest.frame["path"] != first.paths[0]]
    fewer = experiment_for(Manifest(manifest.root, kept), tmp_path / "out", steps=2)
    train(fewer, REAL)
    assert ask_test(fewer, REAL).paths == first.paths[1:]
    assert (folder / "done.json").stat().st_mtime_ns == trained


def test_test_and_val_images_never_reach_training(tmp_path):
    manifest = draw_dataset(tmp_path / "data")
    before = experiment_for(manifest, tmp_path / "before")
    train(before, SYNTHETIC)
    first = outputs(before, SYNTHETIC)
    for path in [*manifest.root.glob("test/**/*.png"), *manifest.root.glob("val/**/*.png")]:
        write_png(path, torch.randint(256, (3, 32, 32), dtype=torch.uint8).numpy())
    hashes = [sha256_of(path) for path in manifest.paths(manifest.frame)]
    changed = Manifest(manifest.root, manifest.frame.assign(sha256=hashes))
    after = experiment_for(changed, tmp_path / "after")
    train(after, SYNTHETIC)
    second = outputs(after, SYNTHETIC)
    assert first[1] == second[1]  # every loss is equal to the last digit
    assert first[0] != second[0]


def test_the_baseline_for_features_opens_neither_val_nor_test(tmp_path):
    manifest = draw_dataset(tmp_path / "data")
    for path in [*manifest.root.glob("test/**/*.png"), *manifest.root.glob("val/**/*.png")]:
        path.unlink()
    experiment = experiment_for(manifest, tmp_path / "out", steps=2)
    folder = train_baseline(experiment, tmp_path / "baseline")
    losses = pd.read_csv(folder / "losses.csv")
    assert np.isfinite(losses["loss"]).all() and len(losses) == 2


def test_test_is_not_opened_before_every_training_has_ended(squares, tmp_path):
    experiment = experiment_for(squares, tmp_path, steps=2, seeds=(0, 1))
    for trial in trials_of(experiment.config)[:-1]:
        train(experiment, trial)
    with pytest.raises(NotReady, match="has not been trained"):
        seal(experiment)
    assert not list(tmp_path.glob("*/test.parquet"))


@pytest.mark.parametrize(("wanted", "said"), [("bf16", "bf16 autocast"), ("fp32", "float32")])
def test_the_precision_that_is_asked_for_is_trained_in_whatever_auto_takes(
    squares, tmp_path, monkeypatch, wanted, said
):
    auto_takes({"bf16": "fp32", "fp32": "bf16"}[wanted], monkeypatch)
    experiment = experiment_for(squares, tmp_path, steps=1, precision=wanted)
    assert read_json(train(experiment, REAL) / "card.json")["precision"] == said
    assert experiment.folder(REAL) != experiment_for(squares, tmp_path, steps=1).folder(REAL)


def test_a_precision_that_is_left_open_changes_no_name(squares, tmp_path):
    same = Manifest(squares.root, squares.frame.assign(sha256="0" * 64))  # whatever wrote the files
    experiment = experiment_for(same, tmp_path, precision="auto")
    names = [experiment.inputs(REAL), experiment.inputs(SYNTHETIC), experiment.comparison_key]
    assert names == [
        "8c805adef22f",
        "e4acb9b6889d",
        "c58c39cda26a",
    ]  # as given before there was the setting


@pytest.mark.parametrize("frozen", [False, True])
def test_a_classifier_is_predicted_in_the_precision_that_it_was_trained_in(
    squares, tmp_path, backbone, monkeypatch, frozen
):
    settings = {"frozen": True, "weights": backbone} if frozen else {}
    logits = []
    for predicted_on in ("bf16", "fp32"):
        experiment = experiment_for(squares, tmp_path / predicted_on, **settings)
        auto_takes("bf16", monkeypatch)
        train(experiment, REAL)
        auto_takes(predicted_on, monkeypatch)
        logits.append(ask_test(experiment, REAL).logits.tobytes())
    assert logits[0] == logits[1]
