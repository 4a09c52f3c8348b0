"""A repair of an image that has other bands than the generator."""

import numpy as np
import pytest
import tifffile

from flows.stages.inpaint import _tell_reduced
from terrabalance.bands import Bands
from terrabalance.rasters.raster import Scaling

from .repairs import mask_of, run


@pytest.mark.parametrize(
    "n_bands, dtype, told",
    [
        (1, np.uint8, ""),
        (3, np.uint8, ""),
        (3, np.uint16, "has 3 bands of uint16"),
        (5, np.uint8, "has 5 bands of uint8"),
        (5, np.uint16, "has 5 bands of uint16"),
    ],
)
def test_values_that_an_rgb_generator_cannot_keep_are_told(
    tmp_path, generator, caplog, n_bands, dtype, told
):
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (n_bands, 40, 60), dtype)
    how = {"photometric": "rgb"} if n_bands == 3 else {"photometric": "minisblack"}
    how |= {"planarconfig": "separate"} if n_bands > 1 else {}
    tifffile.imwrite(tmp_path / "deep.tif", pixels, **how)
    mask = mask_of(tmp_path / "mask.png", 10, 30)
    found = run(tmp_path / "deep.tif", "--mask", mask, "--generator", generator)
    assert found.exit_code == 0, found.output
    assert told in caplog.text and bool(told) == bool(caplog.text)


@pytest.mark.parametrize(
    "dtype, values, scaling, told",
    [
        (np.uint16, [100, 5000], None, []),
        (np.uint16, [7, 60000], None, ["2 of its 800 values (0.2 %) are beyond the range"]),
        (np.float32, [100.5, 5000], None, ["holds float32 with no declared scale"]),
        (np.uint16, [100, 5000], Scaling((0.5, 0.5), (0.0, 0.0)),
         ["uint16 with scale 0.5 and offset 0, and the result is written as these",
          "799 of its 800 values (99.9 %) are beyond the range"]),
    ],
)  # fmt: skip
def test_values_that_a_generator_of_deep_bands_cuts_or_converts_are_told(
    tmp_path, caplog, dtype, values, scaling, told
):
    pixels = np.full((2, 20, 20), 3000, dtype)
    pixels[0, 0, 0], pixels[1, 1, 1] = values
    tifffile.imwrite(tmp_path / "deep.tif", pixels, photometric="minisblack",
                     planarconfig="separate")  # fmt: skip
    bands = Bands((100.0,) * 2, (5000.0,) * 2, "uint16", (0, 1, 1), scaling)
    _tell_reduced(tmp_path / "deep.tif", bands)
    assert all(sentence in caplog.text for sentence in told)
    assert len(caplog.records) == len(told)
