"""Copies and scenes planted in real files: none may lie on both sides of a split."""

import itertools

import numpy as np
import pytest
import rasterio
from PIL import Image, ImageOps

from augment.catalogue.config import ScanConfig, SplitConfig
from augment.catalogue.scan import scan
from augment.catalogue.sources import open_source
from augment.catalogue.split import assign_splits

N_PLANTED, N_SCENES, TILES = 45, 15, 16
CLASSES = ("Beach", "Park", "Pond")


def picture(seed, side=64):
    coarse = np.random.default_rng(seed).integers(0, 256, (11, 11, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


def turned(image, which):
    """Return an image under one of the seven symmetries that change it."""
    mirrored, quarters = divmod(which % 7 + 1, 4)
    return (ImageOps.mirror(image) if mirrored else image).rotate(90 * quarters, expand=True)


def plant(folder, copies_of, save):
    """Write 180 pictures, 45 of them again, turned, in the class that `copies_of` says."""
    for seed in range(4 * N_PLANTED):
        name = CLASSES[seed % 3]
        (folder / name).mkdir(parents=True, exist_ok=True)
        picture(seed).save(folder / name / f"{seed}.png")
    for seed in range(N_PLANTED):
        save(turned(picture(seed), seed), folder / copies_of(seed) / f"copy{seed}")


def split_rows(folder, config=None):
    """Scan and split; return the rows, their `number` taken from the name."""
    manifest = scan(open_source(folder, folder / "x"), config or ScanConfig())
    rows = assign_splits(manifest, SplitConfig(), 0).frame
    return rows.assign(number=rows["path"].str.extract(r"(\d+)")[0].astype(int))


SAVE = {
    "png": lambda image, stem: image.save(stem.with_suffix(".png")),
    "jpeg": lambda image, stem: image.save(stem.with_suffix(".jpg"), quality=75),
    "half": lambda image, stem: image.resize((32, 32), Image.Resampling.LANCZOS).save(
        stem.with_suffix(".jpg"), quality=90
    ),
}


@pytest.mark.parametrize("kind", SAVE)
def test_a_turned_or_mirrored_copy_is_on_the_side_of_its_original(kind, tmp_path):
    plant(tmp_path, lambda seed: CLASSES[seed % 3], SAVE[kind])
    rows = split_rows(tmp_path)
    sides = rows[rows["status"] == "ok"].groupby("number")["split"].nunique()
    assert sides.max() == 1 and len(sides) == 4 * N_PLANTED
    assert set(rows["status"]) == {"ok"} and (rows["group"] >= 0).sum() == 2 * N_PLANTED


@pytest.mark.parametrize("kind", SAVE)
def test_a_copy_under_another_label_trains_with_neither(kind, tmp_path):
    plant(tmp_path, lambda seed: CLASSES[(seed + 1) % 3], SAVE[kind])
    rows = split_rows(tmp_path)
    wrong = rows[rows["status"] == "near label conflict"]
    assert sorted(wrong["number"]) == sorted(2 * list(range(N_PLANTED)))
    assert wrong.set_index("path")["detail"]["Beach/0.png"].startswith("Park/copy0.")


def test_a_turned_copy_of_a_large_coloured_jpeg_is_found_in_another_format(tmp_path):
    for name in CLASSES:
        (tmp_path / name).mkdir()
    for seed in range(9):
        image = picture(seed, 600).resize((600, 400))
        image.save(tmp_path / CLASSES[seed % 3] / f"{seed}.jpg", quality=85)
        turned(image, seed).save(tmp_path / CLASSES[seed % 3] / f"copy{seed}.png")
    rows = scan(open_source(tmp_path, tmp_path / "x"), ScanConfig()).frame
    assert sorted(rows["group"]) == sorted(2 * list(range(9)))


def tiles_of_scenes(folder):
    """Yield scene, tile, (row, column), image, and the folder of its class, which is there."""
    for scene, tile in itertools.product(range(N_SCENES), range(TILES)):
        row, column = divmod(tile, 4)
        box = (64 * column, 64 * row, 64 * column + 64, 64 * row + 64)
        (folder / CLASSES[scene % 3]).mkdir(parents=True, exist_ok=True)
        yield scene, tile, (row, column), picture(scene, 256).crop(box), folder / CLASSES[scene % 3]


def sides_of_scenes(rows):
    assert (rows["status"] == "ok").all()
    return rows.groupby(rows["number"] % 100)["split"].nunique()


def test_tiles_of_one_scene_stay_together_by_a_pattern_of_their_names(tmp_path):
    for scene, tile, _, image, folder in tiles_of_scenes(tmp_path):
        image.save(folder / f"{scene}_{tile}.png")
    rows = split_rows(tmp_path, ScanConfig(group_by=r"/(\d+)_"))
    assert (sides_of_scenes(rows) == 1).all() and set(rows["split"]) == {"train", "val", "test"}
    assert (sides_of_scenes(split_rows(tmp_path)) > 1).all()  # what their names alone do not tell


def test_tiles_of_one_scene_stay_together_by_their_georeference(tmp_path):
    for scene, tile, (row, column), image, folder in tiles_of_scenes(tmp_path):
        west, north = 1e5 * scene + 640 * column, 5e6 - 640 * row
        with rasterio.open(
            folder / f"{100 * tile + scene}.tif", "w", driver="GTiff", count=3, height=64, width=64,
            dtype="uint8", crs="EPSG:32632", transform=rasterio.Affine(10, 0, west, 0, -10, north),
        ) as file:  # fmt: skip
            file.write(np.asarray(image).transpose(2, 0, 1))
    rows = split_rows(tmp_path)
    assert (sides_of_scenes(rows) == 1).all() and rows["place"].nunique() == N_SCENES
    off = split_rows(tmp_path, ScanConfig(place_distance=None))
    assert (sides_of_scenes(off) > 1).all() and set(off["place"]) == {-1}
