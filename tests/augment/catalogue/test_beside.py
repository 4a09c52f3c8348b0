import shutil
from pathlib import Path

import numpy as np
import pytest

from augment.catalogue.sources import open_source
from terrabalance.images import write_png

VRT = '<VRTDataset><SourceFilename relativeToVRT="1">band.tif</SourceFilename></VRTDataset>'
HARMLESS = ("scene.tfw", "scene.tif.ovr", "photo.jgw", "plain.qml")
FILES = (
    *HARMLESS, "plain.png", "photo.jpg", "scene.tif", "scene.tif.aux.xml", "masked.png",
    "masked.png.msk", "raw.dat", "raw.hdr", "raw.dat.aux.xml", "other.img", "other.IMG.AUX.XML",
    "tile.jp2", "tile.j2w", "band.tif", "band.tif.msk",
)  # fmt: skip
COUNTING = {  # of each image that has any: those that GDAL, or `terrabalance.rasters`, looks for
    "scene.tif": {"scene.tif.aux.xml"},
    "masked.png": {"masked.png.msk"},
    "raw.dat": {"raw.hdr", "raw.dat.aux.xml"},
    "other.img": {"other.IMG.AUX.XML"},
    "tile.jp2": {"tile.j2w"},
    "band.tif": {"band.tif.msk"},
    "mosaic.vrt": {"band.tif", "band.tif.msk"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("Pond", "Lake"):
        (tmp_path / "raw" / name).mkdir(parents=True)
        for file in FILES:
            (tmp_path / "raw" / name / file).write_text(file)
        (tmp_path / "raw" / name / "mosaic.vrt").write_text(VRT)
    return tmp_path / "raw"


def expected() -> dict[str, set[str]]:
    return {
        f"{folder}/{image}": {f"{folder}/{name}" for name in names}
        for folder in ("Pond", "Lake")
        for image, names in COUNTING.items()
    }


def found(data: Path, tmp_path: Path) -> dict[str, set[str]]:
    source = open_source(data, tmp_path / "extracted")
    assert len(source.entries) == 2 * (len(FILES) + 1 - 11)
    return {entry.path: set(entry.beside) for entry in source.entries if entry.beside}


def test_a_folder_has_with_each_image_what_lies_beside_it(folder, tmp_path):
    assert found(folder, tmp_path) == expected()


@pytest.mark.parametrize("kind", ["zip", "gztar"])
def test_an_archive_has_with_each_image_what_lies_beside_it(folder, tmp_path, kind):
    archive = shutil.make_archive(str(tmp_path / "scenes"), kind, folder)
    assert found(Path(archive), tmp_path) == expected()


def test_a_csv_has_with_each_image_what_lies_beside_it(folder, tmp_path):
    images = open_source(folder, tmp_path).entries
    lines = [f"{entry.path},{entry.class_name}" for entry in images]
    (tmp_path / "list.csv").write_text("\n".join(["path,class", *lines]))
    assert found(tmp_path / "list.csv", tmp_path) == expected()


def test_images_right_beside_their_csv_have_it_too(tmp_path):
    for name in ("raw.dat", "raw.hdr"):
        (tmp_path / name).write_text(name)
    (tmp_path / "list.csv").write_text("path,class\nraw.dat,Pond")
    assert [e.beside for e in open_source(tmp_path / "list.csv", tmp_path).entries] == [
        ("raw.hdr",)
    ]


def test_a_vrt_of_what_is_not_there_or_elsewhere_has_nothing_of_it(folder, tmp_path):
    (folder / "Pond" / "band.tif").unlink()
    (folder / "Lake" / "mosaic.vrt").write_text(VRT.replace("band.tif", "../Pond/plain.png"))
    beside = {e.path: e.beside for e in open_source(folder, tmp_path).entries}
    assert beside["Pond/mosaic.vrt"] == beside["Lake/mosaic.vrt"] == ()


def test_what_an_image_of_a_vrt_may_depend_on_counts_whatever_its_name_says(folder, tmp_path):
    (folder / "Pond" / "band.hdr").write_text("of ENVI")
    beside = {e.path: set(e.beside) for e in open_source(folder, tmp_path).entries}
    assert beside["Pond/mosaic.vrt"] == {"Pond/band.tif", "Pond/band.tif.msk", "Pond/band.hdr"}
    assert beside["Pond/band.tif"] == {"Pond/band.tif.msk"}


def test_plain_images_have_nothing_beside_them(tmp_path):
    for name in ("Pond/1.png", "Pond/2.png", "Lake/1.png"):
        write_png(tmp_path / "raw" / name, np.zeros((3, 4, 4), np.uint8))
    assert {e.beside for e in open_source(tmp_path / "raw", tmp_path).entries} == {()}
