"""Read one listed file: its row of the manifest, and what the pictures are compared by."""

import hashlib
import json
import os
import stat
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import tifffile
from PIL import UnidentifiedImageError

from augment.catalogue.entries import Entry
from augment.catalogue.hashes import Sketch, sketch_of
from augment.catalogue.look import Look, look_at
from terrabalance.errors import BadInput, UnreadableImage
from terrabalance.files import inside, sha256_of
from terrabalance.manifest import REPAIRED
from terrabalance.marks import SYNTHETIC_KEY, generator_in, read_marks, repaired_from
from terrabalance.rasters.beside import record_beside
from terrabalance.rasters.formats import (
    BEGINNINGS,
    EXTENSIONS,
    LONGEST_BEGINNING,
    Format,
    format_in,
    format_of,
    format_that_begins,
)
from terrabalance.rasters.limits import check_file_size
from terrabalance.rasters.memory import room_for
from terrabalance.rasters.raster import Scaling
from terrabalance.system_errors import pass_on_refusal

_AT_ONCE = 2**24  # bytes; a smaller file is read once, for its checksum and its pixels
_CUT_SHORT = ("truncated", "failed to read")  # in the messages of Pillow and tifffile


@dataclass(frozen=True)
class Scanned:
    """What was read of one file.

    Attributes:
        row: of the manifest.
        look, sketch: None where the file could not be decoded.
        original: SHA-256 of the image that it is a repair of; "" for no repair.
        refused: why this user may not read it, so that nothing is known of it; None: it was read.
    """

    row: dict[str, object]
    look: Look | None = None
    sketch: Sketch | None = None
    original: str = ""
    refused: PermissionError | None = None


def find_file(root: Path, folder_inside: Callable[[str], Path], relative: str) -> Path:
    """Return the path of a file, which leads nowhere else; each folder is looked at once."""
    folder, _, name = relative.rpartition("/")
    path = folder_inside(folder) / name
    return inside(root, relative) if path.is_symlink() else path


def scan_file(find: Callable[[str], Path], entry: Entry, min_side_px: int) -> Scanned:
    """Read one listed file and give it a status, see `augment.catalogue.scan`.

    Args:
        find: returns its path, as `find_file` does.
        entry: that lists it.
        min_side_px: of an image that is used.

    Raises:
        OSError: the disk or the network fails, or the machine's limits are reached: the file may
            be sound, and so may those after it, which would fare alike.
    """
    row: dict[str, object] = {
        "path": entry.path, "class": entry.class_name, "split": entry.split,
        "source": entry.source,
    }  # fmt: skip
    try:
        return _scan_found(find(entry.path), row, min_side_px)
    except PermissionError as error:
        return Scanned({**row, "status": "unreadable"}, refused=error)
    except (BadInput, OSError) as error:
        pass_on_refusal(error, Path(entry.path))
        return Scanned({**row, "status": "unreadable", "detail": str(error)})


def sketch_file(path: Path) -> Sketch:
    """Return what a scan keeps of a picture to find it again.

    Raises:
        UnreadableImage: it cannot be decoded.
    """
    content = path.read_bytes() if path.stat().st_size <= _AT_ONCE else None
    return sketch_of(look_at(path, content).grey)


def _scan_found(path: Path, row: dict[str, object], min_side_px: int) -> Scanned:
    facts = _facts(path)
    if not stat.S_ISREG(facts.st_mode):
        return Scanned({**row, "status": "not an image", "detail": "no regular file"})
    try:
        check_file_size(path, facts.st_size)
        with room_for(path):
            return _scan_content(path, facts.st_size, row, min_side_px)
    except UnreadableImage as error:
        return Scanned({**row, **_why_unreadable(path, error)})
    except OSError as error:
        pass_on_refusal(error, path)  # with the name, which an open file's error lacks
        raise


def _scan_content(path: Path, n_bytes: int, row: dict[str, object], min_side_px: int) -> Scanned:
    content = path.read_bytes() if n_bytes <= _AT_ONCE else None
    row["bytes"], row["sha256"] = n_bytes, _checksum(path, content)
    if n_bytes == 0:
        return Scanned({**row, "status": "empty"})
    if path.suffix.lower() not in EXTENSIONS:
        kinds = ", ".join(sorted(EXTENSIONS))
        return Scanned({**row, "status": "not an image", "detail": f"not one of {kinds}"})
    return _scan_pixels(path, content, row, min_side_px)


def _facts(path: Path) -> os.stat_result:
    """Return what the system says of a file; of a link to nothing or to itself, of the link."""
    try:
        return path.stat()
    except OSError as error:
        pass_on_refusal(error, path)
        return path.lstat()


def _checksum(path: Path, content: bytes | None) -> str:
    return sha256_of(path) if content is None else hashlib.sha256(content).hexdigest()


def _scan_pixels(
    path: Path, content: bytes | None, row: dict[str, object], min_side_px: int
) -> Scanned:
    look = look_at(path, content)
    marks = read_marks(path)
    if row["source"] == "real" and marks.get(SYNTHETIC_KEY) == "true":
        return Scanned({**row, "status": "synthetic", "detail": "its metadata names its generator"})
    sketch = sketch_of(look.grey)
    facts = {
        "width_px": look.width_px, "height_px": look.height_px, "bands": look.bands,
        "mode": look.mode, "invalid": look.invalid, "scaling": _text(look.scaling),
        "beside": record_beside(path, _format(path, content)), "phash": sketch.phash,
        "generator": generator_in(marks),
    }  # fmt: skip
    original = repaired_from(marks)
    if original is not None:
        facts["detail"] = REPAIRED
    filled = {**row, **facts, **_fitness(row, look.width_px, look.height_px, min_side_px)}
    return Scanned(filled, look, sketch, original or "")


def _format(path: Path, content: bytes | None) -> Format | None:
    if content is None:
        return format_in(path)
    return format_that_begins(content[:LONGEST_BEGINNING]) or format_of(path)


def _text(scaling: Scaling | None) -> str:
    return "" if scaling is None else json.dumps(asdict(scaling))


def _fitness(row: dict[str, object], width: int, height: int, min_side_px: int) -> dict[str, str]:
    if not row["class"]:
        return {"status": "no class", "detail": "lies in no class folder"}
    if min(width, height) < min_side_px:
        sides = f"{width} x {height} px, the shortest side used is {min_side_px} px"
        return {"status": "too small", "detail": sides}
    return {"status": "ok"}


def _why_unreadable(path: Path, error: UnreadableImage) -> dict[str, str]:
    """Return status and detail of a file that cannot be decoded: no image, truncated, damaged."""
    cause = error.__cause__ or error
    unidentified = isinstance(cause, UnidentifiedImageError | tifffile.TiffFileError)
    with path.open("rb") as file:
        beginning = file.read(8)
    begins_like_one = beginning.startswith(BEGINNINGS)
    if unidentified and not begins_like_one:
        return {"status": "not an image", "detail": "its content is no image"}
    message = "" if unidentified else str(cause)
    if isinstance(cause, MemoryError):
        # The finished catalogue is found again as long as no file's size or time has changed.
        message = f"{error} After freeing some, `touch` it, so that the next scan reads it again."
    cut = any(words in message for words in _CUT_SHORT) or _is_short_webp(path, beginning)
    return {"status": "truncated" if cut else "unreadable", "detail": message or "damaged header"}


def _is_short_webp(path: Path, beginning: bytes) -> bool:
    """Return whether a RIFF file has fewer bytes than its header states; decoders do not check."""
    promised = 8 + int.from_bytes(beginning[4:8], "little")
    return beginning.startswith(b"RIFF") and path.stat().st_size < promised
