from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.shutil import copy

from augment.dataset.assemble import assemble
from augment.dataset.verify import verify
from terrabalance.dataset import TerraBalanceDataset
from terrabalance.files import sha256_of
from terrabalance.manifest import Manifest, frame_of, read_manifest
from terrabalance.rasters.decode import decode

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
