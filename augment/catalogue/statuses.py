"""Give rows of a manifest another status, all at once."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd


class Left(NamedTuple):
    """A row that is left out.

    Attributes:
        row: its label in the frame's index.
        status, detail: of the manifest.
    """

    row: int
    status: str
    detail: str


def with_statuses(frame: pd.DataFrame, left: Sequence[Left]) -> pd.DataFrame:
    """Return a copy of a frame where these rows, each named once, have their new status.

    At once, because a column of text is written anew whatever the number of its rows that change.
    """
    frame = frame.copy()
    if left:
        rows, statuses, details = (list(column) for column in zip(*left, strict=True))
        frame.loc[rows, "status"] = statuses
        frame.loc[rows, "detail"] = details
    return frame
