"""`terrabalance compare` on data, on a CSV with synthetic images, on a finished dataset."""

import csv
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from augment.screen.reviews import with_decision, write_reviews
from flows.cli.app import app
from terrabalance.errors import BadInput
from terrabalance.files import read_json, sha256_of
from terrabalance.images import write_png
from terrabalance.manifest import Manifest, frame_of, write_manifest

QUICK = [
    "--set", "classifier.model=test_resnet", "--set", "classifier.pretrained=false",
    "--set", "classifier.image_size=32", "--set", "classifier.steps=4",
    "--set", "classifier.batch_size=8", "--seeds", "0,1", "--device", "cpu",
]  # fmt: skip
PARTS = {"train": 6, "val": 2, "test": 4}


@pytest.fixture
def table(tmp_path) -> Path:
    """A CSV of two classes of noise, one with three synthetic training images."""
    rng, rows = np.random.default_rng(0), []
    listed = [(c, s, "real", i) for c in "AB" for s, n in PARTS.items() for i in range(n)]
    listed += [("A", "train", "synthetic", i) for i in range(3)]
    for name, split, source, i in listed:
        path = f"{name}/{split}_{source}_{i}.png"
        write_png(tmp_path / path, rng.integers(0, 256, (3, 24, 24), np.uint8))
        rows.append({"path": path, "class": name, "split": split, "source": source})
    with (tmp_path / "images.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["path", "class", "split", "source"])
        writer.writeheader()
        writer.writerows(rows)
    return tmp_path / "images.csv"


def compare(*words: object):
    return CliRunner().invoke(app, ["compare", *map(str, words), *QUICK])


def test_synthetic_images_from_anywhere_are_judged(table, tmp_path):
    arms = "real,oversample,logit-adjustment,synthetic,synthetic+logit-adjustment"
    said = compare(table, "--arms", arms, "--workdir", tmp_path / "w", "--name", "mine")
    assert said.exit_code == 0, said.output
    folder = tmp_path / "w" / "reports" / "mine"
    record = read_json(folder / "comparison.json")
    assert record["arms"] == arms.split(",") and record["resolution"] == "24 px"
    assert record["metrics"]["synthetic"]["balanced_accuracy"]["per_seed"]
    used = 6 + 3 * record["shares"].get("synthetic", 1)  # validation may choose none of them
    assert [row["n_train"]["synthetic"] for row in record["per_class"]] == [used, 6]
    assert "Real + synthetic" in (folder / "index.html").read_text()
    # Whether to use them at all is asked without being told to.
    assert "none of the synthetic images" in {row["says"] for row in record["tried"]}


def test_every_arm_is_tuned_with_the_same_number_of_tries(table, tmp_path):
    arms = "real,logit-adjustment,synthetic"
    said = compare(table, "--arms", arms, "--tries", 3, "--workdir", tmp_path / "w", "--name", "t")
    assert said.exit_code == 0, said.output
    folder = tmp_path / "w" / "reports" / "t"
    tried = [row["arm"] for row in read_json(folder / "comparison.json")["tried"]]
    assert {arm: tried.count(arm) for arm in arms.split(",")} == dict.fromkeys(arms.split(","), 3)
    assert "0.5 times the learning rate" in (folder / "index.html").read_text()


def results_below(data: Path) -> list[Path]:
    """All but the notes of who uses them."""
    return sorted(path for path in data.rglob("*") if "uses" not in path.relative_to(data).parts)


def test_the_same_command_again_trains_nothing(table, tmp_path):
    words = (table, "--workdir", tmp_path / "w", "--name", "mine")
    assert compare(*words).exit_code == 0
    made = results_below(tmp_path / "w" / "data")
    trained = [path for path in made if path.is_file() and path.name != "test_openings.json"]
    before = {path: path.stat().st_mtime_ns for path in trained}
    seconds = compare(*words, "--arms", "real,synthetic", "--name", "other")
    assert seconds.exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in trained} == before
    assert results_below(tmp_path / "w" / "data") == made


def test_without_synthetic_images_the_other_usual_arms_are_compared(table, tmp_path):
    real = [line for line in table.read_text().splitlines() if "synthetic" not in line]
    table.write_text("\n".join(real))
    said = compare(table, "--workdir", tmp_path / "w", "--name", "real")
    assert said.exit_code == 0, said.output
    record = read_json(tmp_path / "w" / "reports" / "real" / "comparison.json")
    assert record["arms"] == ["real", "logit-adjustment", "class-cutmix+logit-adjustment"]
    named = compare(table, "--arms", "real,synthetic", "--workdir", tmp_path / "w")
    assert isinstance(named.exception, BadInput) and "no synthetic images" in str(named.exception)


def test_an_arm_that_lacks_its_images_is_refused_before_anything_is_written(table, tmp_path):
    said = compare(table, "--arms", "real,synthetic,oracle", "--workdir", tmp_path / "w")
    assert isinstance(said.exception, BadInput) and "'oracle'" in str(said.exception)
    assert not (tmp_path / "w" / "reports").exists()


def test_synthetic_images_that_are_all_left_out_are_named_with_the_reason(table, tmp_path):
    for number in range(3):
        shutil.copy(tmp_path / "A" / f"test_real_{number}.png",
                    tmp_path / "A" / f"train_synthetic_{number}.png")  # fmt: skip
    said = compare(table, "--arms", "real,synthetic", "--workdir", tmp_path / "w")
    assert "all of its 3 synthetic images are left out (A/train_synthetic_0.png: duplicate" in str(
        said.exception
    )


def test_a_copy_of_a_test_image_among_the_synthetic_ones_is_left_out(table, tmp_path, caplog):
    copy = tmp_path / "A" / "train_synthetic_0.png"
    shutil.copy(tmp_path / "B" / "test_real_0.png", copy)
    given = ("--arms", "real,synthetic", "--tries", "1")  # with two, validation may choose none
    said = compare(table, *given, "--workdir", tmp_path / "w", "--name", "c")
    assert said.exit_code == 0, said.output
    record = read_json(tmp_path / "w" / "reports" / "c" / "comparison.json")
    # Nobody compares synthetic images without the one-line correction.
    assert record["arms"] == (arms := ["real", "logit-adjustment", "synthetic"])
    assert record["n_test"] == 8  # the real image stays
    assert "1 of 3 synthetic images are left out (duplicate: 1), e.g. A/train_syn" in caplog.text
    assert record["per_class"][0]["n_train"] == dict(zip(arms, (6, 6, 8), strict=True))
    # Who reads the page has not seen the log: it says so before the table of the arms.
    page = (tmp_path / "w" / "reports" / "c" / "index.html").read_text()
    said = " ".join(re.sub("<[^>]+>", "", page).split())
    assert "1 of 3 synthetic images is left out of every arm: A: 1 duplicate, A/train_syn" in said
    assert "B/test_real_0.png" in said[: said.index("ArmBalanced accuracy")]


def test_an_image_that_was_refused_by_eye_since_is_left_out(table, tmp_path, caplog):
    drawn = [f"train_synthetic_{i}.png" for i in range(3)]
    rows = [{"path": name, "class": "A", "split": "train", "source": "synthetic", "status": "ok",
             "sha256": sha256_of(tmp_path / "A" / name)} for name in drawn]  # fmt: skip
    folder = tmp_path / "w" / "data" / "synthetic" / "A-1"
    write_manifest(Manifest(folder, frame_of(rows)), folder)
    write_reviews(folder, with_decision({}, drawn[1], "refuse", "Ada"))
    given = ("--arms", "real,synthetic", "--tries", "1")
    said = compare(table, *given, "--workdir", tmp_path / "w", "--name", "c")
    assert said.exit_code == 0, said.output
    record = read_json(tmp_path / "w" / "reports" / "c" / "comparison.json")
    assert record["per_class"][0]["n_train"]["synthetic"] == 6 + 2
    assert record["left_out"]["reasons"][0]["path"] == f"A/{drawn[1]}"
    assert "1 of 3 synthetic images are left out (refused: 1)" in caplog.text
    assert "refused by Ada since, see A-1/reviews.json; assemble the dataset again" in caplog.text


def test_a_synthetic_test_image_is_refused_with_its_line(table, tmp_path):
    table.write_text(table.read_text() + "A/train_synthetic_9.png,A,test,synthetic\n")
    said = compare(table, "--workdir", tmp_path / "w")
    assert isinstance(said.exception, BadInput)
    assert "synthetic and of split 'test'" in str(said.exception)


def test_a_run_does_not_balance_synthetic_images(table, tmp_path):
    said = CliRunner().invoke(app, ["scan", str(table), "--workdir", str(tmp_path / "w")])
    assert isinstance(said.exception, BadInput) and "terrabalance compare" in str(said.exception)


@pytest.mark.parametrize(
    ("arms", "reason"),
    [("synthetic,oracle", "lacks 'real'"), ("real,imaginary", "'imaginary' is none of"),
     ("real,real", "names one twice"), ("real,oracle", "split 'oracle'")],
)  # fmt: skip
def test_arms_that_cannot_be_compared_are_refused(table, tmp_path, arms, reason):
    said = compare(table, "--arms", arms, "--workdir", tmp_path / "w")
    assert isinstance(said.exception, BadInput) and reason in str(said.exception)


def test_one_class_alone_is_refused(table, tmp_path):
    lines = [line for line in table.read_text().splitlines() if ",B," not in line]
    table.write_text("\n".join(lines))
    said = compare(table, "--arms", "real,oversample", "--workdir", tmp_path / "w")
    assert isinstance(said.exception, BadInput) and "has one class" in str(said.exception)


def test_synthetic_images_are_never_enlarged(table, tmp_path):
    words = ("--arms", "real,synthetic", "--workdir", tmp_path / "w")
    said = compare(table, *words, "--resolution", 32)
    assert isinstance(said.exception, BadInput)
    assert "synthetic images of 24 px" in str(said.exception)
    assert compare(table, *words, "--resolution", 16, "--name", "small").exit_code == 0
    assert compare(table, *words, "--resolution", 20).exit_code == 0
    said = compare(table, *words, "--resolution", 20, "--name", "small")
    # Which one differs is told.
    assert (
        "(classifier.resolution was 16 and is 20). Give them as they were, or another --name"
        in str(said.exception)
    )


@pytest.mark.parametrize(("size", "told"), [((24, 24), "16 px"), ((24, 36), "16 x 24 px")])
def test_a_strip_among_images_decides_no_shape(tmp_path, size, told):
    rng, lines = np.random.default_rng(0), ["path,class,split"]
    images = [(f"{c}{s}{i}", c, s, size) for c in "AB" for s, n in PARTS.items() for i in range(n)]
    for stem, name, split, shape in [*images, ("strip", "A", "train", (16, 400))]:
        write_png(tmp_path / f"{stem}.png", rng.integers(0, 256, (3, *shape), np.uint8))
        lines.append(f"{stem}.png,{name},{split}")
    (tmp_path / "images.csv").write_text("\n".join(lines))
    words = ("--arms", "real,oversample", "--tries", 1, "--workdir", tmp_path / "w", "--name", "s")
    said = compare(tmp_path / "images.csv", *words)
    assert said.exit_code == 0, said.output
    record = read_json(tmp_path / "w" / "reports" / "s" / "comparison.json")
    assert record["resolution"] == told


@pytest.mark.parametrize(
    "words",
    [("--images", "."), ("--group-by", "(a)"), ("--set", "split.test=0.3"), ("--set", "seed=4")],
)
def test_what_only_a_scan_reads_is_refused_where_a_manifest_says_it(table, tmp_path, words):
    assert compare(table, "--workdir", tmp_path / "w", "--name", "one").exit_code == 0
    (catalogue,) = (tmp_path / "w" / "data" / "catalogues").glob("*/manifest.parquet")
    for data in (catalogue, catalogue.parent):
        said = compare(data, "--workdir", tmp_path / "w", "--name", "two", *words)
        assert isinstance(said.exception, BadInput) and "has no effect on" in str(said.exception)
    assert not (tmp_path / "w" / "reports" / "two").exists()


def test_a_file_of_settings_may_hold_what_a_comparison_does_not_read(table, tmp_path):
    shared = tmp_path / "shared.toml"
    shared.write_text("seed = 4\n[split]\ntest = 0.3\n[sampling]\nsteps = 9\n")
    said = compare(table, "--workdir", tmp_path / "w", "--config", shared)
    assert said.exit_code == 0, said.output
