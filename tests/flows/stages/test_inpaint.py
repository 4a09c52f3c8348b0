"""Repairing images at the command line."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from typer.testing import CliRunner

from augment.catalogue.config import ScanConfig, SplitConfig
from augment.catalogue.scan import scan
from augment.catalogue.sources import open_source
from augment.catalogue.split import assign_splits
from flows.cli.app import app
from terrabalance.errors import BadInput
from terrabalance.files import read_json, write_json
from terrabalance.finished import mark_done
from terrabalance.images import read_patch, write_png
from terrabalance.marks import read_marks
from terrabalance.rasters.decode import decode

from .repairs import QUICK, mask_of, run


def store_turned(path: Path, seen: np.ndarray, orientation: int) -> None:
    """Store (3, H, W) pixels so that EXIF's orientation turns them to what is `seen`."""
    turning_back = {6: 8, 8: 6}.get(orientation, orientation)
    image = Image.fromarray(seen.transpose(1, 2, 0))
    image.getexif()[274] = turning_back
    stored, exif = ImageOps.exif_transpose(image), Image.Exif()
    exif[274] = orientation
    stored.save(path, exif=exif)


def test_known_pixels_stay_and_the_file_says_what_was_filled(tmp_path, photo, generator):
    mask = mask_of(tmp_path / "mask.png", 10, 30)
    found = run(photo, "--mask", mask, "--generator", generator)
    assert found.exit_code == 0, found.output
    filled = decode(tmp_path / "pond_repaired.png").pixels
    covered = np.zeros((16, 16), bool)
    covered[:8, 0:8] = True
    real = read_patch(photo, 16)
    assert np.array_equal(filled[:, ~covered], real[:, ~covered])
    assert not np.array_equal(filled[:, covered], real[:, covered])
    marks = read_marks(tmp_path / "pond_repaired.png")
    assert float(marks["terrabalance:filled"]) == pytest.approx(covered.mean())
    assert marks["terrabalance:class"] == "Pond" and marks["terrabalance:generator"] == "Pond-1"
    assert marks["terrabalance:source"].startswith("pond.png ")


def test_several_fillings_differ_and_come_again_with_the_seed(tmp_path, photo, generator):
    mask = mask_of(tmp_path / "mask.png", 10, 30)
    arguments = (photo, "--mask", mask, "--generator", generator, "--count", 2)
    assert run(*arguments, "--out", tmp_path / "a.png").exit_code == 0
    assert run(*arguments, "--out", tmp_path / "b.png").exit_code == 0
    first, second = (decode(tmp_path / f"a_{index}.png").pixels for index in (0, 1))
    assert not np.array_equal(first, second)
    assert np.array_equal(first, decode(tmp_path / "b_0.png").pixels)


def test_another_picture_is_never_overwritten(tmp_path, photo, generator):
    mask = mask_of(tmp_path / "mask.png", 10, 30)
    found = run(photo, "--mask", mask, "--generator", generator, "--out", photo)
    assert isinstance(found.exception, BadInput) and "exists and is another" in str(found.exception)


@pytest.mark.parametrize(
    "left, right, size, said",
    [
        (0, 60, (20, 60), "another shape than the image's 60 x 40 px"),
        (0, 0, (40, 60), "covers nothing"),
        (0, 5, (40, 60), "covers nothing of the part that is used"),
    ],
)
def test_a_mask_that_cannot_be_used_says_why(tmp_path, photo, generator, left, right, size, said):
    mask = mask_of(tmp_path / "mask.png", left, right, size)
    found = run(photo, "--mask", mask, "--generator", generator)
    assert isinstance(found.exception, BadInput) and said in str(found.exception)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photo_is_filled_where_its_mask_covers_it(tmp_path, generator, orientation):
    """The mask is drawn on the photo as people see it; the photo is stored turned."""
    seen = np.random.default_rng(0).integers(1, 256, (3, 40, 40), np.uint8)
    write_png(tmp_path / "seen.png", seen)
    store_turned(tmp_path / "turned.png", seen, orientation)
    mask = mask_of(tmp_path / "mask.png", 0, 20, (40, 40))
    assert run(tmp_path / "turned.png", "--mask", mask, "--generator", generator).exit_code == 0
    filled = decode(tmp_path / "turned_repaired.png").pixels
    changed = (filled != read_patch(tmp_path / "seen.png", 16)).any(0)
    assert changed[:8, :8].mean() > 0.9 and not changed[8:].any() and not changed[:, 8:].any()


def test_what_is_not_there_or_no_generator_is_told_with_what_to_give(tmp_path, photo, generator):
    mask = mask_of(tmp_path / "mask.png", 10, 30)
    mark_done(tmp_path / "Beach-x", {"class": "Beach"})  # as of synthetic images
    said = {
        what: str(run(image, "--mask", given, "--generator", folder).exception)
        for what, image, given, folder in (
            ("image", tmp_path / "no.png", mask, generator),
            ("folder", tmp_path, mask, generator),
            ("mask", photo, tmp_path / "no.png", generator),
            ("generator", photo, mask, tmp_path / "nowhere"),
            ("other", photo, mask, tmp_path / "Beach-x"),
        )
    }
    assert f"IMAGE {tmp_path / 'no.png'}: there is no file. Give a real image" in said["image"]
    assert f"IMAGE {tmp_path}: is no file." in said["folder"]
    assert f"--mask {tmp_path / 'no.png'}: there is no file. Give an image of the" in said["mask"]
    assert "nowhere: no finished generator. Give a folder below data/gen" in said["generator"]
    assert "Beach-x: is no generator. Give a folder below data/generators/" in said["other"]


@pytest.mark.parametrize("settings", [["steps=50"], ["steps=50", "jump=30"]])
def test_what_is_advised_about_too_many_steps_or_too_long_jumps_works(
    tmp_path, photo, generator, settings
):
    mask = mask_of(tmp_path / "mask.png", 10, 30)
    arguments = [photo, "--mask", mask, "--generator", generator]
    arguments += [word for setting in settings for word in ("--set", setting)]
    refused = str(run(*arguments).exception)
    advised = re.search(r"`(--set .*)`", refused)[1].split()
    assert advised[1] == "steps=20"
    assert run(*arguments, *advised).exit_code == 0
    refused = str(run(*arguments, "--set", "steps=20", "--set", "jump=1000").exception)
    advised = re.search(r"`(--set .*)`", refused)[1].split()
    other = ("--out", tmp_path / "other.png")
    assert run(*arguments, *other, "--set", "steps=20", *advised).exit_code == 0


def test_a_folder_that_is_not_there_is_made_and_one_that_cannot_be_is_told_before_any_work(
    tmp_path, photo, generator
):
    mask = mask_of(tmp_path / "mask.png", 10, 30)
    arguments = (photo, "--mask", mask, "--generator", generator, "--out")
    assert run(*arguments, tmp_path / "new" / "deep" / "a.png").exit_code == 0
    assert decode(tmp_path / "new" / "deep" / "a.png").pixels.shape == (3, 16, 16)
    refused = run(*arguments, photo / "a.png")
    assert f"{photo}: no file can be written there" in str(refused.exception)
    assert "in another folder with --out" in str(refused.exception)
    assert "filling" not in refused.output


def test_a_mistake_is_told_before_torch_is_loaded(tmp_path, photo):
    """Loading it takes seconds, and minutes on a network disk."""
    words = ["inpaint", str(photo), "--mask", str(tmp_path / "no.png"), "--generator", "G"]
    script = (
        "import sys; from typer.testing import CliRunner; from flows.cli.app import app; "
        f"found = CliRunner().invoke(app, {words!r}); assert 'no.png' in str(found.exception); "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_mask_saved_as_jpeg_fills_what_was_painted_and_says_so(
    tmp_path, photo, generator, caplog
):
    mask = mask_of(tmp_path / "mask.png", 10, 30)
    with Image.open(mask) as image:
        image.save(tmp_path / "mask.jpg", quality=75)
    for name in ("mask.png", "mask.jpg"):
        out = tmp_path / f"{name}.png"
        arguments = (photo, "--mask", tmp_path / name, "--generator", generator, "--out", out)
        assert run(*arguments).exit_code == 0
    share = {
        n: read_marks(tmp_path / f"{n}.png")["terrabalance:filled"]
        for n in ("mask.png", "mask.jpg")
    }
    assert share["mask.jpg"] == share["mask.png"]
    (said,) = [line for line in caplog.messages if "different values" in line]
    assert "mask.jpg" in said


def test_a_mask_over_everything_points_to_sampling(tmp_path, photo, generator):
    Image.fromarray(np.full((40, 60), 255, np.uint8)).save(tmp_path / "mask.png")
    found = run(photo, "--mask", tmp_path / "mask.png", "--generator", generator)
    assert "terrabalance sample" in str(found.exception)


def test_an_unknown_setting_or_class_is_named(tmp_path, photo, generator):
    mask = mask_of(tmp_path / "mask.png", 10, 30)
    arguments = (photo, "--mask", mask, "--generator", generator)
    assert "stepz" in str(run(*arguments, "--set", "stepz=3").exception)
    assert "draws Pond, not 'Port'" in str(run(*arguments, "--class", "Port").exception)
    many = str(run(*arguments, "--set", "steps=30").exception)
    assert "steps=30" in many and "has 20 timesteps" in many


@pytest.mark.parametrize("width", [2, 36])
def test_a_repaired_image_never_trains_while_its_original_judges(tmp_path, generator, width):
    """Whether little of it was filled or much, and without moving any other image."""
    home = tmp_path / "data" / "Pond"
    rng = np.random.default_rng(0)
    for index in range(12):
        write_png(home / f"{index}.png", rng.integers(0, 256, (3, 40, 60), np.uint8))

    def split():
        manifest = scan(open_source(tmp_path / "data", tmp_path / "x", None), ScanConfig())
        return assign_splits(manifest, SplitConfig(), 0).frame.set_index("path")

    before = split()["split"]
    mask = mask_of(tmp_path / "mask.png", 12, 12 + width)
    parts = {part: before.index[before == part][0] for part in ("train", "val", "test")}
    for path in parts.values():
        said = run(tmp_path / "data" / path, "--mask", mask, "--generator", generator)
        assert said.exit_code == 0, said.output
    after = split()
    assert after["split"][before.index].equals(before)
    found = {part: after.loc[path.replace(".", "_repaired.")] for part, path in parts.items()}
    assert {part: row["status"] for part, row in found.items()} == {
        "train": "ok", "val": "leaks into val", "test": "leaks into test",
    }  # fmt: skip
    assert found["test"]["detail"] == parts["test"]


def test_a_repaired_image_only_trains(tmp_path, photo, generator):
    mask = mask_of(tmp_path / "mask.png", 10, 30)
    home = tmp_path / "data" / "Pond"
    rng = np.random.default_rng(0)
    for index in range(8):
        write_png(home / f"{index}.png", rng.integers(0, 256, (3, 16, 16), np.uint8))
    arguments = (photo, "--mask", mask, "--generator", generator, "--count", 4)
    assert run(*arguments, "--out", home / "repaired.png").exit_code == 0
    manifest = scan(open_source(tmp_path / "data", tmp_path / "x", None), ScanConfig())
    for seed in range(3):
        frame = assign_splits(manifest, SplitConfig(), seed).frame
        repaired = frame[frame["path"].str.contains("repaired")]
        assert len(repaired) == 4 and set(repaired["split"]) == {"train"}
        assert set(repaired["status"]) == {"ok"}  # the original is elsewhere
    manifest.frame["split"] = ["train", "val", "test"] * 4
    with pytest.raises(BadInput, match="repaired by a generator, the first is"):
        assign_splits(manifest, SplitConfig(), 0)


@pytest.mark.parametrize("name", ["generator.safetensors", "card.json"])
@pytest.mark.parametrize("is_gone", [True, False])
def test_a_damaged_generator_is_named_with_the_folder_to_delete(
    tmp_path, photo, generator, name, is_gone
):
    copy = shutil.copytree(generator, tmp_path / "Pond-2")
    (copy / name).unlink() if is_gone else (copy / name).write_bytes(b"{}")
    mask = mask_of(tmp_path / "mask.png", 20, 30)
    command = ["inpaint", str(photo), "--mask", str(mask), "--generator", str(copy), *QUICK]
    refused = CliRunner().invoke(app, command).exception
    assert isinstance(refused, BadInput) and str(copy / name) in str(refused)
    assert f"delete the folder {copy} to have it made again" in str(refused)


def test_a_generator_of_another_version_is_named(tmp_path, photo, generator):
    copy = shutil.copytree(generator, tmp_path / "Pond-2")
    card = read_json(copy / "card.json")
    card["config"]["generator"]["unheard_of"] = 3
    write_json(copy / "card.json", card)
    mark_done(copy, {})
    mask = mask_of(tmp_path / "mask.png", 20, 30)
    command = ["inpaint", str(photo), "--mask", str(mask), "--generator", str(copy), *QUICK]
    refused = CliRunner().invoke(app, command).exception
    assert isinstance(refused, BadInput) and "of another version of terrabalance" in str(refused)
    assert "the field 'config.generator.unheard_of' does not fit" in str(refused)
