"""Nearest real images in pixels: whether a generator copies its training images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from terrabalance.errors import BadInput
from terrabalance.levels import centred
from terrabalance.symmetry import N_SYMMETRIES, apply_symmetry, keep_shape

COPY_RATIO = 1 / 3
_CHUNK_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Neighbours:
    """The nearest real images of N images, nearest first.

    Attributes:
        index: (N, k) int64, positions among the real images.
        distance: (N, k) float64, root-mean-square pixel difference, scaled to [0, 255].
        symmetry: (N, k) int64; the real image lies that near after `apply_symmetry` with it.
    """

    index: np.ndarray
    distance: np.ndarray
    symmetry: np.ndarray


def nearest_real(synthetic: np.ndarray, real: np.ndarray, k: int = 1) -> Neighbours:
    """Return each synthetic image's nearest real images over the eight symmetries of the square.

    Args:
        synthetic: (N, C, H, W) levels.
        real: (M, C, H, W) levels.
        k: how many; each real image counts once, in its best symmetry.

    Raises:
        BadInput: the sizes differ, or there are fewer than `k` real images.
    """
    return _nearest(synthetic, real, k, leave_one_out=False)


def nearest_other(real: np.ndarray, k: int = 1) -> Neighbours:
    """Return each real image's nearest among the others, a floor for the distances of others.

    Args:
        real: (M, C, H, W) levels.
        k: how many; an image is never its own neighbour, turned or mirrored either.

    Raises:
        BadInput: there are fewer than `k + 1` images.
    """
    return _nearest(real, real, k, leave_one_out=True)


def copy_ratio(neighbours: Neighbours) -> np.ndarray:
    """Return nearest over second-nearest distance, (N,) in [0, 1]; 0 for an exact copy.

    A ratio below `COPY_RATIO` suggests a copy (Yoon et al. 2023, Diffusion probabilistic models
    generalize when they fail to memorize): the image is far nearer to one training image than to
    any other.

    Raises:
        BadInput: the neighbours were searched with k = 1.
    """
    if neighbours.distance.shape[1] < 2:
        raise BadInput("the ratio needs the two nearest images. Search them with k=2.")
    first, second = neighbours.distance[:, 0], neighbours.distance[:, 1]
    ratio: np.ndarray = np.divide(first, second, out=np.zeros_like(first), where=second > 0)
    return ratio


def compare_with_real(
    synthetic: np.ndarray,
    real: np.ndarray,
    synthetic_names: Sequence[str],
    real_names: Sequence[str],
) -> dict[str, Any]:
    """Return how near a class's synthetic images are to its real ones.

    Args:
        synthetic: (N, C, H, W) levels.
        real: (M, C, H, W) levels.
        synthetic_names: N paths, named in the pairs.
        real_names: M paths, likewise.

    Returns:
        A record that JSON can hold: counts; the median distance from a synthetic image to the
        nearest real one, and from a real one to the nearest other; the share with a copy ratio
        below `COPY_RATIO` among both; and `pairs` to show. None where images are too few.
    """
    near = _or_none(nearest_real, synthetic, real)
    floor = _or_none(nearest_other, real)
    return {
        "n_real": len(real),
        "n_synthetic": len(synthetic),
        "synthetic_to_real_median": _median(near),
        "real_to_real_median": _median(floor),
        "copy_share": _copy_share(near),
        "copy_share_of_real": _copy_share(floor),
        "pairs": [] if near is None else _pairs(near, synthetic_names, real_names),
    }


def _or_none(search: Callable[..., Neighbours], *images: np.ndarray) -> Neighbours | None:
    """Return two neighbours of each image; None where a class has too few images for that."""
    try:
        found = search(*images, k=2)
    except BadInput:
        return None
    return found if len(found.index) else None


def _median(found: Neighbours | None) -> float | None:
    return None if found is None else round(float(np.median(found.distance[:, 0])), 2)


def _copy_share(found: Neighbours | None) -> float | None:
    return None if found is None else round(float((copy_ratio(found) < COPY_RATIO).mean()), 4)


def _pairs(near: Neighbours, synthetic: Sequence[str], real: Sequence[str]) -> list[dict[str, Any]]:
    """Return the pairs to show: the three closest to a real image, and three at the median."""
    order = np.argsort(near.distance[:, 0], kind="stable")
    middle = max(3, len(order) // 2 - 1)
    chosen = [("closest", at) for at in order[:3]]
    chosen += [("typical", at) for at in order[middle : middle + 3]]
    return [
        {
            "kind": kind,
            "synthetic": synthetic[at],
            "real": real[near.index[at, 0]],
            "symmetry": int(near.symmetry[at, 0]),
            "distance": round(float(near.distance[at, 0]), 2),
            "ratio": round(float(copy_ratio(near)[at]), 3),
        }
        for kind, at in chosen
    ]


def _nearest(images: np.ndarray, real: np.ndarray, k: int, leave_one_out: bool) -> Neighbours:
    if images.shape[1:] != real.shape[1:] or real.ndim != 4:
        raise BadInput(
            f"images of shape {images.shape[1:]} against {real.shape[1:]}. Read both with the "
            "same size."
        )
    if len(real) < k + leave_one_out:
        raise BadInput(f"{len(real)} real images, {k + leave_one_out} are needed for k={k}.")
    references = torch.from_numpy(np.ascontiguousarray(real))
    flat = _centred(references)
    size = max(1, _CHUNK_BYTES // (N_SYMMETRIES * real[0].size * 4))  # images a chunk
    parts = []
    for first in range(0, len(images), size):
        chunk = torch.tensor(images[first : first + size])
        parts.append(_search(chunk, references, flat, k, first if leave_one_out else None))
    if not parts:
        empty = np.empty((0, k), np.int64)
        return Neighbours(empty, np.empty((0, k)), empty)
    index, distance, symmetry = (torch.cat(column).numpy() for column in zip(*parts, strict=True))
    return Neighbours(index, distance, symmetry)


def _search(
    chunk: Tensor, real: Tensor, flat: Tensor, k: int, own: int | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return index, distance and symmetry, (B, k) each; `own` is the chunk's first position."""
    turns = keep_shape(*chunk.shape[-2:])
    squared = torch.stack([_squared(_centred(apply_symmetry(chunk, t)), flat) for t in turns])
    best, place = squared.min(dim=0)
    turn = torch.tensor(turns)[place]
    if own is not None:
        rows = torch.arange(len(chunk))
        best[rows, rows + own] = torch.inf
    index = best.topk(k, largest=False).indices
    symmetry = _inverse(turn.gather(1, index))
    distance = _exact(chunk, real, index, symmetry)
    distance, order = distance.sort(dim=1, stable=True)
    return index.gather(1, order), distance, symmetry.gather(1, order)


def _centred(images: Tensor) -> Tensor:
    # About zero, the sums of squares below lose the fewest digits.
    return centred(images.flatten(1)) * 127.5


def _squared(images: Tensor, flat: Tensor) -> Tensor:
    """Return squared distances (B, M) by the binomial formula: one matrix product, no (B, M, D)."""
    return images.square().sum(1)[:, None] + flat.square().sum(1) - 2 * images @ flat.T


def _inverse(which: Tensor) -> Tensor:
    """Return the inverse: which symmetry of the real image meets the synthetic one."""
    # Quarter turns 1 and 3 undo each other; every mirroring undoes itself.
    return torch.where(which < 4, (4 - which) % 4, which)


def _exact(chunk: Tensor, real: Tensor, index: Tensor, symmetry: Tensor) -> Tensor:
    """Return the distances (B, k) in float64, so that a copy is at 0, not at a rounding error."""
    distances = torch.empty(index.shape, dtype=torch.float64)
    unit = torch.iinfo(chunk.dtype).max / 255
    for row, image in enumerate(chunk.double()):
        for column, (at, which) in enumerate(
            zip(index[row].tolist(), symmetry[row].tolist(), strict=True)
        ):
            other = apply_symmetry(real[at], which).double()
            distances[row, column] = (image - other).square().mean().sqrt() / unit
    return distances
