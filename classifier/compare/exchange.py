"""What synthetic images are worth in real ones, by what half of the real ones costs.

Accuracy grows about evenly with every doubling of a class's images. So what halving costs is what
the next doubling gains, or a little more, as learning curves flatten; and a gain of the synthetic
images, counted in doublings, is a number of real images. arXiv:2508.09550 has such rates of others.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from classifier.arms.arm import BASELINE
from classifier.compare.bootstrap import Difference
from classifier.compare.differences import BALANCED, PairedScores, interval, is_clear
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
        `arms` (halved, whole, filled), `classes` (that are halved), `single` (filled ones of one
        image, which are not), `n_real` (their images in
        all), `n_synthetic`, `halving` and `filling` (change of balanced accuracy: mean, low,
        high, in [-1, 1]), `more` (real images, as a share of `n_real`, that would do as much: mean,
        low, high, within -0.75 and 3; None where halving shows no clear loss) and `sentence`.
    """
    arms = next((each for each in _TRIPLES if set(each) <= set(n_train)), None)
    if arms is None:
        return None
    halved, whole, filled = (n_train[arm] for arm in arms)
    classes = [name for name in whole if halved[name] < whole[name]]
    loss, gain = test.difference(arms[0], arms[1]), test.difference(arms[1], arms[2])
    doublings = np.mean([np.log2(whole[name] / halved[name]) for name in classes or whole])
    record = {
        "arms": list(arms), "classes": classes,
        "single": [name for name, n in whole.items() if filled[name] > n and n == halved[name]],
        "n_real": sum(whole[name] for name in classes),
        "n_synthetic": sum(filled[name] - n for name, n in whole.items()),
        "halving": interval(test.difference(arms[1], arms[0]), BALANCED),
        "filling": interval(gain, BALANCED),
        "more": _more(gain, loss, float(doublings)) if classes and is_clear(loss) else None,
    }  # fmt: skip
    is_used = shares.get(arms[2], 1.0) > 0
    return record | {"sentence": " ".join(_sentences(record, whole, is_used))}


def _more(gain: Difference, loss: Difference, doublings: float) -> dict[str, float]:
    """Return by what share more real images would gain as much; the loss is of some doublings."""
    drawn = gain.draws[:, BALANCED] / loss.draws[:, BALANCED].clip(1e-9)
    low, high = np.quantile(drawn, [0.025, 0.975])
    found = np.array([gain.mean[BALANCED] / loss.mean[BALANCED], low, high]) * doublings
    shares = 2 ** found.clip(-_MOST_DOUBLINGS, _MOST_DOUBLINGS) - 1
    return dict(zip(("mean", "low", "high"), map(float, shares), strict=True))


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
