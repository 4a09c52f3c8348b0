"""Put the file of an image into a dataset, with all that it needs to be read there."""

import os
from collections.abc import Iterable
from pathlib import Path

from terrabalance.contents import changed_since
from terrabalance.errors import UnreadableImage
from terrabalance.files import copy_file, sha256_of
from terrabalance.rasters.beside import changed_beside, listed_beside, record_beside
from terrabalance.rasters.formats import Format, deciding_places, format_in, format_of


def placed_suffix(path: Path, beside: str) -> str:
    """Return the suffix of an image's file in a dataset: its own, if its content bears it out.

    Other loaders, and what the dataset says of itself, go by names. Where other files hold its
    pixels, and it names these, it becomes a GeoTIFF.

    Args:
        path: of the image.
        beside: the record of the files beside it, see `terrabalance.rasters.beside`.
    """
    kind = _format(path)
    if _is_spread(kind, beside):
        return ".tif"
    if kind is None:
        return path.suffix
    return path.suffix if path.suffix.lower() in kind.suffixes else kind.suffixes[0]


def _format(path: Path) -> Format | None:
    """Return the format of an image; by its name alone where it is gone, which `place` refuses."""
    try:
        return format_in(path)
    except UnreadableImage:
        return format_of(path)


def side_files(path: Path, kind: Format | None) -> list[Path]:
    """Return the files, there or not, without which GDAL does not read an image as it is.

    Args:
        path: of the image.
        kind: its format.
    """
    return [] if kind is None or not kind.needs_gdal else deciding_places(path)


def files_of(images: Iterable[str]) -> set[str]:
    """Return the paths of a dataset's images, and those of what may be needed beside them.

    There an image's name tells its format, see `placed_suffix`.
    """
    known = set(images)
    paths = map(Path, known)
    beside = (file for path in paths for file in side_files(path, format_of(path)))
    return known.union(file.as_posix() for file in beside)


def place(origin: Path, target: Path, sha256: str, beside: str, source: str) -> bool:
    """Put an image at `target`: a hard link where the disk allows it, else a copy.

    What lies beside it and decides its pixels goes with it. A VRT names other files, which would be
    left behind, as some of ERDAS do: it becomes a GeoTIFF of the same values.

    Args:
        origin: the image.
        target: has the suffix `placed_suffix(origin, beside)`.
        sha256: of the image, by its manifest.
        beside: the record of the files beside it, by its manifest.
        source: real or synthetic.

    Returns:
        Whether the file was written anew, and so has other bytes.

    Raises:
        BadInput: the image, or what lies beside it, is gone, damaged, or has changed since its
            manifest.
    """
    # Asked once of each file: what `changed_file` remembers of a million takes 100 MB.
    if not origin.is_file() or (sha256 and sha256_of(origin) != sha256):
        raise changed_since(origin, source)
    if changed := changed_beside(origin, beside):
        raise changed_since(changed, source, origin)
    target.parent.mkdir(parents=True, exist_ok=True)
    kind = format_in(origin)
    if _is_spread(kind, beside):
        _write_out(origin, target)
        return True
    _link(origin, target)
    for file, there in zip(side_files(origin, kind), side_files(target, kind), strict=True):
        if file.is_file() and not there.exists():  # case may not count here
            _link(file, there)
    return False


def record_of_placed(target: Path) -> str:
    """Return the record of the files beside an image of a dataset, whose name tells its format."""
    return record_beside(target, format_of(target))


def _is_spread(kind: Format | None, beside: str) -> bool:
    is_vrt = kind is not None and kind.name == "VRT"
    return is_vrt or any(name.lower().endswith(".ige") for name in listed_beside(beside))


def _write_out(origin: Path, target: Path) -> None:
    from rasterio.shutil import copy  # there, as only with it a VRT comes into a catalogue

    copy(origin, target, driver="GTiff", compress="deflate")


def _link(origin: Path, target: Path) -> None:
    try:
        # Resolved, because a hard link to a symbolic link is one that breaks when moved.
        os.link(origin.resolve(), target)
    except OSError:  # another disk, or no hard links there
        copy_file(origin, target)
