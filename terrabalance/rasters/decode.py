"""Decode any image file, by its content rather than by its name."""

import os
import re
import warnings
from pathlib import Path

from terrabalance.errors import UnreadableImage
from terrabalance.rasters.formats import Format, format_of, format_that_begins
from terrabalance.rasters.geo import read_with_gdal
from terrabalance.rasters.pictures import read_picture
from terrabalance.rasters.raster import Raster
from terrabalance.rasters.tiff import read_tiff

_LONGEST_BEGINNING = 16
_JPEG, _JPEG_END, _DEFLATED = b"\xff\xd8\xff", b"\xff\xd9", b"x"
_MOST_AUXILIARY = 2**20  # bytes of an .aux.xml that are searched
_NODATA = re.compile(rb"<NoDataValue\b")
_PUT_MASK_INSIDE = (
    "Put it into the image: gdal_translate --config GDAL_TIFF_INTERNAL_MASK YES IN OUT.tif."
)

# Pillow warns of damaged EXIF and of large images; what matters raises. Set once: threads that
# enter and leave `catch_warnings` at the same time leave every warning of the process ignored.
warnings.filterwarnings("ignore", module=r"PIL\.")


def decode(path: Path) -> Raster:
    """Decode a JPEG, PNG, WebP or TIFF; with the extra `geo` also JPEG 2000, NITF, ENVI and VRT.

    Values keep the file's own type: nothing is scaled, rounded or cut. docs/reference/formats.md
    says of each format what is read, kept and lost.

    Raises:
        UnreadableImage: not an image, damaged, or of a kind that is not read; one sentence that
            names the file and says what to do.
    """
    found = _format(path)
    if found is not None and found.needs_gdal:
        raster, declares = read_with_gdal(path, found), True  # GDAL reads the `.aux.xml` itself
    elif found is not None and found.name == "TIFF":
        raster = read_tiff(path)
        declares = raster.layout is not None and raster.layout.nodata is not None
    else:
        raster, declares = read_picture(path), False
    refuse_masked_elsewhere(path, declares)
    if not raster.pixels.size:
        raise UnreadableImage(f"{path}: it holds no pixels")
    return raster


def _format(path: Path) -> Format | None:
    try:
        with path.open("rb") as file:
            beginning = file.read(_LONGEST_BEGINNING)
    except OSError as error:
        raise UnreadableImage(f"{path}: {error.strerror}") from error
    return format_that_begins(beginning) or format_of(path)


def refuse_masked_elsewhere(path: Path, declares_nodata: bool = False) -> None:
    """Refuse an image of which a file beside it, or the end of a JPEG, tells what is no data.

    A dataset would leave that file behind, and no other loader looks at the end of a JPEG.

    Args:
        path: of the image.
        declares_nodata: whether the image itself declares a value.

    Raises:
        UnreadableImage: it says where the mask or the value is, and how it gets into the image.
    """
    mask, auxiliary = (path.with_name(path.name + end) for end in (".msk", ".aux.xml"))
    if mask.exists():
        raise UnreadableImage(f"{path}: its mask lies in {mask.name} beside it. {_PUT_MASK_INSIDE}")
    if not declares_nodata and auxiliary.exists() and _tells_nodata(auxiliary):
        raise UnreadableImage(
            f"{path}: its no-data is declared in {auxiliary.name} beside it. Put it into the "
            "image: gdal_translate IN OUT.tif."
        )
    if _ends_in_a_mask(path):
        raise UnreadableImage(
            f"{path}: its mask lies behind the JPEG, where only GDAL finds it. {_PUT_MASK_INSIDE}"
        )


def _tells_nodata(auxiliary: Path) -> bool:
    with auxiliary.open("rb") as file:
        return _NODATA.search(file.read(_MOST_AUXILIARY)) is not None


def _ends_in_a_mask(path: Path) -> bool:
    """Return whether GDAL has appended a mask to a JPEG: deflated, then where the JPEG ends."""
    with path.open("rb") as file:
        if file.read(len(_JPEG)) != _JPEG:
            return False
        file.seek(-4, os.SEEK_END)
        end = int.from_bytes(file.read(4), "little")
        file.seek(max(end - 2, 0))
        return file.read(3) == _JPEG_END + _DEFLATED
