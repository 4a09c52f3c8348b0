"""Read JPEG, PNG and WebP through Pillow; PNG of 16 bit through libpng, as Pillow halves colours.

Pillow also reads the few kinds of TIFF that tifffile does not.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from PIL import Image, UnidentifiedImageError

from terrabalance.errors import UnreadableImage
from terrabalance.rasters.limits import check_claim, check_scans, too_many_pixels
from terrabalance.rasters.orientation import ORIENTATION_TAG, known_orientation, upright
from terrabalance.rasters.png_length import check_png_length
from terrabalance.rasters.raster import Raster
from terrabalance.system_errors import pass_on_refusal

# Strangers' files reach no other decoder of Pillow's, above all not Ghostscript by way of EPS.
# (JPEG includes MPO, the JPEG with a preview inside that drones and phones write.)
_FORMATS = ("JPEG", "PNG", "TIFF", "WEBP")
_JPEGS = frozenset({"JPEG", "MPO"})
_VALUE_BYTES = {"P": 3, "PA": 4, "I;16": 2, "I;16B": 2, "I": 4, "F": 4}  # else a byte a band
_ALPHA = {"LA": 1, "RGBA": 3}
_GREY_ALPHA_PNG, _RGBA_PNG = 4, 6  # colour types of IHDR
_PNG_BANDS = {0: 1, 2: 3, _GREY_ALPHA_PNG: 2, _RGBA_PNG: 4}


@contextmanager
def opened(
    path: Path, content: bytes | None = None, formats: tuple[str, ...] = _FORMATS
) -> Iterator[Image.Image]:
    """Open a picture that Pillow reads, and is not larger than it may be.

    Args:
        path: of the file.
        content: its bytes, where they are at hand.
        formats: Pillow's names.

    Raises:
        UnreadableImage: no image, too large, or damaged, also as far as it is decoded in the block.
    """
    try:
        source = path if content is None else io.BytesIO(content)
        with Image.open(source, formats=formats) as image:
            n_pixels = image.width * image.height
            n_bytes = n_pixels * _VALUE_BYTES.get(image.mode, len(image.getbands()))
            check_claim(path, n_pixels, n_bytes)
            if image.format in _JPEGS:
                check_scans(path.read_bytes() if content is None else content)
            yield image
    except UnidentifiedImageError as error:
        raise UnreadableImage(f"{path}: not an image that can be identified") from error
    except Image.DecompressionBombError as error:
        raise too_many_pixels(path, error) from None
    except (UnreadableImage, MemoryError):
        raise
    except Exception as error:  # Pillow's decoders raise many kinds for a damaged file
        pass_on_refusal(error, path)
        raise UnreadableImage(f"{path}: {error}") from error


def read_picture(path: Path) -> Raster:
    """Read the first picture of a JPEG, PNG or WebP.

    Raises:
        UnreadableImage: no image, too large, or damaged.
    """
    with opened(path) as image:
        n_bits = 8
        if image.format == "PNG":
            n_bits = _png_bits(path)
            if n_bits < 16 and _may_lack_rows(image):
                check_png_length(path)
        raster = _deep_png(path, image) if n_bits == 16 else _eight_bit(image, n_bits)
        return _turned(raster, orientation_of(image))


def orientation_of(image: Image.Image) -> int:
    """Return a picture's orientation, 1 to 8; 1 where its EXIF does not tell, or not soundly."""
    try:
        return known_orientation(image.getexif().get(ORIENTATION_TAG))
    except SyntaxError:  # Pillow's word for what is no EXIF
        return 1


def _turned(raster: Raster, orientation: int) -> Raster:
    if orientation == 1:
        return raster
    valid = None if raster.valid is None else upright(raster.valid, orientation)
    return Raster(upright(raster.pixels, orientation), raster.mode, valid, raster.alpha)


def _eight_bit(image: Image.Image, n_bits: int) -> Raster:
    mode, clear = image.mode, image.info.get("transparency")
    if mode == "L" and isinstance(clear, int):
        clear *= 255 // (2**n_bits - 1)  # Pillow spreads the levels of 2 or 4 bit, not this one
    if mode == "PA" or (mode == "P" and clear is not None):
        colours = _bands_first(image.convert("RGBA"))
        seen = colours[3:] > 0
        return Raster(colours[:3], mode, None if seen.all() else seen)
    if mode == "1":
        image = image.convert("L")
    elif mode not in {"L", "LA", "RGB", "RGBA"}:
        image = image.convert("RGB")
    pixels = _bands_first(image)
    return Raster(pixels, mode, _not_clear(pixels, clear), _ALPHA.get(mode))


def _bands_first(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _not_clear(pixels: np.ndarray, clear: Any) -> np.ndarray | None:
    """Return where the colour is not the one that a PNG declares transparent (tRNS)."""
    if clear is None or isinstance(clear, bytes):
        return None
    colour = np.array(clear).reshape(-1, 1, 1)
    if len(colour) != len(pixels):
        return None
    seen = (pixels != colour).any(0, keepdims=True)
    return None if seen.all() else seen


def _png_bits(path: Path) -> int:
    """Return the bits of a sample, as IHDR says, which is to be the first chunk."""
    with path.open("rb") as file:
        head = file.read(25)
    if head[12:16] != b"IHDR":
        raise UnreadableImage(f"{path}: damaged: a PNG whose first chunk is not its header")
    return head[24]


def _may_lack_rows(image: Image.Image) -> bool:
    """Return whether the last row is 0, as Pillow makes rows that the file does not hold."""
    if image.info.get("interlace"):  # the last row of such a file is another one
        return True
    last = image.height - 1
    return not any(image.crop((0, last, image.width, last + 1)).tobytes())


def _deep_png(path: Path, image: Image.Image) -> Raster:
    data = path.read_bytes()
    kind, values = data[25], imagecodecs.png_decode(data)
    pixels = values[None] if values.ndim == 2 else values.transpose(2, 0, 1)
    pixels = pixels[: _PNG_BANDS[kind]]  # libpng makes an alpha band of a colour that is clear
    alpha = {_GREY_ALPHA_PNG: 1, _RGBA_PNG: 3}.get(kind)
    clear = image.info.get("transparency")
    return Raster(pixels, f"uint16x{len(pixels)}", _not_clear(pixels, clear), alpha)
