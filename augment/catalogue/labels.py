"""Labels (N,) int, equal for the images that belong together."""

from collections.abc import Iterable

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

Pairs = tuple[np.ndarray, np.ndarray]  # places of the one, and of the other


def joined(labels: np.ndarray, pairs: Iterable[Pairs]) -> np.ndarray:
    """Return labels in [0, N) that are also equal for the two places of each pair.

    Args:
        labels: (N,) in [0, N).
        pairs: of places in `labels`.
    """
    given = [(labels[left], labels[right]) for left, right in pairs if len(left)]
    if not given:
        return labels
    left, right = (np.concatenate(side) for side in zip(*given, strict=True))
    links = coo_matrix((np.ones(len(left), bool), (left, right)), (len(labels), len(labels)))
    merged: np.ndarray = connected_components(links, directed=False)[1][labels]
    return merged


def of_one_value(values: np.ndarray) -> Pairs:
    """Return pairs that join the places of equal values; a negative value joins none."""
    order = np.argsort(values, kind="stable")
    order = order[values[order] >= 0]
    same = values[order[1:]] == values[order[:-1]]
    return order[:-1][same], order[1:][same]


def numbered(labels: np.ndarray) -> np.ndarray:
    """Number the labels that occur twice or more by first occurrence, all others -1."""
    _, first, inverse, counts = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    shared = np.flatnonzero(counts > 1)
    numbers = np.full(len(counts), -1)
    numbers[shared[np.argsort(first[shared])]] = np.arange(len(shared))
    return numbers[inverse]
