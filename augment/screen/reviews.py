"""Human decisions on synthetic images, kept in `reviews.json` beside the manifest.

They have a file of their own, so that drawing more images does not lose them.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, get_args

import pandas as pd
from pydantic import AfterValidator, TypeAdapter, ValidationError

from terrabalance.errors import BadInput
from terrabalance.files import read_json, write_json

REVIEWS = "reviews.json"
Decision = Literal["accept", "refuse"]
Reviews = dict[str, dict[str, str]]  # path -> {review, reviewer, reviewed}


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
        return _REVIEWS.validate_python(read_json(path) if path.is_file() else {})
    except ValidationError as error:
        raise BadInput(
            f"{path}: holds no decisions on images by their paths, accept or refuse. Put back a "
            "copy, or delete it and decide again."
        ) from error


def keep_review(folder: Path, path: str, decision: Decision | None, reviewer: str) -> None:
    """Keep a decision on one image, in place of an earlier one; None takes it back."""
    reviews = read_reviews(folder)
    reviews.pop(path, None)
    if decision is not None:
        moment = datetime.now(UTC).isoformat(timespec="seconds")
        reviews[path] = {"review": decision, "reviewer": reviewer, "reviewed": moment}
    write_json(folder / REVIEWS, reviews)


def review_columns(paths: pd.Series, reviews: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """Return the manifest's columns review, reviewer and reviewed of images, by their paths."""
    columns = ("review", "reviewer", "reviewed")
    rows = [[reviews.get(path, {}).get(column, "") for column in columns] for path in paths]
    return pd.DataFrame(rows, index=paths.index, columns=list(columns), dtype="str")
