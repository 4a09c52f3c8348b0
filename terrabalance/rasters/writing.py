"""Write a TIFF in the layout of others, so that every program opens it as it opens those."""

from dataclasses import dataclass, replace
from typing import Any, BinaryIO
from xml.sax.saxutils import escape

import numpy as np
import tifffile

from terrabalance.rasters.gdal_tags import METADATA_TAG, NODATA_TAG, nodata_value
from terrabalance.rasters.raster import Layout, Scaling

GREY, COLOUR = 1, 2  # numbers of the tag PhotometricInterpretation
_ALIKE = 4  # units in the last place by which GDAL takes floats for equal, and more


@dataclass(frozen=True)
class Stored:
    """How values without alpha are stored in a layout.

    Attributes:
        layout: photometric is `GREY` or `COLOUR`; extrasamples, names and scaling have an entry
            for each band that they are of, an alpha band's too.
        pages: whether each band is a page of its own.
        alpha: place of an alpha band that is to be added, all of it opaque; None: none is.
    """

    layout: Layout
    pages: bool = False
    alpha: int | None = None


def stored_like(layout: Layout | None, count: int, scaling: Scaling | None = None) -> Stored:
    """Fit a layout to values of `count` bands.

    Colours other than RGB (palettes, inks, white-is-zero) are resolved when they are read, so what
    is written is grey or RGB. Where the layout is of another number of bands, or there is none,
    bands lie pixel by pixel, and three of them are RGB: what programs open as they should, or
    refuse.

    Args:
        layout: of the files to be like.
        count: of bands, an alpha band that masks the image not counted.
        scaling: that the values are before; takes the place of the layout's.
    """
    if layout is None or not _holds(layout, count):
        photometric = COLOUR if count == 3 else GREY
        layout = Layout(False, photometric, (0,) * (count - _colours(photometric)))
    photometric = COLOUR if _colours(layout.photometric) == 3 and count >= 3 else GREY
    n_more, extras = count - _colours(photometric), layout.extrasamples
    pages = not extras and n_more > 0 and not layout.planar  # as nothing else lacks the tag
    alpha = None
    if len(extras) == n_more + 1:
        alpha = _colours(photometric) + next(i for i, kind in enumerate(extras) if kind)
    elif len(extras) != n_more:
        extras = (0,) * n_more
    n_stored = count + (alpha is not None)
    names = layout.names if len(layout.names) == n_stored else ()
    fitted = Layout(layout.planar, photometric, extras, layout.nodata, names, scaling)
    return Stored(fitted, pages, alpha)


def write_tiff(
    file: BinaryIO, values: np.ndarray, stored: Stored, description: str, tags: list[Any]
) -> None:
    """Write (C, H, W) values, without loss.

    No value becomes no-data: one that equals the declared one is moved to the next beside it.

    Args:
        file: opened for writing.
        values: of bands without alpha, of a type that TIFF holds.
        stored: see `stored_like`.
        description: becomes the ImageDescription.
        tags: more of them, as `tifffile.imwrite` takes them.
    """
    layout = stored.layout
    values = _beside(values, nodata_value(layout.nodata))
    scaling = layout.scaling
    if stored.alpha is not None:
        opaque = np.iinfo(values.dtype).max if values.dtype.kind in "iu" else 1
        values = np.insert(values, stored.alpha, opaque, axis=0)
        scaling = scaling and Scaling(
            _with(scaling.scale, stored.alpha, 1.0), _with(scaling.offset, stored.alpha, 0.0)
        )
    planar: str | None = None
    # More pages than rows or columns could not be told from a picture's rows.
    pages = stored.pages and len(values) <= min(values.shape[1:])
    if len(values) == 1:
        values = values[0]
    elif not pages:
        planar = "separate" if layout.planar else "contig"
        values = values if layout.planar else np.moveaxis(values, 0, -1)
    tifffile.imwrite(
        file, np.ascontiguousarray(values), photometric=layout.photometric, planarconfig=planar,
        extrasamples=None if pages or values.ndim == 2 else layout.extrasamples or None,
        compression="adobe_deflate", description=description, metadata=None,
        extratags=[*_declared(replace(layout, scaling=scaling)), *tags] or None,
    )  # fmt: skip


def _holds(layout: Layout, count: int) -> bool:
    """Return whether files of a layout have so many bands, or these and an alpha band."""
    extras, n_colours = layout.extrasamples, _colours(layout.photometric)
    if not extras:
        return n_colours in (1, count)  # of grey, each band is a page
    n_stored = n_colours + len(extras)
    return n_stored == count or (n_stored == count + 1 and any(extras))


def _colours(photometric: int) -> int:
    return 1 if photometric in (0, GREY) else 3


def _beside(values: np.ndarray, nodata: float | None) -> np.ndarray:
    """Move what equals the declared no-data to the next value beside it."""
    dtype = values.dtype
    if nodata is None or not np.isfinite(nodata):
        return values
    if dtype.kind == "f":
        epsilon = float(np.finfo(dtype).eps)
        near = np.abs(values.astype(np.float64) - nodata) <= _ALIKE * epsilon * abs(nodata)
        other = nodata * (1 - 4 * _ALIKE * epsilon) if nodata else np.finfo(dtype).tiny
    else:
        near = values.astype(np.int64) == nodata
        other = nodata - 1 if nodata == np.iinfo(dtype).max else nodata + 1
    return np.where(near, dtype.type(other), values) if near.any() else values


def _with(numbers: tuple[float, ...], place: int, number: float) -> tuple[float, ...]:
    return (*numbers[:place], number, *numbers[place:])


def _declared(layout: Layout) -> list[Any]:
    """Return the tags by which GDAL knows no-data, scaling and the names of bands.

    GDAL escapes a text, and then the XML that it stands in.
    """
    items = [("DESCRIPTION", layout.names)]
    if (scaling := layout.scaling) is not None:
        items += [("SCALE", _texts(scaling.scale)), ("OFFSET", _texts(scaling.offset))]
    lines = [
        f'<Item name="{name}" sample="{band}" role="{name.lower()}">{escape(escape(text))}</Item>'
        for name, texts in items
        for band, text in enumerate(texts)
    ]
    tags: list[Any] = []
    if lines:
        xml = f"<GDALMetadata>\n{chr(10).join(lines)}\n</GDALMetadata>\n".encode()
        tags.append((METADATA_TAG, "s", 0, xml, True))
    if layout.nodata is not None:
        tags.append((NODATA_TAG, "s", 0, layout.nodata, True))
    return tags


def _texts(numbers: tuple[float, ...]) -> tuple[str, ...]:
    return tuple(repr(number) for number in numbers)
