"""Find files that are the same picture, pixel for pixel."""

from collections.abc import Iterator, Sequence

import pandas as pd

from augment.catalogue.entries import natural_key
from augment.catalogue.left_out import Alike, Left, alike_by, conflicting, with_statuses

# The copy in the most precious part is kept, so that no copy of a test image is trained on.
_KEEP_ORDER = {"test": 0, "val": 1, "train": 2, "": 3}
_SET_ASIDE = 4


def mark_duplicates(frame: pd.DataFrame, pictures: Sequence[str]) -> pd.DataFrame:
    """Set the status of files with status ok that show the same picture.

    Within one class all but one become `duplicate`. The copy in test is kept, else the one in val,
    train, no part, or a part that is set aside; of several, the first by natural path. Between
    classes all become `label conflict`, as it is not known which label is right. `detail` names the
    copy that is kept, or the first one of another class. A synthetic copy of a real image is a
    `duplicate` whatever its class, and the real one stays.

    Args:
        frame: of a manifest.
        pictures: a row's hash of its decoded pixels; a file that was saved again without loss has
            other bytes and the same hash.
    """
    usable = frame.assign(picture=list(pictures))[frame["status"] == "ok"]
    copies = usable[usable.duplicated("picture", keep=False)]
    found: list[Left] = []
    for same in alike_by(copies["picture"], copies):
        found += _left_out(same)
    return with_statuses(frame, found)


def _left_out(same: list[Alike]) -> Iterator[Left]:
    """Yield which of the files that show one picture are left out."""
    real = [copy for copy in same if copy.source == "real"]
    if 0 < len(real) < len(same):
        first = min((copy.path for copy in real), key=natural_key)
        yield from (Left(c.row, "duplicate", first) for c in same if c.source != "real")
        same = real
    kept, *others = ordered = sorted(same, key=_precious_first)
    if all(copy.class_name == kept.class_name for copy in others):
        yield from (Left(copy.row, "duplicate", kept.path) for copy in others)
        return
    yield from conflicting("label conflict", ordered, ordered)


def _precious_first(copy: Alike) -> tuple[object, ...]:
    return _KEEP_ORDER.get(copy.split, _SET_ASIDE), natural_key(copy.path)
