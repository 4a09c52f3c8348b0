"""Say which images belong together, and which are one picture under two labels."""

import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd

from augment.catalogue.entries import Entry, natural_key
from augment.catalogue.hashes import Sketches
from augment.catalogue.labels import Pairs, joined, numbered, of_one_value
from augment.catalogue.left_out import Left, alike_by, conflicting, with_statuses
from augment.catalogue.near import near_duplicate_labels
from augment.catalogue.patterns import found_in
from terrabalance.class_names import one_form
from terrabalance.errors import BadInput

_log = logging.getLogger(__name__)


def find_alike(frame: pd.DataFrame, sketches: Sketches, max_bits: int) -> np.ndarray:
    """Return (N,) numbers, equal for rows with status ok that are nearly the same picture.

    They are numbered from 0 by their first path; a row that is like no other has -1.

    Args:
        frame: of a manifest.
        sketches: in the order of the rows.
        max_bits: in which the hashes of two near-duplicates may differ.
    """
    usable = _in_natural_order(frame)
    alike = np.full(len(frame), -1)
    alike[usable] = numbered(near_duplicate_labels(sketches.take(usable), max_bits))
    return alike


def group_images(
    frame: pd.DataFrame,
    alike: np.ndarray,
    originals: Sequence[str] = (),
    names: Sequence[Sequence[str]] = (),
) -> pd.DataFrame:
    """Give images with status ok that must stay in one part of the split a common `group`.

    They are nearly the same picture, or one is a repair of the other, or they are named alike. Each
    of a group belongs together with another one of it. Groups are numbered from 0 by their first
    path; an image that is alone has -1.

    Nearly the same picture in two classes becomes `near label conflict` in both, as it is not known
    which label is right; `detail` names the first image of the group with another class. A
    synthetic image that is nearly a real one of another class is left out alone.

    Args:
        frame: of a manifest.
        alike: (N,) numbers of `find_alike`.
        originals: a row's SHA-256 of the image that it is a repair of, "" for no repair; empty:
            there are no repairs.
        names: each a name for every row, "" for none; see `named_groups`.
    """
    usable = _in_natural_order(frame)
    labels = joined(np.arange(len(usable)), [of_one_value(alike[usable])])
    if any(originals):
        sums = list(frame["sha256"].iloc[usable])
        labels = joined(labels, [_repairs(sums, [originals[row] for row in usable.tolist()])])
    frame = _mark_conflicts(frame, usable, labels)
    groups = numbered(joined(labels, [_of_one_name(each, usable) for each in names]))
    frame["group"] = -1
    frame.iloc[usable, frame.columns.get_loc("group")] = groups
    sizes = np.bincount(groups[groups >= 0])
    _log.info(
        "%d images are nearly the same picture as another one; %d groups stay together, the "
        "largest of %d images", int((numbered(labels) >= 0).sum()), len(sizes), sizes.max(initial=0)
    )  # fmt: skip
    return frame


def _in_natural_order(frame: pd.DataFrame) -> np.ndarray:
    """Return the places of the rows with status ok, in natural order of their paths."""
    usable, paths = np.flatnonzero(frame["status"] == "ok").tolist(), frame["path"].tolist()
    return np.array(sorted(usable, key=lambda row: natural_key(paths[row])), int)


def _repairs(sums: Sequence[str], originals: Sequence[str]) -> Pairs:
    """Return the places of repaired images, and of what they are repairs of."""
    place = {checksum: index for index, checksum in enumerate(sums)}
    pairs = [(at, place[each]) for at, each in enumerate(originals) if each and each in place]
    left, right = np.array(pairs, int).reshape(-1, 2).T
    return left, right


def _of_one_name(names: Sequence[str], rows: np.ndarray) -> Pairs:
    codes, _ = pd.factorize(np.array([names[row] or None for row in rows.tolist()], object))
    return of_one_value(codes)


def _mark_conflicts(frame: pd.DataFrame, usable: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """Leave out what is nearly the same picture under two labels; `usable` is in natural order."""
    shared = numbered(labels) >= 0
    rows = frame.iloc[usable[shared]]
    left: list[Left] = []
    for same in alike_by(labels[shared].tolist(), rows):
        if len({each.class_name for each in same}) > 1:
            known = {each.class_name for each in same if each.source == "real"}
            wrong = [each for each in same if len(known) != 1 or each.class_name not in known]
            left += conflicting("near label conflict", wrong, same)
    return with_statuses(frame, left)


def named_groups(entries: Sequence[Entry], pattern: str | None) -> list[list[str]]:
    """Return the names by which the user groups images, "" where one has none.

    Args:
        entries: the images.
        pattern: a regular expression that is looked for in each path. Its first group names the
            group of the image, or all that it matches where it has no group; None: no pattern.

    Returns:
        Lists of a name an image: of the data's own column, and of the pattern, where there are any.

    Raises:
        BadInput: the pattern is found in no path, or it takes too long.
    """
    given = [entry.group for entry in entries]
    lists = [given] if any(given) else []
    if pattern is None:
        return lists
    found = found_in([one_form(entry.path) for entry in entries], pattern, "scan.group_by")
    n_named = sum(map(bool, found))
    if not n_named:
        first = f", such as {entries[0].path!r}" if entries else ""
        raise BadInput(
            f"scan.group_by: {pattern!r} is found in none of {len(entries)} paths{first}. Give a "
            "regular expression whose first group names the scene."
        )
    if n_named < len(found):
        _log.warning(
            "scan.group_by: %r is found in %d of %d paths; the others, of which %s is the first, "
            "are in no group by it", pattern, n_named, len(found), entries[found.index("")].path,
        )  # fmt: skip
    return [*lists, found]
