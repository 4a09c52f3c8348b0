"""The verdict of a comparison in sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from classifier.arms.arm import BASELINE
from classifier.arms.registry import arm_of
from terrabalance.page import signed
from terrabalance.wording import in_short

_NAMED = 8  # classes named in a sentence
FEWEST_FOR_A_VERDICT = 10  # test images of every class
FEWEST_SEEDS = 3
_NONE_CHOSEN = (
    "Validation chose none of the synthetic images in any arm: they do no better there with what "
    "was tried ({}) than without. The best arm there is {}."
)


@dataclass(frozen=True)
class Claim:
    """The figures behind a verdict.

    Attributes:
        arm: that the verdict is about.
        to_real: its difference in balanced accuracy to the arm `real`: mean, low, high in [-1, 1].
        rival: the best arm without synthetic images, chosen on val.
        to_rival: the difference to it.
        n_seeds: trials of each arm.
        n_test: test images.
        fewest: test images of the class that has the fewest. Resampling cannot estimate the
            spread from a handful, and balanced accuracy gives each class the same weight.
        kind: of the test images: `real` or `drawn`.
        excess: how much more the arm gains on test than on val, where chance does not explain it;
            else None.
        generative: whether the arm uses synthetic images.
        suspects: arms that gain more on test than on val than chance explains.
        val_gap: balanced accuracy of the arm less that of the rival on val, which chose both; None
            without val.
    """

    arm: str
    to_real: Mapping[str, float]
    rival: str
    to_rival: Mapping[str, float]
    n_seeds: int
    n_test: int
    fewest: int
    kind: str = "real"
    excess: float | None = None
    generative: bool = True
    val_gap: float | None = None
    suspects: tuple[str, ...] = ()


def verdict(claim: Claim) -> dict[str, str]:
    """Return the outcome of a claim, and sentences for it.

    Returns:
        `outcome` and `sentence`. With fewer than three seeds, or ten test images of a class,
        nothing is claimed. The outcome is "helped" only if the arm is clearly better than `real`
        and than the best arm without synthetic images, and val does not prefer the latter; "beaten"
        if that one is clearly better and `real` is not; "hurt" if `real` is; "suspect" if the gain
        looks like a leak; else "no clear difference".
    """
    outcome = _outcome(claim)
    sentences = [_against_real(claim, outcome)]
    if claim.rival != BASELINE:
        sentences.append(_against_rival(claim))
    sentences += _of_validation(claim)
    if claim.excess is not None:
        sentences.append(
            f"But this arm gains {100 * claim.excess:.1f} points more on test than on validation "
            "images, too many for chance: look for test images among its training images."
        )
    if others := [arm for arm in claim.suspects if arm != claim.arm]:
        sentences.append(
            f"Arms that gain more on test than on validation images than chance explains: "
            f"{', '.join(others)}. Look for test images among their training images."
        )
    if claim.n_seeds < 2:
        sentences.append(
            "With one seed the interval does not cover the variation between trainings."
        )
    elif claim.n_seeds < FEWEST_SEEDS:
        sentences.append(f"A verdict takes {FEWEST_SEEDS} seeds or more.")
    return {"outcome": outcome, "sentence": " ".join(sentences)}


def no_images(tried: Sequence[str], instead: str) -> dict[str, str]:
    """Return the verdict where val chose none of the synthetic images in any arm.

    Args:
        tried: settings with some of them, in words.
        instead: the best arm without them, on val.
    """
    return {"outcome": "none chosen", "sentence": _NONE_CHOSEN.format(", ".join(tried), instead)}


def _of_validation(claim: Claim) -> list[str]:
    if not claim.generative or claim.val_gap is None or claim.val_gap > 0:
        return []
    ahead = f"{-100 * claim.val_gap:.1f}"
    if float(ahead) == 0:
        return [f"On validation images the best arm with them only equals {claim.rival}."]
    return [
        "On validation images the best arm has no synthetic images: "
        f"{claim.rival} is {ahead} points ahead of the best arm with them."
    ]


def _outcome(claim: Claim) -> str:
    better = claim.to_real["low"] > 0 and claim.to_rival["low"] > 0
    chosen = not claim.generative or claim.val_gap is None or claim.val_gap > 0
    if claim.excess is not None:
        return "suspect"
    if claim.fewest < FEWEST_FOR_A_VERDICT or claim.n_seeds < FEWEST_SEEDS:
        return "no clear difference"
    if better:
        return "helped" if chosen else "no clear difference"
    if claim.to_real["high"] < 0:
        return "hurt"
    return "beaten" if claim.to_rival["high"] < 0 else "no clear difference"


def _against_real(claim: Claim, outcome: str) -> str:
    mean, low, high = (100 * claim.to_real[key] for key in ("mean", "low", "high"))
    seeds = "1 seed" if claim.n_seeds == 1 else f"{claim.n_seeds} seeds"
    interval = f"95 % interval {signed(low)} to {signed(high)}"
    basis = f"({interval}, {seeds}, {claim.n_test:,} {claim.kind} test images)"
    clear = low > 0 or high < 0
    if clear and claim.fewest < FEWEST_FOR_A_VERDICT:
        return (
            f"{_subject(claim)} changed balanced accuracy by {signed(mean)} points {basis}, but a "
            f"class has only {claim.fewest} of these images: too few for a verdict, which takes "
            f"{FEWEST_FOR_A_VERDICT} a class."
        )
    if clear:
        verb = "raised" if low > 0 else "lowered"
        end = f": {_pronoun(claim)} {outcome}." if outcome in ("helped", "hurt") else "."
        return f"{_subject(claim)} {verb} balanced accuracy by {abs(mean):.1f} points {basis}{end}"
    return (
        f"{_subject(claim)} changed balanced accuracy by {signed(mean)} points {basis}: no "
        "clear difference. The interval contains zero, so this test shows neither help nor "
        "harm."
    )


def _against_rival(claim: Claim) -> str:
    mean, low, high = (100 * claim.to_rival[key] for key in ("mean", "low", "high"))
    said = "better" if low > 0 else "worse" if high < 0 else "not clearly different"
    return (
        f"Against the best arm without synthetic images, {claim.rival}, the difference is "
        f"{signed(mean)} points (95 % interval {signed(low)} to {signed(high)}): {said}."
    )


def _subject(claim: Claim) -> str:
    if not claim.generative:
        return f"{arm_of(claim.arm).label} (no synthetic images)"
    return "Synthetic images" + ("" if claim.arm == "synthetic" else f" (arm {claim.arm})")


def _pronoun(claim: Claim) -> str:
    return "they" if claim.generative else "it"


def class_sentence(per_class: Sequence[Mapping[str, Any]], baseline: str, arm: str) -> str:
    """Return which classes changed in recall, filled classes apart from the others.

    Args:
        per_class: as in the comparison record; `n_train` by arm, `verdict`, `class`.
        baseline: arm to compare with.
        arm: arm to compare; a class with other training counts than in `baseline` was filled.
    """
    filled = [row for row in per_class if row["n_train"][arm] != row["n_train"][baseline]]
    others = [row for row in per_class if row["n_train"][arm] == row["n_train"][baseline]]
    groups = [(filled, "filled"), (others, "other" if filled else "classes")]
    said = [f"of {len(rows)} {name}, {_changes(rows)}" for rows, name in groups if rows]
    subject = (
        "" if arm_of(arm).generative else f", {arm_of(arm).label} against {arm_of(baseline).label}"
    )
    return f"Recall by class{subject}: {'; '.join(said)}. For the rest no change was shown."


def _changes(rows: Sequence[Mapping[str, Any]]) -> str:
    parts = []
    for outcome in ("helped", "hurt"):
        names = [str(row["class"]) for row in rows if row["verdict"] == outcome]
        listed = f" ({in_short(names, _NAMED)})" if names else ""
        parts.append(f"{len(names)} {outcome}{listed}")
    return " and ".join(parts)
