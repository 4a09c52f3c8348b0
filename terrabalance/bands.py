"""What the bands of a dataset are, and how their values become numbers that networks take.

Every room handles images as levels: whole numbers from 0 to 255 for 8-bit data, as they are in
the files, and from 0 to 65535 for all other, spread over each band's own range. So a band of
reflectance and one of decibels weigh alike, nothing is cut to 8 bits, and arrays are half as large
as those of floats.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from terrabalance.errors import BadInput
from terrabalance.evenly import evenly
from terrabalance.rasters.raster import Raster, Scaling

# Where red, green and blue are among the 12 or 13 bands of Sentinel-2, in the order of the product.
_SENTINEL_2 = {12: (3, 2, 1), 13: (3, 2, 1)}
# Beyond it nothing is told apart: float32 holds it, and Lanczos' sums of it.
_FAR = 2.0**100
_ENDS = (0.1, 99.9)  # percentiles: a few hot pixels must not squeeze all others together


@dataclass(frozen=True)
class Bands:
    """The bands of a dataset.

    Attributes:
        low, high: a value for each band, in the files' unit: the lowest and the highest level.
            Values beyond them are cut.
        dtype: of the files, by NumPy's name.
        shown: places of the bands that are shown as red, green and blue.
        scaling: that the files declare, which `low` and `high` are before; None: none. A file that
            declares another is converted to it.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    dtype: str
    shown: tuple[int, int, int]
    scaling: Scaling | None = None

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.low)

    @property
    def is_rgb(self) -> bool:
        """Whether they are three of 8 bit, which any image can be turned to."""
        return self.count == 3 and self.dtype == "uint8" and self.scaling is None

    @property
    def level_type(self) -> type[np.uint8] | type[np.uint16]:
        """The type of the levels."""
        return np.uint8 if self.dtype == "uint8" else np.uint16

    def shares(self, plane: np.ndarray, band: int, scaling: Scaling | None = None) -> np.ndarray:
        """Return where values of one band lie between its low, 0, and its high, 1.

        Not cut there, but at what float32 can still be computed with.

        Args:
            plane: (H, W), as a file holds them.
            band: its place.
            scaling: that the file declares.

        Returns:
            (H, W) float32.
        """
        low, high = self.low[band], self.high[band]
        # Whole numbers of 16 bit are exact as float32, and large images half as large.
        exact = plane.dtype.itemsize <= 2
        exact = exact and max(abs(low), abs(high)) < _FAR and high - low > 1 / _FAR
        work = plane.astype(np.float32 if exact else np.float64)
        with np.errstate(over="ignore"):  # infinity is far as well
            work = _scaled(work, _of_band(scaling, band), _of_band(self.scaling, band))
            np.subtract(work, low, out=work)
            np.divide(work, high - low, out=work)
        np.clip(work, -_FAR, _FAR, out=work)
        return work.astype(np.float32, copy=False)

    def levels_of(self, shares: np.ndarray) -> np.ndarray:
        """Turn (C, H, W) shares into levels; what lies beyond the range is cut."""
        top = np.iinfo(self.level_type).max
        return (shares.clip(0, 1) * top).round().astype(self.level_type)

    def values(self, levels: np.ndarray) -> np.ndarray:
        """Turn (C, H, W) levels back into values of the files' unit and type."""
        low, high = _columns(self.low), _columns(self.high)
        found = low + levels.astype(np.float64) / np.iinfo(levels.dtype).max * (high - low)
        if np.dtype(self.dtype).kind == "f":
            floats = np.finfo(self.dtype)
            return found.clip(float(floats.min), float(floats.max)).astype(self.dtype)
        limits = np.iinfo(self.dtype)
        top = float(limits.max)  # of 64 bit the next power of two, which the type does not hold
        top = top if int(top) <= limits.max else float(np.nextafter(top, 0))
        return found.round().clip(float(limits.min), top).astype(self.dtype)

    def preview(self, levels: np.ndarray) -> np.ndarray:
        """Show (..., C, H, W) levels as (..., 3, H, W) uint8: a picture in false colours.

        Stretched as the levels are, so that real and synthetic images look different only where
        they are.
        """
        chosen = levels[..., list(self.shown), :, :]
        return chosen if chosen.dtype == np.uint8 else (chosen >> 8).astype(np.uint8)


_BANDS = TypeAdapter(Bands)
RGB = Bands((0.0,) * 3, (255.0,) * 3, "uint8", (0, 1, 2))


_REMEDY = "Restore it from a copy, or delete its folder to have it made again."


def bands_from(record: object, where: Path, remedy: str = _REMEDY) -> Bands:
    """Return the bands that `dataclasses.asdict` and JSON have made a record of.

    Args:
        record: may come from strangers.
        where: the file that holds it, for errors.
        remedy: what the user does where it is none.

    Raises:
        BadInput: it is no such record.
    """
    try:
        bands = _BANDS.validate_python(record)
        places = range(bands.count)
        is_whole = len(bands.high) == bands.count and all(at in places for at in bands.shown)
        is_whole = is_whole and np.dtype(bands.dtype).kind in "iuf" and _has_ranges(bands)
    except (ValidationError, TypeError, ValueError):
        is_whole = False
    if not is_whole:
        raise BadInput(f"{where}: does not say in which bands the images are. {remedy}")
    return bands


def _has_ranges(bands: Bands) -> bool:
    """Return whether levels and values can be computed from each other."""
    of_scaling = () if bands.scaling is None else (bands.scaling.scale, bands.scaling.offset)
    numbers = (bands.low, bands.high, *of_scaling)
    sound = all(len(each) == bands.count and np.isfinite(each).all() for each in numbers)
    rising = all(low < high for low, high in zip(bands.low, bands.high, strict=True))
    return sound and rising and not (bands.scaling and 0 in bands.scaling.scale)


def measure_bands(samples: Iterable[Raster], shown: tuple[int, int, int] | None = None) -> Bands:
    """Find the range of each band: all of it for 8 bit, else what lies between two percentiles.

    So it is for 8 bit where files declare different scalings: converted, values may exceed a byte.

    Args:
        samples: of one number of bands, at least one; only their valid samples are measured. They
            are taken one after another, so that they need not be in memory together.
        shown: places of red, green and blue; None: the first three, or those of Sentinel-2 where
            there are 12 or 13.
    """
    thinned = [(each.pixels.dtype, each.scaling, _thin_bands(each)) for each in samples]
    dtypes, scalings, values = zip(*thinned, strict=True)
    dtype = np.result_type(*dtypes)
    scaling: Scaling | None = Counter(scalings).most_common(1)[0][0]
    count = len(values[0])
    if scaling is None and len(set(scalings)) > 1:
        scaling = Scaling((1.0,) * count, (0.0,) * count)  # to which the others are converted
    if dtype == np.uint8 and len(set(scalings)) == 1:
        ranges = [(0.0, 255.0)] * count
    else:
        ranges = [_range_of(band, values, scalings, scaling) for band in range(count)]
    low, high = zip(*ranges, strict=True)
    usual = _SENTINEL_2.get(count) or (0, min(1, count - 1), min(2, count - 1))
    return Bands(low, high, str(dtype), shown or usual, scaling)


def own_range(raster: Raster, band: int) -> tuple[float, float]:
    """Return the range of one band of one image, in which its valid samples lie."""
    return _range(_thin(raster, band))


def _thin_bands(raster: Raster) -> list[np.ndarray]:
    return [_thin(raster, band) for band in range(len(raster.pixels))]


def _thin(raster: Raster, band: int, most: int = 4096) -> np.ndarray:
    """Return at most `most` valid samples of a band, evenly over the image; (P,) float64."""
    values, valid = raster.pixels[band], raster.valid_in(band)
    if valid is not None:
        values = values[valid[0]]
    flat = values.reshape(-1)
    return flat[evenly(flat.size, most)].astype(np.float64)


def _range_of(
    band: int,
    values: Sequence[list[np.ndarray]],
    scalings: Sequence[Scaling | None],
    to: Scaling | None,
) -> tuple[float, float]:
    converted = [
        _scaled(each[band], _of_band(of, band), _of_band(to, band))
        for each, of in zip(values, scalings, strict=True)
    ]
    return _range(np.concatenate(converted))


def _range(values: np.ndarray) -> tuple[float, float]:
    if not len(values):
        return 0.0, 1.0
    low, high = (float(end) for end in np.percentile(values, _ENDS))
    if high > low:
        return low, high
    # An empty band has no range, and a large value is not changed by 1.
    return low, low + 1 if low + 1 > low else low + abs(low)


def _of_band(scaling: Scaling | None, band: int) -> tuple[float, float]:
    return (1.0, 0.0) if scaling is None else (scaling.scale[band], scaling.offset[band])


def _scaled(values: np.ndarray, of: tuple[float, float], to: tuple[float, float]) -> np.ndarray:
    return values if of == to else (values * of[0] + of[1] - to[1]) / to[0]


def _columns(values: Sequence[float]) -> np.ndarray:
    return np.array(values, float)[:, None, None]
