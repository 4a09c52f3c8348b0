import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.shutil import copy

from terrabalance.files import sha256_of
from terrabalance.rasters.beside import changed_beside, listed_beside, record_beside
from terrabalance.rasters.formats import format_in

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
NODATA = (
    "<PAMDataset><PAMRasterBand band='1'><NoDataValue>7</NoDataValue></PAMRasterBand></PAMDataset>"
)


def written(path: Path, driver: str, **options: object) -> Path:
    values = np.random.default_rng(0).integers(1, 3000, (3, 24, 32)).astype(np.uint16)
    with rasterio.open(path, "w", driver=driver, count=3, height=24, width=32, dtype="uint16",
                       **options) as file:  # fmt: skip
        file.write(values)
    return path


def envi(folder: Path) -> Path:
    return written(folder / "a.dat", "ENVI", nodata=0)


def envi_with_header_by_name(folder: Path) -> Path:
    path = envi(folder)
    (folder / "a.hdr").rename(folder / "a.dat.HDR")
    return path


def spilt(folder: Path) -> Path:
    """ERDAS Imagine whose pixels are in a file of their own, as those of large ones are."""
    path = written(folder / "a.img", "HFA", use_spill="YES")
    (folder / "a.img.aux.xml").write_text(NODATA)
    return path


def vrt(folder: Path) -> Path:
    source = written(folder / "band.tif", "GTiff")
    copy(source, folder / "a.vrt", driver="VRT")
    (folder / "band.tif.aux.xml").write_text(NODATA)
    return folder / "a.vrt"


def vrt_named_otherwise(folder: Path) -> Path:
    return vrt(folder).rename(folder / "a.tif")


def jpeg2000(folder: Path) -> Path:
    return written(folder / "a.jp2", "JP2OpenJPEG", nodata=0)


def nitf(folder: Path) -> Path:
    return written(folder / "a.ntf", "NITF")


def record_of(path: Path) -> str:
    return record_beside(path, format_in(path))


MAKERS = [envi, envi_with_header_by_name, spilt, vrt, vrt_named_otherwise, jpeg2000, nitf]


@pytest.mark.parametrize("make", MAKERS)
def test_the_files_are_those_that_gdal_opens(make, tmp_path):
    path = make(tmp_path)
    opened: set[str] = set()
    for image in tmp_path.iterdir():
        if image == path or image.suffix == ".tif":
            with rasterio.open(image) as file:
                opened |= {Path(name).name for name in file.files}
    assert list(listed_beside(record_of(path))) == sorted(opened - {path.name})


def test_the_checksums_are_those_of_the_files(tmp_path):
    path = envi(tmp_path)
    expected = {name: sha256_of(tmp_path / name) for name in ("a.dat.aux.xml", "a.hdr")}
    assert json.loads(record_of(path)) == expected


@pytest.mark.parametrize("make", MAKERS)
def test_each_file_that_changes_goes_or_comes_is_named(make, tmp_path):
    path = make(tmp_path)
    record = record_of(path)
    assert changed_beside(path, record) is None
    for name in listed_beside(record):
        beside = tmp_path / name
        was = beside.read_bytes()
        beside.write_bytes(b"\0" + was[1:])
        assert changed_beside(path, record) == beside
        beside.unlink()
        assert changed_beside(path, record) == beside
        beside.write_bytes(was)
        assert changed_beside(path, record) is None
    added = tmp_path / f"{path.name}.msk"
    added.write_bytes(b"a mask")
    assert changed_beside(path, record) == added


def test_what_lies_beside_an_image_that_holds_all_itself_is_not_recorded(tmp_path):
    path = written(tmp_path / "a.tif", "GTiff")
    for suffix in (".aux.xml", ".msk", ".ovr"):
        (tmp_path / f"a.tif{suffix}").write_text("statistics")
    (tmp_path / "a.tfw").write_text("10\n0\n0\n-10\n0\n0\n")
    assert record_of(path) == ""
    assert record_of(nitf(tmp_path)) == "{}"  # which may have files beside it, and has none


def test_an_older_manifest_does_not_say_what_lay_beside(tmp_path):
    assert changed_beside(envi(tmp_path), "") is None


def test_two_names_of_one_file_are_one(tmp_path):
    """As where a disk does not tell upper from lower case."""
    path = envi(tmp_path)
    os.link(tmp_path / "a.hdr", tmp_path / "a.HDR")
    assert list(listed_beside(record_of(path))) == ["a.dat.aux.xml", "a.hdr"]


def test_a_copy_of_the_folder_has_the_same_record(tmp_path):
    (tmp_path / "one").mkdir()
    path = vrt(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    assert record_of(tmp_path / "two" / path.name) == record_of(path)


@pytest.mark.parametrize(
    "text",
    ["[]", "{", '{"a.hdr": 1}', '{"a.hdr": "00"}', f'{{"../a": "{"0" * 64}"}}',
     f'{{"b": "{"0" * 64}", "a": "{"0" * 64}"}}'],
)  # fmt: skip
def test_a_text_that_is_no_record_is_refused(text):
    with pytest.raises(ValueError):
        listed_beside(text)
