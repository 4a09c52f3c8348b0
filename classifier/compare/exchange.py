"""What synthetic images are worth in real ones, by what half of the real ones costs.

Accuracy grows about evenly with every doubling of a class's images. So what halving costs is what
the next doubling gains, or a little more, as learning curves flatten; and a gain of the synthetic
images, counted in doublings, is a number of real images. arXiv:2508.09550 has such rates of others.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from classifier.arms.arm import BASELINE
from classifier.compare.differences import BALANCED, PairedScores, interval, share_of
from terrabalance.page import signed
from terrabalance.wording import in_short

# Of arms: with half of the real images, with all, with the synthetic ones too. The correction for
# rare classes makes up for the classes' shares, which halving and filling change as well.
_TRIPLES = (
    ("halved+logit-adjustment", "logit-adjustment", "synthetic+logit-adjustment"),
    ("halved", BASELINE, "synthetic"),
)
_MOST_DOUBLINGS = 2.0  # a half says nothing of more than four times as many
_FEW = 10  # real images that somebody could look for
_NAMED = 8  # classes named in a sentence


def exchange(
    test: PairedScores, n_train: Mapping[str, Mapping[str, int]], shares: Mapping[str, float]
) -> dict[str, Any] | None:
    """Return what the synthetic images are worth in real ones; None without the arms for it.

    Args:
        test: scores on test.
        n_train: training images by arm and class.
        shares: of the synthetic images, by arm, as chosen on val; 0 is none.

    Returns:
        `arms` (halved, whole, filled), `classes` (that are halved), `n_real` (their images in all),
        `single` (filled classes of one image, which are not), `n_synthetic`, `halving` and
        `filling` (change of balanced accuracy: mean, low, high, in [-1, 1]), `more` (real images,
        as a share of `n_real`, that would do as much: mean, low, high, within -0.75 and 3; None
        where halving shows no clear loss) and `sentence`.
    """
    arms = next((each for each in _TRIPLES if set(each) <= set(n_train)), None)
    if arms is None:
        return None
    halved, whole, filled = (n_train[arm] for arm in arms)
    classes = [name for name in whole if halved[name] < whole[name]]
    loss, gain = test.difference(arms[0], arms[1]), test.difference(arms[1], arms[2])
    record = {
        "arms": list(arms), "classes": classes,
        "single": [name for name, n in whole.items() if filled[name] > n and n == halved[name]],
        "n_real": sum(whole[name] for name in classes),
        "n_synthetic": sum(filled[name] - n for name, n in whole.items()),
        "halving": _turned(interval(loss, BALANCED)),
        "filling": interval(gain, BALANCED),
        "more": _more(share_of(gain, loss), [whole[name] / halved[name] for name in classes]),
    }  # fmt: skip
    is_used = shares.get(arms[2], 1.0) > 0
    return record | {"sentence": " ".join(_sentences(record, whole, is_used))}


def _turned(found: Mapping[str, float]) -> dict[str, float]:
    """Return the interval of a difference the other way round."""
    return {"mean": -found["mean"], "low": -found["high"], "high": -found["low"]}


def _more(share: Mapping[str, float] | None, ratios: Sequence[float]) -> dict[str, float] | None:
    """Return by what share more real images would gain as much.

    Args:
        share: of the gain in what halving loses; None: that is not clear.
        ratios: all images over those that halving left, class by class, as an odd one is rounded.
    """
    if share is None or not ratios:
        return None
    doublings = float(np.mean(np.log2(ratios)))
    return {
        key: float(2 ** np.clip(value * doublings, -_MOST_DOUBLINGS, _MOST_DOUBLINGS) - 1)
        for key, value in share.items()
    }


def _sentences(record: Mapping[str, Any], whole: Mapping[str, int], is_used: bool) -> list[str]:
    n_real, more, halving = record["n_real"], record["more"], record["halving"]
    if not record["classes"]:
        return [
            "Every filled class has one real image, which cannot be halved, so what a real image "
            "is worth here cannot be told."
        ]
    mean, low, high = (signed(100 * halving[key]) for key in ("mean", "low", "high"))
    n = len(record["classes"])
    classes = "a filled class" if n == 1 else f"{n} filled classes"
    cost = (
        f"Half as many real images of {classes} ({n_real:,} in all) change balanced accuracy by "
        f"{mean} points (95 % interval {low} to {high})"
    )
    if more is None:
        return [f"{cost}: no clear loss, so what a real image is worth here cannot be told."]
    if not is_used:
        return [f"{cost}; of the synthetic images validation took none."]
    real = _bounded(more["mean"], n_real)
    worth = "no more real ones" if real == "0" else f"about {real} more real ones"
    return [
        f"{cost}. So the {record['n_synthetic']:,} synthetic images, at "
        f"{signed(100 * record['filling']['mean'])} points, are worth {worth} (95 % interval "
        f"{_bounded(more['low'], n_real)} to {_bounded(more['high'], n_real)}).",
        *_few_more(record["classes"], whole, more["high"]),
        *_not_halved(record["single"]),
    ]


def _bounded(share: float, n_real: int) -> str:
    """Return a share in images: none below 0, and no more than a half tells."""
    end = " or more" if share >= 2**_MOST_DOUBLINGS - 1 else ""
    return f"{max(0, round(share * n_real)):,}{end}"


def _few_more(classes: Sequence[str], whole: Mapping[str, int], most: float) -> list[str]:
    """Name the classes of which a few real images do more than synthetic ones, at their best."""
    names = [name for name in classes if most * whole[name] < _FEW]
    if not names:
        return []
    return [
        f"{_FEW} more real images of one of these classes do more for it than all its synthetic "
        f"ones: {in_short(sorted(names, key=lambda name: whole[name]), _NAMED)}."
    ]


def _not_halved(single: Sequence[str]) -> list[str]:
    if not single:
        return []
    named = in_short(single, _NAMED)
    return [f"Of one real image, and so not halved, though filled: {named}."]
