"""What is written is what other programs read: values, layout, and what is declared."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
import tifffile

from terrabalance.rasters.decode import decode
from terrabalance.rasters.raster import Layout, Scaling
from terrabalance.rasters.writing import stored_like, write_tiff

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
DTYPES = ["uint8", "uint16", "int16", "float32"]
TENTHS = Scaling((0.1, 0.2, 0.3, 0.4), (1.0, 2.0, 3.0, 4.0))


def values_of(count: int, dtype: str) -> np.ndarray:
    """(count, 20, 17): no two bands, rows or columns alike, over much of the type's range."""
    draw = np.random.default_rng(count)
    low, high = {"uint8": (0, 256), "uint16": (0, 65536), "int16": (-32768, 32768),
                 "float32": (-1e4, 1e4)}[dtype]  # fmt: skip
    return draw.uniform(low, high, (count, 20, 17)).astype(dtype)


def written(
    path: Path, values: np.ndarray, layout: Layout | None, scaling: Scaling | None = None
) -> Path:
    with path.open("wb") as file:
        write_tiff(file, values, stored_like(layout, len(values), scaling), "{}", [])
    return path


def layouts(count: int) -> Iterator[Layout | None]:
    yield None
    for planar in (False, True):
        yield Layout(planar, 1, (0,) * (count - 1))
        if count > 1:
            yield Layout(planar, 1, (2,) + (0,) * (count - 2))
        if count >= 3:
            yield Layout(planar, 2, (0,) * (count - 3))
        if count > 3:
            yield Layout(planar, 2, (2,) + (0,) * (count - 4))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", range(1, 14))
def test_gdal_tifffile_and_we_read_the_values_of_every_layout(tmp_path, count, dtype):
    values = values_of(count, dtype)
    for layout in layouts(count):
        path = written(tmp_path / "a.tif", values, layout)
        with rasterio.open(path) as file:
            np.testing.assert_array_equal(file.read(), values)
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            stored = page.asarray()
            assert layout is None or (page.planarconfig == 2) == (layout.planar and count > 1)
        last = stored if page.planarconfig == 2 or stored.ndim == 2 else np.moveaxis(stored, -1, 0)
        np.testing.assert_array_equal(last.reshape(values.shape), values)
        raster = decode(path)
        np.testing.assert_array_equal(raster.pixels, values)
        assert raster.valid is None
        if layout is not None and count > 1:
            assert raster.layout == layout


def test_pages_of_one_band_each_stay_pages(tmp_path):
    values = values_of(5, "uint16")
    tifffile.imwrite(tmp_path / "real.tif", values)
    layout = decode(tmp_path / "real.tif").layout
    path = written(tmp_path / "a.tif", values, layout)
    with tifffile.TiffFile(path) as file:
        assert [page.shape for page in file.pages] == [(20, 17)] * 5
    np.testing.assert_array_equal(decode(path).pixels, values)


def test_names_scaling_and_no_data_are_declared_as_gdal_reads_them(tmp_path):
    values = values_of(4, "float32")
    layout = Layout(True, 1, (0, 0, 0), "-9999", ("Blau", "Grün", "Rot", "NIR"))
    with rasterio.open(written(tmp_path / "a.tif", values, layout, TENTHS)) as file:
        assert file.descriptions == layout.names
        assert (file.scales, file.offsets) == (TENTHS.scale, TENTHS.offset)
        assert file.nodata == -9999
        assert file.crs is None and file.transform.is_identity
    assert decode(tmp_path / "a.tif").scaling == TENTHS


def test_what_gdal_wrote_is_declared_in_the_same_words(tmp_path):
    values = values_of(2, "uint16")
    with rasterio.open(tmp_path / "real.tif", "w", driver="GTiff", count=2, height=20, width=17,
                       dtype="uint16", nodata=0, interleave="band") as file:  # fmt: skip
        file.write(values)
        file.descriptions = ("R & <D>", "N'IR")
        file.scales, file.offsets = (0.0001, 0.0001), (-0.1, -0.1)
    real = decode(tmp_path / "real.tif")
    assert real.layout.names == ("R & <D>", "N'IR")
    path = written(tmp_path / "a.tif", values.clip(1), real.layout, real.scaling)
    found = [rasterio.open(each) for each in (tmp_path / "real.tif", path)]
    for fact in ("descriptions", "scales", "offsets", "nodata", "interleaving", "colorinterp"):
        assert getattr(found[0], fact) == getattr(found[1], fact), fact


@pytest.mark.parametrize(
    ("dtype", "nodata"),
    [("uint8", "0"), ("uint8", "255"), ("int16", "-32768"), ("uint16", "65535"),
     ("float32", "0"), ("float32", "-1e+30"), ("float32", "-9999")],
)  # fmt: skip
def test_no_value_becomes_no_data(tmp_path, dtype, nodata):
    values = np.full((2, 8, 8), np.array(float(nodata)).astype(dtype))
    values[:, 0, 0] = 7
    path = written(tmp_path / "a.tif", values, Layout(False, 1, (0,), nodata))
    raster = decode(path)
    assert raster.valid is None
    off = np.abs(raster.pixels.astype(float) - values.astype(float))
    assert (off[:, 0, 0] == 0).all()
    assert off.max() <= max(1, 1e-5 * abs(float(nodata)))
    with rasterio.open(path) as file:
        assert (file.read_masks() == 255).all()


@pytest.mark.parametrize(
    ("layout", "count", "alpha"),
    [(Layout(False, 2, (2,)), 3, 3), (Layout(True, 2, (2, 0)), 4, 3),
     (Layout(False, 1, (1,)), 1, 1), (Layout(False, 2, (0, 2)), 4, 4)],
)  # fmt: skip
def test_an_alpha_band_that_was_left_out_comes_back_opaque(tmp_path, layout, count, alpha):
    values = values_of(count, "uint16")
    scaling = Scaling((0.5,) * count, (1.0,) * count)
    raster = decode(written(tmp_path / "a.tif", values, layout, scaling))
    assert raster.alpha == alpha and raster.layout.extrasamples == layout.extrasamples
    assert (raster.pixels[alpha] == 65535).all()
    np.testing.assert_array_equal(raster.without_alpha().pixels, values)
    assert raster.without_alpha().scaling == scaling


@pytest.mark.parametrize("photometric", [0, 3, 5, 6])
def test_colours_that_reading_resolves_are_written_as_grey_or_rgb(tmp_path, photometric):
    count = 1 if photometric == 0 else 3
    values = values_of(count, "uint8")
    raster = decode(written(tmp_path / "a.tif", values, Layout(False, photometric)))
    np.testing.assert_array_equal(raster.pixels, values)
    assert raster.layout.photometric == (1 if photometric == 0 else 2)


def test_a_layout_of_another_number_of_bands_is_not_followed(tmp_path):
    values = values_of(5, "uint16")
    raster = decode(written(tmp_path / "a.tif", values, Layout(True, 2, (0, 0, 0, 0))))
    assert raster.layout == Layout(False, 1, (0, 0, 0, 0))
