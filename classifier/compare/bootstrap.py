"""A paired hierarchical bootstrap: arrays in, intervals out.

The difference of two arms is uncertain for two reasons: training (seeds) and the choice of test
images. The bootstrap draws both again, images within each class, the same draw for every arm. A
third reason is not covered: another training of the generator and other samples. The intervals hold
for the synthetic images at hand.

Two corrections, because seeds are few and some classes small. Drawing n - 1 of n, not n of n,
makes the variance of both unbiased (Rao and Wu 1988); the draws are then widened about the
measured difference from normal to Student's t, with Satterthwaite's degrees of freedom. Without
them three seeds that agree by chance, one time in four, would pass for a proof. The effect of a
seed on single images counts up to three times where both are drawn (Owen 2007, the pigeonhole
bootstrap): intervals are rather too wide. For a class of n images t has at most n - 1 degrees of
freedom, whether or not seeds agree: with twenty images the normal distribution would report a
change in one unchanged class in ten, and more.

Calibration errors have no interval: with few images they are biased upwards, most for a
well-calibrated classifier, and resampling does not show by how much.

Intervals are cut at -1 and 1. The recall measured in one arm is no tighter bound on the difference:
it is as uncertain as that of the other arm.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from terrabalance.seeds import seed_for

N_RESAMPLES = 2_000
METRICS = ("accuracy", "balanced_accuracy", "macro_f1")
LEVEL = 0.95
_TAIL = (1 + LEVEL) / 2


@dataclass(frozen=True)
class Difference:
    """Arrays over the columns of `Resampling.scores`.

    Attributes:
        mean: as measured.
        low, high: of the interval.
        p_value: two-sided.
        draws: (N_RESAMPLES, columns) that the interval is made of.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p_value: np.ndarray
    draws: np.ndarray


class Resampling:
    """One set of draws of seeds and test images, the same for every arm.

    Args:
        truth: (images,) labels.
        n_classes: labels are below it.
        n_seeds: trials of each arm.
        groups: lists of labels; the mean recall of each is a column.
    """

    def __init__(
        self, truth: np.ndarray, n_classes: int, n_seeds: int, groups: Sequence[Sequence[int]] = ()
    ) -> None:
        rng = np.random.default_rng(seed_for("classifier", "bootstrap"))
        self._truth, self._one_hot = truth, np.eye(n_classes, dtype=np.float32)
        self._support = np.bincount(truth, minlength=n_classes)
        self._groups = [[label for label in group if self._support[label]] for group in groups]
        self._weights = _image_weights(rng, truth)
        self._chosen = rng.integers(n_seeds, size=(N_RESAMPLES, max(1, n_seeds - 1)))

    def most_freedom(self) -> np.ndarray:
        """Return the (columns,) upper limits of the degrees of freedom, from images per class."""
        overall = len(METRICS) + len(self._groups)
        return np.concatenate([np.full(overall, np.inf), np.maximum(self._support - 1, 1)])

    def measured(self, predicted: np.ndarray) -> np.ndarray:
        """Return (seeds, columns) as measured, of (seeds, images) labels."""
        ones = np.ones((1, len(self._truth)), np.float32)
        return np.concatenate([self._scores(ones, each) for each in predicted])

    def scores(self, predicted: np.ndarray) -> np.ndarray:
        """Return the scores of one arm in every draw of images.

        Args:
            predicted: (seeds, images) labels.

        Returns:
            (seeds, N_RESAMPLES, 3 + groups + classes) float64: accuracy, balanced accuracy,
            macro F1, mean recall of each group, recall of each class (0 without images).
        """
        return np.stack([self._scores(self._weights, each) for each in predicted])

    def draws(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Return (N_RESAMPLES, columns) differences of two results of `scores`."""
        shares = np.stack([(self._chosen == seed).mean(axis=1) for seed in range(len(before))])
        total: np.ndarray = np.einsum("sr,src->rc", shares, after - before)
        return total

    def _scores(self, weights: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Return the (draws, columns) scores of one trial in all draws."""
        there = self._support > 0
        hits = weights @ (self._one_hot[self._truth] * (self._truth == predicted)[:, None])
        found = weights @ self._one_hot[predicted]
        recall = hits / np.maximum(self._support, 1)
        f1 = 2 * hits / np.maximum(found + self._support, 1)
        metrics = [
            hits.sum(axis=1) / len(self._truth),
            recall[:, there].mean(axis=1),
            f1[:, there].mean(axis=1),
            *(
                recall[:, group].mean(axis=1) if group else recall[:, 0] * 0
                for group in self._groups
            ),
        ]
        return np.column_stack([*metrics, recall]).astype(float)


def estimate(draws: np.ndarray, per_seed: np.ndarray, most_freedom: np.ndarray) -> Difference:
    """Return the measured differences with 95 % intervals and p-values.

    Args:
        draws: (N_RESAMPLES, columns), see `Resampling.draws`.
        per_seed: (seeds, columns) measured differences.
        most_freedom: (columns,) degrees that t has at most, see `Resampling.most_freedom`.
    """
    mean, freedom = per_seed.mean(axis=0), np.minimum(_freedom(draws, per_seed), most_freedom)
    wide = _widened(draws, mean, freedom)
    low, high = np.quantile(wide, [1 - _TAIL, _TAIL], axis=0).clip(-1, 1)
    error = draws.std(axis=0)
    ratio = np.divide(np.abs(mean), error, out=np.zeros_like(mean), where=error > 0)
    ratio[(error == 0) & (mean != 0)] = np.inf
    return Difference(mean, low, high, 2 * stats.t.sf(ratio, freedom), wide)


def _widened(draws: np.ndarray, mean: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    """Widen draws about the measured differences from normal to Student's t."""
    factor = stats.t.ppf(_TAIL, freedom) / stats.norm.ppf(_TAIL)
    wide: np.ndarray = mean + (draws - mean) * factor
    return wide


def holm(p_values: np.ndarray, alpha: float = 1 - LEVEL) -> np.ndarray:
    """Return which p-values are significant after Holm's correction (1979); bool, same order."""
    order = np.argsort(p_values)
    limits = alpha / np.arange(len(p_values), 0, -1)
    significant = np.zeros(len(p_values), bool)
    significant[order] = np.logical_and.accumulate(p_values[order] <= limits)
    return significant


def _image_weights(rng: np.random.Generator, truth: np.ndarray) -> np.ndarray:
    """Return (N_RESAMPLES, images) float32 counts of each image; a class keeps its total."""
    weights = np.ones((N_RESAMPLES, len(truth)), np.float32)
    for label in np.unique(truth):
        members = np.flatnonzero(truth == label)
        n = len(members)
        if n > 1:
            counts = rng.multinomial(n - 1, np.full(n, 1 / n), size=N_RESAMPLES)
            weights[:, members] = counts * (n / (n - 1))
    return weights


def _freedom(draws: np.ndarray, per_seed: np.ndarray) -> np.ndarray:
    """Satterthwaite's degrees of freedom of each column; infinite where seeds do not matter."""
    n_seeds = len(per_seed)
    if n_seeds < 2:
        return np.full(draws.shape[1], np.inf)
    of_seeds = per_seed.var(axis=0, ddof=1) / n_seeds
    share = np.full(len(of_seeds), np.inf)
    np.divide(draws.var(axis=0), of_seeds, out=share, where=of_seeds > 0)
    return (n_seeds - 1) * np.maximum(share, 1) ** 2
