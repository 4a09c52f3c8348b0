"""Which folders of a tree of images are parts of a split, and which are classes."""

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from augment.catalogue.config import ClassFolder
from augment.catalogue.entries import Given
from augment.catalogue.parts import is_named_plainly, named_like_parts, parts_among
from terrabalance.class_names import one_form
from terrabalance.errors import BadInput
from terrabalance.wording import in_short

_log = logging.getLogger(__name__)

_NAMED = 4  # folders in a message
# Folders that hold the images of a class and name none, as years and numbers do not either.
_NO_CLASS = frozenset({
    "image", "images", "img", "imgs", "picture", "pictures", "photo", "photos", "data", "jpg",
    "jpeg", "png", "tif", "tiff", "webp", "rgb",
})  # fmt: skip
_ANNOTATIONS = frozenset({
    "label", "labels", "annotation", "annotations", "mask", "masks", "bbox", "bboxes",
})  # fmt: skip


class Role(NamedTuple):
    """What a folder says of the images right in it.

    Attributes:
        class_name: "" for none.
        part: train, val or test; another name is set aside; "" where there are no parts.
    """

    class_name: str
    part: str


class _Folder(NamedTuple):
    """A folder, by the names above its images that are not read yet.

    Attributes:
        names: from the top down; empty where all are read.
        n_images: right in it.
        part: of the split; "" for none.
    """

    names: tuple[str, ...]
    n_images: int
    part: str = ""


_Tree = dict[str, _Folder]  # by the path


def read_layout(
    given: Given, n_images: Mapping[str, int], class_folder: ClassFolder
) -> dict[str, Role]:
    """Say what each folder of the data is for.

    Classes lie right below its root, below folders that are parts of a split by their names, or
    have those below them. A single folder around all of it is passed by.

    Args:
        given: what the user gave, for messages.
        n_images: each folder's path below the root, "" for itself -> images right in it.
        class_folder: see `ScanConfig.class_folder`.

    Raises:
        BadInput: either of two folders may name the class, the parts hold no classes, or parts
            lie below some of the classes alone.
    """
    tree = {
        path: _Folder(tuple(one_form(path).split("/") if path else ()), count)
        for path, count in n_images.items()
    }
    tree = _unwrapped(_with_parts(given, _undoubled(_unwrapped(tree))))
    if class_folder == "auto":
        _refuse_two_meanings(given, [folder for folder in tree.values() if folder.names])
    place = -1 if class_folder == "last" else 0
    roles = {path: Role(f.names[place] if f.names else "", f.part) for path, f in tree.items()}
    parted = {role.class_name for role in roles.values() if role.part in ("train", "val", "test")}
    if parted:
        roles = {p: r if r.class_name in parted else Role("", r.part) for p, r in roles.items()}
    _tell_no_classes(given, n_images, roles)
    if not parted:
        _tell_like_parts(given, {role.class_name for path, role in roles.items() if n_images[path]})
    return roles


def _tell_no_classes(given: Given, n_images: Mapping[str, int], roles: Mapping[str, Role]) -> None:
    """Warn where folders tell no classes apart, as in data for detection: images and labels."""
    names = {role.class_name for role in roles.values()} - {""}
    full = {role.class_name for path, role in roles.items() if n_images[path]} - {""}
    if len(names) > len(full) == 1:
        _log.warning(
            "%s: only the folder %s holds images, of %s", given, *full,
            in_short(sorted(names), _NAMED),
        )  # fmt: skip
    if names and {name.lower() for name in names} <= _NO_CLASS | _ANNOTATIONS:
        _log.warning(
            "%s: folders named %s are no classes by their names. Put the images of each class in a "
            "folder with its name, or list them in a CSV with the columns path, class and split.%s",
            given, in_short(sorted(names), _NAMED), given.in_archive,
        )  # fmt: skip


def _tell_like_parts(given: Given, classes: Iterable[str]) -> None:
    """Warn of classes that are named like parts, as where a split's images are in no folders."""
    if like_parts := named_like_parts(classes):
        _log.warning(
            "%s: %s are taken as classes, though they are parts of a split by their names. If they "
            "are parts, put each class in a folder below each part, or list the images in a CSV "
            "with the columns path, class and split.%s",
            given, in_short(like_parts, _NAMED), given.in_archive,
        )  # fmt: skip


def _unwrapped(tree: _Tree) -> _Tree:
    """Take the top folder off all paths, as long as it is one and holds folders alone."""
    while True:
        full = [folder.names for folder in tree.values() if folder.n_images and folder.names]
        tops = {names[0] for names in full}
        if len(tops) != 1 or any(len(names) == 1 for names in full):
            return tree
        tree = {
            path: f._replace(names=f.names[1:]) if f.names[:1] == full[0][:1] else f
            for path, f in tree.items()
        }


def _undoubled(tree: _Tree) -> _Tree:
    """Take off top folders whose only folder has their own name, as unpacking an archive makes."""
    full = [folder.names for folder in tree.values() if folder.n_images]
    inside = _inside(full)
    doubled = {name for name, names in inside.items() if names == {name}}
    return {
        path: f._replace(names=f.names[1:]) if len(f.names) > 1 and f.names[0] in doubled else f
        for path, f in tree.items()
    }


def _inside(full: Iterable[tuple[str, ...]]) -> dict[str, set[str]]:
    """Return the names of the folders right below each top folder."""
    inside: dict[str, set[str]] = defaultdict(set)
    for names in full:
        if names:
            inside[names[0]].update(names[1:2])
    return inside


def _with_parts(given: Given, tree: _Tree) -> _Tree:
    """Read the folders that are parts, on top or right below the classes."""
    full = [folder.names for folder in tree.values() if folder.n_images and folder.names]
    inside = _inside(full)
    on_top = parts_among(inside)
    if on_top and _hold_classes(given, on_top, inside):
        _tell_set_aside(given, set(inside) - set(on_top))
        return {path: _in_part(folder, on_top) for path, folder in tree.items()}
    below = parts_among(set().union(*inside.values()))
    if below and _are_below_classes(below, full, inside):
        _refuse_without_parts(given, below, inside)
        _tell_beside_parts(given, below, full, inside)
        return {path: _with_part_below(folder, below) for path, folder in tree.items()}
    return tree


def _tell_set_aside(given: Given, others: set[str]) -> None:
    if others:
        named = in_short(sorted(others), _NAMED)
        _log.warning("%s: %s are neither train, val nor test, and set aside", given, named)


def _hold_classes(given: Given, parts: Mapping[str, str], inside: Mapping[str, set[str]]) -> bool:
    """Return whether folders that are named like parts are parts, as they hold classes.

    Folders of those names with images in them are classes: `train` may well be one of vehicles.
    """
    held = [inside[name] for name in parts if inside[name]]
    if not held and set(inside) == set(parts):
        raise BadInput(
            f"{given}: {in_short(sorted(parts), _NAMED)} are parts of a split by their names, and "
            "hold images but no classes. List the images in a CSV with the columns path, class and "
            f"split, or put each class in a folder below each part.{given.in_archive}"
        )
    return bool(held) and (_are_named_plainly(parts) or _share_names(held))


def _are_named_plainly(parts: Iterable[str]) -> bool:
    return all(map(is_named_plainly, parts))


def _share_names(held: list[set[str]]) -> bool:
    return len(set().union(*held)) < sum(map(len, held))


def _are_below_classes(
    parts: Mapping[str, str], full: Iterable[tuple[str, ...]], inside: Mapping[str, set[str]]
) -> bool:
    """Return whether folders below the top ones are parts, though a few images lie beside them.

    A class of vehicles may be named `train`: then no other part lies beside it.
    """
    if all(len(names) > 1 and names[1] in parts for names in full):
        return True
    held = [names & set(parts) for names in inside.values()]
    is_split = any(len({parts[name] for name in names}) > 1 for names in held)
    return is_split and (_are_named_plainly(parts) or _share_names(held))


def _refuse_without_parts(
    given: Given, parts: Mapping[str, str], inside: Mapping[str, set[str]]
) -> None:
    """Raise where some top folders hold parts and others none, as both may be classes."""
    without = sorted(name for name, names in inside.items() if not names & set(parts))
    if without:
        holders = sorted(set(inside) - set(without))
        raise BadInput(
            f"{given}: {in_short(sorted(parts), _NAMED)} in {in_short(holders, _NAMED)} are parts "
            f"of a split by their names, and there are none in {in_short(without, _NAMED)}. Put "
            f"the images there into such folders as well, or take them away.{given.in_archive}"
        )


def _tell_beside_parts(
    given: Given,
    parts: Mapping[str, str],
    full: Iterable[tuple[str, ...]],
    inside: Mapping[str, set[str]],
) -> None:
    _tell_set_aside(given, set().union(*inside.values()) - set(parts))
    if right_in := sorted(names[0] for names in full if len(names) == 1):
        _log.warning(
            "%s: images right in %s, beside %s, are of no part, and left out", given,
            in_short(right_in, _NAMED), in_short(sorted(parts), _NAMED),
        )  # fmt: skip


def _in_part(folder: _Folder, parts: Mapping[str, str]) -> _Folder:
    if not folder.names:
        return folder
    name, *below = folder.names
    return _Folder(tuple(below), folder.n_images, parts.get(name, name))


def _with_part_below(folder: _Folder, parts: Mapping[str, str]) -> _Folder:
    if len(folder.names) < 2:
        return folder._replace(names=())
    class_name, name, *below = folder.names
    return _Folder((class_name, *below), folder.n_images, parts.get(name, name))


def _refuse_two_meanings(given: Given, folders: Iterable[_Folder]) -> None:
    """Raise where most images lie in folders of folders, and both may be classes."""
    inside: dict[str, set[str]] = defaultdict(set)
    n_right_in, n_below = 0, 0
    for folder in folders:
        top, *below = folder.names
        if folder.n_images and below:
            n_below += folder.n_images
            inside[top].update(name for name in below[:1] if _may_be_class(name))
        else:
            n_right_in += folder.n_images
    if n_right_in >= n_below or max(map(len, inside.values()), default=0) < 2:
        return
    times = Counter(name for names in inside.values() for name in names)
    tops, names = in_short(sorted(inside), _NAMED), in_short(sorted(times), _NAMED)
    parts = ""
    if 2 * sum(count > 1 for count in times.values()) >= len(times):
        parts = f" If {tops} are parts of a split, rename them to train, val and test."
        parts += given.in_archive
    raise BadInput(
        f"{given}: {tops} hold folders ({names}) and hardly any images, so either may be the "
        f"classes. Say which: --set scan.class_folder=last for {names}, or =top for {tops}.{parts}"
    )


def _may_be_class(name: str) -> bool:
    return bool(re.search(r"[^\W\d_]", name)) and name.lower() not in _NO_CLASS
