"""Find pictures that are nearly the same, turned or mirrored ones among them.

Two match where the 64-bit hash of one differs in few bits from the hash of the other under one of
the eight symmetries of the square, and their thumbnails agree under that symmetry.
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from augment.catalogue.hashes import N_SYMMETRIES, Sketches, turn
from augment.catalogue.labels import Pairs, joined, of_one_value

# Mean absolute difference of two thumbnails, as a share of the smaller of their standard
# deviations. Of the 28,694 images of AID and EuroSAT, where hashes agree to ten bits, copies differ
# by at most 0.09, and different places by at least 0.27; saving as JPEG of quality 30 makes 0.14 of
# it in 99 % of AID. A share of the contrast, because any two calm seas agree to a grey level.
_MOST_APART = 0.25
_FEW = 20_000  # images, of which comparing all pairs takes seconds
_ROWS, _COLUMNS = 64, 4096  # hashes compared at once, in the cache of a core
_PAIRS = 8192  # pairs whose thumbnails are compared at once: 64 MiB
_N_BANDS = 4
_BAND_BITS = 64 // _N_BANDS
_Turned = tuple[np.ndarray, np.ndarray, np.ndarray]  # left, right, symmetry of the right


def near_duplicate_labels(sketches: Sketches, max_bits: int) -> np.ndarray:
    """Return (N,) labels, equal for the connected near-duplicates among N sketched pictures.

    Of up to `_FEW` all pairs are compared, of more those that nearly share a part of their hash.

    Args:
        sketches: of the pictures.
        max_bits: in which the hashes of two near-duplicates may differ.
    """
    same = _equal(sketches)
    labels = joined(np.arange(len(same)), [(np.arange(len(same)), same)])
    # A picture without any contrast is only like one that is equal; of equal ones one is compared.
    flat = sketches.ranges[:, 0] == sketches.ranges[:, 1]
    compared = np.flatnonzero((same == np.arange(len(same))) & ~flat)
    left, right = _similar(sketches.take(compared), max_bits)
    return joined(labels, [(compared[left], compared[right])])


def near_among(sketches: Sketches, others: Sketches, max_bits: int) -> np.ndarray:
    """Return for each of N pictures the first of others that it belongs together with.

    It does where it is a near-duplicate of that one, or of a picture that belongs together with it.

    Args:
        sketches: of the pictures.
        others: that they are looked for among.
        max_bits: in which the hashes of two near-duplicates may differ.

    Returns:
        (N,) int64, places in `others`; -1 where there is none.
    """
    labels = near_duplicate_labels(sketches.and_also(others), max_bits)
    own, theirs = np.split(labels, [len(sketches.hashes)])
    first_of = np.full(len(labels), -1)  # labels are below the number of pictures
    known, first = np.unique(theirs, return_index=True)
    first_of[known] = first
    found: np.ndarray = first_of[own]
    return found


def _equal(sketches: Sketches) -> np.ndarray:
    """Return the first place at which each of the N sketches is found."""
    first = np.arange(len(sketches.hashes))
    _, inverse, counts = np.unique(sketches.hashes[:, 0], return_inverse=True, return_counts=True)
    seen: dict[bytes, int] = {}
    for place in np.flatnonzero(counts[inverse] > 1).tolist():
        first[place] = seen.setdefault(sketches.content(place), place)
    return first


def _similar(sketches: Sketches, max_bits: int) -> Pairs:
    """Return pairs that join all sketches that match, among those that differ."""
    labels = np.arange(len(sketches.hashes))
    matches: list[Pairs] = []
    n_matches = 0
    for left, right, symmetry in _close_pairs(sketches.hashes, max_bits):
        apart = np.flatnonzero(labels[left] != labels[right])
        left, right = left[apart], right[apart]
        same = _alike(sketches, left, right, symmetry[apart])
        matches.append((left[same], right[same]))
        n_matches += int(same.sum())
        if n_matches > len(labels):  # so that joining takes no longer than comparing
            labels, matches, n_matches = joined(labels, matches), [], 0
    return of_one_value(joined(labels, matches))


def _close_pairs(hashes: np.ndarray, max_bits: int) -> Iterator[_Turned]:
    """Yield (left, right, symmetry) of the pairs within `max_bits`, some of them twice.

    Args:
        hashes: (N, 8) uint64. The hash of `left` as it is was compared with that of `right` under
            the symmetry. Both orders are looked at: turning moves a bit at times.
        max_bits: that may differ.
    """
    everyone = np.arange(len(hashes))
    if len(hashes) <= _FEW:
        yield from _close_among(hashes, everyone, np.arange(hashes.size), max_bits)
        return
    for band in range(_N_BANDS):
        for rows, columns in _neighbourhoods(hashes, band, max_bits // _N_BANDS):
            yield from _close_among(hashes, rows, columns, max_bits)


def _neighbourhoods(
    hashes: np.ndarray, band: int, max_bits: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield pictures of one value in a band of their hash, and all that differ there in few bits.

    Two hashes that differ in at most b bits differ in at most b // 4 in one of four bands (the
    pigeonhole principle; Norouzi et al. 2012, "Fast Search in Hamming Space with Multi-Index
    Hashing").

    Yields:
        Places of pictures, and of hashes in `hashes.ravel()`.
    """
    shift, size = np.uint64(band * _BAND_BITS), 2**_BAND_BITS
    values = ((hashes >> shift) & np.uint64(size - 1)).astype(np.uint16)
    order, starts = _sorted(values[:, 0], size)
    every_order, every_start = _sorted(values.ravel(), size)
    flips = [
        sum(1 << bit for bit in bits)
        for count in range(max_bits + 1)
        for bits in combinations(range(_BAND_BITS), count)
    ]
    for value in np.flatnonzero(np.diff(starts)).tolist():
        near = [value ^ flip for flip in flips]
        columns = [every_order[every_start[each] : every_start[each + 1]] for each in near]
        yield order[starts[value] : starts[value + 1]], np.concatenate(columns)


def _sorted(values: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the order of values below `size`, and where each value begins in it."""
    starts = np.concatenate([[0], np.cumsum(np.bincount(values, minlength=size))])
    return np.argsort(values, kind="stable"), starts


def _close_among(
    hashes: np.ndarray, rows: np.ndarray, columns: np.ndarray, max_bits: int
) -> Iterator[_Turned]:
    """Compare each of the pictures `rows` with each of the hashes `columns`, a tile at a time."""
    own, every = hashes[:, 0], hashes.ravel()
    for top in range(0, len(rows), _ROWS):
        above = rows[top : top + _ROWS]
        for start in range(0, len(columns), _COLUMNS):
            beside = columns[start : start + _COLUMNS]
            bits = np.bitwise_count(own[above, None] ^ every[None, beside])
            row, column = np.divmod(np.flatnonzero(bits <= max_bits), len(beside))
            left, (right, symmetry) = above[row], np.divmod(beside[column], N_SYMMETRIES)
            others = np.flatnonzero(left != right)
            for first in range(0, len(others), _PAIRS):
                some = others[first : first + _PAIRS]
                yield left[some], right[some], symmetry[some]


def _alike(
    sketches: Sketches, left: np.ndarray, right: np.ndarray, symmetry: np.ndarray
) -> np.ndarray:
    """Return whether the thumbnails of each of P pairs show the same picture; (P,) bool."""
    one, other = sketches.values(left), sketches.values(right)
    for which in np.unique(symmetry).tolist():
        turned = symmetry == which
        other[turned] = turn(other[turned], which)
    difference = np.abs(one - other).mean(axis=(1, 2))
    contrast = np.minimum(one.std(axis=(1, 2)), other.std(axis=(1, 2)))
    alike: np.ndarray = difference <= contrast * _MOST_APART
    return alike
