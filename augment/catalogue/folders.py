"""A folder of class folders as a data source."""

import logging
import os
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path, PurePath
from typing import Literal

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
_NAMED = 4  # hidden folders, links or archives in a message
_OR_CSV = (  # a path that leads through a link is refused there as well
    ", or list all images in a CSV with the columns path and class, and name a folder that holds "
    "them all with --images"
)
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
    paths, beside = _files_below(root, given, _OR_CSV)
    n_images: Counter[str] = Counter()
    for path in paths:
        n_images[_folder_of(path)] += _is_named_like_an_image(path)
    roles = read_layout(given, n_images, class_folder)
    entries = [Entry(path, *roles[_folder_of(path)]) for path in paths]
    # A readme or a licence beside the class folders is no image gone wrong.
    beside_classes = [entry.path for entry in entries if not entry.class_name]
    _tell_packed(given, beside_classes)
    _tell_links_to_nothing(root, given, beside_classes)
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


def _files_below(root: Path, given: Given, or_else: str = "") -> tuple[list[str], list[str]]:
    """Return the paths of all visible files, and apart those that belong to an image beside them.

    Args:
        root: that holds them.
        given: what the user gave, for messages.
        or_else: what may be done with links to folders but copying these, to end the sentence.

    Raises:
        BadInput: a name is not text.
    """
    paths: list[str] = []
    beside: list[str] = []
    hidden, links, problems = [], [], []
    for path, kind in _walk(root):
        if kind == "hidden":
            hidden.append(path)
        elif kind == "link":
            links.append(path)
        elif re.search("[\ud800-\udfff]", path):  # bytes that are no UTF-8, as Python lists them
            problems.append(f"{path!r}: a name that is not text; rename it")
        else:
            (beside if is_side_file(PurePath(path)) else paths).append(path)
    refuse(given, problems)
    _tell_hidden(root, given, hidden)
    if links:
        _log.warning(
            "%s: links to folders are not followed: %s. Copy the folders to where their links are"
            "%s.", given, _named(links), or_else,
        )  # fmt: skip
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


def _tell_links_to_nothing(root: Path, given: Given, beside: list[str]) -> None:
    """Warn of links beside the class folders, each of which may have been one of a class.

    Those in a class folder, and those named like images, are left out one by one, with a reason.
    """
    others = [path for path in beside if not _is_named_like_an_image(path)]
    broken = [p for p in others if (root / p).is_symlink() and not _leads_somewhere(root / p)]
    if broken:
        _log.warning("%s: links to nothing: %s. Mend or remove them.", given, _named(broken))


def _leads_somewhere(link: Path) -> bool:
    try:
        return link.exists()
    except OSError:  # to where this user may not look
        return True


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
    return (path for path, kind in _walk(root) if kind == "file")


def _walk(root: Path) -> Iterator[tuple[str, Literal["file", "hidden", "link"]]]:
    """Yield the paths of all files, of what is hidden and of links to folders, and which it is.

    Behind a hidden folder's path is a "/".
    """
    left = [""]  # no recursion: a path may have two thousand folders
    while left:
        below = left.pop()
        with os.scandir(root / below) as found:
            for entry in found:
                path, is_folder = below + entry.name, _is_folder(entry)
                if _is_hidden(entry.name):
                    yield f"{path}/" if is_folder and not entry.is_symlink() else path, "hidden"
                elif not is_folder:
                    yield path, "file"
                elif entry.is_symlink():
                    yield path, "link"
                else:
                    left.append(f"{path}/")
