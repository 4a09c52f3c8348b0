"""Decode any image file, by its content rather than by its name."""

import warnings
from pathlib import Path

import numpy as np

from terrabalance.errors import UnreadableImage
from terrabalance.rasters.elsewhere import refuse_mask_behind, refuse_mask_beside
from terrabalance.rasters.formats import format_in
from terrabalance.rasters.geo import read_with_gdal
from terrabalance.rasters.limits import check_file
from terrabalance.rasters.memory import room_for
from terrabalance.rasters.pictures import read_picture
from terrabalance.rasters.raster import Raster
from terrabalance.rasters.tiff import read_tiff

_LARGEST = float(np.finfo(np.float32).max)
_FEWEST_STEPS = 256  # of float32 over the range of a band
_DECLARING = ("ENVI", "ERDAS Imagine", "VRT")  # formats of GDAL that tell no-data themselves

# Pillow warns of damaged EXIF and of large images; what matters raises. Set once: threads that
# enter and leave `catch_warnings` at the same time leave every warning of the process ignored.
warnings.filterwarnings("ignore", module=r"PIL\.")


def decode(path: Path) -> Raster:
    """Decode a JPEG, PNG, WebP or TIFF; with the extra `geo` also JPEG 2000, NITF, ENVI and VRT.

    Values keep the file's own type: nothing is scaled, rounded or cut. docs/reference/formats.md
    says of each format what is read, kept and lost.

    Raises:
        UnreadableImage: not an image, damaged, too large (`terrabalance.rasters.limits`), or of a
            kind that is not read; one sentence that names the file and says what to do.
        OSError: the system did not give the file's bytes, see `pass_on_refusal`.
    """
    check_file(path)
    with room_for(path):
        return _decode(path)


def _decode(path: Path) -> Raster:
    found = format_in(path)
    if found is not None and found.needs_gdal:
        raster, declares = read_with_gdal(path, found), found.name in _DECLARING
    elif found is not None and found.name == "TIFF":
        raster = read_tiff(path)
        declares = raster.layout is not None and raster.layout.nodata is not None
    else:
        raster, declares = read_picture(path), False
    refuse_mask_beside(path, declares)
    if found is not None and found.name == "JPEG":
        with path.open("rb") as file:
            refuse_mask_behind(path, file)
    if not raster.pixels.size:
        raise UnreadableImage(f"{path}: it holds no pixels")
    if raster.alpha is not None and len(raster.pixels) == 1:
        raise UnreadableImage(f"{path}: it holds nothing but an alpha band. Give it bands of data.")
    _refuse_what_float32_loses(path, raster)
    return raster


def _refuse_what_float32_loses(path: Path, raster: Raster) -> None:
    """Refuse values that float32 cannot hold or tell apart: images are computed with in it.

    Whole numbers of 16 bit and float32 itself it holds as they are.
    """
    if raster.pixels.dtype.itemsize <= 2 or raster.pixels.dtype == np.float32:
        return
    for band, plane in enumerate(raster.pixels):
        valid = raster.valid_in(band)
        known = plane if valid is None else plane[valid[0]]
        if known.size:
            low, high = known.min().item(), known.max().item()
            _refuse_beyond(path, float(max((low, high), key=abs)))
            _refuse_alike(path, band, known, (low, high))


def _refuse_beyond(path: Path, farthest: float) -> None:
    if abs(farthest) > _LARGEST:  # differences and squares of it would be infinite
        raise UnreadableImage(
            f"{path}: it holds a value of {farthest:.4g}; at most {_LARGEST:.4g} is read, what "
            "float32 holds. Where it stands for no data, declare it: gdal_edit.py -a_nodata "
            f"{farthest!r} FILE. Else convert its unit."
        )


def _refuse_alike(path: Path, band: int, known: np.ndarray, ends: tuple[float, float]) -> None:
    low, high = ends
    step = float(np.spacing(np.float32(max(abs(low), abs(high)))))  # between two of float32
    if high - low >= _FEWEST_STEPS * step or (known.astype(np.float32) == known).all():
        return
    raise UnreadableImage(
        f"{path}: the values of band {band + 1} lie between {low:,} and {high:,}, and float32, in "
        f"which images are computed with, tells apart what differs by {step:,g} there. Take an "
        f"offset off it, such as {low:,}, or convert its unit."
    )
