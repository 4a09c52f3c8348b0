"""Find files that are the same picture, pixel for pixel."""

from collections.abc import Sequence

import pandas as pd

from augment.catalogue.entries import natural_key

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
    frame = frame.copy()
    usable = frame.assign(picture=list(pictures))[frame["status"] == "ok"]
    copies = usable[usable.duplicated("picture", keep=False)]
    for _, same in copies.groupby("picture"):
        made = same[same["source"] != "real"]
        if 0 < len(made) < len(same):
            same = same.drop(made.index)
            frame.loc[made.index, "status"] = "duplicate"
            frame.loc[made.index, "detail"] = min(same["path"], key=natural_key)
        ordered = same.loc[sorted(same.index, key=lambda row: _precious_first(frame, row))]
        if ordered["class"].nunique() == 1:
            left_out = ordered.index[1:]
            frame.loc[left_out, "status"] = "duplicate"
            frame.loc[left_out, "detail"] = ordered["path"].iloc[0]
            continue
        frame.loc[ordered.index, "status"] = "label conflict"
        for row, name in ordered["class"].items():
            frame.loc[row, "detail"] = ordered[ordered["class"] != name]["path"].iloc[0]
    return frame


def _precious_first(frame: pd.DataFrame, row: int) -> tuple[object, ...]:
    rank = _KEEP_ORDER.get(str(frame.at[row, "split"]), _SET_ASIDE)
    return rank, natural_key(str(frame.at[row, "path"]))
