"""Refuse images of which something outside their own format tells what is no data.

A dataset would leave a file beside an image behind, and no other loader looks behind a JPEG.
"""

import os
import re
from pathlib import Path
from typing import BinaryIO

from terrabalance.errors import UnreadableImage

_MOST_AUXILIARY = 2**20  # bytes of an .aux.xml that are searched
_NODATA, _SCALING = re.compile(rb"<NoDataValue\b"), re.compile(rb"<(Scale|Offset)>")
_JPEG_END, _DEFLATED = b"\xff\xd9", b"x"
_PUT_MASK_INSIDE = (
    "Put it into the image: gdal_translate --config GDAL_TIFF_INTERNAL_MASK YES IN OUT.tif."
)


def refuse_mask_beside(path: Path, declares_nodata: bool) -> None:
    """Refuse an image whose mask, no-data, scale or offset lies in a file beside it.

    Args:
        path: of the image.
        declares_nodata: whether the image itself declares a value, which then holds.

    Raises:
        UnreadableImage: it says where that is, and how it gets into the image.
    """
    name = str(path)  # of every image: `os.path` takes a third of the time of `pathlib`
    if os.path.exists(f"{name}.msk"):  # noqa: PTH110
        raise UnreadableImage(
            f"{path}: its mask lies in {path.name}.msk beside it. {_PUT_MASK_INSIDE}"
        )
    if not os.path.isfile(f"{name}.aux.xml"):  # noqa: PTH113
        return
    with Path(f"{name}.aux.xml").open("rb") as file:
        said = file.read(_MOST_AUXILIARY)
    tells_nodata = not declares_nodata and _NODATA.search(said)
    if what := "no-data" if tells_nodata else "scale or offset" if _SCALING.search(said) else "":
        raise UnreadableImage(
            f"{path}: its {what} is declared in {path.name}.aux.xml beside it. Put it into the "
            "image: gdal_translate IN OUT.tif."
        )


def refuse_mask_behind(path: Path, jpeg: BinaryIO) -> None:
    """Refuse a JPEG to which GDAL has appended a mask: deflated, then where the JPEG ends.

    Args:
        path: of the image.
        jpeg: its content; only its end is read.

    Raises:
        UnreadableImage: it says how the mask gets into an image.
    """
    jpeg.seek(-4, os.SEEK_END)
    end = int.from_bytes(jpeg.read(4), "little")
    jpeg.seek(max(end - 2, 0))
    if jpeg.read(3) == _JPEG_END + _DEFLATED:
        raise UnreadableImage(
            f"{path}: its mask lies behind the JPEG, where only GDAL finds it. {_PUT_MASK_INSIDE}"
        )
