"""Put the file of an image into a dataset, with all that it needs to be read there."""

import os
from collections.abc import Iterable
from pathlib import Path

from terrabalance.errors import UnreadableImage
from terrabalance.files import copy_file, sha256_of
from terrabalance.manifest import changed_since
from terrabalance.rasters.formats import Format, format_in, format_of


def placed_suffix(path: Path) -> str:
    """Return the suffix of an image's file in a dataset: its own, if its content bears it out.

    Other loaders, and what the dataset says of itself, go by names. A VRT becomes a GeoTIFF.
    """
    kind = _format(path)
    if kind is None:
        return path.suffix
    if kind.name == "VRT":
        return ".tif"
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
    if kind is None or not kind.needs_gdal:
        return []
    beside = (f"{path.name}.hdr", f"{path.stem}.hdr", f"{path.name}.aux.xml")
    return [path.with_name(name) for name in beside]


def files_of(images: Iterable[str]) -> set[str]:
    """Return the paths of a dataset's images, and those of what may be needed beside them.

    There an image's name tells its format, see `placed_suffix`.
    """
    known = set(images)
    paths = map(Path, known)
    beside = (file for path in paths for file in side_files(path, format_of(path)))
    return known.union(file.as_posix() for file in beside)


def place(origin: Path, target: Path, sha256: str, source: str) -> bool:
    """Put an image at `target`: a hard link where the disk allows it, else a copy.

    A VRT names other files, which would be left behind: it becomes a GeoTIFF of the same values.

    Args:
        origin: the image.
        target: has the suffix `placed_suffix(origin)`.
        sha256: of the image, by its manifest.
        source: real or synthetic.

    Returns:
        Whether the file was written anew, and so has other bytes.

    Raises:
        BadInput: the image is gone, damaged, or has changed since its manifest.
    """
    # Asked once of each file: what `is_unchanged` remembers of a million takes 100 MB.
    if not origin.is_file() or (sha256 and sha256_of(origin) != sha256):
        raise changed_since(origin, source)
    target.parent.mkdir(parents=True, exist_ok=True)
    kind = format_in(origin)
    if kind is not None and kind.name == "VRT":
        _write_out(origin, target)
        return True
    _link(origin, target)
    for beside, there in zip(side_files(origin, kind), side_files(target, kind), strict=True):
        if beside.is_file():
            _link(beside, there)
    return False


def _write_out(origin: Path, target: Path) -> None:
    from rasterio.shutil import copy  # there, as only with it a VRT comes into a catalogue

    copy(origin, target, driver="GTiff", compress="deflate")


def _link(origin: Path, target: Path) -> None:
    try:
        # Resolved, because a hard link to a symbolic link is one that breaks when moved.
        os.link(origin.resolve(), target)
    except OSError:  # another disk, or no hard links there
        copy_file(origin, target)
