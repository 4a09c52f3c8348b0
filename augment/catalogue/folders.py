"""A folder of class folders as a data source."""

import logging
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePath

from augment.catalogue.config import ClassFolder
from augment.catalogue.entries import Entry, Source, natural_key, refuse
from augment.catalogue.layout import read_layout
from terrabalance.errors import BadInput
from terrabalance.rasters.formats import format_of, is_side_file

_log = logging.getLogger(__name__)


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    """Return what is in a folder, without hidden entries and those that macOS adds to a zip."""
    with os.scandir(folder) as found:
        return [e for e in found if not e.name.startswith(".") and e.name != "__MACOSX"]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def folders_in(folder: Path) -> list[str]:
    """Return the names of the visible folders in a folder, sorted."""
    return sorted(entry.name for entry in _visible(folder) if _is_folder(entry))


def descend(root: Path) -> Path:
    """Step into the single folder that an archive wraps its class folders in."""
    found = _visible(root)
    if len(found) == 1 and _is_folder(found[0]) and folders_in(root / found[0].name):
        return root / found[0].name
    return root


def list_folder(root: Path, class_folder: ClassFolder = "auto") -> Source:
    """List the images in class folders, which may lie in folders that are parts of a split.

    Files that belong to an image beside them, such as world files, are not listed.

    Args:
        root: that holds the folders.
        class_folder: see `ScanConfig.class_folder`.

    Raises:
        BadInput: there are no class folders, it is not clear which those are, or a name is not
            text.
    """
    if not folders_in(root):
        raise BadInput(_why_no_classes(root))
    paths, problems = [], []
    for path in _files(root):
        if re.search("[\ud800-\udfff]", path):  # bytes that are no UTF-8, as Python lists them
            problems.append(f"{path!r}: a name that is not text; rename it")
        elif not is_side_file(PurePath(path)):
            paths.append(path)
    refuse(str(root), problems)
    n_images: Counter[str] = Counter()
    for path in paths:
        n_images[_folder_of(path)] += _is_named_like_an_image(path)
    roles = read_layout(root, n_images, class_folder)
    entries = [Entry(path, *roles[_folder_of(path)]) for path in paths]
    # A readme or a licence beside the class folders is no image gone wrong.
    entries = [e for e in entries if e.class_name or _is_named_like_an_image(e.path)]
    return Source(root, sorted(entries, key=lambda entry: natural_key(entry.path)))


def _folder_of(path: str) -> str:
    return path.rpartition("/")[0]


def _is_named_like_an_image(name: str) -> bool:
    return format_of(PurePath(name)) is not None


def _why_no_classes(root: Path) -> str:
    n_images = sum(_is_named_like_an_image(entry.name) for entry in _visible(root))
    if not n_images:
        return f"{root}: no subfolders. Put each class in a folder with its name."
    return (
        f"{root}: no subfolders but images ({n_images}). If it is the folder of one class, give "
        "the one above it; else put each class in a folder with its name."
    )


def _files(root: Path) -> Iterator[str]:
    """Yield the paths of all files, "/" between names."""
    left = [""]  # no recursion: a path may have two thousand folders
    while left:
        below = left.pop()
        for entry in _visible(root / below):
            if not _is_folder(entry):
                yield below + entry.name
            elif entry.is_symlink():
                _log.warning("%s: a link to a folder; skipped", entry.path)
            else:
                left.append(f"{below}{entry.name}/")
