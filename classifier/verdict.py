"""The comparison in plain sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

_NAMED = 8  # classes named in a sentence


FEWEST_FOR_A_VERDICT = 5  # test images of every class


def verdict(
    difference: Mapping[str, float], n_seeds: int, n_test: int, fewest: int, kind: str = "real"
) -> dict[str, str]:
    """Put the interval of the balanced accuracy difference (mean, low, high) into one sentence.

    Args:
        difference: of balanced accuracy, in [-1, 1].
        n_seeds: trainings an arm.
        n_test: test images.
        fewest: test images of the class that has the fewest. Of a handful, resampling cannot
            tell the spread, and balanced accuracy gives each class the same weight.
        kind: of the test images: `real`, or `drawn`.

    Returns:
        `outcome`: "helped", "hurt" or "no clear difference"; and the `sentence`.
    """
    mean, low, high = (100 * difference[key] for key in ("mean", "low", "high"))
    seeds = "1 seed" if n_seeds == 1 else f"{n_seeds} seeds"
    interval = f"95 % interval {low:+.1f} to {high:+.1f}"
    basis = f"({interval}, {seeds}, {n_test:,} {kind} test images)"
    if (low > 0 or high < 0) and fewest < FEWEST_FOR_A_VERDICT:
        outcome = "no clear difference"
        sentence = (
            f"Synthetic images changed balanced accuracy by {mean:+.1f} points {basis}, but a "
            f"class has only {fewest} of these images: too few for a verdict, which takes "
            f"{FEWEST_FOR_A_VERDICT} a class."
        )
    elif low > 0 or high < 0:
        outcome, verb = ("helped", "raised") if low > 0 else ("hurt", "lowered")
        sentence = (
            f"Synthetic images {verb} balanced accuracy by {abs(mean):.1f} points {basis}: "
            f"they {outcome}."
        )
    else:
        outcome = "no clear difference"
        sentence = (
            f"Synthetic images changed balanced accuracy by {mean:+.1f} points {basis}: no "
            "clear difference. The interval contains zero, so this test shows neither help nor "
            "harm."
        )
    if n_seeds < 2:
        sentence += " With one seed the interval does not cover the variation between trainings."
    return {"outcome": outcome, "sentence": sentence}


def class_sentence(per_class: Sequence[Mapping[str, Any]], baseline: str, arm: str) -> str:
    """Say which classes' recall changed, those that got synthetic images apart from the others.

    Args:
        per_class: as in the comparison record; `n_train` by arm, `verdict`, `class`.
        baseline: arm to compare with.
        arm: arm to judge; a class with other training counts in it was filled.
    """
    filled = [row for row in per_class if row["n_train"][arm] != row["n_train"][baseline]]
    others = [row for row in per_class if row["n_train"][arm] == row["n_train"][baseline]]
    groups = [(filled, "filled"), (others, "other")]
    said = [f"of {len(rows)} {name}, {_changes(rows)}" for rows, name in groups if rows]
    return f"Recall by class: {'; '.join(said)}. For the rest no change was shown."


def _changes(rows: Sequence[Mapping[str, Any]]) -> str:
    parts = []
    for outcome in ("helped", "hurt"):
        names = [str(row["class"]) for row in rows if row["verdict"] == outcome]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        listed = f" ({', '.join(names[:_NAMED])}{more})" if names else ""
        parts.append(f"{len(names)} {outcome}{listed}")
    return " and ".join(parts)
