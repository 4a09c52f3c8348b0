"""What to use: the arm that validation ranks first, with the figures of test."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from classifier.arms.arm import BASELINE, Arm
from classifier.arms.part import SYNTHETIC
from classifier.arms.registry import arm_of, generative
from classifier.arms.setting import USUAL, Setting
from classifier.compare.verdict import FEWEST_FOR_A_VERDICT, FEWEST_SEEDS
from terrabalance.page import signed

_NO_VAL = (
    "Nothing is recommended: there are no validation images to choose an arm by, and one that the "
    "test images chose would look better than it is. Give images to split val and compare again."
)
_SAME = 9  # digits of a score; what differs beyond them is rounding


@dataclass(frozen=True)
class Measured:
    """What a comparison has measured of its arms, as far as a recommendation needs it.

    Attributes:
        val: balanced accuracy on val by arm, in [0, 1]; None: val has no images.
        levels: the same on test: mean, low, high.
        gains: difference to `real` on test by every other arm: mean, low, high.
        tried: the settings of which val chose, see `classifier.study.selection`.
        n_seeds: trials of each arm.
        fewest: test images of the class that has the fewest.
    """

    val: Mapping[str, float] | None
    levels: Mapping[str, Mapping[str, float]]
    gains: Mapping[str, Mapping[str, float]]
    tried: Sequence[Mapping[str, Any]]
    n_seeds: int
    fewest: int


def recommend(arms: Sequence[str], measured: Measured) -> dict[str, Any]:
    """Recommend the arm that validation ranks first of those that need no image that users lack.

    That leaves out `oracle`, and `halved`, which only measures. Of arms that are equal on
    validation the simplest is recommended: that of the fewest parts, then one without synthetic
    images, then the first.

    Args:
        arms: of the comparison.
        measured: of them.

    Returns:
        `arm`, `setting`, `uses_synthetic`, `balanced_accuracy` and `to_real` on test ({mean, low,
        high}; the latter None of `real`), `of` (arms it was chosen from) and `sentence`. Without
        val `arm` is None, and the sentence says why.
    """
    if measured.val is None:
        return {"arm": None, "sentence": _NO_VAL}
    offered = [arm for arm in map(arm_of, arms) if set(arm.adds) <= {SYNTHETIC} and not arm.halves]
    chosen = min(offered, key=lambda arm: _rank(arm, measured.val or {}))
    setting = setting_of(chosen.name, measured.tried)
    record = {
        "arm": chosen.name,
        "setting": asdict(setting),
        "uses_synthetic": chosen.generative and setting.share > 0,
        "balanced_accuracy": dict(measured.levels[chosen.name]),
        "to_real": dict(measured.gains[chosen.name]) if chosen.name != BASELINE else None,
        "of": [arm.name for arm in offered],
    }
    return {**record, "sentence": _sentence(record, chosen, setting, measured)}


def setting_of(arm: str, tried: Sequence[Mapping[str, Any]]) -> Setting:
    """Return the setting that val chose for an arm; the usual one where nothing was tried."""
    chosen = (row["setting"] for row in tried if row["arm"] == arm and row.get("chosen"))
    return Setting(**next(chosen, asdict(USUAL)))


def in_words(arm: Arm, uses_synthetic: bool, verb: str = "Train") -> str:
    """Return what an arm trains on and with, by default as an instruction, without a full stop."""
    parts = [part for part in arm.parts if uses_synthetic or part.adds is None]
    images = [part.does for part in parts if part.adds is not None]
    means = [part.does for part in parts if part.adds is None]
    trained = f"{verb} on {_joined(['the real images', *images])}"
    return f"{trained} with {_joined(means)}" if means else trained if images else f"{trained} only"


def setting_in_words(setting: Setting, uses_synthetic: bool) -> str:
    """Return what of a setting matters to who trains with it; "" where all is usual."""
    return str(setting if uses_synthetic else replace(setting, share=USUAL.share))


def _rank(arm: Arm, val: Mapping[str, float]) -> tuple[float, int, bool]:
    return -round(val[arm.name], _SAME), len(arm.parts), arm.generative


def _sentence(record: Mapping[str, Any], arm: Arm, setting: Setting, measured: Measured) -> str:
    level, gain = record["balanced_accuracy"], record["to_real"]
    how = setting_in_words(setting, record["uses_synthetic"])
    chosen = f"validation's choice of {len(record['of'])} arms"
    against = "" if gain is None else f", {_points(gain)} points to plain training ({_range(gain)})"
    said = [
        f"{in_words(arm, record['uses_synthetic'])} ({'; '.join(filter(None, [how, chosen]))}): "
        f"{100 * level['mean']:.1f} % balanced accuracy on test (95 % interval "
        f"{100 * level['low']:.1f} to {100 * level['high']:.1f}){against}.",
        _claim(record, measured),
    ]
    if generative(record["of"]) and not record["uses_synthetic"]:
        said.append("No synthetic images are needed.")
    return " ".join(filter(None, said))


def _claim(record: Mapping[str, Any], measured: Measured) -> str:
    """Return how far the figures may be trusted; nothing where the arm is clearly better."""
    gain = record["to_real"]
    if gain is None:
        return "No other arm is ahead of plain training on validation."
    if gain["high"] < 0:
        return "On test it is worse than plain training, which validation did not foresee."
    if gain["low"] <= 0:
        others = (measured.gains[arm]["low"] for arm in record["of"] if arm != BASELINE)
        which = "it is not" if any(low > 0 for low in others) else "no arm is"
        return f"The interval contains zero: {which} clearly better than plain training."
    if measured.n_seeds < FEWEST_SEEDS or measured.fewest < FEWEST_FOR_A_VERDICT:
        return (
            f"This is a hint: a verdict takes {FEWEST_SEEDS} seeds, and {FEWEST_FOR_A_VERDICT} "
            "test images of each class."
        )
    return ""


def _points(gain: Mapping[str, float]) -> str:
    return signed(100 * gain["mean"])


def _range(gain: Mapping[str, float]) -> str:
    return f"{signed(100 * gain['low'])} to {signed(100 * gain['high'])}"


def _joined(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
