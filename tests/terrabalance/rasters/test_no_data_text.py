"""A declared no-data in any spelling is read as GDAL reads it."""

import numpy as np
import pytest
import tifffile

from terrabalance.rasters.decode import decode

SPELLINGS = [
    "-9999.0", "-9999,0", " -9999 ", "-1e4", "nan", "NaN", "inf", "-9999 -9999", "-9999;", "0x10",
    "1_000", "+7", ".5", "5.", "1e", "-3.4028234663852886e+38", "18446744073709551615", "1.#QNAN",
    "1" * 500,
]  # fmt: skip


@pytest.mark.parametrize("text", SPELLINGS)
def test_no_data_is_what_gdal_takes_for_it(tmp_path, text):
    rasterio = pytest.importorskip("rasterio")
    values = [-9999, -10_000, 0, 1, 5, 7, 0.5, 16, 1000, -3.4028234663852886e38, 2**64, 9, 10, 11]
    stored = np.tile(np.array(values, np.float32), (14, 1))
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stored, extratags=[(42113, "s", 0, text, True)])
    with rasterio.open(path) as source:
        expected = source.read_masks(1) > 0
    raster = decode(path)
    found = np.ones(stored.shape, bool) if raster.valid is None else raster.valid[0]
    assert np.array_equal(found, expected)
