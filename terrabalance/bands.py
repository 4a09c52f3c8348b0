"""What the bands of a dataset are, and how their values become numbers that networks take.

Every room handles images as levels: whole numbers from 0 to 255 for 8-bit data, as they are in
the files, and from 0 to 65535 for all other, spread over each band's own range. So a band of
reflectance and one of decibels weigh alike, nothing is cut to 8 bits, and arrays are half as large
as those of floats.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# Where red, green and blue are among the 12 or 13 bands of Sentinel-2, in the order of the product.
_SENTINEL_2 = {12: (3, 2, 1), 13: (3, 2, 1)}
_ENDS = (0.1, 99.9)  # percentiles: a few hot pixels must not squeeze all others together
_DTYPES = ("uint8", "uint16", "int16", "float32")


@dataclass(frozen=True)
class Bands:
    """The bands of a dataset.

    Attributes:
        low, high: a value for each band, in the files' unit: the lowest and the highest level.
            Values beyond them are cut.
        dtype: of the files: uint8, uint16, int16 or float32.
        shown: places of the bands that are shown as red, green and blue.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    dtype: str
    shown: tuple[int, int, int]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.low)

    @property
    def is_rgb(self) -> bool:
        """Whether they are three of 8 bit, which any image can be turned to."""
        return self.count == 3 and self.dtype == "uint8"

    @property
    def level_type(self) -> type[np.uint8] | type[np.uint16]:
        """The type of the levels."""
        return np.uint8 if self.dtype == "uint8" else np.uint16

    def levels(self, values: np.ndarray) -> np.ndarray:
        """Turn (C, H, W) values in the files' unit into levels."""
        low, high = _columns(self.low), _columns(self.high)
        share = (values.astype(np.float64) - low) / (high - low)
        return (share.clip(0, 1) * np.iinfo(self.level_type).max).round().astype(self.level_type)

    def values(self, levels: np.ndarray) -> np.ndarray:
        """Turn (C, H, W) levels back into values of the files' unit and type."""
        low, high = _columns(self.low), _columns(self.high)
        found = low + levels.astype(np.float64) / np.iinfo(levels.dtype).max * (high - low)
        if self.dtype == "float32":
            return found.astype(np.float32)
        limits = np.iinfo(self.dtype)
        return found.round().clip(limits.min, limits.max).astype(self.dtype)

    def preview(self, levels: np.ndarray) -> np.ndarray:
        """Show (..., C, H, W) levels as (..., 3, H, W) uint8: a picture in false colours.

        Stretched as the levels are, so that real and synthetic images look different only where
        they are.
        """
        chosen = levels[..., list(self.shown), :, :]
        return chosen if chosen.dtype == np.uint8 else (chosen >> 8).astype(np.uint8)


RGB = Bands((0.0,) * 3, (255.0,) * 3, "uint8", (0, 1, 2))


def bands_from(record: dict[str, Any]) -> Bands:
    """Return the bands that `dataclasses.asdict` and JSON have made a record of."""
    low, high, shown = (tuple(record[key]) for key in ("low", "high", "shown"))
    red, green, blue = shown
    return Bands(low, high, record["dtype"], (red, green, blue))


def measure_bands(
    samples: Sequence[np.ndarray], shown: tuple[int, int, int] | None = None
) -> Bands:
    """Find the range of each band: all of it for 8 bit, else what lies between two percentiles.

    Args:
        samples: (C, H, W) each, of one C.
        shown: places of red, green and blue; None: the first three, or those of Sentinel-2 where
            there are 12 or 13.
    """
    count = len(samples[0])
    dtype = str(np.result_type(*(sample.dtype for sample in samples)))
    dtype = dtype if dtype in _DTYPES else "float32"
    if dtype == "uint8":
        low, high = np.zeros(count), np.full(count, 255.0)
    else:
        flat = np.concatenate([_thin(sample) for sample in samples], axis=1)
        low, high = np.percentile(flat, _ENDS, axis=1)
        high = np.where(high > low, high, low + 1)  # an empty band has no range
    usual = _SENTINEL_2.get(count) or (0, min(1, count - 1), min(2, count - 1))
    return Bands(tuple(map(float, low)), tuple(map(float, high)), dtype, shown or usual)


def _thin(sample: np.ndarray, most: int = 4096) -> np.ndarray:
    """Return at most `most` pixels, evenly over the image; (C, P) float64."""
    flat = sample.reshape(len(sample), -1)
    at = np.linspace(0, flat.shape[1] - 1, min(most, flat.shape[1])).round().astype(int)
    return flat[:, at].astype(np.float64)


def _columns(values: Sequence[float]) -> np.ndarray:
    return np.array(values, float)[:, None, None]
