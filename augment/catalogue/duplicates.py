"""Find files that are the same picture: pixel for pixel, or nearly."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from augment.catalogue.entries import natural_key

THUMBNAIL_PX = 16

# The copy in the most precious part is kept, so that no copy of a test image is trained on.
_KEEP_ORDER = {"test": 0, "val": 1, "train": 2, "": 3}
_SET_ASIDE = 4
_BLOCK = 1024  # hashes compared with all others at once; bounds the memory
_FEW = 50_000  # images, of which comparing all pairs takes seconds
_PAIRS = 8192  # pairs whose thumbnails are compared at once: 16 MiB
# Mean absolute difference of two grey thumbnails, in grey levels of 255. Saving again changes
# it by under 1. Where an image has hardly any contrast its hash is decided by noise, and any two
# deserts would match: there the thumbnails must agree to a share of their own contrast.
_MAX_GREY, _MIN_GREY, _CONTRAST_SHARE = 6.0, 0.5, 0.25


def mark_duplicates(frame: pd.DataFrame, pictures: Sequence[str]) -> pd.DataFrame:
    """Set the status of files with status ok that show the same picture.

    Within one class all but one become `duplicate`. The copy in test is kept, else the one in val,
    train, no part, or a part that is set aside; of several, the first by natural path. Between
    classes all become `label conflict`, as it is not known which label is right. `detail` names the
    copy that is kept, or the first one of another class. A synthetic copy of a real image is a
    `duplicate` whatever its class, and the real one stays.

    Args:
        frame: of a manifest.
        pictures: a row's hash of its decoded pixels; a file that was saved again without loss has
            other bytes and the same hash.
    """
    frame = frame.copy()
    usable = frame.assign(picture=list(pictures))[frame["status"] == "ok"]
    copies = usable[usable.duplicated("picture", keep=False)]
    for _, same in copies.groupby("picture"):
        made = same[same["source"] != "real"]
        if 0 < len(made) < len(same):
            same = same.drop(made.index)
            frame.loc[made.index, "status"] = "duplicate"
            frame.loc[made.index, "detail"] = min(same["path"], key=natural_key)
        ordered = same.loc[sorted(same.index, key=lambda row: _precious_first(frame, row))]
        if ordered["class"].nunique() == 1:
            left_out = ordered.index[1:]
            frame.loc[left_out, "status"] = "duplicate"
            frame.loc[left_out, "detail"] = ordered["path"].iloc[0]
            continue
        frame.loc[ordered.index, "status"] = "label conflict"
        for row, name in ordered["class"].items():
            frame.loc[row, "detail"] = ordered[ordered["class"] != name]["path"].iloc[0]
    return frame


def _precious_first(frame: pd.DataFrame, row: int) -> tuple[object, ...]:
    rank = _KEEP_ORDER.get(str(frame.at[row, "split"]), _SET_ASIDE)
    return rank, natural_key(str(frame.at[row, "path"]))


def group_near_duplicates(
    frame: pd.DataFrame, thumbnails: np.ndarray, max_bits: int, originals: Sequence[str] = ()
) -> pd.DataFrame:
    """Give images with status ok that are nearly the same picture a common `group`.

    Two images match where their 64-bit perceptual hashes differ in few bits and their thumbnails
    agree as well, or where one is a repair of the other. Matches of matches share the group. Groups
    are numbered from 0 by their first path; an image without a match has -1.

    Args:
        frame: of a manifest.
        thumbnails: (N, 16, 16) uint8, grey, in the order of the rows.
        max_bits: bits in which two hashes may differ.
        originals: a row's SHA-256 of the image that it is a repair of, "" for no repair; empty:
            there are no repairs.
    """
    frame = frame.copy()
    frame["group"] = -1
    usable = np.flatnonzero(frame["status"] == "ok")
    usable = np.array(sorted(usable, key=lambda row: natural_key(frame["path"].iat[row])), int)
    hashes = np.array([int(text, 16) for text in frame["phash"].iloc[usable]], np.uint64)
    labels = near_duplicate_labels(hashes, thumbnails[usable], max_bits)
    if any(originals):
        sums = list(frame["sha256"].iloc[usable])
        labels = _merged(labels, *_repairs(sums, [originals[row] for row in usable.tolist()]))
    frame.iloc[usable, frame.columns.get_loc("group")] = _numbered(labels)
    return frame


def _repairs(sums: Sequence[str], originals: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of repaired images, and of what they are repairs of."""
    place = {checksum: index for index, checksum in enumerate(sums)}
    pairs = [(at, place[each]) for at, each in enumerate(originals) if each and each in place]
    left, right = np.array(pairs, int).reshape(-1, 2).T
    return left, right


def _numbered(labels: np.ndarray) -> np.ndarray:
    """Number the labels that occur twice or more by first occurrence, all others -1."""
    _, first, inverse, counts = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    shared = np.flatnonzero(counts > 1)
    numbers = np.full(len(counts), -1)
    numbers[shared[np.argsort(first[shared])]] = np.arange(len(shared))
    return numbers[inverse]


def near_duplicate_labels(hashes: np.ndarray, thumbnails: np.ndarray, max_bits: int) -> np.ndarray:
    """Return (N,) labels, equal for the connected near-duplicates among (N,) uint64 `hashes`.

    Of up to `_FEW` images all pairs are compared, of more those that share a part of their hash.
    """
    labels = np.arange(len(hashes))
    for left, right in _close_pairs(hashes, max_bits):
        apart = labels[left] != labels[right]
        left, right = left[apart], right[apart]
        same = _alike(thumbnails[left], thumbnails[right])
        labels = _merged(labels, left[same], right[same])
    return labels


def _close_pairs(hashes: np.ndarray, max_bits: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield index arrays (left < right) of the pairs within `max_bits`; of many, some twice."""
    if len(hashes) <= _FEW:
        yield from _close_among(hashes, max_bits)
        return
    for places in _buckets(hashes, max_bits + 1):
        for left, right in _close_among(hashes[places], max_bits):
            yield places[left], places[right]


def _buckets(hashes: np.ndarray, n_bands: int) -> Iterator[np.ndarray]:
    """Yield ascending places of hashes that agree in one of `n_bands` bands of their bits.

    Two that differ in fewer bits than there are bands agree in one of them (the pigeonhole
    principle; Norouzi et al. 2012, "Fast search in Hamming space with multi-index hashing").
    """
    edges = np.linspace(0, 64, n_bands + 1).round().astype(int)
    for low, high in pairwise(edges.tolist()):
        band = (hashes >> np.uint64(low)) & np.uint64(2 ** (high - low) - 1)
        order = np.argsort(band, kind="stable")
        starts = np.flatnonzero(np.diff(band[order], prepend=band[order[0]])).tolist()
        for first, last in pairwise([0, *starts, len(hashes)]):
            if last - first > 1:
                yield order[first:last]


def _close_among(hashes: np.ndarray, max_bits: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Compare all pairs, a tile at a time."""
    for top in range(0, len(hashes), _BLOCK):
        rows = hashes[top : top + _BLOCK, None]
        for start in range(top, len(hashes), _BLOCK):
            bits = np.bitwise_count(rows ^ hashes[None, start : start + _BLOCK])
            left, right = np.nonzero(bits <= max_bits)
            left, right = left + top, right + start
            ordered = left < right
            left, right = left[ordered], right[ordered]
            for first in range(0, len(left), _PAIRS):
                yield left[first : first + _PAIRS], right[first : first + _PAIRS]


def _alike(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return whether each pair of (P, 16, 16) thumbnails shows the same picture; (P,) bool."""
    one, other = left.astype(np.float32), right.astype(np.float32)
    difference = np.abs(one - other).mean(axis=(1, 2))
    contrast = np.minimum(one.std(axis=(1, 2)), other.std(axis=(1, 2)))
    alike: np.ndarray = difference <= np.clip(contrast * _CONTRAST_SHARE, _MIN_GREY, _MAX_GREY)
    return alike


def _merged(labels: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    if not len(left):
        return labels
    size = len(labels)
    links = coo_matrix((np.ones(len(left), bool), (labels[left], labels[right])), (size, size))
    merged: np.ndarray = connected_components(links, directed=False)[1][labels]
    return merged
