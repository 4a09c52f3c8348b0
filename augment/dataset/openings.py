"""What other programs read of a dataset's images: said in its card, so that nobody is surprised.

Pillow, which torchvision, timm and Hugging Face use, is asked itself. What OpenCV and GDAL do is
known from `tests/augment/dataset/test_openings.py`, which asks all of them.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
import PIL
import tifffile
from PIL import Image

from augment.dataset.turned import is_turned
from terrabalance.evenly import evenly
from terrabalance.manifest import Manifest
from terrabalance.rasters.decode import decode
from terrabalance.rasters.raster import Layout, Raster

_pillows_log = logging.getLogger("PIL.TiffImagePlugin")
ALL, REFUSED, OTHER = "all values", "refused", "other values"
WITH_ALPHA = "all values, and alpha"
UNKNOWN = "not tried"
_JPEG_KINDS = ("`.jpg`", "`.jpeg`")
_OF_JPEG = (
    "\nOf JPEG with colours stored at half the size, as is usual, rasterio reads other colours\n"
    "beside sharp edges than the others."
)
_MOST = 4  # images of a kind that are opened
_PALETTES = ("P", "PA")  # modes
_TRIED = ("uint8", "uint16", "int16", "float32")  # with OpenCV
_TRIED_COMPRESSIONS = (1, 5, 8)  # numbers of the tag: none, LZW, deflate
# Of the formats that are read, what Hugging Face's imagefolder takes for images.
_HUB_LISTS = frozenset({
    ".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".jp2", ".j2k", ".jpx",
})  # fmt: skip


@dataclass(frozen=True)
class Opening:
    """How programs open images that are stored alike.

    Attributes:
        source: real or synthetic.
        kind: of the files, e.g. "`.tif`, 4 bands of uint16".
        mode: that Pillow opens them in; `REFUSED` where it does not.
        torchvision: what it and timm read, which turn images into RGB.
        hugging_face: what it reads, which takes Pillow's mode.
        opencv: what `cv2.imread(path, cv2.IMREAD_UNCHANGED)` reads, bands as B, G, R.
        rasterio: what GDAL reads.
        names: of the bands; empty where the files have none.
        stored: what the kind does not say of how values lie in the file; "" for what is usual.
    """

    source: str
    kind: str
    mode: str
    torchvision: str
    hugging_face: str
    opencv: str
    rasterio: str
    names: tuple[str, ...] = ()
    stored: tuple[str, ...] = ()

    @property
    def read(self) -> tuple[str, str, str, str]:
        """What torchvision and timm, Hugging Face, OpenCV and rasterio read."""
        return self.torchvision, self.hugging_face, self.opencv, self.rasterio


def openings_of(manifest: Manifest) -> list[Opening]:
    """Open some images of each kind that a dataset has.

    Returns:
        Each way of opening once, those of real images first.

    Raises:
        UnreadableImage: a file is damaged.
    """
    rows = manifest.usable()
    _pillows_log.addFilter(_no_line)  # of what it refuses it says more than the verdict does
    try:
        return list(dict.fromkeys(_openings(manifest, rows)))
    finally:
        _pillows_log.removeFilter(_no_line)


def _no_line(_record: logging.LogRecord) -> bool:
    return False


def _openings(manifest: Manifest, rows: pd.DataFrame) -> Iterator[Opening]:
    kinds = rows.assign(
        suffix=[PurePosixPath(path).suffix.lower() for path in rows["path"]],
        # Asked of all, as a few among many would not be among those that are opened. Synthetic
        # images are written upright.
        turned=[
            source == "real" and is_turned(path)
            for path, source in zip(manifest.paths(rows), rows["source"], strict=True)
        ],
    )
    for (source, _, _, _), part in kinds.groupby(["source", "suffix", "mode", "turned"]):
        for path, count in _some(manifest, part):
            yield _opening(path, int(count), source)


def _some(manifest: Manifest, rows: pd.DataFrame) -> list[tuple[Path, int]]:
    some = rows.iloc[evenly(len(rows), _MOST)]
    return list(zip(manifest.paths(some), some["bands"], strict=True))


def _opening(path: Path, count: int, source: str) -> Opening:
    stored = decode(path)
    pixels, layout = stored.of_bands(count).pixels, stored.layout
    n_bands = f"{len(pixels)} band{'s' if len(pixels) > 1 else ''}"
    turned = is_turned(path)
    turn = ", turned by its EXIF" if turned else ""
    return Opening(
        source=source,
        kind=f"`{path.suffix.lower()}`, {n_bands} of {pixels.dtype}{turn}",
        mode=_mode(path),
        torchvision=_verdict(lambda: _opened(path, "RGB"), pixels),
        hugging_face=_by_hugging_face(path, pixels),
        opencv=_of_picture(turned) if layout is None else _by_opencv(path, stored, layout, turned),
        rasterio=_by_rasterio(stored, turned),
        names=layout.names if layout is not None else (),
        stored=_how_stored(path, stored),
    )


def _how_stored(path: Path, raster: Raster) -> tuple[str, str, str, str]:
    """Return order, colours, alpha and compression, in words."""
    layout, alpha = raster.layout, "" if raster.alpha is None else "with alpha"
    colours = "palette" if raster.mode in _PALETTES else raster.mode * (raster.mode == "CMYK")
    if layout is None:
        return "", colours, alpha, ""
    order = "band by band" if layout.planar else "pixel by pixel"
    meant = {0: "white is zero", 1: "grey", 2: "called RGB"}.get(layout.photometric, "")
    compression = tifffile.COMPRESSION(_compression(path)).name
    return "a page a band" if _in_pages(raster) else order, colours or meant, alpha, compression


def _compression(path: Path) -> int:
    with tifffile.TiffFile(path) as file:
        return int(file.pages.first.compression)


def _by_hugging_face(path: Path, pixels: np.ndarray) -> str:
    listed = path.suffix.lower() in _HUB_LISTS
    return _verdict(lambda: _opened(path), pixels) if listed else "left out"


def _of_picture(turned: bool) -> str:
    return OTHER if turned else ALL  # OpenCV, asked for what is stored, does not turn it


def _by_rasterio(raster: Raster, turned: bool) -> str:
    """Foretell what GDAL reads: what is stored, not turned; a palette's places, not its colours."""
    white_is_zero = raster.layout is not None and raster.layout.photometric == 0
    if turned or white_is_zero or raster.mode in _PALETTES:
        return OTHER
    if raster.mode == "CMYK":
        return UNKNOWN
    return _of_first(1, len(raster.pixels)) if _in_pages(raster) else ALL


def _mode(path: Path) -> str:
    try:
        with Image.open(path) as image:
            return image.mode
    except Exception:  # Pillow's decoders raise many kinds for what they do not read
        return REFUSED


def _opened(path: Path, mode: str | None = None) -> np.ndarray:
    with Image.open(path) as image:
        pixels = np.asarray(image.convert(mode) if mode else image)
    return pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)


def _verdict(read: Callable[[], np.ndarray], pixels: np.ndarray) -> str:
    """Compare (C, H, W) values that a program reads with those of the file."""
    try:
        found = read()
    except Exception:  # likewise
        return REFUSED
    if np.array_equal(found, pixels):
        return ALL
    if len(found) == 3 and all(np.array_equal(band, pixels[0]) for band in found):
        return _of_first(1, len(pixels))  # a grey picture as RGB
    if np.array_equal(found[: len(pixels)], pixels):
        return WITH_ALPHA
    if _begins(pixels, found):
        return _of_first(len(found), len(pixels))
    return f"{OTHER}, of 8 bit" if found.dtype == np.uint8 != pixels.dtype else OTHER


def _begins(pixels: np.ndarray, found: np.ndarray) -> bool:
    return len(found) < len(pixels) and np.array_equal(found, pixels[: len(found)])


def _of_first(count: int, n_bands: int) -> str:
    if count == n_bands:
        return ALL
    return (
        f"the first of {n_bands} bands" if count == 1 else f"the first {count} of {n_bands} bands"
    )


def _in_pages(raster: Raster) -> bool:
    layout, count = raster.layout, len(raster.pixels)
    if layout is None or layout.planar or count == 1:
        return False
    return layout.photometric <= 1 and not layout.extrasamples


def _by_opencv(path: Path, raster: Raster, layout: Layout, turned: bool) -> str:
    count, dtype = len(raster.pixels), str(raster.pixels.dtype)
    tried = dtype in _TRIED and _compression(path) in _TRIED_COMPRESSIONS
    if turned or not tried or layout.photometric not in (1, 2):
        return UNKNOWN
    if count == 1:
        return ALL
    if _in_pages(raster):
        return _of_first(1, count)
    if count > 4:
        return REFUSED
    in_colour = layout.photometric == 2
    if dtype == "uint8" and any(layout.extrasamples):
        return OTHER  # it multiplies by what is called alpha
    if dtype == "uint8":
        return ALL if in_colour else _of_first(1, count)
    is_whole = count > 2 and not layout.planar and (in_colour or dtype == "float32")
    return ALL if is_whole else f"{OTHER} or {REFUSED}"


def section(openings: Sequence[Opening]) -> str:
    """Return the card's lines on what other libraries read; "" where nothing is known."""
    if not openings:
        return ""
    of_jpeg = _OF_JPEG if any(o.kind.startswith(_JPEG_KINDS) for o in openings) else ""
    if all(set(opening.read) == {ALL} for opening in openings):
        return f"Each of these libraries reads all values as they are in the files.{of_jpeg}\n"
    table = [
        "terrabalance, and so the lines for TorchGeo, reads all values of all bands; so does\n"
        f"tifffile. Other libraries, as found with Pillow {PIL.__version__}:\n",
        "| images | torchvision, timm | Hugging Face | OpenCV | rasterio |",
        "|---|---|---|---|---|",
        *dict.fromkeys(f"| {_name(o, openings)} | {' | '.join(o.read)} |" for o in openings),
        "\nWhere torchvision refuses an image it raises an error; timm takes the next image in\n"
        f"its place, with that one's label, and says so in its log alone.{of_jpeg}\n",
    ]
    return "\n".join([*table, *_give_away(openings)])


def _name(opening: Opening, others: Sequence[Opening]) -> str:
    """Return the kind, with as few words more as tell apart what is read differently."""
    alike = [other for other in others if other.kind == opening.kind]
    every = range(1 + len(opening.stored))
    for places in (chosen for n in every for chosen in combinations(every, n)):
        if all(_words(a, places) != _words(b, places) or a.read == b.read
               for a, b in combinations(alike, 2)):  # fmt: skip
            break
    else:
        places = tuple(every)
    return ", ".join([opening.kind, *filter(None, _words(opening, places))])


def _words(opening: Opening, places: Sequence[int]) -> tuple[str, ...]:
    facts = (opening.source, *opening.stored)
    return tuple(facts[place] for place in places)


def _give_away(openings: Sequence[Opening]) -> list[str]:
    """Return a warning where Pillow opens real and synthetic images differently."""
    modes = {
        source: sorted({o.mode for o in openings if o.source == source})
        for source in ("real", "synthetic")
    }
    if set(modes["synthetic"]) <= set(modes["real"]):
        return []
    real, made = (", ".join(f"`{mode}`" for mode in modes[s]) for s in ("real", "synthetic"))
    return [
        f"> **Pillow opens synthetic images as {made}, and real ones as {real}.** A classifier\n"
        "> that reads them so can tell them apart by that: use the lines of terrabalance.\n"
    ]
