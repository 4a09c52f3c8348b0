import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from classifier.network.model import build_model
from classifier.study.study import compare_bench
from classifier.train.experiment import Bench, Training, trainings_of
from classifier.train.outputs import Outputs
from classifier.train.training import seal, train, train_baseline, val_outputs
from classifier.train.training import test_outputs as outputs_of
from classifier.tuning import Setting
from terrabalance.errors import BadInput, NotReady, TrainingDiverged
from terrabalance.images import write_png
from terrabalance.manifest import Manifest, read_manifest, write_manifest

from ..conftest import alone, bench_for, draw_dataset, tiny_config

REAL, SYNTHETIC = Training("real", 0), Training("synthetic", 0)


@pytest.fixture
def backbone(tmp_path) -> Path:
    """Weights of a network that was never trained: features are features."""
    torch.manual_seed(0)
    save_file(build_model(tiny_config(), 5).state_dict(), tmp_path / "net.safetensors")
    return tmp_path / "net.safetensors"


def ask_test(bench: Bench, training: Training) -> Outputs:
    return outputs_of(seal(alone(bench, training)), training)


def outputs(bench: Bench, training: Training) -> list[bytes]:
    folder = bench.folder(training)
    return [ask_test(bench, training).logits.tobytes(), (folder / "losses.csv").read_bytes()]


def stop_after(step: int, total: int):
    def stop(done: int, of: int, message: str = "") -> None:
        if of == total and done == step:
            raise KeyboardInterrupt

    return stop


def test_coloured_squares_are_learned(squares, tmp_path):
    bench = bench_for(squares, tmp_path, steps=16)
    folder = train(bench, SYNTHETIC)
    rows = ask_test(bench, SYNTHETIC).predictions()
    assert list(rows.columns) == ["path", "class", "predicted", "confidence"]
    assert len(rows) == 8 and (rows["class"] == rows["predicted"]).all()
    assert rows["confidence"].between(0.5, 1).all()
    assert len(val_outputs(bench, SYNTHETIC).paths) == 4
    card = json.loads((folder / "card.json").read_text())
    assert card["n_train"] == {"<b>Pond": 12, "Field": 8}
    assert not (folder / "checkpoints").exists()


def test_training_leaves_test_unopened(tmp_path):
    manifest = draw_dataset(tmp_path / "data")
    for path in manifest.root.glob("test/**/*.png"):
        path.write_bytes(b"not an image")
    folder = train(bench_for(manifest, tmp_path / "out", steps=1), REAL)
    assert (folder / "val.parquet").is_file() and not (folder / "test.parquet").exists()


def test_what_is_not_trained_cannot_be_asked(squares, tmp_path):
    with pytest.raises(NotReady, match="real, seed 0"):
        ask_test(bench_for(squares, tmp_path), REAL)


def test_stopped_and_resumed_equals_uninterrupted(squares, tmp_path):
    whole = bench_for(squares, tmp_path / "whole", model="test_vit")
    cut = bench_for(squares, tmp_path / "cut", model="test_vit")
    train(whole, Training("real", 1))
    with pytest.raises(KeyboardInterrupt):
        train(cut, Training("real", 1), stop_after(4, 6), 0)
    assert (cut.folder(Training("real", 1)) / "checkpoints" / "step_0000004.pt").is_file()
    steps: list[int] = []

    def note(done: int, total: int, message: str = "") -> None:
        if total == 6:
            steps.append(done)

    train(cut, Training("real", 1), note)
    assert steps == [5, 6]
    assert outputs(whole, Training("real", 1)) == outputs(cut, Training("real", 1))


_CHILD = """
import sys, time, torch
from pathlib import Path
from classifier.train.experiment import Bench, Training, trainings_of
from classifier.config import ClassifierConfig
from classifier.train.training import train
from terrabalance.manifest import read_manifest
torch.set_num_threads(1)  # as in the tests
config = ClassifierConfig.model_validate_json(sys.argv[3])
bench = Bench(read_manifest(Path(sys.argv[1])), config, 32, torch.device("cpu"), Path(sys.argv[2]))
train(bench, Training("real", 0), lambda done, total, message: time.sleep(0.02), 0)
"""


def test_killed_and_resumed_equals_uninterrupted(tmp_path):
    manifest = draw_dataset(tmp_path / "data")
    write_manifest(manifest, manifest.root)
    config, cut = tiny_config(steps=8), tmp_path / "cut"
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, manifest.root, cut, config.model_dump_json()],
        cwd=Path(__file__).parents[3],
    )
    deadline = time.monotonic() + 60
    while not list(cut.glob("*/checkpoints/step_*.pt")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert not list(cut.glob("*/done.json"))
    again = read_manifest(manifest.root)
    benches = [bench_for(again, root, steps=8) for root in (cut, tmp_path / "whole")]
    for bench in benches:
        train(bench, REAL)
    assert outputs(benches[0], REAL) == outputs(benches[1], REAL)


def test_a_finished_training_is_skipped_until_its_inputs_change(squares, tmp_path):
    folder = train(bench_for(squares, tmp_path, steps=2), REAL)
    written = (folder / "done.json").stat().st_mtime_ns
    more = {"seeds": (0, 5), "arms": ("real", "oversample"), "tries": 3}
    assert train(bench_for(squares, tmp_path, steps=2, **more), REAL) == folder
    assert (folder / "done.json").stat().st_mtime_ns == written
    assert train(bench_for(squares, tmp_path, steps=3), REAL) != folder


def test_other_test_images_are_predicted_anew_without_training(tmp_path):
    manifest = draw_dataset(tmp_path / "data")
    bench = bench_for(manifest, tmp_path / "out", steps=2)
    folder = train(bench, REAL)
    trained = (folder / "done.json").stat().st_mtime_ns
    first = ask_test(bench, REAL)
    kept = manifest.frame[manifest.frame["path"] != first.paths[0]]
    fewer = bench_for(Manifest(manifest.root, kept), tmp_path / "out", steps=2)
    train(fewer, REAL)
    assert ask_test(fewer, REAL).paths == first.paths[1:]
    assert (folder / "done.json").stat().st_mtime_ns == trained


def test_a_checkpoint_of_other_settings_is_not_resumed(squares, tmp_path):
    bench = bench_for(squares, tmp_path / "a")
    with pytest.raises(KeyboardInterrupt):
        train(bench, REAL, stop_after(3, 6), 0)
    other = [bench_for(squares, tmp_path / name, learning_rate=1e-4) for name in "ab"]
    bench.folder(REAL).rename(other[0].folder(REAL))
    for each in other:
        train(each, REAL)
    assert outputs(other[0], REAL) == outputs(other[1], REAL)


def test_arms_without_synthetic_images_are_the_same_training(squares, tmp_path):
    frame = squares.frame[squares.frame["source"] == "real"]
    bench = bench_for(Manifest(squares.root, frame), tmp_path)
    for training in (REAL, SYNTHETIC):
        train(bench, training)
    assert outputs(bench, REAL) == outputs(bench, SYNTHETIC)


def test_test_and_val_images_never_reach_training(tmp_path):
    manifest = draw_dataset(tmp_path / "data")
    before, after = (bench_for(manifest, tmp_path / name) for name in ("before", "after"))
    train(before, SYNTHETIC)
    first = outputs(before, SYNTHETIC)
    for path in [*manifest.root.glob("test/**/*.png"), *manifest.root.glob("val/**/*.png")]:
        write_png(path, torch.randint(256, (3, 32, 32), dtype=torch.uint8).numpy())
    train(after, SYNTHETIC)
    second = outputs(after, SYNTHETIC)
    assert first[1] == second[1]  # every loss is equal to the last digit
    assert first[0] != second[0]


def test_the_real_arm_never_opens_a_synthetic_image(tmp_path):
    manifest = draw_dataset(tmp_path / "data")
    for path in manifest.root.glob("train/**/synthetic_*.png"):
        path.unlink()
    assert train(bench_for(manifest, tmp_path / "out", steps=1), REAL).is_dir()


def test_a_synthetic_test_image_is_refused(squares, tmp_path):
    frame = squares.frame.copy()
    frame.loc[frame["split"] == "test", "source"] = "synthetic"
    with pytest.raises(BadInput, match=r"val or test are not real, the first is 'test/"):
        train(bench_for(Manifest(squares.root, frame), tmp_path), REAL)


def test_a_test_image_among_the_training_images_is_refused(squares, tmp_path):
    frame = squares.frame.copy()
    leak = frame.index[frame["split"] == "train"][-1]  # a synthetic one
    frame.loc[leak, "sha256"] = frame.loc[frame["split"] == "test", "sha256"].iloc[0]
    with pytest.raises(BadInput, match=r"trained on as well, the first is 'test/"):
        train(bench_for(Manifest(squares.root, frame), tmp_path), REAL)


def test_an_exploding_loss_names_its_step(squares, tmp_path):
    weights = tmp_path / "nan.safetensors"
    state = build_model(tiny_config(), 2).state_dict()
    nan = {name: torch.full_like(value, float("nan")) for name, value in state.items()
           if value.is_floating_point()}  # fmt: skip
    save_file({**state, **nan}, weights)
    bench = bench_for(squares, tmp_path / "out", weights=weights)
    with pytest.raises(TrainingDiverged, match="loss is nan at step 1 of 6"):
        train(bench, REAL)
    assert not list((tmp_path / "out").glob("*/done.json"))


@pytest.mark.parametrize(
    "arm",
    ["class-weight", "oversample", "balanced-softmax", "strong-augment", "class-cutmix",
     "class-cutmix+synthetic", "synthetic-weighted", "pretrain-synthetic"],
)  # fmt: skip
def test_every_arm_trains_otherwise_than_the_plain_one_and_repeats(squares, tmp_path, arm):
    benches = [bench_for(squares, tmp_path / name) for name in "ab"]
    plain = "synthetic" if "synthetic" in arm else "real"
    pond = squares.frame["class"].str.contains("Pond") & (squares.frame["split"] == "train")
    few = squares.frame[~(pond & squares.frame["path"].str.contains("real_[4-7]"))]
    uneven = [Bench(Manifest(squares.root, few), b.config, 32, b.device, b.root) for b in benches]
    for bench in uneven:
        train(bench, Training(arm, 0))
    train(uneven[0], Training(plain, 0))
    assert outputs(uneven[0], Training(arm, 0)) == outputs(uneven[1], Training(arm, 0))
    assert outputs(uneven[0], Training(arm, 0)) != outputs(uneven[0], Training(plain, 0))


@pytest.mark.parametrize(
    ("arm", "setting"),
    [
        ("real", Setting(rate=0.5)),
        ("balanced-softmax", Setting(strength=0.5)),
        ("class-weight", Setting(strength=0.5)),
        ("oversample", Setting(strength=0.5)),
        ("synthetic", Setting(share=0.5)),
        ("synthetic-weighted", Setting(weight=0.1)),
    ],
)
def test_a_setting_changes_the_training_and_lies_beside_the_usual_one(tmp_path, arm, setting):
    manifest = draw_dataset(tmp_path / "data")
    pond = manifest.frame["path"].str.contains("train/1/real_[4-7]")
    bench = bench_for(Manifest(manifest.root, manifest.frame[~pond]), tmp_path / "out", steps=3)
    for each in (Training(arm, 0), Training(arm, 0, setting)):
        train(bench, each)
    assert outputs(bench, Training(arm, 0)) != outputs(bench, Training(arm, 0, setting))


def test_the_oracle_arm_alone_trains_on_the_oracle_part(squares, tmp_path):
    frame = squares.frame.copy()
    with pytest.raises(BadInput, match="split 'oracle', and there are none"):
        train(bench_for(Manifest(squares.root, frame), tmp_path), Training("oracle", 0))
    frame.loc[frame["path"].str.contains("train/.*real_[4-7]"), "split"] = "oracle"
    bench = bench_for(Manifest(squares.root, frame), tmp_path)
    assert bench.counts(Training("oracle", 0)) == {"<b>Pond": 8, "Field": 8}
    assert bench.counts(REAL) == {"<b>Pond": 4, "Field": 4}
    train(bench, Training("oracle", 0))
    assert len(ask_test(bench, Training("oracle", 0)).paths) == 8


def test_features_keep_their_labels_where_images_come_from_several_parts(
    squares, tmp_path, backbone
):
    frame = squares.frame.copy()
    frame.loc[frame["path"].str.contains("train/.*real_[4-7]"), "split"] = "oracle"
    bench = bench_for(Manifest(squares.root, frame), tmp_path / "out", frozen=True,
                      weights=backbone, steps=60, learning_rate=0.05)  # fmt: skip
    for arm in ("oracle", "synthetic"):
        train(bench, Training(arm, 0))
        found = ask_test(bench, Training(arm, 0)).predictions()
        assert (found["class"] == found["predicted"]).mean() >= 0.75


def test_half_the_synthetic_images_are_the_first_half(squares, tmp_path):
    bench = bench_for(squares, tmp_path)
    half = Training("synthetic", 0, Setting(share=0.5))
    assert bench.counts(half) == {"<b>Pond": 10, "Field": 8}
    assert bench.counts(SYNTHETIC) == {"<b>Pond": 12, "Field": 8}
    assert bench.folder(half) != bench.folder(SYNTHETIC)


def test_a_head_on_frozen_features_learns_and_shares_the_features(squares, tmp_path, backbone):
    bench = bench_for(squares, tmp_path / "out", frozen=True, weights=backbone, steps=60,
                      learning_rate=0.05)  # fmt: skip
    train(bench, REAL)
    found = ask_test(bench, REAL).predictions()
    assert (found["class"] == found["predicted"]).mean() >= 0.75
    files = set((tmp_path / "out" / "features").iterdir())
    train(bench, Training("class-weight", 1))
    ask_test(bench, Training("class-weight", 1))
    assert set((tmp_path / "out" / "features").iterdir()) == files
    again = bench_for(squares, tmp_path / "again", frozen=True, weights=backbone, steps=60,
                      learning_rate=0.05)  # fmt: skip
    train(again, REAL)
    assert outputs(bench, REAL) == outputs(again, REAL)


def test_damaged_features_are_made_again(squares, tmp_path, backbone):
    settings = {"frozen": True, "weights": backbone, "steps": 2}
    train(bench_for(squares, tmp_path / "out", **settings), REAL)
    for path in (tmp_path / "out" / "features").iterdir():
        path.write_bytes(b"\0" * 20)
    train(bench_for(squares, tmp_path / "out", **settings), Training("real", 1))


def test_frozen_features_of_nothing_are_refused():
    with pytest.raises(ValueError, match="frozen needs pretrained weights"):
        tiny_config(frozen=True)


def test_the_baseline_for_features_opens_neither_val_nor_test(tmp_path):
    manifest = draw_dataset(tmp_path / "data")
    for path in [*manifest.root.glob("test/**/*.png"), *manifest.root.glob("val/**/*.png")]:
        path.unlink()
    bench = bench_for(manifest, tmp_path / "out", steps=2)
    folder = train_baseline(bench, tmp_path / "baseline")
    losses = pd.read_csv(folder / "losses.csv")
    assert np.isfinite(losses["loss"]).all() and len(losses) == 2


def test_whether_features_were_there_already_changes_nothing(squares, tmp_path, backbone):
    settings = {"frozen": True, "weights": backbone, "steps": 4}
    cold = bench_for(squares, tmp_path / "cold", **settings)
    warm = bench_for(squares, tmp_path / "warm", **settings)
    train(warm, Training("class-weight", 3))
    for bench in (cold, warm):
        train(bench, REAL)
    assert outputs(cold, REAL) == outputs(warm, REAL)


def test_test_is_not_opened_before_every_training_has_ended(squares, tmp_path):
    bench = bench_for(squares, tmp_path, steps=2, seeds=(0, 1))
    for training in trainings_of(bench.config)[:-1]:
        train(bench, training)
    with pytest.raises(NotReady, match="has not been trained"):
        seal(bench)
    assert not list(tmp_path.glob("*/test.parquet"))


@pytest.mark.parametrize("frozen", [False, True])
def test_without_validation_images_all_else_works(tmp_path, backbone, frozen):
    manifest = draw_dataset(tmp_path / "data")
    frame = manifest.frame[manifest.frame["split"] != "val"]
    given = {"frozen": frozen, "weights": backbone} if frozen else {}
    bench = bench_for(
        Manifest(manifest.root, frame), tmp_path / "out", steps=2, arms=("real", "synthetic"),
        seeds=(0,), **given,
    )  # fmt: skip
    record = compare_bench(bench, tmp_path / "report", "real")
    assert record["val"] is None and record["tried"] == []


def test_images_that_both_choose_and_judge_are_refused(squares, tmp_path):
    frame = squares.frame.copy()
    test = frame.index[frame["split"] == "test"][0]
    frame.loc[frame.index[frame["split"] == "val"][0], "sha256"] = frame.loc[test, "sha256"]
    with pytest.raises(BadInput, match="1 images of val are in test as well"):
        train(bench_for(Manifest(squares.root, frame), tmp_path), REAL)


def test_a_class_that_is_only_judged_is_refused_before_any_training(squares, tmp_path):
    frame = squares.frame.copy()
    frame.loc[frame.index[frame["split"] == "test"][0], "class"] = "Strange"
    with pytest.raises(BadInput, match=r"without a real training image: \['Strange'\]"):
        train(bench_for(Manifest(squares.root, frame), tmp_path), REAL)
    assert not list(tmp_path.iterdir())


def test_every_comparison_that_reads_test_is_counted_once(squares, tmp_path):
    def openings(**changes: object) -> int:
        bench = bench_for(squares, tmp_path, steps=2, arms=("real", "synthetic"), **changes)
        return compare_bench(bench, tmp_path / "report", "real")["n_openings"]

    assert [openings(), openings(), openings(learning_rate=1e-4), openings()] == [1, 1, 2, 2]


def test_the_same_test_images_elsewhere_are_counted_together(squares, tmp_path):
    frame = squares.frame.copy()
    names = {path: path.replace("real_", "renamed_") for path in frame["path"]}
    for old, new in names.items():
        (tmp_path / new).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(squares.root / old, tmp_path / new)
    frame["path"] = frame["path"].map(names)
    counts = []
    for manifest in (squares, Manifest(tmp_path, frame)):
        bench = bench_for(manifest, tmp_path / "out", steps=2, arms=("real", "synthetic"))
        counts.append(compare_bench(bench, tmp_path / "report", "real")["n_openings"])
    assert counts == [1, 2]
