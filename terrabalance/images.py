"""Read any aerial patch, cut it to size, write images that carry their provenance."""

import json
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image, PngImagePlugin, UnidentifiedImageError
from PIL.TiffImagePlugin import EXTRASAMPLES

from terrabalance.bands import RGB, Bands
from terrabalance.errors import UnreadableImage
from terrabalance.files import atomic_write
from terrabalance.marks import XMP_KEY, XMP_TAG, xmp_of
from terrabalance.progress import Progress, silent
from terrabalance.sizes import Size, height_width

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp"})
_TIFF = frozenset({".tif", ".tiff"})
# Strangers' files reach no other decoder of Pillow's, above all not Ghostscript by way of EPS.
# (JPEG includes MPO, the JPEG with a preview inside that drones and phones write.)
_FORMATS = ("JPEG", "PNG", "TIFF", "WEBP")
EIGHT_BIT_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"})

# Pillow warns of damaged EXIF and of large images; what matters raises. Set once: threads that
# enter and leave `catch_warnings` at the same time leave every warning of the process ignored.
warnings.filterwarnings("ignore", module=r"PIL\.")


@dataclass(frozen=True)
class Decoded:
    """One image as it is in its file.

    Attributes:
        pixels: (C, H, W), bands in file order, alpha dropped, palettes resolved; uint8, uint16,
            int16 or finite float32.
        mode: Pillow's name of the mode in the file (`RGB`, `P`, `I;16`…), or `<dtype>x<bands>`
            for TIFFs that only tifffile can read.
    """

    pixels: np.ndarray
    mode: str


def decode(path: Path) -> Decoded:
    """Decode a JPEG, PNG, WebP or TIFF of any bit depth and number of bands.

    Raises:
        UnreadableImage: not an image, truncated, or of a kind that has no defined range.
    """
    try:
        with Image.open(path, formats=_FORMATS) as image:
            mode, is_tiff = image.mode, image.format == "TIFF"
            pages = getattr(image, "n_frames", 1) if is_tiff else 1  # of others: the first picture
            if mode in EIGHT_BIT_MODES and pages == 1 and not (is_tiff and _has_more_bands(image)):
                return Decoded(_eight_bit(image), mode)
            if not is_tiff:
                return Decoded(_deep(np.asarray(image)), mode)
    except UnidentifiedImageError as error:
        if path.suffix.lower() not in _TIFF:
            raise UnreadableImage(f"{path}: not an image that can be identified") from error
    except Exception as error:  # Pillow's decoders raise many kinds for a damaged file
        raise UnreadableImage(f"{path}: {error}") from error
    return _decode_tiff(path)


def _has_more_bands(image: Image.Image) -> bool:
    """Return whether a TIFF has samples that are neither colour nor alpha; Pillow drops those."""
    tags: Any = getattr(image, "tag_v2", {})
    return 0 in tags.get(EXTRASAMPLES, ())


def _eight_bit(image: Image.Image) -> np.ndarray:
    if image.mode in {"1", "LA"}:
        image = image.convert("L")
    elif image.mode not in {"L", "RGB"}:
        image = image.convert("RGB")
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _decode_tiff(path: Path) -> Decoded:
    try:
        with tifffile.TiffFile(path) as tiff:
            series = tiff.series[0]
            pixels, axes = series.asarray(), series.axes
            n_alpha = sum(kind != 0 for kind in tiff.pages.first.extrasamples)
    except Exception as error:  # tifffile and its codecs raise many kinds for a damaged file
        raise UnreadableImage(f"{path}: damaged TIFF ({error})") from error
    if pixels.ndim == 3 and _bands_last(pixels.shape, axes):
        pixels = pixels.transpose(2, 0, 1)
    if pixels.ndim not in (2, 3):
        raise UnreadableImage(f"{path}: a TIFF of shape {pixels.shape}; expected one image")
    if pixels.ndim == 3 and n_alpha:
        pixels = pixels[:-n_alpha]
    mode = f"{pixels.dtype}x{1 if pixels.ndim == 2 else pixels.shape[0]}"
    try:
        return Decoded(_deep(pixels), mode)
    except ValueError as error:
        raise UnreadableImage(f"{path}: {error}") from error


def _bands_last(shape: tuple[int, ...], axes: str) -> bool:
    """Return whether the band axis is the last; the shape decides where the file does not."""
    return axes.endswith("S") or (axes[-1] not in "XY" and shape[2] < min(shape[:2]))


def _deep(pixels: np.ndarray) -> np.ndarray:
    if not pixels.size:
        raise ValueError("it holds no pixels")
    pixels = pixels[None] if pixels.ndim == 2 else pixels
    if pixels.dtype in (np.uint8, np.uint16, np.int16):
        return pixels
    if pixels.dtype.kind not in "iuf":
        raise ValueError(f"{pixels.dtype} values; use whole numbers or floats")
    if not np.isfinite(pixels).all():
        raise ValueError("some values are not finite; fill the gaps (no-data) before")
    if pixels.dtype.kind in "iu":
        for smaller in (np.uint16, np.int16):
            limits = np.iinfo(smaller)
            if limits.min <= pixels.min() and pixels.max() <= limits.max:
                return pixels.astype(smaller)
    return pixels.astype(np.float32)


def to_rgb(decoded: Decoded) -> np.ndarray:
    """Return (3, H, W) uint8: grey repeated, the first three of more bands.

    16 bit and floats in [0, 1] are scaled from their full range; other values from those of the
    image itself, which is enough to recognize it by.
    """
    pixels = decoded.pixels
    if pixels.dtype == np.uint16:
        pixels = (pixels / 257).round().astype(np.uint8)
    elif pixels.dtype != np.uint8:
        low, high = min(0.0, float(pixels.min())), max(1.0, float(pixels.max()))
        pixels = ((pixels - low) / (high - low) * 255).round().astype(np.uint8)
    return np.repeat(pixels[:1], 3, axis=0) if len(pixels) < 3 else pixels[:3]


def to_pil(pixels: np.ndarray) -> Image.Image:
    """Turn (3, H, W) or (1, H, W) uint8 into an RGB or a grey `PIL.Image`."""
    if len(pixels) == 1:
        return Image.fromarray(np.ascontiguousarray(pixels[0]))
    return Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))


def read_patch(path: Path, size: Size, bands: Bands = RGB) -> np.ndarray:
    """Decode, cut the largest centred part of the wanted shape, resize it (Lanczos).

    Every room reads images through this function, so that a difference in resizing can never
    tell a real image from a synthetic one.

    Returns:
        (C, height, width) levels, see `terrabalance.bands`. For `RGB` any image will do.

    Raises:
        UnreadableImage: see `decode`; or it has another number of bands.
    """
    decoded, wanted = decode(path), height_width(size)
    if bands.is_rgb:
        image = to_pil(to_rgb(decoded))
        return np.asarray(_fit(image, wanted)).transpose(2, 0, 1)
    if len(decoded.pixels) != bands.count:
        raise UnreadableImage(f"{path}: {len(decoded.pixels)} bands, not {bands.count}")
    planes = [Image.fromarray(plane.astype(np.float32)) for plane in decoded.pixels]
    return bands.levels(np.stack([np.asarray(_fit(plane, wanted)) for plane in planes]))


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


def suffix_for(bands: Bands) -> str:
    """Return the extension of images that are written: `.png` where that can hold them."""
    return ".png" if bands.dtype == "uint8" and bands.count in (1, 3) else ".tif"


def write_image(path: Path, levels: np.ndarray, bands: Bands, text: Mapping[str, str]) -> None:
    """Write (C, H, W) levels in the unit and type of the data, atomically, with its marks.

    Args:
        path: ends with `suffix_for(bands)`.
        levels: see `terrabalance.bands`.
        bands: turn levels into values.
        text: goes into a PNG's iTXt metadata, or as JSON into a TIFF's ImageDescription; of a
            generated or repaired image also as XMP, see `terrabalance.marks`.
    """
    if path.suffix == ".png":
        write_png(path, levels, text)
        return
    values, xmp = bands.values(levels), (xmp_of(text) or "").encode()
    with atomic_write(path) as file:
        tifffile.imwrite(
            file, values[0] if len(values) == 1 else values, photometric="minisblack",
            planarconfig=None if len(values) == 1 else "separate", compression="deflate",
            description=json.dumps(dict(text)), metadata=None,
            extratags=[(XMP_TAG, "B", len(xmp), xmp, True)] if xmp else None,
        )  # fmt: skip


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
