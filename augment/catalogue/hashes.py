"""What is kept of a picture to find it again, also where it is turned or mirrored.

The hash is the `phash` of imagehash: each of 64 bits says whether one of the lowest frequencies of
the picture is above their median (Zauner 2010, "Implementation and Benchmarking of Perceptual Image
Hash Functions"). A symmetry of the square changes frequencies by their signs and by a
transposition alone, so one transform gives the hashes of all eight.

The eight are numbered 4 * transposed + 2 * upside down + mirrored, in this order; 0 is the picture
as it is.
"""

from dataclasses import dataclass

import numpy as np
from scipy.fft import dct

SIDE_PX, THUMBNAIL_PX, N_SYMMETRIES = 32, 16, 8

_KEPT = 8  # frequencies along each axis
_WAVES = dct(np.eye(SIDE_PX), axis=0)[:_KEPT]
_ODD = np.where(np.arange(_KEPT) % 2, -1.0, 1.0)  # what mirroring does to a wave
_FLIPS = np.stack(
    [np.outer(rows, columns) for rows in (_ODD**0, _ODD) for columns in (_ODD**0, _ODD)]
)
_SAME_VALUES = [0, 1, 2, 3, 0, 2, 1, 3]  # transposed, mirrored and upside down change places
_POOL = np.repeat(np.eye(THUMBNAIL_PX), SIDE_PX // THUMBNAIL_PX, axis=1) * (THUMBNAIL_PX / SIDE_PX)
# A frequency that a picture lacks is zero but for rounding, of which the hash would be made.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Sketch:
    """What is kept of one picture.

    Attributes:
        hashes: (8,) uint64, of the eight symmetries of the square.
        thumbnail: (16, 16) uint8.
        lowest, highest: the values that 0 and 255 stand for, in the unit of the picture.
    """

    hashes: np.ndarray
    thumbnail: np.ndarray
    lowest: float
    highest: float

    @property
    def phash(self) -> str:
        """The hash of the picture as it is: 16 hex digits, as imagehash writes them."""
        return f"{int(self.hashes[0]):016x}"


def sketch_of(grey: np.ndarray) -> Sketch:
    """Sketch a picture.

    Args:
        grey: (32, 32) floats, all finite, in any unit. Pictures are the same only where their
            values are: those of one data set are given in one unit, not each in its own range.
    """
    exact = grey.astype(np.float64)
    lowest = float(exact.min())
    waves = _WAVES @ (exact - lowest) @ _WAVES.T  # so that a level below zero changes no bit
    size = np.abs(waves)
    waves[size < _ROUNDING * size.max()] = 0
    turned = np.empty((2, *_FLIPS.shape))  # for every image: np.stack takes twice the time
    np.multiply(waves, _FLIPS, out=turned[0])
    np.multiply(waves.T, _FLIPS, out=turned[1])
    turned = turned.reshape(N_SYMMETRIES, -1)
    bits = turned > _medians(turned[:4])[_SAME_VALUES, None]
    hashes = np.packbits(bits, axis=1).view(">u8")[:, 0].astype(np.uint64)
    small = _POOL @ exact @ _POOL.T
    highest = float(small.max())
    levels = (small - lowest) * (255 / ((highest - lowest) or 1))
    return Sketch(hashes, levels.round().astype(np.uint8), lowest, highest)


def _medians(rows: np.ndarray) -> np.ndarray:
    """Return the median of each row, of an even number of values; np.median takes far longer."""
    half = rows.shape[1] // 2
    ordered = np.partition(rows, (half - 1, half), axis=1)
    medians: np.ndarray = (ordered[:, half - 1] + ordered[:, half]) / 2
    return medians


@dataclass(frozen=True, eq=False)
class Sketches:
    """The sketches of many pictures, 344 bytes each, in arrays.

    Attributes:
        hashes: (N, 8) uint64.
        ranges: (N, 2) float64, the values that 0 and 255 of a thumbnail stand for.
        thumbnails: (M, 16, 16) uint8, of these pictures and perhaps of others.
        at: (N,) int, where each picture's thumbnail is among them.
    """

    hashes: np.ndarray
    ranges: np.ndarray
    thumbnails: np.ndarray
    at: np.ndarray

    @classmethod
    def room_for(cls, count: int) -> "Sketches":
        """Return room for the sketches of `count` pictures, all zero."""
        return cls(
            np.zeros((count, N_SYMMETRIES), np.uint64),
            np.zeros((count, 2)),
            np.zeros((count, THUMBNAIL_PX, THUMBNAIL_PX), np.uint8),
            np.arange(count),
        )

    def put(self, place: int, sketch: Sketch) -> None:
        """Keep a sketch at a place."""
        self.hashes[place], self.thumbnails[self.at[place]] = sketch.hashes, sketch.thumbnail
        self.ranges[place] = sketch.lowest, sketch.highest

    def take(self, places: np.ndarray) -> "Sketches":
        """Return the sketches at these places, in their order; no thumbnail is copied."""
        return Sketches(self.hashes[places], self.ranges[places], self.thumbnails, self.at[places])

    def and_also(self, others: "Sketches") -> "Sketches":
        """Return these sketches, followed by others."""
        n_own = len(self.thumbnails)
        return Sketches(
            np.concatenate([self.hashes, others.hashes]),
            np.concatenate([self.ranges, others.ranges]),
            np.concatenate([self.thumbnails, others.thumbnails]),
            np.concatenate([self.at, others.at + n_own]),
        )

    def content(self, place: int) -> bytes:
        """Return all that is kept of the picture at a place."""
        kept = self.hashes[place], self.ranges[place], self.thumbnails[self.at[place]]
        return b"".join(each.tobytes() for each in kept)

    def values(self, places: np.ndarray) -> np.ndarray:
        """Return the thumbnails at these P places in the unit of the pictures, (P, 16, 16)."""
        lowest, highest = self.ranges[places].T[:, :, None, None]
        shown: np.ndarray = lowest + self.thumbnails[self.at[places]] * ((highest - lowest) / 255)
        return shown


def turn(pictures: np.ndarray, symmetry: int) -> np.ndarray:
    """Return (..., H, W) pictures under one of the eight symmetries, as a view."""
    turned = pictures.swapaxes(-1, -2) if symmetry & 4 else pictures
    turned = turned[..., ::-1, :] if symmetry & 2 else turned
    return turned[..., ::-1] if symmetry & 1 else turned
