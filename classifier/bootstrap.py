"""A paired hierarchical bootstrap: arrays in, intervals out.

The difference of two arms is uncertain for two reasons: another training (seeds) and other test
images. The bootstrap draws both again, images within each class, the same draw for both arms.

Two corrections, because seeds are few and some classes small. Drawing n - 1 of n, not n of n,
makes the variance unbiased (Rao and Wu 1988); the draws are then widened about the measured
difference from normal to Student's t, with Satterthwaite's degrees of freedom. Without them three
seeds that agree by chance, one time in four, would pass for a proof.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from terrabalance.seeds import seed_for

N_RESAMPLES = 2_000
N_METRICS = 3
LEVEL = 0.95


@dataclass(frozen=True)
class Paired:
    """Two arms on the same images.

    Attributes:
        predicted: (2, seeds, images) labels, the baseline first.
        truth: (images,) labels.
        n_classes: labels are below it.
    """

    predicted: np.ndarray
    truth: np.ndarray
    n_classes: int


@dataclass(frozen=True)
class Difference:
    """Arrays over (3 + classes) columns, as `bootstrap` orders them; p values are two-sided."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p_value: np.ndarray


def judge(paired: Paired, per_seed: np.ndarray) -> Difference:
    """Put 95 % intervals around the measured differences.

    Args:
        paired: predictions of both arms.
        per_seed: (seeds, 3 + classes) measured differences, in the order of `bootstrap`.
    """
    draws, mean = bootstrap(paired), per_seed.mean(axis=0)
    freedom = _freedom(draws, per_seed)
    tail = (1 + LEVEL) / 2
    widened = mean + (draws - mean) * stats.t.ppf(tail, freedom) / stats.norm.ppf(tail)
    low, high = np.quantile(widened, [1 - tail, tail], axis=0)
    error = draws.std(axis=0)
    ratio = np.divide(np.abs(mean), error, out=np.zeros_like(mean), where=error > 0)
    ratio[(error == 0) & (mean != 0)] = np.inf
    return Difference(mean, low, high, 2 * stats.t.sf(ratio, freedom))


def holm(p_values: np.ndarray, alpha: float = 1 - LEVEL) -> np.ndarray:
    """Say which p values stay significant over all of them (Holm 1979); bool, same order."""
    order = np.argsort(p_values)
    limits = alpha / np.arange(len(p_values), 0, -1)
    significant = np.zeros(len(p_values), bool)
    significant[order] = np.logical_and.accumulate(p_values[order] <= limits)
    return significant


def bootstrap(paired: Paired) -> np.ndarray:
    """Draw differences of the arms, seeds and images resampled.

    Returns:
        (N_RESAMPLES, 3 + classes) float64: accuracy, balanced accuracy, macro F1, then the
        recall of each class (0 for a class without images).
    """
    rng = np.random.default_rng(seed_for("classifier", "bootstrap"))
    weights = _image_weights(rng, paired)
    one_hot = np.eye(paired.n_classes, dtype=np.float32)
    n_seeds = paired.predicted.shape[1]
    chosen = rng.integers(n_seeds, size=(N_RESAMPLES, max(1, n_seeds - 1)))
    total = np.zeros((N_RESAMPLES, N_METRICS + paired.n_classes))
    for seed in range(n_seeds):
        share = (chosen == seed).mean(axis=1)[:, None]
        before, after = (
            _resampled_scores(weights, one_hot, paired.truth, paired.predicted[arm, seed])
            for arm in (0, 1)
        )
        total += share * (after - before)
    return total


def _image_weights(rng: np.random.Generator, paired: Paired) -> np.ndarray:
    """How often each image counts, (N_RESAMPLES, images) float32; a class keeps its total."""
    weights = np.ones((N_RESAMPLES, len(paired.truth)), np.float32)
    for label in np.unique(paired.truth):
        members = np.flatnonzero(paired.truth == label)
        n = len(members)
        if n > 1:
            counts = rng.multinomial(n - 1, np.full(n, 1 / n), size=N_RESAMPLES)
            weights[:, members] = counts * (n / (n - 1))
    return weights


def _resampled_scores(
    weights: np.ndarray, one_hot: np.ndarray, truth: np.ndarray, predicted: np.ndarray
) -> np.ndarray:
    """Score all resamples at once: (N_RESAMPLES, 3 + classes) of one arm and seed."""
    support = np.bincount(truth, minlength=len(one_hot))
    there = support > 0
    hits = weights @ (one_hot[truth] * (truth == predicted)[:, None])
    found = weights @ one_hot[predicted]
    recall = hits / np.maximum(support, 1)
    f1 = 2 * hits / np.maximum(found + support, 1)
    metrics = [
        hits.sum(axis=1) / len(truth),
        recall[:, there].mean(axis=1),
        f1[:, there].mean(axis=1),
    ]
    return np.column_stack([*metrics, recall])


def _freedom(draws: np.ndarray, per_seed: np.ndarray) -> np.ndarray:
    """Satterthwaite's degrees of freedom of each column; infinite where seeds do not matter."""
    n_seeds = len(per_seed)
    if n_seeds < 2:
        return np.full(draws.shape[1], np.inf)
    of_seeds = per_seed.var(axis=0, ddof=1) / n_seeds
    share = np.full(len(of_seeds), np.inf)
    np.divide(draws.var(axis=0), of_seeds, out=share, where=of_seeds > 0)
    return (n_seeds - 1) * np.maximum(share, 1) ** 2
