import shutil

import pytest

from classifier.study.ledger import note_opening
from classifier.study.mixing import tell_mixing
from classifier.study.study import run_study
from classifier.train.experiment import Trial, trials_of
from classifier.train.loop import CHECKPOINTS
from classifier.train.training import train
from terrabalance.errors import BadInput
from terrabalance.manifest import Manifest

from ..conftest import REAL, auto_takes, draw_dataset, experiment_for


@pytest.mark.parametrize("frozen", [False, True])
def test_without_validation_images_all_else_works(tmp_path, backbone, frozen):
    manifest = draw_dataset(tmp_path / "data")
    frame = manifest.frame[manifest.frame["split"] != "val"]
    given = {"frozen": frozen, "weights": backbone} if frozen else {}
    experiment = experiment_for(
        Manifest(manifest.root, frame), tmp_path / "out", steps=2, arms=("real", "synthetic"),
        seeds=(0,), **given,
    )  # fmt: skip
    record = run_study(experiment, tmp_path / "report", "real")
    assert record["val"] is None and record["tried"] == []


def test_every_comparison_that_reads_test_is_counted_once(squares, tmp_path):
    def openings(**changes: object) -> int:
        experiment = experiment_for(
            squares, tmp_path, steps=2, arms=("real", "synthetic"), **changes
        )
        return run_study(experiment, tmp_path / "report", "real")["n_openings"]

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
        experiment = experiment_for(manifest, tmp_path / "out", steps=2, arms=("real", "synthetic"))
        counts.append(run_study(experiment, tmp_path / "report", "real")["n_openings"])
    assert counts == [1, 2]


def test_a_comparison_of_trainings_in_different_precision_says_so_with_the_way_out(
    squares, tmp_path, monkeypatch, caplog
):
    given = {"steps": 1, "arms": ("real", "synthetic"), "seeds": (0,)}
    mixed = experiment_for(squares, tmp_path, **given)
    auto_takes("bf16", monkeypatch)
    train(mixed, REAL)
    auto_takes("fp32", monkeypatch)
    counts = run_study(mixed, tmp_path / "report", "real")["precisions"]
    assert counts["bf16 autocast"] == 1 and counts["float32"] > 0
    assert f"(bf16 autocast: 1, float32: {counts['float32']})" in caplog.text
    assert "--set classifier.precision=fp32" in caplog.text
    caplog.clear()
    alike = experiment_for(squares, tmp_path, **given, precision="fp32")
    record = run_study(alike, tmp_path / "report", "real")
    assert record["precisions"] == {"float32": sum(counts.values())} and not caplog.records


def test_that_precisions_are_about_to_be_mixed_is_told_before_anything_is_trained(
    squares, tmp_path, monkeypatch, caplog
):
    told_at: list[int] = []
    experiment = experiment_for(squares, tmp_path, steps=1, arms=("real", "synthetic"), seeds=(0,))
    auto_takes("bf16", monkeypatch)
    train(experiment, REAL)
    tell_mixing(experiment)
    assert not caplog.records
    auto_takes("fp32", monkeypatch)
    run_study(
        experiment, tmp_path / "report", "real", lambda *_: told_at.append(len(caplog.records))
    )
    assert min(told_at) == 1
    n = len(trials_of(experiment.config)) - 1
    assert f"(bf16 autocast: 1) than those to come on this machine (float32: {n})" in caplog.text
    caplog.clear()
    tell_mixing(experiment)
    assert not caplog.records


def test_a_training_that_goes_on_in_its_own_precision_mixes_nothing(
    squares, tmp_path, monkeypatch, caplog
):
    experiment = experiment_for(
        squares, tmp_path, steps=2, arms=("real", "logit-adjustment"), tries=1
    )
    auto_takes("bf16", monkeypatch)
    train(experiment, REAL)

    def killed(done: int, total: int, message: str = "") -> None:
        if list((experiment.folder(other) / CHECKPOINTS).glob("*")):
            raise KeyboardInterrupt

    other = Trial("real", 1)
    with pytest.raises(KeyboardInterrupt):
        train(experiment, other, killed, checkpoint_every_s=0)
    auto_takes("fp32", monkeypatch)
    tell_mixing(experiment)
    assert not caplog.records


@pytest.mark.parametrize("text", ["[]", '{"a": 3}'])
def test_a_ledger_of_something_else_is_named(text, tmp_path):
    (tmp_path / "ledger.json").write_text(text)
    with pytest.raises(BadInput, match=r"ledger\.json"):
        note_opening(tmp_path / "ledger.json", "a", "b")
