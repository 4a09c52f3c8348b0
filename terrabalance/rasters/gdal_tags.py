"""What GDAL and GeoTIFF tags say of an image: no-data, scaling, names of bands, place."""

import html
import logging
import re
from typing import Any

import numpy as np
import tifffile

from terrabalance.rasters.raster import Footprint, Scaling, footprint_around

NODATA_TAG, METADATA_TAG = 42113, 42112
_MOST_METADATA = 2**20  # characters of XML that are searched
_ITEM = re.compile(
    r'<Item name="(?P<name>\w+)" sample="(?P<band>\d+)" role="(?P<role>\w+)">(?P<text>[^<]*)</Item>'
)
_NUMBER = re.compile(  # as C's strtod reads it, but to the base of 10 alone
    r"\s*[-+]?((?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|nan|inf)", re.IGNORECASE | re.ASCII
)
_INTEGER = re.compile(r"[-+]?\d{1,40}")
_MOST = 1e30  # of a scale or an offset
_POINT = 2  # GTRasterTypeGeoKey: coordinates are those of a pixel's centre

# Of a value that is written rounded up, as the usual one of float32 (-3.4028234663852886e+38),
# tifffile says for each file that it cannot use it. It is read here instead.
logging.getLogger("tifffile").addFilter(lambda line: "GDAL_NODATA" not in line.getMessage())


def nodata_text(page: tifffile.TiffPage) -> str | None:
    """Return the declared no-data as the file writes it; None: it declares none."""
    tag = page.tags.get(NODATA_TAG)
    return None if tag is None else str(tag.value).strip("\0 ")


def nodata_value(text: str | None) -> float | None:
    """Turn the declared no-data into a number as GDAL does, by what it begins with.

    None where it does not begin with a number: GDAL takes that for 0, which no file means. So it is
    for `1.#QNAN`, as NaN is no data in any case.
    """
    found = _NUMBER.match(text or "")
    if text is None or found is None or "#" in text:
        return None
    number = found[0].strip()
    return int(number) if _INTEGER.fullmatch(number) else float(number)


def band_items(page: tifffile.TiffPage) -> dict[str, dict[int, str]]:
    """Return what GDAL's metadata says of single bands: role -> place of the band -> text."""
    tag = page.tags.get(METADATA_TAG)
    found: dict[str, dict[int, str]] = {}
    # Not parsed as XML: a stranger's could be made to exhaust the parser.
    for item in _ITEM.finditer(str(tag.value)[:_MOST_METADATA] if tag else ""):
        text = html.unescape(html.unescape(item["text"]))  # GDAL escapes it, and then its XML
        found.setdefault(item["role"], {})[int(item["band"])] = text
    return found


def scaling_of(items: dict[str, dict[int, str]], n_bands: int) -> Scaling | None:
    """Return the scale and offset of each band; None where they change nothing.

    Raises:
        ValueError: one is not a number, or as of `scaling_or_none`.
    """
    scale = tuple(float(items.get("scale", {}).get(band, 1)) for band in range(n_bands))
    offset = tuple(float(items.get("offset", {}).get(band, 0)) for band in range(n_bands))
    return scaling_or_none(scale, offset)


def scaling_or_none(scale: tuple[float, ...], offset: tuple[float, ...]) -> Scaling | None:
    """Return the scaling, or None where it changes nothing.

    Raises:
        ValueError: a scale or an offset by which no value can be converted.
    """
    sound = all(1 / _MOST <= abs(each) <= _MOST for each in scale)
    if not (sound and all(abs(each) <= _MOST for each in offset)):
        raise ValueError(
            f"its scale {scale} or offset {offset} converts nothing: a scale is of {1 / _MOST:g} "
            f"to {_MOST:g}, an offset of at most {_MOST:g}. Correct it: gdal_edit.py -scale 1 "
            "-offset 0 FILE"
        )
    return Scaling(scale, offset) if set(scale) != {1.0} or set(offset) != {0.0} else None


def names_of(items: dict[str, dict[int, str]], n_bands: int) -> tuple[str, ...]:
    """Return the name of each band; empty where none has one."""
    names = items.get("description", {})
    return tuple(names.get(band, "") for band in range(n_bands)) if names else ()


def footprint_of(page: tifffile.TiffPage) -> Footprint | None:
    """Return the ground that an image shows; None where its tags do not tell, or not soundly."""
    try:
        tags: dict[str, Any] = page.geotiff_tags or {}
        corners = _corners(tags, page.imagewidth, page.imagelength)
        return footprint_around(_crs(tags), *zip(*corners, strict=True)) if corners else None
    except Exception:  # damaged tags of place do not make an image unreadable
        return None


def _corners(tags: dict[str, Any], width: int, height: int) -> list[tuple[float, float]] | None:
    half = 0.5 if int(tags.get("GTRasterTypeGeoKey", 1)) == _POINT else 0.0
    columns, rows = (-half, width - half), (-half, height - half)
    if "ModelTransformation" in tags:
        (a, b, _, c), (d, e, _, f) = np.array(tags["ModelTransformation"], float)[:2].tolist()
        return [(a * x + b * y + c, d * x + e * y + f) for x in columns for y in rows]
    if "ModelPixelScale" not in tags or "ModelTiepoint" not in tags:
        return None
    across, down = map(float, tags["ModelPixelScale"][:2])
    x0, y0, _, left, top, _ = map(float, tags["ModelTiepoint"][:6])
    return [(left + (x - x0) * across, top - (y - y0) * down) for x in columns for y in rows]


def _crs(tags: dict[str, Any]) -> str:
    for key in ("ProjectedCSTypeGeoKey", "GeographicTypeGeoKey"):
        if key in tags and int(tags[key]) not in (0, 32767):  # 32767: defined by the user
            return f"EPSG:{int(tags[key])}"
    citations = ("PCSCitationGeoKey", "GTCitationGeoKey", "GeogCitationGeoKey")
    return next((str(tags[key]) for key in citations if key in tags), "unknown")
