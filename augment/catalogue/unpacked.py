"""Whether an unpacked archive is still what the archive gives."""

import filecmp
import hashlib
import logging
import os
import shutil
from pathlib import Path
from uuid import uuid4

from augment.catalogue.folders import visible_files
from terrabalance.errors import BadInput
from terrabalance.files import read_json, write_json

_log = logging.getLogger(__name__)


def is_as_unpacked(folder: Path) -> bool:
    """Return whether a folder has the files that `note_files` noted, by names, sizes and times."""
    if not (folder.is_dir() and _note_of(folder).is_file()):
        return False
    try:
        return bool(read_json(_note_of(folder)) == _facts(folder))
    except BadInput:  # the note is damaged, and the archive says the same
        return False


def note_files(folder: Path) -> None:
    """Note which files a folder has, beside it: in it, a file of the archive may have any name."""
    write_json(_note_of(folder), _facts(folder))


def put_in_place(archive: Path, unpacked: Path, folder: Path) -> None:
    """Let what was just unpacked take the place of what an earlier run unpacked, if they differ.

    Files that the archive does not hold are somebody's, as people add images where a message names
    a folder: such a folder gets another name, which is told. Equal files stay, as results go by
    their times.

    Args:
        archive: for messages.
        unpacked: just made of it.
        folder: the place; what is there is not as noted, or of a version that noted nothing.
    """
    if folder.is_dir():
        foreign = _lacking(folder, unpacked)
        if not foreign and not _lacking(unpacked, folder):
            return
        where = ""
        if foreign:
            kept = folder.rename(folder.with_name(f"{folder.name}-changed-{uuid4().hex[:8]}"))
            where = f"; what it held is now in {kept}"
        else:
            shutil.rmtree(folder)
        _log.warning(
            "%s: files in %s are gone, changed or added since it was unpacked; it is unpacked "
            "anew%s", archive, folder, where,
        )  # fmt: skip
    unpacked.rename(folder)


def _note_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.json")


def _facts(folder: Path) -> dict[str, object]:
    """Return how many files there are, and a hash of their names, sizes and times."""
    listing, n_files = hashlib.sha256(), 0
    for path in sorted(visible_files(folder)):
        facts = (folder / path).lstat()
        listing.update(os.fsencode(f"{path}\0{facts.st_size}\0{facts.st_mtime_ns}\0"))
        n_files += 1
    return {"n_files": n_files, "listing": listing.hexdigest()}


def _lacking(folder: Path, other: Path) -> list[str]:
    """Return the files of a folder that another one does not hold with the same bytes."""
    return [path for path in visible_files(folder) if not _are_equal(folder / path, other / path)]


def _are_equal(one: Path, other: Path) -> bool:
    return one.is_file() and other.is_file() and filecmp.cmp(one, other, shallow=False)
