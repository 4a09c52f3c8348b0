"""Every raster file of the matrix is read to what was written into it, or refused with a remedy."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
from raster_files.case import Case
from raster_files.matrix import every_case

from terrabalance.errors import UnreadableImage
from terrabalance.rasters.decode import decode

# The writers warn of much that the matrix asks of them; of our own code nothing is expected here.
pytestmark = pytest.mark.filterwarnings("ignore")

CASES = every_case()
READABLE = [case for case in CASES if not case.refusal]
REFUSED = [case for case in CASES if case.refusal]
WITH_ALPHA = [case for case in READABLE if case.alpha is not None and not case.tolerance]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all files: a thousand of them would burden pytest's own tidying."""
    return tmp_path_factory.mktemp("rasters")


def written(case: Case, folder: Path) -> Path:
    """Write the file of a case; skip where a library that it takes is absent."""
    for module in case.needs:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{case.name} takes {module}; `pip install terrabalance[dev]` brings it")
    path = folder / case.name
    case.write(path)
    return path


def everywhere(valid: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    """A mask as one of every sample."""
    return np.ones(shape, bool) if valid is None else np.broadcast_to(valid, shape)


@pytest.mark.parametrize("case", READABLE, ids=lambda case: case.name)
def test_a_file_is_read_to_what_was_written(case: Case, folder: Path):
    raster = decode(written(case, folder))
    pixels, expected = raster.pixels, case.values
    assert expected is not None
    assert (pixels.shape, pixels.dtype) == (expected.shape, expected.dtype)
    valid = everywhere(case.valid, expected.shape)
    assert np.array_equal(everywhere(raster.valid, expected.shape), valid)
    assert raster.alpha == case.alpha
    if case.tolerance:
        apart = np.abs(pixels.astype(float) - expected.astype(float))[valid]
        assert apart.max() <= case.tolerance
    else:
        assert np.array_equal(pixels[valid], expected[valid])


@pytest.mark.parametrize("case", WITH_ALPHA, ids=lambda case: case.name)
def test_alpha_is_dropped_by_its_place_and_masks_where_it_is_a_mask(case: Case, folder: Path):
    assert case.values is not None and case.alpha is not None
    raster = decode(written(case, folder)).without_alpha()
    kept = np.delete(case.values, case.alpha, axis=0)
    band = case.values[case.alpha]
    valid = everywhere(case.valid, case.values.shape)[: len(kept)].copy()
    if len(np.unique(band)) == 2:  # a mask, of 0 and the highest value; else opaque, or data
        valid &= band > 0
    assert np.array_equal(everywhere(raster.valid, kept.shape), valid)
    assert np.array_equal(raster.pixels[valid], kept[valid]) and raster.alpha is None


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_what_cannot_be_read_is_refused_by_a_sentence_that_names_the_file(case: Case, folder: Path):
    path = written(case, folder)
    with pytest.raises(UnreadableImage) as refusal:
        decode(path)
    sentence = str(refusal.value)
    assert sentence.startswith(str(path))
    assert re.search(case.refusal, sentence.removeprefix(str(path)))


def test_the_matrix_has_thousands_of_files_of_every_writer():
    assert len(CASES) > 2000
    writers = {case.name.partition("-")[0] for case in CASES}
    assert writers >= {"gdal", "tifffile", "pillow", "opencv", "scikit", "png", "hand"}
