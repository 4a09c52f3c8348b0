"""Look at every listed file: what it is, and why it cannot be used where it cannot.

Nothing is deleted and nothing is fatal. A file's status is one of

    ok
    not an image      another extension, or content that is no image
    empty             no bytes
    truncated         an image whose end is missing
    unreadable        an image that is damaged, or of a kind that has no defined range
    too small         a side below `ScanConfig.min_side_px`
    no class          it lies beside the class folders
    synthetic         a generator made it, as its metadata says, and it is listed as real
    duplicate         the same pixels as another file of its class, which is kept
    label conflict    the same pixels as a file of another class; all copies are left out

and, where a given split would otherwise leak (`augment.catalogue.split`), `leaks into val` or
`leaks into test`.
"""

import hashlib
import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import imagehash
import numpy as np
import tifffile
from PIL import Image, UnidentifiedImageError

from augment.catalogue.duplicates import THUMBNAIL_PX, group_near_duplicates, mark_duplicates
from augment.catalogue.entries import Entry, Source
from augment.config import ScanConfig
from terrabalance.errors import BadInput, UnreadableImage
from terrabalance.files import inside, sha256_of
from terrabalance.images import EXTENSIONS, decode, to_pil, to_rgb
from terrabalance.manifest import REPAIRED, Manifest, frame_of
from terrabalance.marks import is_marked_synthetic, repaired_from
from terrabalance.progress import Progress, silent

_log = logging.getLogger(__name__)

_THREADS = min(8, os.cpu_count() or 1)
_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_CUT_SHORT = ("truncated", "failed to read")  # as Pillow and tifffile say it


@dataclass(frozen=True)
class _Look:
    """A manifest row, and where it could be decoded its thumbnail and the hash of its pixels.

    The thumbnail is grey, (16, 16) uint8; `original` is the SHA-256 of what it is a repair of.
    """

    row: dict[str, object]
    thumbnail: np.ndarray | None = None
    picture: str = ""
    original: str = ""


def scan(source: Source, config: ScanConfig, on_progress: Progress = silent) -> Manifest:
    """Decode every file with a few threads, find duplicates; one row a file, in their order."""
    rows: list[dict[str, object]] = []
    pictures: list[str] = []
    originals: list[str] = []
    thumbnails = np.zeros((len(source.entries), THUMBNAIL_PX, THUMBNAIL_PX), np.uint8)
    looks = _in_order(lambda e: _look(source.root, e, config.min_side_px), source.entries)
    for index, look in enumerate(looks):
        rows.append(look.row)
        pictures.append(look.picture)
        originals.append(look.original)
        if look.thumbnail is not None:
            thumbnails[index] = look.thumbnail
        on_progress(index + 1, len(source.entries), "scanning")
    frame = mark_duplicates(frame_of(rows), pictures)
    frame = group_near_duplicates(frame, thumbnails, config.near_duplicate_bits, originals)
    left_out = int((frame["status"] != "ok").sum())
    _log.info("%s: %d files, %d of them left out", source.root, len(frame), left_out)
    return Manifest(source.root, frame)


def _in_order(look: Callable[[Entry], _Look], entries: Iterable[Entry]) -> Iterator[_Look]:
    """Map with threads, with a bounded number of files in flight."""
    waiting: deque[Future[_Look]] = deque()
    with ThreadPoolExecutor(_THREADS) as pool:
        for entry in entries:
            waiting.append(pool.submit(look, entry))
            if len(waiting) >= 8 * _THREADS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _look(root: Path, entry: Entry, min_side_px: int) -> _Look:
    row: dict[str, object] = {
        "path": entry.path, "class": entry.class_name, "split": entry.split,
        "source": entry.source,
    }  # fmt: skip
    try:
        path = inside(root, entry.path)
        row["bytes"], row["sha256"] = path.stat().st_size, sha256_of(path)
        if row["bytes"] == 0:
            return _Look({**row, "status": "empty"})
        if path.suffix.lower() not in EXTENSIONS:
            kinds = ", ".join(sorted(EXTENSIONS))
            return _Look({**row, "status": "not an image", "detail": f"not one of {kinds}"})
        return _look_at_pixels(path, row, min_side_px)
    except (BadInput, OSError) as error:
        return _Look({**row, "status": "unreadable", "detail": str(error)})
    except UnreadableImage as error:
        return _Look({**row, **_why_unreadable(path, error)})


def _look_at_pixels(path: Path, row: dict[str, object], min_side_px: int) -> _Look:
    decoded = decode(path)
    if row["source"] == "real" and is_marked_synthetic(path):
        return _Look({**row, "status": "synthetic", "detail": "its metadata names its generator"})
    bands, height, width = decoded.pixels.shape
    image = to_pil(to_rgb(decoded))
    grey = image.convert("L").resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BOX)
    facts = {
        "width_px": width, "height_px": height, "bands": bands, "mode": decoded.mode,
        "phash": str(imagehash.phash(image)),
    }  # fmt: skip
    original = repaired_from(path)
    if original is not None:
        facts["detail"] = REPAIRED
    filled = {**row, **facts, **_fitness(row, width, height, min_side_px)}
    return _Look(filled, np.asarray(grey), _picture(decoded.pixels), original or "")


def _picture(pixels: np.ndarray) -> str:
    content = hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=16)
    return f"{pixels.dtype}{pixels.shape}{content.hexdigest()}"


def _fitness(row: dict[str, object], width: int, height: int, min_side_px: int) -> dict[str, str]:
    if not row["class"]:
        return {"status": "no class", "detail": "lies in no class folder"}
    if min(width, height) < min_side_px:
        sides = f"{width} x {height} px, the shortest side used is {min_side_px} px"
        return {"status": "too small", "detail": sides}
    return {"status": "ok"}


def _why_unreadable(path: Path, error: UnreadableImage) -> dict[str, str]:
    """Tell files that are no images from images that are cut short or damaged."""
    cause = error.__cause__ or error
    unidentified = isinstance(cause, UnidentifiedImageError | tifffile.TiffFileError)
    with path.open("rb") as file:
        beginning = file.read(8)
    begins_like_one = beginning.startswith(_BEGINNINGS)
    if unidentified and not begins_like_one:
        return {"status": "not an image", "detail": "its content is no image"}
    said = "" if unidentified else str(cause)
    cut = any(words in said for words in _CUT_SHORT) or _is_short_webp(path, beginning)
    return {"status": "truncated" if cut else "unreadable", "detail": said or "damaged header"}


def _is_short_webp(path: Path, beginning: bytes) -> bool:
    """Say whether a RIFF file has fewer bytes than it promises; its decoder does not tell."""
    promised = 8 + int.from_bytes(beginning[4:8], "little")
    return beginning.startswith(b"RIFF") and path.stat().st_size < promised
