"""Leave out files that show one picture: which they are, what for, and all at once."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import NamedTuple

import pandas as pd


class Alike(NamedTuple):
    """A file that shows the picture of another one, by its row's label in the manifest's index."""

    row: int
    path: str
    class_name: str
    split: str
    source: str


class Left(NamedTuple):
    """A row that is left out.

    Attributes:
        row: its label in the frame's index.
        status, detail: of the manifest.
    """

    row: int
    status: str
    detail: str


def alike_by(pictures: Iterable[Hashable], rows: pd.DataFrame) -> list[list[Alike]]:
    """Return the files of each picture, in the order of the rows.

    Args:
        pictures: what the row's picture is called.
        rows: of a manifest.
    """
    found: dict[Hashable, list[Alike]] = defaultdict(list)
    columns = (rows[name] for name in ("path", "class", "split", "source"))
    for picture, row, *facts in zip(pictures, rows.index, *columns, strict=True):
        found[picture].append(Alike(row, *facts))
    return list(found.values())


def conflicting(status: str, left: Iterable[Alike], among: Sequence[Alike]) -> Iterator[Left]:
    """Yield files as left out, each for the first of `among` that has another class.

    Args:
        status: that they get.
        left: that are left out.
        among: files of one picture, in two classes or more.
    """
    first = among[0]
    other = next(each for each in among if each.class_name != first.class_name)
    for each in left:
        of_another = first if each.class_name != first.class_name else other
        yield Left(each.row, status, of_another.path)


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
