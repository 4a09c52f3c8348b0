"""A folder of class folders as a data source."""

import logging
import os
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path, PurePath

from augment.catalogue.beside import with_files_beside
from augment.catalogue.config import ClassFolder
from augment.catalogue.entries import Entry, Given, Source, natural_key, refuse
from augment.catalogue.layout import read_layout
from augment.catalogue.members import ARCHIVE_SUFFIXES
from terrabalance.errors import BadInput
from terrabalance.rasters.formats import format_of, is_side_file
from terrabalance.wording import in_short, shown

_log = logging.getLogger(__name__)

_PACKED = (*ARCHIVE_SUFFIXES, ".7z", ".rar")
_NAMED = 4  # hidden folders in a message
_LOOKED_AT = 10_000  # files in a hidden folder, as one of a version control has any number


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    """Return what is in a folder, without hidden entries and those that macOS adds to a zip."""
    with os.scandir(folder) as found:
        return [entry for entry in found if not _is_hidden(entry.name)]


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


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


def list_folder(root: Path, given: Given, class_folder: ClassFolder = "auto") -> Source:
    """List the images in class folders, which may lie in folders that are parts of a split.

    Files that belong to an image beside them, such as world files, are not listed by themselves.

    Args:
        root: that holds the folders.
        given: what the user gave, for messages.
        class_folder: see `ScanConfig.class_folder`.

    Raises:
        BadInput: there are no class folders, it is not clear which those are, or a name is not
            text.
    """
    if not folders_in(root):
        raise BadInput(_why_no_classes(root, given))
    paths, beside = _files_below(root, given)
    n_images: Counter[str] = Counter()
    for path in paths:
        n_images[_folder_of(path)] += _is_named_like_an_image(path)
    roles = read_layout(given, n_images, class_folder)
    entries = [Entry(path, *roles[_folder_of(path)]) for path in paths]
    # A readme or a licence beside the class folders is no image gone wrong.
    _tell_packed(given, [entry.path for entry in entries if not entry.class_name])
    entries = [e for e in entries if e.class_name or _is_named_like_an_image(e.path)]
    entries = with_files_beside(root, entries, beside)
    return Source(root, sorted(entries, key=lambda entry: natural_key(entry.path)), given)


def list_images(root: Path, given: Given, class_name: str) -> Source:
    """List all images below a folder, however deep they lie, as of one class and the part train.

    Files that are not named like images are passed over.

    Args:
        root: that holds them.
        given: what the user gave, for messages.
        class_name: of all of them.

    Raises:
        BadInput: there are none, or a name is not text.
    """
    paths, beside = _files_below(root, given)
    images = sorted(filter(_is_named_like_an_image, paths), key=natural_key)
    if not images:
        raise BadInput(f"{given}: holds no images. Give the folder that they lie in.")
    entries = [Entry(path, class_name, "train") for path in images]
    return Source(root, with_files_beside(root, entries, beside), given)


def _files_below(root: Path, given: Given) -> tuple[list[str], list[str]]:
    """Return the paths of all visible files, and apart those that belong to an image beside them.

    Raises:
        BadInput: a name is not text.
    """
    paths: list[str] = []
    beside: list[str] = []
    hidden, problems = [], []
    for path, is_hidden in _walk(root):
        if is_hidden:
            hidden.append(path)
        elif re.search("[\ud800-\udfff]", path):  # bytes that are no UTF-8, as Python lists them
            problems.append(f"{path!r}: a name that is not text; rename it")
        else:
            (beside if is_side_file(PurePath(path)) else paths).append(path)
    refuse(given, problems)
    _tell_hidden(root, given, hidden)
    return paths, beside


def _folder_of(path: str) -> str:
    return path.rpartition("/")[0]


def _is_named_like_an_image(name: str) -> bool:
    return format_of(PurePath(name)) is not None


def _why_no_classes(root: Path, given: Given) -> str:
    with os.scandir(root) as found:
        hidden = [f"{e.name}/" for e in found if _is_hidden(e.name) and _is_folder(e)]
    hidden = [path for path in hidden if _holds_images(root, path)]
    n_images = sum(_is_named_like_an_image(entry.name) for entry in _visible(root))
    but, how = "", "Put"
    if hidden:
        but, how = f" but {_named(hidden)}, which are passed over as hidden", "Rename these, or put"
    elif n_images:
        but = f" but images ({n_images})"
        if given.kind == "folder":
            how = "If it is the folder of one class, give the one above it; else put"
    how += f" each class in a folder with its name.{given.in_archive}"
    return f"{given}: no subfolders{but}. {how}"


def _tell_hidden(root: Path, given: Given, hidden: list[str]) -> None:
    if full := [path for path in hidden if _holds_images(root, path)]:
        _log.warning(
            "%s: passed over with the images in it, as its name begins with a dot (or is "
            "__MACOSX): %s. Rename what is to be used.%s", given, _named(full), given.in_archive,
        )  # fmt: skip


def _tell_packed(given: Given, beside: list[str]) -> None:
    if packed := [path for path in beside if path.lower().endswith(_PACKED)]:
        _log.warning(
            "%s: archives beside the class folders are not looked into: %s. Unpack those that hold "
            "the images of a class, each into a folder.%s", given, _named(packed), given.in_archive,
        )  # fmt: skip


def _named(paths: list[str]) -> str:
    return in_short([shown(path) for path in sorted(paths)], _NAMED)


def _holds_images(root: Path, hidden: str) -> bool:
    """Return whether something hidden is, or holds, what is named like an image."""
    if not hidden.endswith("/"):
        name = hidden.rpartition("/")[2]
        return _is_named_like_an_image(name) and not name.startswith("._")  # a Mac's side file
    try:
        found = islice(visible_files(root / hidden), _LOOKED_AT)
        return any(map(_is_named_like_an_image, found))
    except OSError:  # as the bins and indexes of other users that lie on a disk
        return False


def visible_files(root: Path) -> Iterator[str]:
    """Yield the paths of all files that are not hidden and in no hidden folder, "/" between."""
    return (path for path, is_hidden in _walk(root) if not is_hidden)


def _walk(root: Path) -> Iterator[tuple[str, bool]]:
    """Yield the paths of all files, and of what is hidden, "/" behind folders, and which it is."""
    left = [""]  # no recursion: a path may have two thousand folders
    while left:
        below = left.pop()
        with os.scandir(root / below) as found:
            for entry in found:
                path, is_folder = below + entry.name, _is_folder(entry)
                if _is_hidden(entry.name):
                    yield f"{path}/" if is_folder and not entry.is_symlink() else path, True
                elif not is_folder:
                    yield path, False
                elif entry.is_symlink():
                    _log.warning("%s: a link to a folder; skipped", entry.path)
                else:
                    left.append(f"{path}/")
