"""A repair of an image that has other bands than the generator."""

import numpy as np
import pytest
import tifffile

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
