import random
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image
from raster_files.tiff_by_hand import Page, write

from terrabalance.errors import UnreadableImage
from terrabalance.images import to_pil, to_rgb
from terrabalance.rasters.decode import decode


@pytest.fixture
def ramp() -> np.ndarray:
    """(3, 24, 40) uint8: each band another gradient."""
    y, x = np.mgrid[0:24, 0:40]
    return np.stack([x * 6, y * 10, 255 - x * 6]).astype(np.uint8)


@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "TIFF"])
def test_lossless_formats_come_back_exactly(tmp_path, ramp, suffix):
    path = tmp_path / f"a.{suffix}"
    more = {"lossless": True} if suffix == "webp" else {}
    to_pil(ramp).save(path, **more)
    decoded = decode(path)
    assert decoded.mode == "RGB" and np.array_equal(decoded.pixels, ramp)


@pytest.mark.parametrize(
    "mode, shape",
    [("1", (1, 24, 40)), ("L", (1, 24, 40)), ("LA", (1, 24, 40)), ("P", (3, 24, 40)),
     ("RGBA", (3, 24, 40))],
)  # fmt: skip
def test_every_mode_of_png_is_read_and_its_alpha_told_apart(tmp_path, ramp, mode, shape):
    to_pil(ramp).convert(mode).save(tmp_path / "a.png")
    raster = decode(tmp_path / "a.png")
    assert raster.mode == mode and raster.pixels.dtype == np.uint8
    assert raster.has_mask_as_alpha == (mode in {"LA", "RGBA"})
    assert raster.without_alpha().pixels.shape == shape
    assert raster.without_alpha().valid is None, "an opaque alpha masks nothing"


def test_cmyk_jpeg_becomes_rgb(tmp_path, ramp):
    to_pil(ramp).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    decoded = decode(tmp_path / "a.jpg")
    assert decoded.mode == "CMYK" and decoded.pixels.shape == (3, 24, 40)
    assert np.abs(decoded.pixels.astype(int) - ramp).mean() < 12


def test_sixteen_bits_keep_their_depth_and_scale_by_the_full_range(tmp_path):
    deep = np.array([[0, 257, 32768, 65535]], np.uint16)
    Image.fromarray(deep).save(tmp_path / "a.png")
    decoded = decode(tmp_path / "a.png")
    assert decoded.pixels.dtype == np.uint16 and np.array_equal(decoded.pixels[0], deep)
    assert to_rgb(decoded)[:, 0].tolist() == [[0, 1, 128, 255]] * 3


def test_the_usual_nodata_of_floats_is_read_without_a_line_of_log_for_each_file(tmp_path, caplog):
    """As GDAL writes the lowest float32: in double precision, a little beyond it."""
    values = np.random.default_rng(0).normal(size=(2, 24, 40)).astype(np.float32)
    values[:, :6] = np.finfo(np.float32).min
    nodata = (42113, "s", 0, "-3.4028234663852886e+38", True)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack", extratags=[nodata])
    raster = decode(tmp_path / "a.tif")
    assert not raster.valid[:, :6].any() and raster.valid[:, 6:].all()
    assert caplog.text == ""


@pytest.mark.parametrize("compression", [None, "lzw", "deflate"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_many_bands_of_sixteen_bits_are_read_in_file_order(tmp_path, planar, compression):
    bands = np.random.default_rng(0).integers(0, 2**16, (6, 20, 30), dtype=np.uint16)
    stored = bands.transpose(1, 2, 0) if planar == "contig" else bands
    tifffile.imwrite(tmp_path / "a.tif", stored, planarconfig=planar, photometric="minisblack",
                     compression=compression)  # fmt: skip
    decoded = decode(tmp_path / "a.tif")
    assert decoded.mode == "uint16x6" and np.array_equal(decoded.pixels, bands)
    assert to_rgb(decoded).shape == (3, 20, 30)


@pytest.mark.parametrize("low, high", [(0, 1), (0, 300), (-25, 3)])
def test_floats_of_any_range_are_read(tmp_path, low, high):
    values = np.linspace(low, high, 20 * 20, dtype=np.float32).reshape(20, 20)
    tifffile.imwrite(tmp_path / "a.tif", values)
    decoded = decode(tmp_path / "a.tif")
    assert np.array_equal(decoded.pixels[0], values) and to_rgb(decoded).max() == 255


def test_values_that_are_not_finite_are_no_data(tmp_path):
    values = np.ones((20, 20), np.float32)
    values[:2], values[2] = np.nan, np.inf
    tifffile.imwrite(tmp_path / "gaps.tif", values)
    raster = decode(tmp_path / "gaps.tif")
    assert np.array_equal(raster.valid[0], np.isfinite(values)) and raster.invalid_share == 0.15
    assert to_rgb(raster).shape == (3, 20, 20)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_a_damaged_file_is_decoded_or_unreadable_never_anything_else(tmp_path, ramp, suffix):
    path = tmp_path / f"a.{suffix}"
    to_pil(ramp).save(path)
    whole, rng = path.read_bytes(), random.Random(0)
    with pytest.raises(UnreadableImage, match=r"a\."):
        path.write_bytes(whole[: len(whole) // 2])
        decode(path)
    for _ in range(60):
        damaged = bytearray(whole)
        for _ in range(8):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            assert decode(path).pixels.ndim == 3
        except UnreadableImage as error:
            assert str(path) in str(error)


@pytest.mark.parametrize("suffix, kind", [("jpg", "MPO"), ("png", "PNG"), ("webp", "WEBP")])
def test_of_several_pictures_in_a_file_the_first_is_read(tmp_path, ramp, suffix, kind):
    path = tmp_path / f"a.{suffix}"
    more = {"lossless": True} if kind == "WEBP" else {}
    second = to_pil(255 - ramp)
    to_pil(ramp).save(path, kind, save_all=True, append_images=[second], **more)
    decoded = decode(path)
    assert decoded.pixels.shape == (3, 24, 40)
    assert np.abs(decoded.pixels.astype(int) - ramp).mean() < 12  # JPEG's own loss


@pytest.mark.parametrize("page", [0, 1])
def test_a_tiff_with_a_page_that_lacks_its_width_is_unreadable(tmp_path, ramp, page):
    path, width_tag = tmp_path / "a.tif", struct.pack("<HHI", 256, 4, 1)
    to_pil(ramp).save(path, save_all=True, append_images=[to_pil(ramp)])
    parts = path.read_bytes().split(width_tag)
    assert len(parts) == 3
    tags = [width_tag, width_tag]
    tags[page] = struct.pack("<HHI", 60_000, 4, 1)
    path.write_bytes(parts[0] + tags[0] + parts[1] + tags[1] + parts[2])
    with pytest.raises(UnreadableImage, match=r"a\.tif"):
        decode(path)


@pytest.mark.parametrize("kind", ["GIF", "BMP", "EPS"])
def test_other_decoders_are_never_asked_whatever_the_extension_says(tmp_path, ramp, kind):
    path = tmp_path / "a.png"
    to_pil(ramp).save(path, kind)
    with pytest.raises(UnreadableImage, match="not an image that can be identified"):
        decode(path)


@pytest.mark.parametrize(("count", "extras"), [(1, (0, 2)), (3, (2, 0, 0, 1))])
def test_a_tiff_of_more_extra_samples_than_bands_has_no_alpha(tmp_path, ramp, count, extras):
    tags = {256: (40,), 257: (24,), 258: (8,) * count, 262: (1,), 277: (count,), 338: extras}
    pixels = np.ascontiguousarray(ramp[:count].transpose(1, 2, 0))
    write(tmp_path / "a.tif", pages=[Page([pixels.tobytes()], tags)])
    raster = decode(tmp_path / "a.tif")
    assert raster.alpha is None and np.array_equal(raster.pixels, ramp[:count])
    assert to_rgb(raster).shape == (3, 24, 40)
