import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image
from raster_files.tiff_by_hand import Page
from raster_files.tiff_by_hand import write as write_by_hand

from augment.catalogue.config import ScanConfig
from augment.catalogue.entries import Entry, Source
from augment.catalogue.scan import scan
from augment.catalogue.sources import open_source
from terrabalance.files import sha256_of
from terrabalance.images import write_png
from terrabalance.manifest import COLUMNS, REPAIRED, read_manifest, write_manifest
from terrabalance.marks import ORIGINAL_KEY, REPAIRED_KEY, SYNTHETIC_KEY


def scene(seed: int, side: int = 40) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


@pytest.fixture
def data(tmp_path) -> Path:
    folder = tmp_path / "data"
    for name in ("Pond", "Park"):
        (folder / name).mkdir(parents=True)
    scene(1).save(folder / "Pond" / "a.png")
    scene(2).save(folder / "Park" / "b.jpg")
    return folder


def scanned(folder: Path, config: ScanConfig | None = None):
    manifest = scan(open_source(folder, folder / "x"), config or ScanConfig())
    return manifest.frame.set_index("path")


def test_a_good_image_fills_every_column(data):
    row = scanned(data).loc["Pond/a.png"]
    path = data / "Pond" / "a.png"
    assert (row["class"], row["status"], row["source"], row["split"]) == ("Pond", "ok", "real", "")
    assert (row["width_px"], row["height_px"], row["bands"], row["mode"]) == (40, 40, 3, "RGB")
    assert row["bytes"] == path.stat().st_size and row["sha256"] == sha256_of(path)
    assert len(row["phash"]) == 16 and int(row["phash"], 16) and row["group"] == -1
    assert (row["detail"], row["generator"], row["seed"]) == ("", "", -1)


@pytest.mark.parametrize("name", ["s.png", "s.jpg", "s.tif", "s.webp"])
def test_a_synthetic_image_is_told_under_any_name(data, name):
    pixels = np.asarray(scene(3)).transpose(2, 0, 1)
    write_png(data / "Pond" / "s", pixels, {SYNTHETIC_KEY: "true"})
    (data / "Pond" / "s").rename(data / "Pond" / name)
    assert scanned(data).loc[f"Pond/{name}", "status"] == "synthetic"


@pytest.mark.parametrize("name", ["r.png", "r.jpg", "r.tif"])
def test_a_repaired_image_is_told_under_any_name(data, name):
    pixels = np.asarray(scene(3)).transpose(2, 0, 1)
    original = f"a.png {sha256_of(data / 'Pond' / 'a.png')}"
    write_png(data / "Pond" / "r", pixels, {REPAIRED_KEY: "0.3", ORIGINAL_KEY: original})
    (data / "Pond" / "r").rename(data / "Pond" / name)
    row = scanned(data).loc[f"Pond/{name}"]
    assert (row["status"], row["detail"]) == ("ok", REPAIRED)


@pytest.mark.parametrize("name", ["c.png", "c.jpg", "c.tif", "c.webp", "c.jp2"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_an_image_is_read_by_how_it_begins_whatever_its_name(data, kind, name):
    scene(3).save(data / "Pond" / name, format=kind)
    assert scanned(data).loc[f"Pond/{name}", ["status", "detail"]].tolist() == ["ok", ""]


def test_a_picture_saved_again_is_a_duplicate_and_in_another_class_a_conflict(data):
    scene(1).save(data / "Pond" / "again.png", compress_level=1)
    scene(2).save(data / "Pond" / "other.tif")
    with Image.open(data / "Park" / "b.jpg") as image:
        image.save(data / "Pond" / "conflict.png")
    found = scanned(data)
    assert found.loc["Pond/a.png", "status"] == found.loc["Pond/other.tif", "status"] == "ok"
    again, conflict = found.loc["Pond/again.png"], found.loc["Pond/conflict.png"]
    assert (again["status"], again["detail"]) == ("duplicate", "Pond/a.png")
    assert (conflict["status"], conflict["detail"]) == ("label conflict", "Park/b.jpg")


def test_a_copy_of_calm_water_in_another_format_is_a_duplicate(data):
    for seed in range(20):
        calm = np.random.default_rng(seed).normal((10, 40, 60), 1, (64, 64, 3)) + seed
        Image.fromarray(calm.astype(np.uint8)).save(data / "Pond" / f"{seed}.jpg", quality=90)
        Image.open(data / "Pond" / f"{seed}.jpg").save(data / "Pond" / f"{seed}.png")
    assert (scanned(data)["status"] == "duplicate").sum() == 20


def test_an_image_of_a_generator_is_left_out_by_its_mark(data):
    pixels = np.asarray(scene(7)).transpose(2, 0, 1)
    write_png(data / "Pond" / "innocent.png", pixels, {SYNTHETIC_KEY: "true"})
    assert scanned(data).loc["Pond/innocent.png", "status"] == "synthetic"
    assert scanned(data)["status"].value_counts().to_dict() == {"ok": 2, "synthetic": 1}


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_an_image_that_is_cut_short_is_truncated(data, suffix):
    path = data / "Pond" / f"cut.{suffix}"
    scene(3).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    assert scanned(data).loc[f"Pond/cut.{suffix}", "status"] == "truncated"


def test_what_is_no_image_is_told_from_what_is_damaged(data):
    (data / "Pond" / "notes.txt").write_text("hello")
    (data / "Pond" / "notes.jpg").write_text("hello")
    (data / "Pond" / "notes.tif").write_text("hello")
    (data / "Pond" / "none.jpg").write_bytes(b"")
    (data / "Pond" / "head.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"rubbish" * 9)
    tifffile.imwrite(data / "Pond" / "gaps.tif", np.full((20, 20), np.nan, np.float32))
    status = scanned(data)["status"]
    assert status["Pond/notes.txt"] == status["Pond/notes.jpg"] == "not an image"
    assert status["Pond/notes.tif"] == "not an image"
    assert status["Pond/none.jpg"] == "empty"
    assert status["Pond/head.png"] == "unreadable" and status["Pond/gaps.tif"] == "no data"


def test_a_link_out_of_the_data_is_not_followed(data, tmp_path):
    scene(9).save(tmp_path / "secret.png")
    (data / "Pond" / "link.png").symlink_to(tmp_path / "secret.png")
    row = scanned(data).loc["Pond/link.png"]
    assert row["status"] == "unreadable" and "leaves its folder" in row["detail"]


def test_a_file_that_vanished_is_unreadable_and_not_fatal(tmp_path):
    source = Source(tmp_path, [Entry("Pond/gone.jpg", "Pond")])
    assert scan(source, ScanConfig()).frame["status"].tolist() == ["unreadable"]


def test_small_images_and_images_beside_the_classes_are_left_out(data):
    scene(4, 15).save(data / "Pond" / "small.png")
    scene(5).save(data / "loose.png")
    frame = scanned(data)
    assert frame.loc["Pond/small.png", ["status", "width_px"]].tolist() == ["too small", 15]
    assert "15 x 15 px" in frame.loc["Pond/small.png", "detail"]
    assert frame.loc["loose.png", "status"] == "no class"
    assert scanned(data, ScanConfig(min_side_px=8)).loc["Pond/small.png", "status"] == "ok"


def test_every_kind_of_image_is_read(data):
    deep = np.random.default_rng(0).integers(0, 2**16, (6, 30, 31), dtype=np.uint16)
    tifffile.imwrite(data / "Park" / "six.tif", deep, photometric="minisblack")
    scene(6).convert("P").save(data / "Park" / "palette.png")
    scene(7).convert("L").save(data / "Park" / "GREY.JPEG")
    frame = scanned(data)
    assert (frame["status"] == "ok").all()
    assert frame.loc["Park/six.tif", ["bands", "mode", "width_px"]].tolist() == [6, "uint16x6", 31]
    assert frame.loc["Park/palette.png", ["bands", "mode"]].tolist() == [3, "P"]
    assert frame.loc["Park/GREY.JPEG", ["bands", "mode"]].tolist() == [1, "L"]


def test_copies_are_found_and_nothing_is_deleted(data):
    shutil.copy(data / "Pond" / "a.png", data / "Pond" / "a_2.png")
    shutil.copy(data / "Park" / "b.jpg", data / "Pond" / "b.jpg")
    scene(1).save(data / "Pond" / "again.jpg", quality=80)
    frame = scanned(data)
    assert frame.loc["Pond/a_2.png", ["status", "detail"]].tolist() == ["duplicate", "Pond/a.png"]
    assert (
        frame.loc["Park/b.jpg", "status"] == frame.loc["Pond/b.jpg", "status"] == "label conflict"
    )
    assert frame.loc["Park/b.jpg", "detail"] == "Pond/b.jpg"
    assert frame.loc["Pond/again.jpg", "group"] == frame.loc["Pond/a.png", "group"] == 0
    assert len(list(data.rglob("*.*"))) == len(frame) == 5


def test_the_manifest_survives_the_disk_and_progress_is_told(data, tmp_path):
    seen: list[tuple[int, int]] = []
    source = open_source(data, tmp_path)
    manifest = scan(source, ScanConfig(), lambda done, total, _="": seen.append((done, total)))
    again = read_manifest(write_manifest(manifest, tmp_path / "out"))
    assert again.frame.equals(manifest.frame) and list(again.frame) == list(COLUMNS)
    assert seen == [(1, 2), (2, 2)]


def test_the_known_copies_of_aid_are_found(aid, tmp_path):
    classes = {"Industrial", "Port", "Desert", "Meadow"}
    source = open_source(aid / "aid", tmp_path)
    some = [entry for entry in source.entries if entry.class_name in classes]
    frame = scan(Source(source.root, some), ScanConfig()).frame.set_index("path")
    assert frame[frame["status"] != "ok"]["detail"].to_dict() == {
        "Industrial/industrial_205.jpg": "Industrial/industrial_203.jpg"
    }
    assert sorted(frame.index[frame["group"] >= 0]) == ["Port/port_183.jpg", "Port/port_248.jpg"]


_SCAN_WITHIN = """
import json, resource, sys
from pathlib import Path
from augment.catalogue.config import ScanConfig
from augment.catalogue.scan import scan
from augment.catalogue.sources import open_source
from terrabalance.rasters.decode import decode

folder = Path(sys.argv[1])
scan(open_source(folder / "small", folder), ScanConfig())  # imports and starts its threads
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, used + 2**28))
frame = scan(open_source(folder / "large", folder), ScanConfig()).frame
print(json.dumps(frame.set_index("path")[["status", "detail"]].T.to_dict()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of a process's memory is Linux's")
def test_memory_that_runs_out_leaves_out_one_file_and_names_it(data, tmp_path):
    """Within 256 MiB, one image of 343 MiB, whose file is sound."""
    for name in ("small", "large"):
        shutil.copytree(data, tmp_path / "all" / name)
    values = np.zeros((5, 6000, 6000), np.uint16)
    tifffile.imwrite(
        tmp_path / "all" / "large" / "Pond" / "huge.tif", values, photometric="minisblack",
        planarconfig="separate", compression="zlib", rowsperstrip=500,
    )  # fmt: skip
    said = subprocess.run(
        [sys.executable, "-c", _SCAN_WITHIN, str(tmp_path / "all")], check=True,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    found = json.loads(said.stdout)
    assert found["Pond/huge.tif"]["status"] == "unreadable"
    assert "huge.tif: memory ran out" in found["Pond/huge.tif"]["detail"]
    assert found["Pond/a.png"]["status"] == found["Park/b.jpg"]["status"] == "ok"


def test_pipes_and_links_to_themselves_are_listed_and_passed_by(data):
    os.mkfifo(data / "Pond" / "pipe.jpg")
    os.mkfifo(data / "Pond" / "pipe.tif")
    (data / "Park" / "link.jpg").symlink_to("link.jpg")
    (data / "Park" / "gone.png").symlink_to("nowhere.png")
    found = scanned(data)["status"]
    others = found.drop(["Pond/a.png", "Park/b.jpg"])
    assert set(others) <= {"not an image", "unreadable"} and len(others) == 4
    assert (found[["Pond/a.png", "Park/b.jpg"]] == "ok").all()


def test_a_file_that_claims_more_than_it_holds_is_left_out_and_says_so(data):
    strip = Page([bytes(64)], {256: (60_000,), 257: (60_000,), 258: (8,), 259: (1,), 262: (1,)})
    write_by_hand(data / "Pond" / "claim.tif", pages=[strip])
    row = scanned(data).loc["Pond/claim.tif"]
    assert row["status"] == "unreadable" and "claims 3,600,000,000 pixels" in row["detail"]


def test_rows_are_the_same_however_many_are_gathered_at_once(data, monkeypatch):
    scene(1).save(data / "Park" / "conflict.png")
    (data / "Pond" / "empty.png").touch()
    (data / "Pond" / "note.txt").write_text("no image")
    at_once = scanned(data)
    monkeypatch.setattr("augment.catalogue.scan._ROWS_A_FRAME", 2)
    pd.testing.assert_frame_equal(scanned(data), at_once)
