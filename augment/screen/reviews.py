"""Human decisions on synthetic images, kept in `reviews.json` beside the manifest.

They have a file of their own, so that drawing more images does not lose them. That file always has
every decision that the manifest has: one that is made is written to it first, one that is taken
back leaves it last. So what the manifest has and the file lacks, was lost with the file.
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, get_args

import pandas as pd
from pydantic import AfterValidator, TypeAdapter, ValidationError

from augment.sample.files import SCREENING
from terrabalance.errors import BadInput, NotReady
from terrabalance.files import read_json, read_record, write_json
from terrabalance.manifest import read_manifest

_log = logging.getLogger(__name__)
REVIEWS = "reviews.json"
Decision = Literal["accept", "refuse"]
Reviews = dict[str, dict[str, str]]  # path -> {review, reviewer, reviewed}
_COLUMNS = ("review", "reviewer", "reviewed")
_REMEDY = (
    "Put back a copy, or rename it: then the decisions that manifest.parquet beside it has are put "
    "back into a new one."
)


def _known(reviews: Reviews) -> Reviews:
    if any(each.get("review") not in get_args(Decision) for each in reviews.values()):
        raise ValueError("a decision is neither accept nor refuse")
    return reviews


_REVIEWS: TypeAdapter[Reviews] = TypeAdapter(Annotated[Reviews, AfterValidator(_known)])


def read_reviews(folder: Path) -> Reviews:
    """Return the decisions on a class's images: path -> {review, reviewer, reviewed}.

    Raises:
        BadInput: the file holds something else.
    """
    path = folder / REVIEWS
    try:
        return _REVIEWS.validate_python(read_json(path, _REMEDY) if path.is_file() else {})
    except ValidationError as error:
        raise BadInput(
            f"{path}: holds no decisions on images by their paths, accept or refuse. {_REMEDY}"
        ) from error


def write_reviews(folder: Path, reviews: Reviews) -> None:
    """Write the decisions on a class's images."""
    write_json(folder / REVIEWS, reviews)


def with_decision(reviews: Reviews, path: str, decision: Decision | None, reviewer: str) -> Reviews:
    """Return decisions with one on an image, in place of an earlier one; None takes it back."""
    changed = {of: each for of, each in reviews.items() if of != path}
    if decision is not None:
        moment = datetime.now(UTC).isoformat(timespec="seconds")
        changed[path] = {"review": decision, "reviewer": reviewer, "reviewed": moment}
    return changed


def put_back_reviews(folder: Path) -> None:
    """Put decisions that the manifest has, and the file lacks or has older, back into the file.

    Raises:
        BadInput: the record of the screening counts more decisions than are known by now.
    """
    reviews, in_manifest = read_reviews(folder), _in_manifest(folder)
    lost = {
        path: each
        for path, each in in_manifest.items()
        if path not in reviews or reviews[path].get("reviewed", "") < each["reviewed"]
    }
    if lost:
        write_reviews(folder, reviews | lost)
        by = sorted({each["reviewer"] for each in lost.values()})
        _log.warning(
            "%s: lacked %d decision(s) by eye of %s, which manifest.parquet beside it has. They "
            "are put back; take back with `terrabalance review` what shall not count",
            folder / REVIEWS, len(lost), ", ".join(by),
        )  # fmt: skip
    if (n_made := n_counted(folder)) > len(reviews | lost):
        raise BadInput(
            f"{folder / REVIEWS}: has {len(reviews | lost)} of at least {n_made} decisions by "
            f"eye that {SCREENING} counts, and manifest.parquet beside it knows no more. Put back "
            f"a copy of either, or move the folder {folder} away to draw and review its images "
            "anew."
        )


def _in_manifest(folder: Path) -> Reviews:
    """Return the decisions that the manifest has; {} where it is damaged or gone."""
    try:
        frame = read_manifest(folder).frame
    except (BadInput, NotReady):
        return {}
    rows = frame.loc[frame["review"] != "", ["path", *_COLUMNS]]
    return {row.pop("path"): row for row in rows.to_dict("records")}


def n_counted(folder: Path) -> int:
    """Return how many decisions the record of a screening counts; 0 where there is none.

    Raises:
        BadInput: it is damaged.
    """
    record = read_record(folder / SCREENING) if (folder / SCREENING).is_file() else {}
    counts = (record.get(f"{word}_by_eye", 0) for word in ("refused", "accepted"))
    return sum(count for count in counts if isinstance(count, int))


def review_columns(paths: pd.Series, reviews: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """Return the manifest's columns review, reviewer and reviewed of images, by their paths."""
    rows = [[reviews.get(path, {}).get(column, "") for column in _COLUMNS] for path in paths]
    return pd.DataFrame(rows, index=paths.index, columns=list(_COLUMNS), dtype="str")
