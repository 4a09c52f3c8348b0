"""`terrabalance make-lt`: from a folder of images to a benchmark that a scan reads back."""

import re
import shlex
import shutil
import tarfile
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from augment.scenes import draw_dataset
from flows.cli.app import app
from terrabalance.errors import BadInput

COUNTS = {"Beach": 21, "Forest": 20, "River": 24}
PARTS = ["train", "val", "test", "oracle", "unused"]
WANTED = ["--imbalance", 4, "--head", 8, "--val", 3, "--test", 4, "--order", "names"]
MADE = {"Beach": [8, 3, 4, 0], "Forest": [4, 3, 4, 4], "River": [2, 3, 4, 6]}


@pytest.fixture(scope="module")
def tiles(tmp_path_factory) -> Path:
    """Drawn scenes: one stored twice, one also turned, one truncated; and a folder of another."""
    root = draw_dataset(tmp_path_factory.mktemp("drawn") / "tiles", COUNTS, side_px=24)
    first, second, third, *_ = sorted((root / "River").iterdir())
    shutil.copy(first, root / "River" / "twin.png")
    Image.open(second).transpose(Image.Transpose.ROTATE_90).save(root / "River" / "turned.png")
    (root / "River" / "cut.png").write_bytes(third.read_bytes()[:300])
    return root


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*words: object):
    return CliRunner().invoke(app, list(map(str, words)), env={"COLUMNS": "200"})


def said_by(*words: object) -> str:
    said = call(*words)
    assert said.exit_code == 0, (said.output, said.exception)
    return said.output


def refusal_of(*words: object) -> str:
    said = call("make-lt", *words)
    assert isinstance(said.exception, BadInput), said.output
    return str(said.exception)


def counts(frame: pd.DataFrame) -> dict[str, list[int]]:
    table = frame.groupby(["class", "split"]).size().unstack(fill_value=0)
    return {str(name): row.tolist() for name, row in table[PARTS[:4]].iterrows()}


def catalogue(folder: Path) -> pd.DataFrame:
    (listing,) = folder.glob("data/catalogues/*/manifest.csv")
    return pd.read_csv(listing)


def test_a_scan_reads_back_exactly_the_numbers_that_were_made(tiles, here):
    said = said_by("make-lt", tiles, *WANTED)
    made = pd.read_csv("tiles-lt4.csv")
    assert list(made) == ["path", "class", "split"] and counts(made) == MADE
    for name, numbers in MADE.items():
        assert re.search(rf"{name} .*" + r"\D+".join(map(str, numbers)), said)
    assert "duplicate: 1" in said and "truncated: 1" in said
    again = here / "again"
    said_by("scan", "tiles-lt4.csv", "--images", tiles, "--workdir", again)
    read = catalogue(again)
    assert set(read["status"]) == {"ok"} and counts(read) == MADE
    assert dict(zip(read["path"], read["split"], strict=True)) == dict(
        zip(made["path"], made["split"], strict=True)
    )


def test_the_command_that_is_printed_names_the_images_also_of_an_archive(tiles, here):
    with tarfile.open("a set.tar", "w") as archive:
        archive.add(tiles, "tiles")
    said = said_by("make-lt", "a set.tar", *WANTED, "--set", "scan.min_side_px=20")
    words = shlex.split(said.split("Run it: ")[1])
    assert words[:4] == ["terrabalance", "run", "a set-lt4.csv", "--images"]
    assert words[5:] == ["--set", "scan.min_side_px=20"]
    said_by("scan", *words[2:], "--workdir", here / "again")
    assert counts(catalogue(here / "again")) == MADE


def test_a_csv_is_taken_with_its_groups_and_without_its_split(tiles, here, caplog):
    rows = [
        {"path": f"{path.parent.name}/{path.name}", "class": path.parent.name}
        for path in sorted(tiles.glob("*/*_*.png"))
    ]
    table = pd.DataFrame(rows).assign(split="train", group=[f"s{i // 2}" for i in range(len(rows))])
    table.to_csv("tiles.csv", index=False)
    said_by("make-lt", "tiles.csv", "--images", tiles, *WANTED, "--out", "lt.csv")
    assert "has the parts 'train', which are not kept" in caplog.text
    made = pd.read_csv("lt.csv").merge(table[["path", "group"]])
    assert counts(made) == MADE
    side = made["split"].where(made["split"].isin(["val", "test"]), "rest")
    assert (side.groupby(made["group"]).nunique() == 1).all()


def test_the_same_command_makes_the_same_file_and_no_other_is_overwritten(tiles):
    said_by("make-lt", tiles, *WANTED, "--out", "lt.csv")
    first = Path("lt.csv").read_bytes()
    said_by("make-lt", tiles, *WANTED, "--out", "lt.csv")
    assert Path("lt.csv").read_bytes() == first
    said = refusal_of(tiles, *WANTED, "--seed", 1, "--out", "lt.csv")
    assert said == (
        "--out lt.csv: is there, and not this benchmark. Name another file with --out, or move it "
        "away."
    )
    assert Path("lt.csv").read_bytes() == first


def test_no_image_is_changed(tiles):
    before = {path: path.stat().st_mtime_ns for path in tiles.rglob("*")}
    said_by("make-lt", tiles, *WANTED)
    assert {path: path.stat().st_mtime_ns for path in tiles.rglob("*")} == before


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--imbalance", 0.5], "--imbalance 0.5: give a number from 1 on"),
        (["--imbalance", "nan"], "--imbalance nan: give a number from 1 on"),
        (["--head", 19], "'Forest' has 20 usable images, 18 of them beside 1 in val and 1 in test"),
        (["--head", 8], "--imbalance 100: of a head of 8 images it leaves the rarest class none"),
        (["--order", "size"], "--order 'size': give names, sizes, or the seed"),
        (["--order", -1], "--order '-1': give names, sizes, or the seed"),
        (["--set", "plan.target=max"], "--set plan.target=max: make-lt reads settings of scan"),
        (["--out", "lt.txt"], "--out lt.txt: is read again by its ending"),
        (["--out", "gone/lt.csv"], "--out gone/lt.csv: there is no folder gone"),
    ],
)
def test_what_cannot_be_made_is_refused_in_a_sentence(tiles, here, words, reason):
    assert reason in refusal_of(tiles, *words)
    assert not list(here.glob("*.csv"))


def test_a_set_of_one_class_and_an_out_that_is_a_folder_are_refused(tiles, here):
    shutil.copytree(tiles / "River", here / "one" / "River")
    assert "two classes or more with usable images" in refusal_of(here / "one")
    (here / "lt.csv").mkdir()
    assert "--out lt.csv: is there, and no file" in refusal_of(tiles, "--out", "lt.csv")


def test_a_class_whose_name_no_csv_keeps_is_refused(tiles, here):
    shutil.copytree(tiles, here / "tiles")
    (here / "tiles" / "River").rename(here / "tiles" / "River ")
    said = refusal_of(here / "tiles", *WANTED, "--workdir", here / "w")
    assert "or its class 'River ' does, which no CSV keeps" in said
