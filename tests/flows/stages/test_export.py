"""`terrabalance export`: from a comparison's report to a folder, and what it refuses."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file
from small_comparison import compare_noise
from typer.testing import CliRunner

from flows.cli.app import app
from terrabalance.errors import TerrabalanceError
from terrabalance.files import read_json, write_json
from terrabalance.manifest import Manifest, read_manifest, write_manifest


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A workdir with the comparison `mine`."""
    root = tmp_path_factory.mktemp("made")
    compare_noise(root, str(root / "w"), {"train": 6, "val": 2, "test": 4}, seeds="0,1")
    return root / "w"


@pytest.fixture
def work(made, tmp_path) -> Path:
    """A copy of it that a test may damage."""
    return Path(shutil.copytree(made, tmp_path / "w"))


def export(*words: object):
    return CliRunner().invoke(app, ["export", *map(str, words)])


def refusal_of(*words: object) -> str:
    said = export(*words)
    assert isinstance(said.exception, TerrabalanceError), said.output
    return str(said.exception)


def test_the_recommended_arm_is_exported_below_the_workdir_by_name_or_folder(work):
    record = read_json(work / "reports" / "mine" / "comparison.json")
    arm = record["recommended"]["arm"]
    page = (work / "reports" / "mine" / "index.html").read_text()
    assert ">terrabalance export mine<" in page
    for words in (("mine", "--workdir", work), (work / "reports" / "mine",)):
        said = export(*words)
        assert said.exit_code == 0, said.output
        folder = work / "exports" / f"mine-{arm}"
        assert f"Export: {folder}" in said.output and f"Arm {arm}, seed" in said.output
        assert {path.name for path in folder.iterdir()} == {
            "model.safetensors", "config.json", "README.md", "done.json",
        }  # fmt: skip
    assert [path.name for path in (work / "exports").iterdir()] == [f"mine-{arm}"]


def test_arm_seed_and_folder_can_be_given_and_a_seed_is_in_the_usual_name(work, tmp_path):
    mine = ("mine", "--workdir", work, "--arm", "logit-adjustment")
    assert export(*mine, "--seed", 1).exit_code == 0
    assert export(*mine, "--out", tmp_path / "deep" / "x").exit_code == 0
    named = work / "exports" / "mine-logit-adjustment-seed1"
    assert read_json(named / "done.json")["seed"] == 1
    assert json.loads((named / "config.json").read_text())["label_names"] == ["A", "B"]
    # Two classes of equally many images: the correction moves both logits by the same.
    assert export("mine", "--workdir", work, "--arm", "real", "--seed", 1).exit_code == 0
    plain = load_file(work / "exports" / "mine-real-seed1" / "model.safetensors")["fc.bias"]
    moved = load_file(named / "model.safetensors")["fc.bias"] - plain
    assert moved.tolist() == pytest.approx([np.log(2)] * 2)


def test_an_unknown_report_names_those_that_there_are(work):
    said = refusal_of("other", "--workdir", work)
    assert "'other': neither a folder, nor a report in" in said
    assert "those with a comparison are 'mine'" in said and "--workdir" in said


def test_a_report_without_a_comparison_says_which_command_makes_one(work):
    (work / "reports" / "plain").mkdir()
    for words in (("plain", "--workdir", work), (work / "reports" / "plain",)):
        assert "plain: holds no comparison. `terrabalance classify DATA`" in refusal_of(*words)


def test_a_comparison_of_an_older_version_is_to_be_made_again(work):
    path = work / "reports" / "mine" / "comparison.json"
    older = {name: value for name, value in read_json(path).items() if name != "trained"}
    write_json(path, older)
    said = refusal_of(path.parent)
    assert "did not note which trainings" in said and "Give `terrabalance compare`" in said


def test_an_arm_or_seed_that_was_not_compared_is_refused(work):
    assert "Give one of 'real', 'logit-adjustment'" in refusal_of(
        work / "reports" / "mine", "--arm", "synthetic"
    )
    assert "Give one of 0, 1" in refusal_of(work / "reports" / "mine", "--seed", 7)


def test_trained_files_that_are_gone_or_damaged_are_named_with_what_to_do(work):
    (mark,) = (work / "data" / "classifiers").glob("real-seed1-*/done.json")
    folder = mark.parent
    words = (work / "reports" / "mine", "--arm", "real", "--seed", 1)
    weights = folder / "classifier.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert f"{weights}: gone, damaged, or changed" in refusal_of(*words)
    shutil.rmtree(folder)
    said = refusal_of(*words)
    assert f"{folder}: the classifier of arm real, seed 1, is not there" in said
    assert "give the command of the comparison again" in said
    assert not (work / "exports").exists()


def test_what_no_export_wrote_is_never_replaced(work, tmp_path):
    mine, out = (work / "reports" / "mine", "--arm", "real"), tmp_path / "out"
    out.mkdir()
    assert export(*mine, "--out", out).exit_code == 0  # an empty folder is nobody's
    (out / "notes.txt").write_text("mine")
    assert "also holds 'notes.txt', which no export wrote" in refusal_of(*mine, "--out", out)
    (out / "notes.txt").unlink()
    (out / "README.md").write_text("mine")
    assert "README.md: gone or changed since it was exported" in refusal_of(*mine, "--out", out)
    assert (out / "README.md").read_text() == "mine"
    (out / "done.json").unlink()
    assert "is there, and no export of terrabalance" in refusal_of(*mine, "--out", out)
    (tmp_path / "file").write_text("mine")
    assert "is a file" in refusal_of(*mine, "--out", tmp_path / "file")


def test_an_export_that_fails_leaves_the_older_one_and_nothing_beside(work, monkeypatch):
    import classifier.export.files as files

    words = (work / "reports" / "mine", "--arm", "real")
    assert export(*words).exit_code == 0
    before = {path: path.read_bytes() for path in (work / "exports").rglob("*") if path.is_file()}

    def full(*given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write_text", full)
    assert isinstance(export(*words).exception, OSError)
    after = {path: path.read_bytes() for path in (work / "exports").rglob("*") if path.is_file()}
    assert after == before and len(list((work / "exports").iterdir())) == 1


@pytest.fixture
def images(tmp_path) -> Path:
    """A folder with a comparison of its own images, in `w`."""
    compare_noise(tmp_path, str(tmp_path / "w"), {"train": 6, "val": 2, "test": 4}, seeds="0")
    return tmp_path


def told(images: Path, caplog) -> list[str]:
    caplog.clear()
    said = export(images / "w" / "reports" / "mine", "--arm", "real")
    assert said.exit_code == 0, said.output
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def test_images_that_are_gone_or_changed_since_the_comparison_are_told(images, caplog):
    assert told(images, caplog) == []
    first, second = images / "Atrain0.png", images / "Btest1.png"
    facts = first.stat()
    other = (images / "Atrain1.png").read_bytes().ljust(facts.st_size, b"\0")[: facts.st_size]
    first.write_bytes(other)
    os.utime(first, ns=(facts.st_atime_ns, facts.st_mtime_ns))  # as `cp --preserve` does
    second.unlink()
    (said,) = told(images, caplog)
    assert (
        f"2 of the 24 images of the comparison are gone or have changed since, e.g. {first}" in said
    )
    assert "give the command of the comparison again" in said


def test_images_that_are_only_touched_and_a_moved_workdir_are_told_nothing(images, caplog):
    (images / "Atrain0.png").touch()
    shutil.move(images / "w", images / "v")
    (images / "w").symlink_to("v")
    assert told(images, caplog) == []


def test_a_list_of_other_images_and_one_that_is_gone_are_told(images, caplog):
    (table,) = (images / "w" / "data" / "catalogues").glob("*/manifest.parquet")
    manifest = read_manifest(table)
    write_manifest(Manifest(manifest.root, manifest.frame.iloc[1:]), table.parent)
    (said,) = told(images, caplog)
    assert said.startswith(f"{table}: lists other images now than were compared.")
    table.unlink()
    (said,) = told(images, caplog)
    assert said.startswith("Whether the images have changed since the comparison is not known: no")
