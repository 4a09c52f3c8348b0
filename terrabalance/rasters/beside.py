"""The files beside an image that decide its pixels, by their checksums.

ENVI keeps type and order of the values in a header, GDAL no-data in an `.aux.xml`, a VRT has all
its pixels in other files. Formats that are read without GDAL hold all themselves: what lies beside
those is passed over, or has them refused (`terrabalance.rasters.elsewhere`).

A record of these files is JSON of their names and SHA-256, in the order of the names: `{}` where
none is there, "" for an image that holds all itself, or where they are not known, as an older
manifest did not list them.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path

from terrabalance.errors import UnreadableImage
from terrabalance.files import is_as_hashed, sha256_of
from terrabalance.rasters.formats import Format, deciding_places, format_in
from terrabalance.rasters.vrt import vrt_sources

_SHA256 = re.compile("[0-9a-f]{64}")


def record_beside(path: Path, kind: Format | None) -> str:
    """Return the record of the files beside an image.

    Args:
        path: of the image.
        kind: its format, as `format_in` tells it.

    Raises:
        UnreadableImage: it is a VRT of more than images beside it.
        BadInput: one is no regular file.
        OSError: the system did not give the bytes of one.
    """
    if kind is None or not kind.needs_gdal:
        return ""
    sums = {file.name: sha256_of(file) for file in _files_beside(path, kind)}
    return json.dumps(sums, ensure_ascii=False)


def listed_beside(record: str) -> dict[str, str]:
    """Return name -> SHA-256 of a record, in the order of the names.

    Raises:
        ValueError: it is no record.
    """
    sums = json.loads(record) if record else {}
    if not (isinstance(sums, dict) and all(map(_is_plain, sums)) and list(sums) == sorted(sums)):
        raise ValueError("not names of files, in their order")
    if not all(isinstance(each, str) and _SHA256.fullmatch(each) for each in sums.values()):
        raise ValueError("not the SHA-256 of each file")
    return sums


def _is_plain(name: str) -> bool:
    return name not in ("", ".", "..") and not set(name) & set("/\0")


def changed_beside(path: Path, record: str) -> Path | None:
    """Return the first file beside an image that is not as recorded, was added, or is gone.

    Args:
        path: of the image, itself as it was.
        record: of the files beside it; "" and all that is there passes.
    """
    if not record:
        return None
    listed = listed_beside(record)
    for name, sha256 in listed.items():
        if not is_as_hashed(path.with_name(name), sha256):
            return path.with_name(name)
    return next((file for file in files_beside(path) if file.name not in listed), None)


def files_beside(path: Path) -> list[Path]:
    """Return the files beside an image that decide its pixels, by their names, as they are now.

    None of an image that cannot be read.

    Raises:
        OSError: the system did not give the bytes of the image.
    """
    try:
        kind = format_in(path)
        return _files_beside(path, kind) if kind is not None and kind.needs_gdal else []
    except UnreadableImage:  # a VRT that is one by its name alone, or a file that is gone
        return []


def _files_beside(path: Path, kind: Format) -> list[Path]:
    files = set(_once(deciding_places(path)))
    if kind.name == "VRT":
        for source in vrt_sources(path):
            files |= {source, *_once(deciding_places(source))}
    return sorted(files - {path}, key=lambda file: file.name)


def _once(places: Iterable[Path]) -> list[Path]:
    """Return the files that are there; one of two names of one file, where case does not count."""
    found: dict[tuple[int, int], Path] = {}
    for place in places:
        try:
            facts = place.stat()
        except OSError:  # nothing is there
            continue
        found.setdefault((facts.st_dev, facts.st_ino), place)
    return list(found.values())
