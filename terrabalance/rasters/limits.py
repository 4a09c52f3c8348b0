"""How large an image may be: one limit of pixels and one of bytes, held before anything is decoded.

A file says in a few bytes how large its image is, and every reader believes it. So the size that a
header claims is compared with what a patch can be, and with the bytes that the file has for it.
"""

import os
import stat
from pathlib import Path

from PIL import Image

from terrabalance.errors import UnreadableImage
from terrabalance.rasters.memory import claim_memory
from terrabalance.system_errors import pass_on_refusal

MOST_PIXELS = 2**27  # of one band: 11,500 x 11,500, a whole picture of a survey camera
MOST_BYTES = 2**30  # of all decoded values; also of a file
# Sparse blocks and plain colours shrink without bound, so a small image is never doubted. Of a
# larger one, deflate makes at most 1,032 bytes of one, and JPEG fewer.
_UNDOUBTED = 2**25
_MOST_FOLD = 1100
_MOST_SCANS = 256  # of a JPEG; each of them goes over all of the picture
_CUT = "Cut it into patches."

# Pillow refuses above twice its own limit, wherever it opens a file; below it only warns.
Image.MAX_IMAGE_PIXELS = MOST_PIXELS // 2


def check_file(path: Path) -> None:
    """Refuse what is no regular file, which might never end, and a file that is too large.

    Raises:
        UnreadableImage: it is gone, or its name leads nowhere.
        OSError: as of `pass_on_refusal`.
    """
    try:
        facts = path.stat()
    except OSError as error:
        pass_on_refusal(error, path)
        raise UnreadableImage(f"{path}: {error.strerror}") from error
    if not stat.S_ISREG(facts.st_mode):
        raise UnreadableImage(f"{path}: no regular file")
    check_file_size(path, facts.st_size)


def check_file_size(path: Path, n_bytes: int) -> None:
    """Refuse a file of more than `MOST_BYTES`.

    Raises:
        UnreadableImage: it says both sizes.
    """
    if n_bytes > MOST_BYTES:
        raise UnreadableImage(
            f"{path}: a file of {_in_mib(n_bytes)}; at most {_in_mib(MOST_BYTES)} are read. {_CUT}"
        )


def check_claim(path: Path, n_pixels: int, n_bytes: int, file_bytes: int | None = None) -> None:
    """Refuse an image by the size that its header claims; claim memory for what is left.

    Args:
        path: of the image.
        n_pixels: of one band.
        n_bytes: of the decoded values of all bands, with the padding of its blocks.
        file_bytes: that hold the image; None: the size of the file.

    Raises:
        UnreadableImage: too many pixels or bytes, or far more than the file can hold.
    """
    if n_pixels > MOST_PIXELS:
        raise UnreadableImage(
            f"{path}: it claims {n_pixels:,} pixels; at most {MOST_PIXELS:,} are read. {_CUT}"
        )
    if n_bytes > MOST_BYTES:
        raise UnreadableImage(
            f"{path}: it claims {_in_mib(n_bytes)} of values; at most {_in_mib(MOST_BYTES)} are "
            f"read. {_CUT}"
        )
    if n_bytes > _UNDOUBTED:
        held = os.path.getsize(path) if file_bytes is None else file_bytes  # noqa: PTH202
        if n_bytes > _MOST_FOLD * held:
            raise UnreadableImage(
                f"{path}: it claims {_in_mib(n_bytes)} of values and has {held:,} bytes; above "
                f"{_in_mib(_UNDOUBTED)} at most {_MOST_FOLD:,} bytes for each are read. {_CUT}"
            )
    claim_memory(2 * n_bytes + n_bytes // 2)


def check_scans(data: bytes) -> None:
    """Refuse a progressive JPEG of very many scans, which takes hours in a few megabytes.

    Raises:
        ValueError: it says how many are read.
    """
    if (n_scans := data.count(b"\xff\xda")) > _MOST_SCANS:
        raise ValueError(f"a JPEG of {n_scans:,} scans; at most {_MOST_SCANS} are read. Save anew")


def too_many_pixels(path: Path, error: Image.DecompressionBombError) -> UnreadableImage:
    """Say what Pillow says of too many pixels, as `check_claim` says it."""
    found = "".join(c for c in str(error).partition("pixels")[0] if c.isdigit())
    return UnreadableImage(
        f"{path}: it claims {int(found or 0):,} pixels; at most {MOST_PIXELS:,} are read. {_CUT}"
    )


def _in_mib(n_bytes: int) -> str:
    return f"{n_bytes / 2**20:,.0f} MiB"
