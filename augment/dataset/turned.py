"""Which images are stored in another direction than they are meant to be seen in."""

from pathlib import Path
from typing import BinaryIO

import tifffile
from PIL import Image

from terrabalance.rasters.formats import LONGEST_BEGINNING, format_that_begins
from terrabalance.rasters.orientation import ORIENTATION_TAG, known_orientation
from terrabalance.rasters.pictures import orientation_of

# Of a PNG, where EXIF, or XMP in its place, may be.
_MAY_TELL = (b"eXIf", b"tEXt", b"zTXt", b"iTXt")


def is_turned(path: Path) -> bool:
    """Return whether an image's EXIF turns it, from its header: asked of every image.

    False of what cannot be read, which is told where the image itself is.
    """
    try:
        with path.open("rb") as file:
            found = format_that_begins(file.read(LONGEST_BEGINNING))
            name = "" if found is None else found.name
            if name == "PNG" and not _may_tell(file):
                return False
        if name == "TIFF":
            with tifffile.TiffFile(path) as tiff:
                return known_orientation(tiff.pages.first.tags.valueof(ORIENTATION_TAG)) != 1
        with Image.open(path) as image:
            return orientation_of(image) != 1
    except Exception:  # Pillow and tifffile raise many kinds for what they do not read
        return False


def _may_tell(png: BinaryIO) -> bool:
    """Return whether a PNG has a chunk that may turn it: to ask Pillow decodes all of it."""
    png.seek(8)
    while len(start := png.read(8)) == 8:
        if start[4:] in _MAY_TELL:
            return True
        png.seek(int.from_bytes(start[:4], "big") + 4, 1)
    return False
