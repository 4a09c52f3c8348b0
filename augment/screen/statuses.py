"""The images of one class after screening: each with its scores, and used, spare or refused.

Statuses that screening sets in the manifest of a class's synthetic images:

    ok        accepted, and used
    spare     accepted, and more than the class needs
    refused   a rule or a person refused it; `detail` names them
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock

from augment.sample.files import SCREENING
from augment.screen.limits import with_fixed
from augment.screen.reviews import (
    Decision,
    Reviews,
    put_back_reviews,
    read_reviews,
    review_columns,
    with_decision,
    write_reviews,
)
from augment.screen.rules import ALWAYS_LIMITED, MEANINGS, NAMES
from augment.screen.rules.rule import Limits, Scores
from terrabalance.errors import BadInput, NotReady
from terrabalance.files import Fields, fingerprint, read_record, write_json
from terrabalance.finished import done
from terrabalance.manifest import (
    Manifest,
    read_manifest,
    score_column,
    scores_in,
    with_score_columns,
    write_manifest,
)

# Of the record, as far as programs go by it; `limits` may be null.
_FIELDS: Fields = {
    "n_drawn": int, "n_needed": int, "most": int, "n_accepted": int, "n_missing": int,
    "ended": bool, "judged": bool, "refused": dict, "refused_by_eye": int, "reviews": str,
}  # fmt: skip
_LOCK = ".screening.lock"
NOT_SCREENED = "Not screened: screening is off, or there are too few training images or classes."
FEW_LIMITS = (
    "There are too few validation images to set the limits of all rules. Applied were only: "
    f"{'; '.join(MEANINGS[rule] for rule in ALWAYS_LIMITED)}."
)


def set_statuses(
    folder: Path, n_needed: int, most: int, found: Scores | None, limits: Limits | None
) -> dict[str, Any]:
    """Write scores and statuses into the manifest of a class's synthetic images.

    Args:
        folder: of the images, drawn to the end.
        n_needed: accepted images that are used; the rest is spare.
        most: images that may be drawn.
        found: of `augment.screen.scoring.score_drawn`, in the order of the manifest's paths; None:
            nothing was scored, and only people refuse.
        limits: of the class, or None.

    Returns:
        The record, also written as `screening.json`: n_drawn, n_needed, most, n_accepted, n_used,
        n_missing, ended (nothing more is to be drawn), judged (bool: there are scores), refused
        (rule -> images, an image may count for several), refused_by_eye, accepted_by_eye, limits,
        reviews (a hash of the human decisions that it follows).
    """
    with _lock(folder):
        put_back_reviews(folder)
        return _set_statuses(folder, n_needed, most, found, limits, read_reviews(folder))


def _lock(folder: Path) -> FileLock:
    """Keep a review and a run that draws on from writing one manifest at the same time."""
    return FileLock(folder / _LOCK)


def _set_statuses(
    folder: Path,
    n_needed: int,
    most: int,
    found: Scores | None,
    limits: Limits | None,
    reviews: Reviews,
) -> dict[str, Any]:
    manifest = read_manifest(folder)
    frame = manifest.frame.sort_values("path").reset_index(drop=True)
    frame = with_score_columns(frame, found or NAMES)
    reasons: list[list[str]] = [[] for _ in range(len(frame))]
    if found and limits:
        for rule, values in found.items():
            frame[score_column(rule)] = values
        reasons = _reasons(found, limits)
    decided = review_columns(frame["path"], reviews)
    frame[list(decided)] = decided
    frame["status"], frame["detail"] = _statuses(frame, reasons, n_needed)
    write_manifest(Manifest(manifest.root, frame), folder)
    record = {
        **_counts(frame, n_needed, most), "judged": found is not None,
        "refused": dict(Counter(rule for each in reasons for rule in each)),
        "refused_by_eye": int((frame["review"] == "refuse").sum()),
        "accepted_by_eye": int((frame["review"] == "accept").sum()),
        "limits": limits, "reviews": fingerprint(reviews),
    }  # fmt: skip
    write_json(folder / SCREENING, record)
    return record


def _reasons(found: Scores, limits: Limits) -> list[list[str]]:
    """Return the rules that refuse each image, in the order of the rules."""
    highest = with_fixed(limits)
    rules = [rule for rule in NAMES if rule in found and rule in highest]
    refused = [~(found[rule] <= highest[rule]) for rule in rules]  # nan is not within
    n_images = len(next(iter(found.values())))
    return [
        [rule for rule, refuses in zip(rules, refused, strict=True) if refuses[index]]
        for index in range(n_images)
    ]


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


def _counts(frame: pd.DataFrame, n_needed: int, most: int) -> dict[str, Any]:
    n_used, n_spare = (int((frame["status"] == status).sum()) for status in ("ok", "spare"))
    return {
        "n_drawn": len(frame), "n_needed": n_needed, "most": most,
        "n_accepted": n_used + n_spare, "n_used": n_used, "n_missing": n_needed - n_used,
        "ended": n_used == n_needed or len(frame) >= most,
    }  # fmt: skip


def screening_record(folder: Path) -> dict[str, Any] | None:
    """Return the record of a class's screening; None where it misses an image or a decision.

    It does while more images are drawn, and after a kill between a decision and the manifest. What
    another process writes at this moment is waited for, and decisions that were lost are put back.

    Raises:
        BadInput: the record, the mark of the images or the decisions are damaged or none of ours;
            decisions are lost for good.
    """
    record = _record_as_is(folder)
    if record is None and any((folder / name).is_file() for name in (_LOCK, SCREENING)):
        with _lock(folder):
            put_back_reviews(folder)
            return _record_as_is(folder)
    return record


def _record_as_is(folder: Path) -> dict[str, Any] | None:
    drawn, path = done(folder, {"n_images": int}), folder / SCREENING
    if drawn is None or not path.is_file():
        return None
    record = read_record(path, _FIELDS)
    follows = (drawn["n_images"], fingerprint(read_reviews(folder)))
    return record if (record["n_drawn"], record["reviews"]) == follows else None


def has_few_limits(record: Mapping[str, Any]) -> bool:
    """Return whether training images alone set a class's limits, so that most rules had none."""
    return bool(record["judged"]) and set(record["limits"]) <= set(ALWAYS_LIMITED)


def what_is_missing(class_name: str, record: Mapping[str, Any]) -> str:
    """Return how many images a class lacks and why, from its record; "" where it lacks none."""
    if not record["n_missing"]:
        return ""
    return (
        f"{class_name}: {record['n_missing']} of {record['n_needed']} images are missing after "
        f"drawing {record['n_drawn']}; {_refused([record])}"
    )


def why_none_accepted(records: Sequence[Mapping[str, Any]]) -> str:
    """Return that no image of any class was accepted and why; "" where one was, or without records.

    Args:
        records: of the screening, one a class.
    """
    if not records or any(record["n_accepted"] for record in records):
        return ""
    n_drawn = sum(record["n_drawn"] for record in records)
    return f"No synthetic image was accepted: {n_drawn} were drawn; {_refused(records)}"


def _refused(records: Sequence[Mapping[str, Any]]) -> str:
    """Return what refused images of some classes, and how many."""
    by_rule: Counter[str] = Counter()
    for record in records:
        by_rule.update(record["refused"])
    why = [f"{MEANINGS[rule]} ({count})" for rule, count in by_rule.items()]
    if by_eye := sum(record["refused_by_eye"] for record in records):
        why.append(f"human review ({by_eye})")
    return f"refused: {', '.join(why)}; an image may count for several."


def is_screened(folder: Path) -> bool:
    """Return whether a class's images can be used: screening ended, or a person has reviewed."""
    record = screening_record(folder)
    return record is not None and (record["ended"] or bool(read_reviews(folder)))


def _refuse_unscreened(folder: Path, record: dict[str, Any] | None) -> dict[str, Any]:
    if record is None:
        raise NotReady(f"{folder}: not drawn and screened to the end. Run `terrabalance sample`.")
    return record


def review(folder: Path, path: str, decision: Decision | None, reviewer: str) -> None:
    """Keep a person's decision on one image, or take it back with None.

    The manifest is changed at once: a spare image takes the place of one that is refused. What
    repeats an image that a person refused stays refused itself, until a person accepts it.
    Rules that are newer than the screening take no part.

    Raises:
        BadInput: no such image in the folder's manifest.
        NotReady: the class has not been screened.
    """
    _refuse_unscreened(folder, screening_record(folder))  # the lock would make a folder
    with _lock(folder):
        record = _refuse_unscreened(folder, _record_as_is(folder))
        frame = read_manifest(folder).frame.sort_values("path")
        if path not in set(frame["path"]):
            raise BadInput(f"{folder}: no synthetic image {path!r} here.")
        reviews = with_decision(read_reviews(folder), path, decision, reviewer)
        if decision is not None:  # see `augment.screen.reviews` for the order
            write_reviews(folder, reviews)
        found = scores_in(frame) if record["judged"] else None
        limits = record["limits"]
        _set_statuses(folder, record["n_needed"], record["most"], found, limits, reviews)
        if decision is None:
            write_reviews(folder, reviews)
