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

and, where a given split would otherwise leak (`augment.catalogue.split`), `leaks into val` or
`leaks into test`.
"""

import json
import logging
import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import imagehash
import numpy as np
import pandas as pd
import tifffile
from PIL import Image, UnidentifiedImageError

from augment.catalogue.bands import leave_out_gaps, leave_out_odd, settle_alpha
from augment.catalogue.duplicates import THUMBNAIL_PX, group_near_duplicates, mark_duplicates
from augment.catalogue.entries import Entry, Source
from augment.catalogue.pictures import grey_picture, values_hash
from augment.config import ScanConfig
from terrabalance.errors import BadInput, UnreadableImage
from terrabalance.files import inside, sha256_of
from terrabalance.manifest import REPAIRED, Manifest, frame_of
from terrabalance.marks import is_marked_synthetic, repaired_from
from terrabalance.progress import Progress, silent
from terrabalance.rasters.decode import decode
from terrabalance.rasters.formats import BEGINNINGS, EXTENSIONS
from terrabalance.rasters.raster import Raster

_log = logging.getLogger(__name__)

_THREADS = min(8, os.cpu_count() or 1)
_CUT_SHORT = ("truncated", "failed to read")  # in the messages of Pillow and tifffile


@dataclass(frozen=True)
class _Scanned:
    """What was read of one file.

    Attributes:
        row: of the manifest.
        thumbnail: (16, 16) uint8, grey; None where the file could not be decoded.
        original: SHA-256 of the image that it is a repair of; "" for no repair.
        alpha: what its alpha band is by its content, `mask` or `data`; "" for none.
        invalid_as_band: share of its samples without data, where alpha is a band.
    """

    row: dict[str, object]
    thumbnail: np.ndarray | None = None
    original: str = ""
    alpha: str = ""
    invalid_as_band: float = 0.0


def scan(source: Source, config: ScanConfig, on_progress: Progress = silent) -> Manifest:
    """Decode every file with a few threads and find duplicates.

    Returns:
        One row a file, in the order of the source.
    """
    found: list[_Scanned] = []
    thumbnails = np.zeros((len(source.entries), THUMBNAIL_PX, THUMBNAIL_PX), np.uint8)
    files = _in_order(lambda e: _scan_file(source.root, e, config.min_side_px), source.entries)
    for index, each in enumerate(files):
        if each.thumbnail is not None:
            thumbnails[index] = each.thumbnail
        found.append(replace(each, thumbnail=None))
        on_progress(index + 1, len(source.entries), "scanning")
    frame = frame_of([each.row for each in found])
    invalid = [each.invalid_as_band for each in found]
    frame = settle_alpha(frame, [each.alpha for each in found], invalid, config.alpha)
    frame = leave_out_odd(leave_out_gaps(frame, config.max_invalid), config.odd_share)
    frame = mark_duplicates(frame, _value_hashes(source.root, frame, thumbnails))
    originals = [each.original for each in found]
    frame = group_near_duplicates(frame, thumbnails, config.near_duplicate_bits, originals)
    left_out = int((frame["status"] != "ok").sum())
    _log.info("%s: %d files, %d of them left out", source.root, len(frame), left_out)
    return Manifest(source.root, frame)


def _in_order(
    scan_file: Callable[[Entry], _Scanned], entries: Iterable[Entry]
) -> Iterator[_Scanned]:
    """Map with threads, with a bounded number of files in flight."""
    waiting: deque[Future[_Scanned]] = deque()
    with ThreadPoolExecutor(_THREADS) as pool:
        for entry in entries:
            waiting.append(pool.submit(scan_file, entry))
            if len(waiting) >= 8 * _THREADS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _scan_file(root: Path, entry: Entry, min_side_px: int) -> _Scanned:
    row: dict[str, object] = {
        "path": entry.path, "class": entry.class_name, "split": entry.split,
        "source": entry.source,
    }  # fmt: skip
    try:
        path = inside(root, entry.path)
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            return _Scanned({**row, "status": "not an image", "detail": "no regular file"})
        row["bytes"], row["sha256"] = facts.st_size, sha256_of(path)
        if row["bytes"] == 0:
            return _Scanned({**row, "status": "empty"})
        if path.suffix.lower() not in EXTENSIONS:
            kinds = ", ".join(sorted(EXTENSIONS))
            return _Scanned({**row, "status": "not an image", "detail": f"not one of {kinds}"})
        return _scan_pixels(path, row, min_side_px)
    except (BadInput, OSError) as error:
        return _Scanned({**row, "status": "unreadable", "detail": str(error)})
    except UnreadableImage as error:
        return _Scanned({**row, **_why_unreadable(path, error)})


def _scan_pixels(path: Path, row: dict[str, object], min_side_px: int) -> _Scanned:
    raster = decode(path)
    if row["source"] == "real" and is_marked_synthetic(path):
        return _Scanned(
            {**row, "status": "synthetic", "detail": "its metadata names its generator"}
        )
    alpha = "" if raster.alpha is None else "mask" if raster.has_mask_as_alpha else "data"
    masked = raster.without_alpha()
    bands, height, width = masked.pixels.shape
    grey = Image.fromarray(grey_picture(_compared(raster)).round().astype(np.uint8))
    facts = {
        "width_px": width, "height_px": height, "bands": bands, "mode": raster.mode,
        "invalid": masked.invalid_share, "scaling": _scaling_text(raster),
        "phash": str(imagehash.phash(grey)),
    }  # fmt: skip
    original = repaired_from(path)
    if original is not None:
        facts["detail"] = REPAIRED
    filled = {**row, **facts, **_fitness(row, width, height, min_side_px)}
    thumbnail = np.asarray(grey.reduce(grey.width // THUMBNAIL_PX))
    return _Scanned(filled, thumbnail, original or "", alpha, raster.invalid_share)


def _value_hashes(root: Path, frame: pd.DataFrame, thumbnails: np.ndarray) -> list[str]:
    """Return a hash of each image's values, of images without a twin in small their row instead.

    Images of the same values have the same thumbnail, so few are decoded again.
    """
    small = [picture.tobytes() for picture in thumbnails]
    usable = frame.assign(small=small, place=range(len(frame)))[frame["status"] == "ok"]
    places = usable["place"][usable.duplicated("small", keep=False)].tolist()
    hashes = [str(place) for place in range(len(frame))]
    with ThreadPoolExecutor(_THREADS) as pool:
        found = pool.map(lambda place: _value_hash(root / frame["path"].iat[place]), places)
        for place, value_hash in zip(places, found, strict=True):
            hashes[place] = value_hash
    return hashes


def _value_hash(path: Path) -> str:
    return values_hash(_compared(decode(path)).pixels)


def _compared(raster: Raster) -> Raster:
    """Return what two images are compared by: a mask as alpha is no part of the picture."""
    return raster.without_alpha() if raster.has_mask_as_alpha else raster


def _scaling_text(raster: Raster) -> str:
    return "" if raster.scaling is None else json.dumps(asdict(raster.scaling))


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
    cut = any(words in message for words in _CUT_SHORT) or _is_short_webp(path, beginning)
    return {"status": "truncated" if cut else "unreadable", "detail": message or "damaged header"}


def _is_short_webp(path: Path, beginning: bytes) -> bool:
    """Return whether a RIFF file has fewer bytes than its header states; decoders do not check."""
    promised = 8 + int.from_bytes(beginning[4:8], "little")
    return beginning.startswith(b"RIFF") and path.stat().st_size < promised
