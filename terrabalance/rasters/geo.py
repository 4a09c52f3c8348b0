"""Read what only GDAL reads, through rasterio: JPEG 2000, NITF, ENVI, ERDAS Imagine, VRT."""

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from terrabalance.errors import UnreadableImage
from terrabalance.rasters.formats import EXTENSIONS, Format
from terrabalance.rasters.gdal_tags import scaling_or_none
from terrabalance.rasters.raster import COMPLEX, Footprint, Raster, both, declared

# One driver for each format: a stranger's file reaches none of GDAL's many others.
_DRIVERS = {
    "JPEG 2000": "JP2OpenJPEG",
    "NITF": "NITF",
    "ENVI": "ENVI",
    "ERDAS Imagine": "HFA",
    "VRT": "VRT",
}
_MOST_VRT_BYTES = 2**20
# What makes a VRT more than bands of files beside it: code, other servers, other documents.
_FOREIGN = re.compile(r"(?i)PixelFunction|subClass|<!|/vsi|://|SourceDataset|OverviewFile")
_SOURCE = re.compile(r"<SourceFilename([^>]*)>([^<]*)<")

# An image without a place is no reason to warn. Set once, see `terrabalance.rasters.decode`.
warnings.filterwarnings("ignore", message="Dataset has no geotransform")


def read_with_gdal(path: Path, kind: Format) -> Raster:
    """Read an image through rasterio.

    Raises:
        UnreadableImage: rasterio is not installed, the file is damaged, or it is a VRT of more
            than images beside it.
    """
    try:
        import rasterio
    except ImportError:
        raise UnreadableImage(
            f"{path}: {kind.name} is read with the extra geo. Run pip install 'terrabalance[geo]', "
            "or convert it to TIFF."
        ) from None
    if kind.name == "VRT":
        _refuse_foreign(path)
    try:
        with rasterio.open(path, driver=_DRIVERS[kind.name]) as source:
            if any(dtype.startswith("complex") for dtype in source.dtypes):
                raise UnreadableImage(f"{path}: {COMPLEX}")
            return _raster(source)
    except UnreadableImage:
        raise
    except Exception as error:  # rasterio and its drivers raise many kinds for a damaged file
        # rasterio's own "Read failed" says less than the error of GDAL behind it.
        reason = error.__cause__ or error
        raise UnreadableImage(f"{path}: damaged {kind.name} ({reason})") from error


def _refuse_foreign(path: Path) -> None:
    """Refuse a VRT that reads anything but images in its own folder."""
    with path.open("rb") as file:
        text = file.read(_MOST_VRT_BYTES + 1).decode(errors="replace")
    sources = _SOURCE.findall(text)
    if len(text) > _MOST_VRT_BYTES or _FOREIGN.search(text) or not all(map(_is_beside, sources)):
        raise UnreadableImage(
            f"{path}: a VRT of more than images in its own folder. Convert it: gdal_translate IN "
            "OUT.tif."
        )


def _is_beside(source: tuple[str, str]) -> bool:
    how, name = source
    file = Path(name)
    plain = "/" not in name and "\\" not in name and ":" not in name
    suffix = file.suffix.lower()
    return plain and 'relativeToVRT="1"' in how and suffix in EXTENSIONS and suffix != ".vrt"


def _raster(source: Any) -> Raster:
    from rasterio.enums import ColorInterp, MaskFlags

    if len(set(source.dtypes)) > 1:
        raise ValueError(f"bands of different types: {', '.join(source.dtypes)}")
    pixels: np.ndarray = source.read()
    valid = declared(pixels, source.nodatavals)
    flags = source.mask_flag_enums[0]
    if MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags:
        valid = both(valid, source.read_masks(1)[None] > 0)
    alphas = [p for p, kind in enumerate(source.colorinterp) if kind == ColorInterp.alpha]
    return Raster(
        pixels, f"{pixels.dtype}x{len(pixels)}", valid, alphas[0] if alphas else None,
        scaling_or_none(tuple(map(float, source.scales)), tuple(map(float, source.offsets))),
        _footprint(source),
    )  # fmt: skip


def _footprint(source: Any) -> Footprint | None:
    if source.crs is None:
        return None
    code = source.crs.to_epsg()
    left, bottom, right, top = source.bounds
    crs = f"EPSG:{code}" if code else source.crs.to_wkt()
    return Footprint(crs, min(left, right), min(bottom, top), max(left, right), max(bottom, top))
