import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.shutil import copy

from augment.dataset.assemble import assemble
from augment.dataset.placing import place
from augment.dataset.verify import verify
from terrabalance.dataset import TerraBalanceDataset
from terrabalance.errors import BadInput
from terrabalance.files import sha256_of
from terrabalance.manifest import Manifest, frame_of, read_manifest, write_manifest
from terrabalance.rasters.beside import listed_beside, record_beside
from terrabalance.rasters.decode import decode
from terrabalance.rasters.formats import format_in

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
VALUES = np.random.default_rng(0).integers(1, 3000, (5, 20, 24)).astype(np.uint16)


def gdal_file(path: Path, driver: str) -> Path:
    """A file of VALUES with a corner that is declared as no data."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = VALUES.copy()
    values[:, :4, :4] = 0
    with rasterio.open(path, "w", driver=driver, count=5, height=20, width=24, dtype="uint16",
                       nodata=0) as file:  # fmt: skip
        file.write(values)
    return path


def vrt(path: Path) -> Path:
    source = gdal_file(path.with_suffix(".tif"), "GTiff")
    copy(source, path, driver="VRT")
    return path


def assembled(tmp_path: Path, file: Path) -> Manifest:
    row = {"path": file.name, "class": "Pond", "split": "train", "source": "real", "status": "ok",
           "bands": 5, "mode": "uint16x5", "sha256": sha256_of(file),
           "beside": record_beside(file, format_in(file)),
           "bytes": file.stat().st_size}  # fmt: skip
    return assemble(Manifest(file.parent, frame_of([row])), [], tmp_path / "set", {})


@pytest.mark.parametrize(
    ("name", "driver"), [("a.img", "ENVI"), ("a.dat", "ENVI"), ("a.img", "HFA"), ("a.tif", "GTiff")]
)
def test_an_image_is_read_in_the_dataset_as_it_was(tmp_path, name, driver):
    file = gdal_file(tmp_path / "raw" / name, driver)
    manifest = assembled(tmp_path, file)
    before, after = decode(file), decode(manifest.root / f"train/Pond/{name}")
    np.testing.assert_array_equal(after.pixels, before.pixels)
    np.testing.assert_array_equal(after.valid, before.valid)
    assert verify(manifest.root) == []
    image, _ = TerraBalanceDataset(manifest.root, "train")[0]
    np.testing.assert_array_equal(image[:, 4:], VALUES[:, 4:])


def test_a_vrt_becomes_a_geotiff_of_its_values_that_stands_alone(tmp_path):
    file = vrt(tmp_path / "raw" / "a.vrt")
    before = decode(file)
    manifest = assembled(tmp_path, file)
    file.with_suffix(".tif").unlink()
    after = decode(manifest.root / "train/Pond/a.tif")
    np.testing.assert_array_equal(after.pixels, before.pixels)
    np.testing.assert_array_equal(after.valid, before.valid)
    assert verify(manifest.root) == []
    written = manifest.root / "train/Pond/a.tif"
    assert read_manifest(manifest.root).frame["sha256"].tolist() == [sha256_of(written)]


@pytest.mark.parametrize(
    ("driver", "name", "placed"),
    [
        ("PNG", "a.jpg", "a.png"),  # to torchvision, and to Croissant, the name tells the format
        ("GTiff", "a.png", "a.tif"),
        ("HFA", "a.tif", "a.img"),  # else nothing takes what may lie beside it for its own
        ("PNG", "a.PNG", "a.PNG"),
        ("GTiff", "a.tiff", "a.tiff"),
    ],
)
def test_an_image_gets_the_suffix_of_its_content(tmp_path, driver, name, placed):
    (tmp_path / "raw").mkdir()
    file = tmp_path / "raw" / name
    with rasterio.MemoryFile() as memory:
        with memory.open(driver=driver, count=3, height=20, width=24, dtype="uint8") as image:
            image.write(VALUES[:3].astype(np.uint8))
        file.write_bytes(memory.read())
    manifest = assembled(tmp_path, file)
    there = manifest.root / "train/Pond" / placed
    assert there.read_bytes() == file.read_bytes() and verify(manifest.root) == []
    assert manifest.frame["sha256"].tolist() == [sha256_of(file)]


def test_a_vrt_of_another_name_becomes_a_geotiff_too(tmp_path):
    vrt(tmp_path / "raw" / "b.vrt").rename(tmp_path / "raw" / "a.img")
    manifest = assembled(tmp_path, tmp_path / "raw" / "a.img")
    (tmp_path / "raw" / "b.tif").unlink()
    with rasterio.open(manifest.root / "train/Pond/a.tif") as placed:
        np.testing.assert_array_equal(placed.read()[:, 4:], VALUES[:, 4:])
    assert verify(manifest.root) == []


def test_a_link_is_followed_so_that_the_dataset_can_be_moved(tmp_path):
    blob = gdal_file(tmp_path / "raw" / "blobs" / "0f3a", "GTiff")
    (tmp_path / "raw" / "a.tif").symlink_to(blob)
    manifest = assembled(tmp_path, tmp_path / "raw" / "a.tif")
    placed = manifest.root / "train/Pond/a.tif"
    assert not placed.is_symlink() and placed.samefile(blob)


def test_the_header_of_an_image_is_verified_and_asked_for_by_loaders(tmp_path):
    manifest = assembled(tmp_path, gdal_file(tmp_path / "raw" / "a.dat", "ENVI"))
    header = manifest.root / "train/Pond/a.hdr"
    aside = manifest.root / "train/Pond/a.dat.aux.xml"
    assert set(listed_beside(manifest.frame["beside"].iloc[0])) == {header.name, aside.name}
    was = header.read_text()
    header.unlink()  # a link to the file of the data
    header.write_text(was.replace("bsq", "bil"))
    aside.unlink()
    (manifest.root / "train/Pond/a.dat.msk").write_text("a mask")
    found = {(problem.path, problem.kind) for problem in verify(manifest.root)}
    assert found == {
        ("train/Pond/a.hdr", "changed"), ("train/Pond/a.dat.aux.xml", "missing"),
        ("train/Pond/a.dat.msk", "unknown"),
    }  # fmt: skip
    with pytest.raises(BadInput, match=r"a\.dat\.aux\.xml: gone, damaged, or changed since"):
        TerraBalanceDataset(manifest.root, "train")[0]
    again = assembled(tmp_path, tmp_path / "raw" / "a.dat")
    assert verify(again.root) == [] and header.read_text() == was


def test_another_header_makes_another_dataset(tmp_path):
    file = gdal_file(tmp_path / "raw" / "a.dat", "ENVI")
    before = decode(assembled(tmp_path, file).root / "train/Pond/a.dat").pixels
    header = file.with_suffix(".hdr")
    other = header.read_text().replace("byte order = 0", "byte order = 1")
    header.unlink()  # the dataset has a link to it
    header.write_text(other)
    after = decode(assembled(tmp_path, file).root / "train/Pond/a.dat").pixels
    np.testing.assert_array_equal(after, before.byteswap())


def test_a_header_that_changed_since_the_scan_is_not_assembled(tmp_path):
    file = gdal_file(tmp_path / "raw" / "a.dat", "ENVI")
    record = record_beside(file, format_in(file))
    header = file.with_suffix(".hdr")
    header.write_text(header.read_text().replace("byte order = 0", "byte order = 1"))
    with pytest.raises(BadInput, match=r"a\.hdr: damaged, changed or added since a\.dat"):
        place(file, tmp_path / "set" / "a.dat", sha256_of(file), record, "real")
    assert not (tmp_path / "set").exists()


def test_a_dataset_of_a_manifest_that_knew_no_side_files_is_as_it_was(tmp_path):
    file = gdal_file(tmp_path / "raw" / "a.dat", "ENVI")
    root = assembled(tmp_path, file).root
    frame = read_manifest(root).frame.drop(columns="beside")
    write_manifest(Manifest(root, frame), root)
    assert {problem.path for problem in verify(root)} == {"manifest.parquet"}  # by `done.json`
    image, _ = TerraBalanceDataset(root, "train")[0]
    np.testing.assert_array_equal(image[:, 4:], VALUES[:, 4:])


def test_pixels_in_a_file_that_the_image_names_come_with_it(tmp_path):
    """ERDAS Imagine beyond 2 GB: a dataset gives its images other names."""
    file = tmp_path / "raw" / "a b.img"
    file.parent.mkdir()
    with rasterio.open(file, "w", driver="HFA", count=5, height=20, width=24, dtype="uint16",
                       use_spill="YES") as opened:  # fmt: skip
        opened.write(VALUES)
    assert file.with_suffix(".ige").is_file()
    manifest = assembled(tmp_path, file)
    placed = manifest.root / manifest.frame["path"].iloc[0]
    shutil.rmtree(file.parent)
    np.testing.assert_array_equal(decode(placed).pixels, VALUES)
    assert verify(manifest.root) == []
