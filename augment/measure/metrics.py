"""Distances between generated and real images, on the features of one fixed network.

Pure arrays: (N, D) features in, plain numbers out. Compare with held-out real images, never with
those that the generator was trained on: copies of those would look perfect. Numbers of different
feature networks or resolutions cannot be compared.
"""

from dataclasses import dataclass

import numpy as np

from terrabalance.errors import BadInput

N_NEIGHBOURS = 5
_FEWEST = 3  # features on either side that an unbiased estimate with a standard error needs


@dataclass(frozen=True)
class Estimate:
    """A value and its standard error, in the value's own unit."""

    value: float
    standard_error: float


@dataclass(frozen=True)
class Manifold:
    """Shares of images that lie in each other's neighbourhoods.

    Attributes:
        precision: of generated images near a real one, in [0, 1] (arXiv:1904.06991).
        recall: of real images near a generated one, in [0, 1] (likewise).
        density: real neighbourhoods around a generated image over k, 1 expected, may exceed it
            (arXiv:2002.09797).
        coverage: of real images whose neighbourhood holds a generated one, in [0, 1] (likewise).
    """

    precision: float
    recall: float
    density: float
    coverage: float


def kernel_distance(real: np.ndarray, generated: np.ndarray) -> Estimate:
    """Return the Kernel Inception Distance (arXiv:1801.01401): 0 for one distribution, unbiased.

    The squared maximum mean discrepancy under the kernel (x . y / D + 1)^3 as a U-statistic. It
    means something for tens of images, where the Fréchet distance does not (that reads about 400
    between two samples of 200 from one 768-dimensional Gaussian); it may come out slightly
    negative. The standard error is the two-sample jackknife's.

    Args:
        real: (M, D) features, M >= 3.
        generated: (N, D) features, N >= 3.

    Raises:
        BadInput: too few features, or of other widths.
    """
    real, generated = _checked(real, generated, _FEWEST)
    m, n = len(real), len(generated)
    within_real, within_generated = _kernel(real, real), _kernel(generated, generated)
    np.fill_diagonal(within_real, 0)
    np.fill_diagonal(within_generated, 0)
    between = _kernel(real, generated)
    a, b = within_real.sum(1), within_generated.sum(1)
    a_sum, b_sum, c_sum = a.sum(), b.sum(), between.sum()

    def distance(a: np.ndarray, m: int, b: np.ndarray, n: int, c: np.ndarray) -> np.ndarray:
        result: np.ndarray = a / (m * (m - 1)) + b / (n * (n - 1)) - 2 * c / (m * n)
        return result

    value = distance(a_sum, m, b_sum, n, c_sum)
    without_real = distance(a_sum - 2 * a, m - 1, b_sum, n, c_sum - between.sum(1))
    without_generated = distance(a_sum, m, b_sum - 2 * b, n - 1, c_sum - between.sum(0))
    variance = (m - 1) * without_real.var() + (n - 1) * without_generated.var()
    return Estimate(float(value), float(np.sqrt(variance)))


def manifold(real: np.ndarray, generated: np.ndarray, k: int = N_NEIGHBOURS) -> Manifold:
    """Return precision, recall, density and coverage for neighbourhoods of the k-th neighbour.

    Args:
        real: (M, D) features, M > k.
        generated: (N, D) features, N > k.
        k: neighbours; 5 as in arXiv:2002.09797.

    Raises:
        BadInput: too few features, or of other widths.
    """
    real, generated = _checked(real, generated, k + 1)
    radius_real, radius_generated = _radius(real, k), _radius(generated, k)
    between = distances(real, generated)
    near_real = between < radius_real[:, None]  # (M, N): generated j in the ball of real i
    near_generated = between < radius_generated[None, :]
    return Manifold(
        precision=float(near_real.any(0).mean()),
        recall=float(near_generated.any(1).mean()),
        density=float(near_real.sum(0).mean() / k),
        coverage=float(near_real.any(1).mean()),
    )


def copying(train: np.ndarray, held_out: np.ndarray, generated: np.ndarray) -> Estimate:
    """Return how likely a generated image is nearer to the training set than a held-out image.

    0.5 is what new images of the class give, 1 is copying; the rank test of arXiv:2004.05675 as
    an area under the curve, with the standard error of Hanley and McNeil (1982).

    Args:
        train: (T, D) features that the generator was trained on, T >= 1.
        held_out: (M, D) features of real images it has not seen, M >= 3.
        generated: (N, D) features, N >= 3.

    Raises:
        BadInput: too few features, or of other widths.
    """
    held_out, generated = _checked(held_out, generated, _FEWEST)
    train, _ = _checked(train, held_out, 1)
    seen, unseen = distances(generated, train).min(1), distances(held_out, train).min(1)
    smaller = (seen[:, None] < unseen[None, :]).mean()
    area = float(smaller + (seen[:, None] == unseen[None, :]).mean() / 2)
    return area_under_curve(area, len(seen), len(unseen))


def area_under_curve(area: float, n_positive: int, n_negative: int) -> Estimate:
    """Return an area under a ROC curve with the standard error of Hanley and McNeil (1982).

    Args:
        area: in [0, 1].
        n_positive: images that should come out higher.
        n_negative: the others.
    """
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    spread = (
        area * (1 - area) + (n_positive - 1) * (q1 - area**2) + (n_negative - 1) * (q2 - area**2)
    )
    return Estimate(area, float(np.sqrt(max(spread, 0.0) / (n_positive * n_negative))))


def _checked(first: np.ndarray, second: np.ndarray, fewest: int) -> tuple[np.ndarray, np.ndarray]:
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise BadInput(
            f"features of shapes {first.shape} and {second.shape}; both must be (images, width) "
            "with one width. Compute them with the same network."
        )
    if min(len(first), len(second)) < fewest:
        raise BadInput(
            f"{min(len(first), len(second))} images, at least {fewest} are needed on either side."
        )
    return first.astype(np.float64), second.astype(np.float64)


def _kernel(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    kernel: np.ndarray = (first @ second.T / first.shape[1] + 1) ** 3
    return kernel


def distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return Euclidean distances (M, N) by the binomial formula: no (M, N, D)."""
    squared = (first**2).sum(1)[:, None] + (second**2).sum(1) - 2 * first @ second.T
    between: np.ndarray = np.sqrt(squared.clip(0))
    return between


def _radius(features: np.ndarray, k: int) -> np.ndarray:
    """Return the distance (N,) of each to its k-th nearest other."""
    between = distances(features, features)
    np.fill_diagonal(between, 0)  # exactly, so that oneself always sorts first
    radius: np.ndarray = np.partition(between, k, axis=1)[:, k]
    return radius
