"""Decode any image file, by its content rather than by its name."""

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
_MOST_AUXILIARY = 2**20  # bytes of an .aux.xml that are searched
_NODATA = re.compile(rb"<NoDataValue\b")

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
    _refuse_outer_mask(path)
    if found is not None and found.needs_gdal:  # GDAL reads the `.aux.xml` itself
        raster = read_with_gdal(path, found)
    else:
        is_tiff = found is not None and found.name == "TIFF"
        raster = read_tiff(path) if is_tiff else read_picture(path)
        if raster.layout is None or raster.layout.nodata is None:
            _refuse_outer_nodata(path)
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


def _refuse_outer_mask(path: Path) -> None:
    """Refuse an image whose mask lies in a file beside it, which a dataset would leave behind."""
    if path.with_name(f"{path.name}.msk").exists():
        raise UnreadableImage(
            f"{path}: its mask lies in {path.name}.msk beside it. Put it into the image: "
            "gdal_translate --config GDAL_TIFF_INTERNAL_MASK YES IN OUT."
        )


def _refuse_outer_nodata(path: Path) -> None:
    """Refuse an image whose no-data only GDAL's file beside it declares, for the same reason."""
    beside = path.with_name(f"{path.name}.aux.xml")
    if beside.exists() and _NODATA.search(beside.read_bytes()[:_MOST_AUXILIARY]):
        raise UnreadableImage(
            f"{path}: its no-data is declared in {beside.name} beside it. Put it into the image: "
            "gdal_translate IN OUT.tif."
        )
