"""Estimate the mean and covariance of a class of few images with the help of other classes.

Ten images give so poor an estimate of the mean of thirty-nine numbers that images matched to it
differ from further images of the class. Empirical Bayes (Efron and Morris 1973, for vectors): in
directions in which classes hardly differ, the mean of all classes is used; in directions in which
they differ much, the class's own.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.covariance import ledoit_wolf

_IMAGES = 60.0  # weight of the spread within all classes, in images of the class
_CLASSES = 10.0  # weight of "classes differ alike in every direction", in classes
_FEW = 5  # images at which a class counts half, where there is no other class


def expected(
    own: np.ndarray, others: Sequence[np.ndarray], fallback: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Estimate the mean and covariance of further images of a class.

    Args:
        own: (n, K) measurements of the class's images, n >= 1.
        others: (m, K) of each other class.
        fallback: (M, K), M >= 2, of similar images, towards which the estimate is shrunk where no
            other class has two images or more.

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
    """Return the variance of a class's images relative to that within all classes."""
    if len(off) < 2:
        return 1.0
    return float((off * np.linalg.solve(within, off.T).T).sum() / ((len(off) - 1) * off.shape[1]))


def _between(means: np.ndarray, within: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the covariance of the true class means: of the sample means, less their errors."""
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
