"""Read any aerial patch, cut it to size, write images that carry their provenance."""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from terrabalance.bands import RGB, Bands, own_range
from terrabalance.errors import UnreadableImage
from terrabalance.files import atomic_write
from terrabalance.marks import XMP_KEY, XMP_TAG, xmp_of
from terrabalance.progress import Progress, silent
from terrabalance.rasters.decode import decode
from terrabalance.rasters.gaps import fill
from terrabalance.rasters.memory import room_for
from terrabalance.rasters.raster import Layout, Raster
from terrabalance.rasters.writing import GREY, stored_like, write_tiff
from terrabalance.sizes import Size, height_width

_FAR = 2.0**100


def to_rgb(raster: Raster) -> np.ndarray:
    """Return (3, H, W) uint8: grey repeated, the first three of more bands; gaps are filled.

    Bands of more than 8 bit are stretched from the image's own range, which is enough to recognize
    it by.
    """
    planes = list(_shown(raster))
    return np.stack(planes * (3 // len(planes)))


def _shown(raster: Raster) -> Iterator[np.ndarray]:
    """Yield the one or three (H, W) uint8 planes that `to_rgb` shows."""
    raster = raster.without_alpha()
    for band in [0] if len(raster.pixels) < 3 else [0, 1, 2]:
        plane = _filled(raster, band)
        yield plane if raster.is_eight_bit else _stretched(plane, *own_range(raster, band))


def _filled(raster: Raster, band: int) -> np.ndarray:
    """Return one band, its gaps filled."""
    return fill(raster.pixels[band][None], raster.valid_in(band))[0]


def _stretched(plane: np.ndarray, low: float, high: float) -> np.ndarray:
    span, farthest = high - low, max(abs(low), abs(high))
    # float32, as it is enough and half as large, where it holds the span of such values.
    narrow = span > 1 / _FAR and farthest < _FAR
    work: np.ndarray = plane.astype(np.float32 if narrow else np.float64)
    start, length = np.array([low, span], work.dtype)
    with np.errstate(over="ignore"):  # what is infinitely far is cut all the same
        share = (work - start) / length
    bytes_: np.ndarray = (share.clip(0, 1) * 255).round().astype(np.uint8)
    return bytes_


def to_pil(pixels: np.ndarray) -> Image.Image:
    """Turn (3, H, W) or (1, H, W) uint8 into an RGB or a grey `PIL.Image`."""
    if len(pixels) == 1:
        return Image.fromarray(np.ascontiguousarray(pixels[0]))
    return Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))


def read_patch(path: Path, size: Size, bands: Bands = RGB) -> np.ndarray:
    """Decode, cut the largest centred part of the wanted shape, resize it (Lanczos).

    Every room reads images through this function, so that a difference in resizing can never
    tell a real image from a synthetic one. Gaps are filled (`terrabalance.rasters.gaps`), an alpha
    band is dropped by its place, and a file of another scale or offset than the data set's is
    converted.

    Returns:
        (C, height, width) levels, see `terrabalance.bands`. For `RGB` any image will do.

    Raises:
        UnreadableImage: see `decode`; it has another number of bands, or memory runs out.
    """
    with room_for(path):
        return _patch(path, decode(path), height_width(size), bands)


def _patch(path: Path, raster: Raster, wanted: tuple[int, int], bands: Bands) -> np.ndarray:
    if bands.is_rgb:
        # Band by band to spare memory, of grey but one.
        planes = [np.asarray(_fit(Image.fromarray(plane), wanted)) for plane in _shown(raster)]
        return np.stack(planes * (3 // len(planes)))
    raster = raster.of_bands(bands.count)
    if len(raster.pixels) != bands.count:
        raise UnreadableImage(f"{path}: {len(raster.pixels)} bands, not {bands.count}")
    planes = [_fitted_share(raster, band, bands, wanted) for band in range(bands.count)]
    return bands.levels_of(np.stack(planes))


def _fitted_share(raster: Raster, band: int, bands: Bands, wanted: tuple[int, int]) -> np.ndarray:
    """Return one band of the wanted shape, see `Bands.shares`; band by band to spare memory."""
    share = bands.shares(_filled(raster, band), band, raster.scaling)
    return np.asarray(_fit(Image.fromarray(share), wanted))


def _fit(image: Image.Image, wanted: tuple[int, int]) -> Image.Image:
    scale = min(image.height / wanted[0], image.width / wanted[1])
    height, width = round(wanted[0] * scale), round(wanted[1] * scale)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    box = (left, top, left + width, top + height)
    if (height, width) == wanted:
        return image.crop(box)
    return image.resize((wanted[1], wanted[0]), Image.Resampling.LANCZOS, box=box)


def read_patches(
    paths: Sequence[Path], size: Size, bands: Bands = RGB, on_progress: Progress = silent
) -> np.ndarray:
    """Read many images with a few threads; (N, C, height, width) levels in the given order."""
    patches = np.empty((len(paths), bands.count, *height_width(size)), bands.level_type)
    with ThreadPoolExecutor(max_workers=8) as pool:
        read = pool.map(lambda path: read_patch(path, size, bands), paths)
        for index, pixels in enumerate(read):
            patches[index] = pixels
            on_progress(index + 1, len(paths), "decoding")
    return patches


def suffix_for(bands: Bands, layout: Layout | None = None) -> str:
    """Return the extension of images that are written: `.png` where programs open that alike.

    Args:
        bands: of the images.
        layout: of the TIFFs that they are to be like. Of three bands of 8 bit that these do not
            call colours, other programs open one, and would open the three of a PNG.
    """
    fits = bands.dtype == "uint8" and bands.count in (1, 3) and bands.scaling is None
    is_grey = layout is not None and bands.count == 3 and layout.photometric == GREY
    return ".png" if fits and not is_grey else ".tif"


def write_image(
    path: Path,
    levels: np.ndarray,
    bands: Bands,
    text: Mapping[str, str],
    layout: Layout | None = None,
) -> None:
    """Write (C, H, W) levels in the unit and type of the data, atomically, with its marks.

    Args:
        path: ends with `suffix_for(bands, layout)`.
        levels: see `terrabalance.bands`.
        bands: turn levels into values.
        text: goes into a PNG's iTXt metadata, or as JSON into a TIFF's ImageDescription; of a
            generated or repaired image also as XMP, see `terrabalance.marks`.
        layout: of the TIFFs that a TIFF is to be like; None: see `stored_like`.
    """
    if path.suffix.lower() == ".png":
        write_png(path, levels, text)
        return
    xmp = (xmp_of(text) or "").encode()
    tags = [(XMP_TAG, "B", len(xmp), xmp, True)] if xmp else []
    stored = stored_like(layout, bands.count, bands.scaling)
    with atomic_write(path) as file:
        write_tiff(file, bands.values(levels), stored, json.dumps(dict(text)), tags)


def write_png(path: Path, pixels: np.ndarray, text: Mapping[str, str] | None = None) -> None:
    """Write (3, H, W) or (1, H, W) uint8 as a PNG, atomically; `text` becomes iTXt metadata."""
    info = PngImagePlugin.PngInfo()
    xmp = xmp_of(text or {})
    for key, value in {**(text or {}), **({XMP_KEY: xmp} if xmp else {})}.items():
        info.add_itxt(key, value)
    with atomic_write(path) as file:
        to_pil(pixels).save(file, format="PNG", pnginfo=info)


def grid(images: np.ndarray, columns: int, gap_px: int = 2) -> np.ndarray:
    """Tile (N, 3, H, W) uint8 into one (3, H', W') picture, row by row on white."""
    n, _, height, width = images.shape
    rows = -(-n // columns)
    high, wide = height + gap_px, width + gap_px
    canvas = np.full((3, rows * high - gap_px, columns * wide - gap_px), 255, np.uint8)
    for index, image in enumerate(images):
        top, left = (index // columns) * high, (index % columns) * wide
        canvas[:, top : top + height, left : left + width] = image
    return canvas
