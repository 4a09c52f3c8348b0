"""Read every listed file and give it a status.

Nothing is deleted, and nothing that a file holds stops the scan. What the system does not let be
read does: the file may be sound, and a finished catalogue without it would be found again when it
can be read. The status is one of

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
`leaks into test`; of images that a base is to learn beside those of a run also `leaks into oracle`
(`augment.catalogue.unlabelled`).
"""

import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache, partial
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from augment.catalogue.bands import leave_out_gaps, leave_out_odd, settle_alpha, tell_scalings
from augment.catalogue.config import ScanConfig
from augment.catalogue.duplicates import mark_duplicates
from augment.catalogue.entries import Entry, Source
from augment.catalogue.groups import find_alike, group_images, named_groups
from augment.catalogue.hashes import Sketches
from augment.catalogue.look import compared
from augment.catalogue.pictures import values_hash
from augment.catalogue.places import find_places
from augment.catalogue.scan_file import Scanned, find_file, scan_file
from terrabalance.errors import SystemRefused, UnreadableImage
from terrabalance.files import inside
from terrabalance.manifest import Manifest, frame_of, join_frames
from terrabalance.progress import Progress, silent
from terrabalance.rasters.decode import decode
from terrabalance.rasters.memory import room_for
from terrabalance.rasters.raster import Footprint, holds_bytes
from terrabalance.wording import in_short

_log = logging.getLogger(__name__)

_THREADS = min(8, os.cpu_count() or 1)
_ROWS_A_FRAME = 2**15  # a row takes a kilobyte as a dict, and a fifth of it in a frame
_FILES_A_TASK = 8  # handing over one by one takes a tenth of the time of a small JPEG
_ALIKE_BITS = 4  # in which the hashes of one picture in two formats may differ
_NAMED = 3  # files that may not be read, in the error
_FAINT = 16  # of 255 levels between the darkest and the brightest part of a picture


def scan(source: Source, config: ScanConfig, on_progress: Progress = silent) -> Manifest:
    """Decode every file with a few threads and find duplicates.

    Returns:
        One row a file, in the order of the source.

    Raises:
        SystemRefused, OSError: as of `scan_with_sketches`.
    """
    return scan_with_sketches(source, config, on_progress)[0]


def scan_with_sketches(
    source: Source, config: ScanConfig, on_progress: Progress = silent
) -> tuple[Manifest, Sketches]:
    """Scan, and also return what the pictures were compared by.

    Returns:
        One row a file, in the order of the source; and the sketch of each row, zero where the file
        could not be decoded.

    Raises:
        SystemRefused: this user may not read some files, which are counted; all are looked at
            before, so that they can be mended at once.
        OSError: the disk or the network fails, see `scan_file`.
    """
    n_files = len(source.entries)
    rows: list[dict[str, object]] = []
    frames, originals, alpha = [], [], [""] * n_files
    invalid_as_band = np.zeros(n_files)
    sketches = Sketches.room_for(n_files)
    footprints: list[Footprint | None] = [None] * n_files
    names = named_groups(source.entries, config.group_by)
    find = partial(find_file, source.root, cache(partial(inside, source.root)))
    files = _in_order(lambda e: scan_file(find, e, config.min_side_px), source.entries)
    refused: list[PermissionError] = []
    for index, found in enumerate(files):
        rows.append(found.row)
        if found.refused is not None:
            refused.append(found.refused.with_traceback(None))  # which would keep a file's frames
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
    _end_where_refused(source, refused)
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
    return Manifest(source.root, frame), sketches


def _end_where_refused(source: Source, refused: list[PermissionError]) -> None:
    if not refused:
        return
    named = in_short([str(error.filename) for error in refused], _NAMED)
    raise SystemRefused(
        f"{source.root}: no permission to read {len(refused)} of {len(source.entries)} files: "
        f"{named}. Let this user read them (their owner: `chmod u+r FILE`), or leave them "
        "out of the data, and give the command again."
    ) from refused[0]


def _in_order(scan_file: Callable[[Entry], Scanned], entries: Iterable[Entry]) -> Iterator[Scanned]:
    """Map with threads, a few files at a time, with a bounded number in flight."""
    waiting: deque[Future[list[Scanned]]] = deque()
    left = iter(entries)
    with ThreadPoolExecutor(_THREADS) as pool:
        while some := list(islice(left, _FILES_A_TASK)):
            waiting.append(pool.submit(lambda part: list(map(scan_file, part)), some))
            if len(waiting) >= 2 * _THREADS:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


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
