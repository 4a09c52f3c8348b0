"""A folder of class folders as a data source."""

import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

from augment.catalogue.entries import (
    Entry,
    Source,
    known_split,
    natural_key,
    refuse,
    split_name,
)
from terrabalance.errors import BadInput
from terrabalance.rasters.formats import EXTENSIONS

_log = logging.getLogger(__name__)


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    """Return what is in a folder, without hidden entries and those that macOS adds to a zip."""
    with os.scandir(folder) as found:
        return [e for e in found if not e.name.startswith(".") and e.name != "__MACOSX"]


def folders_in(folder: Path) -> list[str]:
    """Return the names of the visible folders in a folder, sorted."""
    return sorted(entry.name for entry in _visible(folder) if entry.is_dir())


def descend(root: Path) -> Path:
    """Step into the single folder that an archive wraps its class folders in."""
    found = _visible(root)
    if len(found) == 1 and found[0].is_dir() and folders_in(root / found[0].name):
        return root / found[0].name
    return root


def list_folder(root: Path) -> Source:
    """List the images in class folders, which may lie in folders train, val and test.

    Raises:
        BadInput: there are no class folders, or a name is not text.
    """
    tops = folders_in(root)
    if not tops:
        raise BadInput(_why_no_classes(root))
    parted = _is_parted(root, tops)
    entries, problems = [], []
    for path in _files(root):
        if not (root / path).exists():
            _log.warning("%s: a link to nothing; skipped", root / path)
        elif re.search("[\ud800-\udfff]", path):  # bytes that are no UTF-8, as Python lists them
            problems.append(f"{path!r}: a name that is not text; rename it")
        else:
            entries.append(_entry_below(path, parted))
    refuse(str(root), problems)
    # A readme or a licence beside the class folders is no image gone wrong.
    entries = [e for e in entries if e.class_name or Path(e.path).suffix.lower() in EXTENSIONS]
    return Source(root, sorted(entries, key=lambda entry: natural_key(entry.path)))


def _why_no_classes(root: Path) -> str:
    n_images = sum(Path(entry.name).suffix.lower() in EXTENSIONS for entry in _visible(root))
    if not n_images:
        return f"{root}: no subfolders. Put each class in a folder with its name."
    return (
        f"{root}: no subfolders but images ({n_images}). If it is the folder of one class, give "
        "the one above it; else put each class in a folder with its name."
    )


def _is_parted(root: Path, tops: list[str]) -> bool:
    """Return whether the top folders are train, val, test with the classes below them.

    Those names with no folders below are classes: `train` may well be a class of vehicles.
    """
    parts = {known_split(name) for name in tops}
    if None in parts or "train" not in parts or len(parts) < 2:
        return False
    return all(folders_in(root / name) for name in tops)


def _files(folder: Path, below: str = "") -> Iterator[str]:
    for entry in _visible(folder):
        if not entry.is_dir():
            yield below + entry.name
        elif entry.is_symlink():
            _log.warning("%s: a link to a folder; skipped", entry.path)
        else:
            yield from _files(folder / entry.name, f"{below}{entry.name}/")


def _entry_below(path: str, parted: bool) -> Entry:
    *folders, _ = path.split("/")
    split = split_name(folders.pop(0)) if parted and folders else ""
    return Entry(path, folders[0] if folders else "", split)
