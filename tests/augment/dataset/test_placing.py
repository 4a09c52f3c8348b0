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


def test_a_link_is_followed_so_that_the_dataset_can_be_moved(tmp_path):
    blob = gdal_file(tmp_path / "raw" / "blobs" / "0f3a", "GTiff")
    (tmp_path / "raw" / "a.tif").symlink_to(blob)
    manifest = assembled(tmp_path, tmp_path / "raw" / "a.tif")
    placed = manifest.root / "train/Pond/a.tif"
    assert not placed.is_symlink() and placed.samefile(blob)
