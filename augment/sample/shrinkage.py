"""Mean and covariance of a class of few images, with what other classes tell of such classes.

Ten images fix the mean of thirty-nine numbers so badly that whatever is made alike to it differs
from further images of the class. Empirical Bayes (Efron and Morris 1973, for vectors): in
directions in which classes hardly differ, a class's mean is taken to be that of all; where they
differ much, it is its own.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.covariance import ledoit_wolf

_IMAGES = 60.0  # that the spread within all classes counts as, beside a class's own
_CLASSES = 10.0  # that "classes differ alike in every direction" counts as, beside those seen
_FEW = 5  # images of which a mean is half known, where no other class helps


def expected(
    own: np.ndarray, others: Sequence[np.ndarray], fallback: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Estimate what further images of a class are like.

    Args:
        own: (n, K) measurements of the class's images, n >= 1.
        others: (m, K) of each other class.
        fallback: (M, K), M >= 2, of images that are a little like the class's; towards them the
            estimate is drawn where there is no other class of two images or more.

    Returns:
        Mean (K,) and covariance (K, K).
    """
    known = [other for other in others if len(other) > 1]
    return _among_classes(own, known) if known else _alone(own, fallback)


def _among_classes(own: np.ndarray, others: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    groups, n, width = [own, *others], len(own), own.shape[1]
    means = np.stack([group.mean(axis=0) for group in groups])
    off = np.concatenate([group - mean for group, mean in zip(groups, means, strict=True)])
    within = off.T @ off / (len(off) - len(groups))
    within += 1e-6 * (np.trace(within) / width + 1e-6) * np.eye(width)
    between = _between(means, within, np.array([len(group) for group in groups]))
    within = within * _scale(off[:n], within)
    centre = means.mean(axis=0)
    mean = centre + between @ np.linalg.solve(between + within / n, means[0] - centre)
    scatter = off[:n].T @ off[:n] * n / max(n - 1, 1)
    return mean, (scatter + _IMAGES * within) / (n + _IMAGES)


def _scale(off: np.ndarray, within: np.ndarray) -> float:
    """How much more a class's images vary than those of all classes."""
    if len(off) < 2:
        return 1.0
    return float((off * np.linalg.solve(within, off.T).T).sum() / ((len(off) - 1) * off.shape[1]))


def _between(means: np.ndarray, within: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Covariance of the true means of classes: of the means seen, less their own errors."""
    n_others = len(means) - 1
    values, vectors = np.linalg.eigh(np.cov(means.T) - within * (1 / counts).mean())
    seen = (vectors * values.clip(0)) @ vectors.T
    alike = np.trace(np.linalg.solve(within, seen)) / len(within) * within
    between: np.ndarray = (n_others * seen + _CLASSES * alike) / (n_others + _CLASSES)
    return between


def _alone(own: np.ndarray, fallback: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    trust = len(own) / (len(own) + _FEW)
    mean, covariance = fallback.mean(axis=0), ledoit_wolf(fallback)[0]
    of_own = covariance if len(own) < 2 else ledoit_wolf(own)[0]
    return mean + trust * (own.mean(axis=0) - mean), covariance + trust * (of_own - covariance)
