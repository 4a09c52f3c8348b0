"""Read every listed file and give it a status.

Nothing is deleted and no file stops the scan. The status is one of

    ok
    not an image      another extension, or content that is no image
    empty             no bytes
    truncated         an image whose end is missing
    unreadable        an image that is damaged, or of a kind that is not read
    too small         a side below `ScanConfig.min_side_px`
    no data           more than `ScanConfig.max_invalid` of it holds no data
    other bands       one of a few files whose bands or depth are not those of the others
    no class          it lies beside the class folders
    synthetic         listed as real, and its metadata names the generator that made it
    duplicate         the same pixels as another file of its class, which is kept
    label conflict    the same pixels as a file of another class; all copies are left out
    near label conflict   nearly the same picture as one of another class, as it is or turned; all
                      such are left out

and, where a given split would otherwise leak (`augment.catalogue.split`), `leaks into val` or
`leaks into test`.
"""

import hashlib
import json
import logging
import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache, partial
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
from PIL import UnidentifiedImageError

from augment.catalogue.bands import leave_out_gaps, leave_out_odd, settle_alpha, tell_scalings
from augment.catalogue.config import ScanConfig
from augment.catalogue.duplicates import mark_duplicates
from augment.catalogue.entries import Entry, Source
from augment.catalogue.groups import find_alike, group_images, named_groups
from augment.catalogue.hashes import Sketch, Sketches, sketch_of
from augment.catalogue.look import Look, compared, look_at
from augment.catalogue.pictures import values_hash
from augment.catalogue.places import find_places
from terrabalance.errors import BadInput, UnreadableImage
from terrabalance.files import inside, sha256_of
from terrabalance.manifest import REPAIRED, Manifest, frame_of, join_frames
from terrabalance.marks import is_marked_synthetic, repaired_from
from terrabalance.progress import Progress, silent
from terrabalance.rasters.decode import decode
from terrabalance.rasters.formats import BEGINNINGS, EXTENSIONS
from terrabalance.rasters.limits import check_file_size
from terrabalance.rasters.memory import room_for
from terrabalance.rasters.raster import Footprint, Scaling, holds_bytes

_log = logging.getLogger(__name__)

_THREADS = min(8, os.cpu_count() or 1)
_ROWS_A_FRAME = 2**15  # a row takes a kilobyte as a dict, and a fifth of it in a frame
_FILES_A_TASK = 8  # handing over one by one takes a tenth of the time of a small JPEG
_AT_ONCE = 2**24  # bytes; a smaller file is read once, for its checksum and its pixels
_ALIKE_BITS = 4  # in which the hashes of one picture in two formats may differ
_FAINT = 16  # of 255 levels between the darkest and the brightest part of a picture
_CUT_SHORT = ("truncated", "failed to read")  # in the messages of Pillow and tifffile


@dataclass(frozen=True)
class _Scanned:
    """What was read of one file.

    Attributes:
        row: of the manifest.
        look, sketch: None where the file could not be decoded.
        original: SHA-256 of the image that it is a repair of; "" for no repair.
    """

    row: dict[str, object]
    look: Look | None = None
    sketch: Sketch | None = None
    original: str = ""


def scan(source: Source, config: ScanConfig, on_progress: Progress = silent) -> Manifest:
    """Decode every file with a few threads and find duplicates.

    Returns:
        One row a file, in the order of the source.
    """
    n_files = len(source.entries)
    rows: list[dict[str, object]] = []
    frames, originals, alpha = [], [], [""] * n_files
    invalid_as_band = np.zeros(n_files)
    sketches = Sketches.room_for(n_files)
    footprints: list[Footprint | None] = [None] * n_files
    names = named_groups(source.entries, config.group_by)
    find = partial(_find, source.root, cache(partial(inside, source.root)))
    files = _in_order(lambda e: _scan_file(find, e, config.min_side_px), source.entries)
    for index, found in enumerate(files):
        rows.append(found.row)
        originals.append(found.original)
        if found.look is not None and found.sketch is not None:
            alpha[index] = found.look.alpha
            invalid_as_band[index] = found.look.invalid_as_band
            footprints[index] = found.look.footprint
            sketches.put(index, found.sketch)
        if len(rows) == _ROWS_A_FRAME or index + 1 == n_files:
            frames.append(frame_of(rows))
            rows.clear()
        on_progress(index + 1, n_files, "scanning")
    frame = settle_alpha(
        join_frames(frames or [frame_of([])]), alpha, invalid_as_band, config.alpha
    )
    frame = leave_out_odd(leave_out_gaps(frame, config.max_invalid), config.odd_share)
    tell_scalings(frame)
    alike = find_alike(frame, sketches, max(config.near_duplicate_bits, _ALIKE_BITS))
    hashes, lost = _value_hashes(source.root, frame, sketches, alike)
    for place, detail in lost.items():
        frame.loc[place, ["status", "detail"]] = "unreadable", detail
    frame = mark_duplicates(frame, hashes)
    if config.near_duplicate_bits < _ALIKE_BITS:
        alike = find_alike(frame, sketches, config.near_duplicate_bits)
    frame = group_images(frame, alike, originals, names)
    frame = find_places(frame, footprints, config.place_distance)
    left_out = int((frame["status"] != "ok").sum())
    given = source.given or source.root
    _log.info("%s: %d files, %d of them left out", given, len(frame), left_out)
    return Manifest(source.root, frame)


def _in_order(
    scan_file: Callable[[Entry], _Scanned], entries: Iterable[Entry]
) -> Iterator[_Scanned]:
    """Map with threads, a few files at a time, with a bounded number in flight."""
    waiting: deque[Future[list[_Scanned]]] = deque()
    left = iter(entries)
    with ThreadPoolExecutor(_THREADS) as pool:
        while some := list(islice(left, _FILES_A_TASK)):
            waiting.append(pool.submit(lambda part: list(map(scan_file, part)), some))
            if len(waiting) >= 2 * _THREADS:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def _find(root: Path, folder_inside: Callable[[str], Path], relative: str) -> Path:
    """Return the path of a file, which leads nowhere else; each folder is looked at once."""
    folder, _, name = relative.rpartition("/")
    path = folder_inside(folder) / name
    return inside(root, relative) if path.is_symlink() else path


def _scan_file(find: Callable[[str], Path], entry: Entry, min_side_px: int) -> _Scanned:
    row: dict[str, object] = {
        "path": entry.path, "class": entry.class_name, "split": entry.split,
        "source": entry.source,
    }  # fmt: skip
    try:
        path = find(entry.path)
        facts = _facts(path)
        if not stat.S_ISREG(facts.st_mode):
            return _Scanned({**row, "status": "not an image", "detail": "no regular file"})
        check_file_size(path, facts.st_size)
        with room_for(path):
            return _scan_content(path, facts.st_size, row, min_side_px)
    except (BadInput, OSError) as error:
        return _Scanned({**row, "status": "unreadable", "detail": str(error)})
    except UnreadableImage as error:
        return _Scanned({**row, **_why_unreadable(path, error)})


def _scan_content(path: Path, n_bytes: int, row: dict[str, object], min_side_px: int) -> _Scanned:
    content = path.read_bytes() if n_bytes <= _AT_ONCE else None
    row["bytes"], row["sha256"] = n_bytes, _checksum(path, content)
    if n_bytes == 0:
        return _Scanned({**row, "status": "empty"})
    if path.suffix.lower() not in EXTENSIONS:
        kinds = ", ".join(sorted(EXTENSIONS))
        return _Scanned({**row, "status": "not an image", "detail": f"not one of {kinds}"})
    return _scan_pixels(path, content, row, min_side_px)


def _facts(path: Path) -> os.stat_result:
    """Return what the system says of a file; of a link to nothing or to itself, of the link."""
    try:
        return path.stat()
    except OSError:
        return path.lstat()


def _checksum(path: Path, content: bytes | None) -> str:
    return sha256_of(path) if content is None else hashlib.sha256(content).hexdigest()


def _scan_pixels(
    path: Path, content: bytes | None, row: dict[str, object], min_side_px: int
) -> _Scanned:
    look = look_at(path, content)
    if row["source"] == "real" and is_marked_synthetic(path):
        return _Scanned(
            {**row, "status": "synthetic", "detail": "its metadata names its generator"}
        )
    sketch = sketch_of(look.grey)
    facts = {
        "width_px": look.width_px, "height_px": look.height_px, "bands": look.bands,
        "mode": look.mode, "invalid": look.invalid, "scaling": _text(look.scaling),
        "phash": sketch.phash,
    }  # fmt: skip
    original = repaired_from(path)
    if original is not None:
        facts["detail"] = REPAIRED
    filled = {**row, **facts, **_fitness(row, look.width_px, look.height_px, min_side_px)}
    return _Scanned(filled, look, sketch, original or "")


def _text(scaling: Scaling | None) -> str:
    return "" if scaling is None else json.dumps(asdict(scaling))


def _value_hashes(
    root: Path, frame: pd.DataFrame, sketches: Sketches, alike: np.ndarray
) -> tuple[list[str], dict[int, str]]:
    """Return a hash of the values of each image that may be a copy, which alone are decoded.

    Of the others, something that no other has. Also which can be read no more, and why.
    """
    places = np.flatnonzero((alike >= 0) | _are_faint(frame, sketches)).tolist()
    hashes = [str(place) for place in range(len(frame))]
    lost: dict[int, str] = {}
    with ThreadPoolExecutor(_THREADS) as pool:
        found = pool.map(lambda place: _value_hash(root / frame["path"].iat[place]), places)
        for place, value_hash in zip(places, found, strict=True):
            if isinstance(value_hash, UnreadableImage):
                lost[place] = str(value_hash)
            else:
                hashes[place] = value_hash
    return hashes, lost


def _are_faint(frame: pd.DataFrame, sketches: Sketches) -> np.ndarray:
    """Return which images, (N,) bool, show so little that a copy in another format looks unlike.

    A JPEG is looked at in another way than other formats, whose rounding differs.
    """
    usable = frame["status"] == "ok"
    jpeg = frame["path"].str.lower().str.endswith((".jpg", ".jpeg"))
    if not ((jpeg & usable).any() and (usable & ~jpeg).any()):
        return np.zeros(len(frame), bool)
    faint = np.ptp(sketches.ranges, axis=1) < _FAINT
    return np.asarray(usable & frame["mode"].map(holds_bytes)) & faint


def _value_hash(path: Path) -> str | UnreadableImage:
    try:
        with room_for(path):
            return values_hash(compared(decode(path)).pixels)
    except UnreadableImage as error:  # since it was looked at it has changed, or memory ran out
        return error


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
    message = "" if unidentified else str(error if isinstance(cause, MemoryError) else cause)
    cut = any(words in message for words in _CUT_SHORT) or _is_short_webp(path, beginning)
    return {"status": "truncated" if cut else "unreadable", "detail": message or "damaged header"}


def _is_short_webp(path: Path, beginning: bytes) -> bool:
    """Return whether a RIFF file has fewer bytes than its header states; decoders do not check."""
    promised = 8 + int.from_bytes(beginning[4:8], "little")
    return beginning.startswith(b"RIFF") and path.stat().st_size < promised
