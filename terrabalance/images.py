"""Read any aerial patch to RGB, cut it square, write PNGs that carry their provenance."""

import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from terrabalance.errors import UnreadableImage
from terrabalance.files import atomic_write
from terrabalance.progress import Progress, silent

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp"})
SYNTHETIC_KEY = "terrabalance:synthetic"  # in the metadata of every synthetic PNG
_TIFF = frozenset({".tif", ".tiff"})
# Strangers' files reach no other decoder of Pillow's, above all not Ghostscript by way of EPS.
# (JPEG includes MPO, the JPEG with a preview inside that drones and phones write.)
_FORMATS = ("JPEG", "PNG", "TIFF", "WEBP")
_EIGHT_BIT_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"})

# Pillow warns of damaged EXIF and of large images; what matters raises. Set once: threads that
# enter and leave `catch_warnings` at the same time leave every warning of the process ignored.
warnings.filterwarnings("ignore", module=r"PIL\.")


@dataclass(frozen=True)
class Decoded:
    """One image as it is in its file.

    Attributes:
        pixels: (C, H, W), bands in file order, alpha dropped, palettes resolved; uint8, uint16
            or float32 in [0, 1].
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
            if mode in _EIGHT_BIT_MODES and pages == 1:
                return Decoded(_eight_bit(image), mode)
            if not is_tiff:
                return Decoded(_deep(np.asarray(image)), mode)
    except UnidentifiedImageError as error:
        if path.suffix.lower() not in _TIFF:
            raise UnreadableImage(f"{path}: not an image that can be identified") from error
    except Exception as error:  # Pillow's decoders raise many kinds for a damaged file
        raise UnreadableImage(f"{path}: {error}") from error
    return _decode_tiff(path)


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
    except Exception as error:  # tifffile and its codecs raise many kinds for a damaged file
        raise UnreadableImage(f"{path}: damaged TIFF ({error})") from error
    if pixels.ndim == 3 and _bands_last(pixels.shape, axes):
        pixels = pixels.transpose(2, 0, 1)
    if pixels.ndim not in (2, 3):
        raise UnreadableImage(f"{path}: a TIFF of shape {pixels.shape}; expected one image")
    mode = f"{pixels.dtype}x{1 if pixels.ndim == 2 else pixels.shape[0]}"
    try:
        return Decoded(_deep(pixels), mode)
    except ValueError as error:
        raise UnreadableImage(f"{path}: {error}") from error


def _bands_last(shape: tuple[int, ...], axes: str) -> bool:
    """Say whether the band axis is the last; the shape decides where the file does not."""
    return axes.endswith("S") or (axes[-1] not in "XY" and shape[2] < min(shape[:2]))


def _deep(pixels: np.ndarray) -> np.ndarray:
    if not pixels.size:
        raise ValueError("it holds no pixels")
    pixels = pixels[None] if pixels.ndim == 2 else pixels
    if pixels.dtype in (np.uint8, np.uint16):
        return pixels
    if pixels.dtype.kind in "iu" and pixels.min() >= 0 and pixels.max() < 2**16:
        return pixels.astype(np.uint16)
    if pixels.dtype.kind == "f" and pixels.min() >= 0 and pixels.max() <= 1:
        return pixels.astype(np.float32)
    raise ValueError(
        f"{pixels.dtype} values from {pixels.min():g} to {pixels.max():g}; "
        "use 8 or 16 bit, or floats in [0, 1]"
    )


def to_rgb(decoded: Decoded) -> np.ndarray:
    """Return (3, H, W) uint8: grey repeated, the first three of more bands, full range scaled."""
    pixels = decoded.pixels
    if pixels.dtype == np.uint16:
        pixels = (pixels / 257).round().astype(np.uint8)
    elif pixels.dtype == np.float32:
        pixels = (pixels * 255).round().astype(np.uint8)
    return np.repeat(pixels[:1], 3, axis=0) if len(pixels) < 3 else pixels[:3]


def to_pil(pixels: np.ndarray) -> Image.Image:
    """Turn (3, H, W) uint8 into an RGB `PIL.Image`."""
    return Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))


def is_marked_synthetic(path: Path) -> bool:
    """Say whether a PNG says of itself that terrabalance made it; reads its header only."""
    if path.suffix.lower() != ".png":
        return False
    with Image.open(path, formats=("PNG",)) as image:
        return image.info.get(SYNTHETIC_KEY) == "true"


def read_square(path: Path, side_px: int) -> np.ndarray:
    """Decode, cut the centre square and resize it (Lanczos); (3, side_px, side_px) uint8.

    Every room reads images through this function, so that a difference in resizing can never
    tell a real image from a synthetic one.

    Raises:
        UnreadableImage: see `decode`.
    """
    image = to_pil(to_rgb(decode(path)))
    short = min(image.size)
    left, top = (image.width - short) // 2, (image.height - short) // 2
    box = (left, top, left + short, top + short)
    if short != side_px:
        image = image.resize((side_px, side_px), Image.Resampling.LANCZOS, box=box)
    else:
        image = image.crop(box)
    return np.asarray(image).transpose(2, 0, 1)


def read_squares(paths: Sequence[Path], side_px: int, on_progress: Progress = silent) -> np.ndarray:
    """Read many images with a few threads; (N, 3, side_px, side_px) uint8 in the given order."""
    squares = np.empty((len(paths), 3, side_px, side_px), np.uint8)
    with ThreadPoolExecutor(max_workers=8) as pool:
        read = pool.map(lambda path: read_square(path, side_px), paths)
        for index, pixels in enumerate(read):
            squares[index] = pixels
            on_progress(index + 1, len(paths), "decoding")
    return squares


def write_png(path: Path, pixels: np.ndarray, text: Mapping[str, str] | None = None) -> None:
    """Write (3, H, W) uint8 as a PNG, atomically; `text` goes into its iTXt metadata."""
    info = PngImagePlugin.PngInfo()
    for key, value in (text or {}).items():
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
