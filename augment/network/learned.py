"""The images that a finished generator has learned, so that none of them is held out from it.

Of images without labels, which lie in no catalogue of a run, it keeps sketches beside the hashes:
near copies of them are found by these.
"""

from collections.abc import Iterable
from pathlib import Path

from augment.catalogue.hashes import Sketches
from augment.catalogue.sketch_file import read_sketches, write_sketches
from terrabalance.files import copy_file, is_as_hashed, write_text
from terrabalance.finished import done, refuse_damaged

LEARNED = "learned.txt"
SKETCHES = "learned.safetensors"


def write_learned(folder: Path, hashes: Iterable[str], start: Path | None) -> None:
    """List what a generator has learned, also before: what it started from had learned that.

    Nothing is written where it is not known.

    Args:
        folder: of the generator; gets `learned.txt`, with one SHA-256 a line.
        hashes: of the files that it was trained on; none where they are not known.
        start: folder of the generator that it started from; None: from random weights.
    """
    own, before = set(hashes), learned_by(start) if start else frozenset[str]()
    if own and before is not None:
        write_text(folder / LEARNED, "".join(f"{sha256}\n" for sha256 in sorted(own | before)))


def learned_by(folder: Path) -> frozenset[str] | None:
    """Return the SHA-256 of every image that a finished generator has learned.

    None where that is not known: it is of an older version, or started from such a one.

    Raises:
        BadInput: the list is damaged or gone. The weights may be, as nobody needs them here.
    """
    # By the mark, not by the file: a list that was lost is not taken for one that never was.
    sha256 = (done(folder) or {}).get("files", {}).get(LEARNED)
    if sha256 is None:
        return None
    if not is_as_hashed(folder / LEARNED, sha256):
        refuse_damaged(folder, "the generator")
    return as_learned((folder / LEARNED).read_bytes())


def as_learned(listed: bytes) -> frozenset[str]:
    """Return what `learned.txt` lists."""
    return frozenset(listed.decode(errors="replace").split())


def write_learned_sketches(folder: Path, sketches: Sketches | None, start: Path | None) -> None:
    """Keep the sketches of the images without labels that a generator has learned, also before.

    Args:
        folder: of the generator; gets `learned.safetensors`, unless there are no such images.
        sketches: of those that it was trained on; None: none, and those of its start count.
        start: folder of the generator that it started from; None: from random weights.
    """
    if sketches is not None:
        write_sketches(folder / SKETCHES, sketches)
    elif start is not None and (start / SKETCHES).is_file():
        copy_file(start / SKETCHES, folder / SKETCHES)


def sketches_learned_by(folder: Path) -> Sketches | None:
    """Return the sketches of the images without labels that a finished generator has learned.

    None where there are none.

    Raises:
        BadInput: they are damaged or gone.
    """
    sha256 = (done(folder) or {}).get("files", {}).get(SKETCHES)
    if sha256 is None:
        return None
    if not is_as_hashed(folder / SKETCHES, sha256):
        refuse_damaged(folder, "the generator")
    return read_sketches(folder / SKETCHES)
