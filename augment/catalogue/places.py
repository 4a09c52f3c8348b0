"""Find images of the same place on the ground, by the footprints that their files carry."""

import logging
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from augment.catalogue.labels import Pairs, joined, numbered
from terrabalance.rasters.raster import Footprint

_log = logging.getLogger(__name__)

# Neighbours cut from one grid have the same edge, but for the rounding of its coordinates.
_ROUNDING = 1e-6  # of the shorter side of a footprint: far below a pixel
_CANDIDATES = 2**20  # pairs looked at at once


def find_places(
    frame: pd.DataFrame, footprints: Sequence[Footprint | None], distance: float | None
) -> pd.DataFrame:
    """Give images with status ok whose footprints lie together a common `place`.

    Those of one place lie together each with another one of it, which may chain over a whole
    mosaic. Places are numbered from 0 in the order of the rows; an image that is alone, or without
    a footprint, has -1.

    Args:
        frame: of a manifest.
        footprints: a row's, None for none.
        distance: by which two of one CRS may be apart, in its unit; 0: they touch; None: no image
            has a place.
    """
    frame = frame.copy()
    frame["place"] = -1
    usable = np.flatnonzero(frame["status"] == "ok")
    known = np.array([row for row in usable.tolist() if footprints[row] is not None], int)
    if distance is None or not len(known):
        return frame
    found = [each for each in (footprints[row] for row in known.tolist()) if each is not None]
    labels = place_labels(found, distance)
    frame.iloc[known, frame.columns.get_loc("place")] = numbered(labels)
    _log.info(
        "%d of %d usable images have a footprint; they show %d places, the largest in %d images "
        "(scan.place_distance=%g)",
        len(known), len(usable), len(np.unique(labels)), np.bincount(labels).max(), distance,
    )  # fmt: skip
    return frame


def place_labels(footprints: Sequence[Footprint], distance: float) -> np.ndarray:
    """Return (N,) labels in [0, N), equal for footprints that lie together or are so connected.

    Two lie together where their CRS is the same text and their rectangles are at most `distance`
    apart. The time grows with the pairs that lie together, not with all pairs.
    """
    codes, _ = pd.factorize(np.array([each.crs for each in footprints], object))
    boxes = np.array([(f.left, f.bottom, f.right, f.top) for f in footprints]).reshape(-1, 4)
    corners = boxes.reshape(-1, 2, 2)  # of a file that is not north-up, in any order
    boxes = np.hstack([corners.min(axis=1), corners.max(axis=1)])
    labels, n_labels = np.zeros(len(footprints), int), 0
    for code in range(codes.max(initial=-1) + 1):
        places = np.flatnonzero(codes == code)
        different, which = np.unique(boxes[places], axis=0, return_inverse=True)
        labels[places] = n_labels + _box_labels(different, distance)[which.reshape(-1)]
        n_labels += len(different)
    return labels


def _box_labels(boxes: np.ndarray, distance: float) -> np.ndarray:
    """Return (K,) labels in [0, K) of different boxes (left, bottom, right, top) by their left."""
    shorter = (boxes[:, 2:] - boxes[:, :2]).min(axis=1)
    reach = distance + _ROUNDING * float(np.median(shorter))
    labels = np.arange(len(boxes))
    for left, right in _candidates(boxes, reach):
        apart = labels[left] != labels[right]
        left, right = left[apart], right[apart]
        near = _gaps(boxes[left], boxes[right]) <= reach
        labels = joined(labels, [(left[near], right[near])])
    return labels


def _candidates(boxes: np.ndarray, reach: float) -> Iterator[Pairs]:
    """Yield the pairs of boxes that may be at most `reach` apart, those of large ones repeatedly.

    Each box is put into the strips that it reaches into, which are as high as the boxes on average,
    so that it is in few. There it is paired with those that begin before it ends.
    """
    n_boxes = len(boxes)
    keys = np.sort(_strips(boxes[:, 1], boxes[:, 3], reach) @ np.array([n_boxes, 1]))
    strips, members = np.divmod(keys, n_boxes)
    limits = np.searchsorted(boxes[:, 0], boxes[:, 2] + reach, side="right")
    counts = np.searchsorted(keys, strips * n_boxes + limits[members]) - np.arange(len(keys)) - 1
    sums = np.cumsum(counts)
    cuts = np.searchsorted(sums, np.arange(_CANDIDATES, sums[-1], _CANDIDATES))
    for rows in np.split(np.arange(len(keys)), np.unique(cuts)):
        row = np.repeat(rows, counts[rows])
        yield members[row], members[row + 1 + _ahead(counts[rows])]


def _ahead(counts: np.ndarray) -> np.ndarray:
    """Return 0, 1, … up to each count, one after the other."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def _strips(bottom: np.ndarray, top: np.ndarray, reach: float) -> np.ndarray:
    """Return (M, 2): the number of a strip from 0, and the place of a box that reaches into it."""
    height = float((top - bottom).mean()) + reach or 1.0
    start = bottom.min()
    first, last = (np.floor((edge - start) / height).astype(int) for edge in (bottom, top + reach))
    counts = last - first + 1
    members = np.repeat(np.arange(len(bottom)), counts)
    _, strips = np.unique(first[members] + _ahead(counts), return_inverse=True)
    return np.stack([strips, members], axis=1)


def _gaps(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return how far the boxes of each of P pairs are apart, 0 where they overlap."""
    apart = np.maximum(one[:, :2] - other[:, 2:], other[:, :2] - one[:, 2:]).clip(min=0)
    gaps: np.ndarray = np.hypot(*apart.T)
    return gaps
