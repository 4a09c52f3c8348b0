"""The images of one class after screening: each with its scores, and used, spare or refused.

Statuses that screening sets in the manifest of a class's synthetic images:

    ok        accepted, and used
    spare     accepted, and more than the class needs
    refused   a rule or a person refused it; `detail` says which

What people decided is kept beside the manifest in `reviews.json`, so that drawing on does not
forget it.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from filelock import FileLock

from augment.sample.sampling import SCREENING
from augment.screen.rules import (
    LIMITED,
    REPEAT,
    Class,
    Limits,
    Scores,
    Seen,
    accepted,
    repeats,
    scores,
)
from terrabalance.errors import BadInput, NotReady
from terrabalance.files import done, fingerprint, read_json, write_json
from terrabalance.manifest import RULES, Manifest, read_manifest, write_manifest

REVIEWS = "reviews.json"
Decision = Literal["accept", "refuse"]
MEANINGS = {
    "copy": "the structure of a training image",
    "near_copy": "too near to a training image in features",
    "off_class": "looks like another class",
    "colour": "colours unlike the class",
    "sharpness": "sharpness unlike the class",
    "edges": "edges unlike the class",
    "noise": "noise unlike the class",
    "outlier": "far from every image of the class",
    "repeat": "repeats an earlier synthetic image",
}
ONLY_COPIES = "Too few validation images to set limits: only copies and repeats were refused."


def judge(seen: Seen, of: Class, limit: Limits) -> Scores:
    """Score synthetic images by all rules, in the order of drawing."""
    found = scores(seen, of)
    found[REPEAT] = repeats(seen.images, limit, accepted(found, limit))
    return found


def highest(limit: Limits) -> Limits:
    """Return the highest score of every rule that refuses; of repeats none is accepted."""
    return {REPEAT: 0.0, **limit}


def apply(
    folder: Path, n_needed: int, most: int, found: Scores | None, limit: Limits | None
) -> dict[str, Any]:
    """Write scores and statuses into the manifest of a class's synthetic images.

    Args:
        folder: of the images, drawn to the end.
        n_needed: accepted images that are used; the rest is spare.
        most: images that may be drawn.
        found: of `judge`, in the order of the manifest's paths; None: nothing was judged, and only
            people refuse.
        limit: of the class, or None.

    Returns:
        The record, also written as `screening.json`: n_drawn, n_needed, most, n_accepted, n_used,
        n_missing, ended (nothing more is to be drawn), judged (bool), refused (rule -> images, an
        image may count for several), refused_by_eye, accepted_by_eye, limits, reviews (a hash of
        the decisions by eye that it follows).
    """
    with _lock(folder):
        return _apply(folder, n_needed, most, found, limit)


def _lock(folder: Path) -> FileLock:
    """Let a person and a run that draws on not write one manifest at the same time."""
    return FileLock(folder / ".screening.lock")


def _apply(
    folder: Path, n_needed: int, most: int, found: Scores | None, limit: Limits | None
) -> dict[str, Any]:
    manifest = read_manifest(folder)
    frame = manifest.frame.sort_values("path").reset_index(drop=True)
    reasons: list[list[str]] = [[] for _ in range(len(frame))]
    bounds = highest(limit) if found and limit else {}
    for rule in RULES if found and limit else ():
        assert found
        frame[f"score_{rule}"] = found[rule]
        if rule in bounds:
            for index in np.flatnonzero(~(found[rule] <= bounds[rule])):  # nan is not within
                reasons[index].append(rule)
    reviews = read_reviews(folder)
    _apply_reviews(frame, reviews)
    frame["status"], frame["detail"] = _statuses(frame, reasons, n_needed)
    write_manifest(Manifest(manifest.root, frame), folder)
    n_used = int((frame["status"] == "ok").sum())
    n_spare = int((frame["status"] == "spare").sum())
    record = {
        "n_drawn": len(frame), "n_needed": n_needed, "most": most,
        "n_accepted": n_used + n_spare, "n_used": n_used, "n_missing": n_needed - n_used,
        "ended": n_used == n_needed or len(frame) >= most, "judged": found is not None,
        "refused": dict(Counter(rule for each in reasons for rule in each)),
        "refused_by_eye": int((frame["review"] == "refuse").sum()),
        "accepted_by_eye": int((frame["review"] == "accept").sum()),
        "limits": limit, "reviews": fingerprint(reviews),
    }  # fmt: skip
    write_json(folder / SCREENING, record)
    return record


def _statuses(
    frame: pd.DataFrame, reasons: list[list[str]], n_needed: int
) -> tuple[list[str], list[str]]:
    statuses, details, used = [], [], 0
    for review, reviewer, own in zip(frame["review"], frame["reviewer"], reasons, strict=True):
        if review == "refuse" or (own and review != "accept"):
            by_eye = [f"refused by {reviewer}"] if review == "refuse" else []
            statuses.append("refused")
            details.append("; ".join([*by_eye, *(MEANINGS[r] for r in own)]))
            continue
        used += 1
        statuses.append("ok" if used <= n_needed else "spare")
        details.append(f"accepted by {reviewer}" if review == "accept" else "")
    return statuses, details


def screening_record(folder: Path) -> dict[str, Any] | None:
    """Return the record of a class's screening; None where it is not of all images and decisions.

    That is so while more are drawn, and after a kill between a decision and the manifest.
    """
    drawn, path = done(folder), folder / SCREENING
    if drawn is None or not path.is_file():
        return None
    record: dict[str, Any] = read_json(path)
    follows = (drawn["n_images"], fingerprint(read_reviews(folder)))
    return record if (record["n_drawn"], record["reviews"]) == follows else None


def refuses_only_copies(record: Mapping[str, Any]) -> bool:
    """Say whether a class's other rules had no limits, see `augment.screen.rules.copy_limits`."""
    return bool(record["judged"]) and set(record["limits"]) < set(LIMITED)


def what_is_missing(class_name: str, record: Mapping[str, Any]) -> str:
    """Say of a class's record how many images are missing and why; empty where none is."""
    if not record["n_missing"]:
        return ""
    why = [f"{MEANINGS[rule]} ({count})" for rule, count in record["refused"].items()]
    if record["refused_by_eye"]:
        why.append(f"by eye ({record['refused_by_eye']})")
    return (
        f"{class_name}: {record['n_missing']} of {record['n_needed']} images are missing after "
        f"drawing {record['n_drawn']}; refused: {', '.join(why)}; an image may count for several."
    )


def is_screened(folder: Path) -> bool:
    """Say whether a class's images can be used: to the end, or as far as a person wants."""
    record = screening_record(folder)
    return record is not None and (record["ended"] or bool(read_reviews(folder)))


def read_reviews(folder: Path) -> dict[str, dict[str, str]]:
    """Return what people decided: path -> {review, reviewer, reviewed}."""
    path = folder / REVIEWS
    found: dict[str, dict[str, str]] = read_json(path) if path.is_file() else {}
    return found


def review(folder: Path, path: str, decision: Decision | None, reviewer: str) -> None:
    """Keep a person's decision on one image, or take it back with None.

    The manifest follows at once: a spare image takes the place of one that is refused. What repeats
    an image that is refused by eye stays refused itself, until it is accepted by eye.

    Raises:
        BadInput: no such image in the folder's manifest.
        NotReady: the class has not been screened.
    """
    with _lock(folder):
        _review(folder, path, decision, reviewer)


def _review(folder: Path, path: str, decision: Decision | None, reviewer: str) -> None:
    record = screening_record(folder)
    if record is None:
        raise NotReady(f"{folder}: not drawn and screened to the end. Run `terrabalance sample`.")
    frame = read_manifest(folder).frame.sort_values("path")
    if path not in set(frame["path"]):
        raise BadInput(f"{folder}: no synthetic image {path!r} here.")
    reviews = read_reviews(folder)
    reviews.pop(path, None)
    if decision is not None:
        moment = datetime.now(UTC).isoformat(timespec="seconds")
        reviews[path] = {"review": decision, "reviewer": reviewer, "reviewed": moment}
    write_json(folder / REVIEWS, reviews)
    found = {rule: frame[f"score_{rule}"].to_numpy() for rule in RULES}
    judged = record["judged"]
    limit = record["limits"]
    _apply(folder, record["n_needed"], record["most"], found if judged else None, limit)


def _apply_reviews(frame: pd.DataFrame, reviews: dict[str, dict[str, str]]) -> None:
    for column in ("review", "reviewer", "reviewed"):
        frame[column] = [reviews.get(path, {}).get(column, "") for path in frame["path"]]
