"""One image as it is in its file: values in the file's own type, and which of them are data."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

COMPLEX = "complex values. Write amplitude and phase, or two real bands."  # why it is refused
_FARTHEST = 1e9  # of a coordinate: no ground is so far away, neither in feet nor in metres
_SHORTEST = 1e-9  # of a side of a footprint: of no ground in any unit
_MASK_SHARE = 0.95  # of an alpha band at its ends, from which on it is a mask with soft edges


@dataclass(frozen=True)
class Scaling:
    """What a file says of its unit: a value is `scale * stored + offset`, for each band.

    Attributes:
        scale, offset: a number for each band.
    """

    scale: tuple[float, ...]
    offset: tuple[float, ...]


@dataclass(frozen=True)
class Footprint:
    """The rectangle of ground that an image shows.

    Attributes:
        crs: of the coordinates, as text; only rectangles of one CRS can be compared.
        left, bottom, right, top: in the unit of the CRS.
    """

    crs: str
    left: float
    bottom: float
    right: float
    top: float


def footprint_around(crs: str, across: Sequence[float], up: Sequence[float]) -> Footprint | None:
    """Return the rectangle around corners; None where it can be no ground.

    One that is damaged, of NaN or as large as the world, would be a neighbour of all images or of
    none, and so decide the places of all others.

    Args:
        crs: of the coordinates.
        across: of the corners, in the unit of the CRS.
        up: likewise.
    """
    ends = np.array([[min(across), min(up)], [max(across), max(up)]])
    sound = np.isfinite([*across, *up]).all() and (np.abs(ends) <= _FARTHEST).all()
    if not sound or (ends[1] - ends[0] < _SHORTEST).any():
        return None
    return Footprint(crs, *map(float, ends.reshape(-1)))


@dataclass(frozen=True)
class Layout:
    """How a TIFF stores its values, for others that are to be read alike.

    Attributes:
        planar: whether each band lies apart (band-interleaved), not pixel by pixel.
        photometric: number of the tag, 1 for grey or many bands, 2 for RGB.
        extrasamples: the tag: for each band beyond the colours 0 (data), 1 or 2 (alpha).
        nodata: the declared value as the file writes it (GDAL_NODATA); None: none.
        names: of the bands; empty: the file has none.
        scaling: None where the file declares none.
    """

    planar: bool
    photometric: int
    extrasamples: tuple[int, ...] = ()
    nodata: str | None = None
    names: tuple[str, ...] = ()
    scaling: Scaling | None = None


_PILLOWS_BYTES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"})


def may_need_gdal(mode: str) -> bool:
    """Return whether GDAL may have read an image of that `Raster.mode`; "" where it is not known.

    That of a picture is Pillow's name, which has no small letters.
    """
    return not mode or "x" in mode


def holds_bytes(mode: str) -> bool:
    """Return whether an image of that `Raster.mode` has bands of 8 bit."""
    return mode in _PILLOWS_BYTES or mode.startswith("uint8x")


@dataclass(frozen=True, eq=False)
class Raster:
    """One decoded image.

    Attributes:
        pixels: (C, H, W), upright, all bands in file order, in the type of the file; palettes,
            CMYK and white-is-zero resolved.
        mode: Pillow's name of an 8-bit picture (`L`, `RGB`, `P`…), else `<dtype>x<bands>`.
        valid: (1, H, W) or (C, H, W) bool, False where the file holds no data: the value that it
            declares as no-data, NaN and infinities, what a mask covers, blocks never written. None
            where all is data.
        alpha: place of the band that the file calls alpha; None: it calls none so. GDAL calls the
            fourth band of bytes so unless it is told otherwise.
        scaling: None where the file declares none.
        footprint: None where the file does not say where it was taken.
        layout: of a TIFF; None for other formats.
    """

    pixels: np.ndarray
    mode: str
    valid: np.ndarray | None = None
    alpha: int | None = None
    scaling: Scaling | None = None
    footprint: Footprint | None = None
    layout: Layout | None = None

    @property
    def is_eight_bit(self) -> bool:
        """Whether the values are bytes."""
        return self.pixels.dtype == np.uint8

    @property
    def invalid_share(self) -> float:
        """The share of samples that hold no data, in [0, 1]."""
        if self.valid is None:
            return 0.0
        return float(self.valid.size - np.count_nonzero(self.valid)) / self.valid.size

    def valid_in(self, band: int) -> np.ndarray | None:
        """Return which samples of one band hold data, (1, H, W) bool; None: all."""
        if self.valid is None or len(self.valid) == 1:
            return self.valid
        return self.valid[band : band + 1]

    def of_bands(self, count: int) -> "Raster":
        """Return the image as one of `count` bands: without alpha, where it has others.

        That may be another number all the same, which is for the caller to refuse.
        """
        return self if len(self.pixels) == count else self.without_alpha()

    @property
    def has_mask_as_alpha(self) -> bool:
        """Whether the alpha band is one by its content: constant, or a mask."""
        return self.alpha is not None and _is_mask(self.pixels[self.alpha])

    def without_alpha(self) -> "Raster":
        """Drop the alpha band by its place; where it is a mask, what it covers is not valid.

        A constant one masks nothing, whatever its value.
        """
        if self.alpha is None:
            return self
        others = [band for band in range(len(self.pixels)) if band != self.alpha]
        valid = self.valid if self.valid is None or len(self.valid) == 1 else self.valid[others]
        band = self.pixels[self.alpha]
        if self.has_mask_as_alpha and band.min() < band.max():
            valid = both(valid, band[None] > 0)
        scaling = self.scaling and Scaling(
            tuple(self.scaling.scale[band] for band in others),
            tuple(self.scaling.offset[band] for band in others),
        )
        # The usual places are the last: a view then, not a copy.
        kept = self.pixels[:-1] if self.alpha == len(others) else self.pixels[others]
        return replace(self, pixels=kept, valid=valid, alpha=None, scaling=scaling)


def _is_mask(band: np.ndarray) -> bool:
    lowest, highest = band.min(), band.max()
    top = np.iinfo(band.dtype).max if band.dtype.kind in "iu" else 1
    at_ends = np.count_nonzero(band == lowest) + np.count_nonzero(band == highest)
    if lowest == highest or at_ends == band.size:
        return True
    return bool(lowest == 0 and highest == top and at_ends >= _MASK_SHARE * band.size)


def both(valid: np.ndarray | None, other: np.ndarray | None) -> np.ndarray | None:
    """Return what both masks call valid; None where that is all."""
    found = other if valid is None else valid if other is None else valid & other
    return None if found is None or found.all() else found


def declared(pixels: np.ndarray, values: Sequence[float | None]) -> np.ndarray | None:
    """Return which samples hold data: they are finite and not the declared no-data of their band.

    A declared value that the type cannot hold occurs nowhere; GDAL ignores it likewise.

    Args:
        pixels: (C, H, W).
        values: C values; None: the band declares none.

    Returns:
        (C, H, W) bool, or None where all samples hold data.
    """
    valid: np.ndarray | None = None
    for place, (band, value) in enumerate(zip(pixels, values, strict=True)):
        good = _data_of(band, value)
        if good is None:
            continue
        if valid is None:
            valid = np.ones(pixels.shape, bool)
        valid[place] = good
    return valid


def _data_of(band: np.ndarray, value: float | None) -> np.ndarray | None:
    good: np.ndarray | None = None
    if band.dtype.kind == "f":
        good = np.isfinite(band)
    if value is not None and _fits(value, band.dtype):
        kept = band != _nearest(value, band.dtype)
        good = kept if good is None else good & kept
    return None if good is None or good.all() else good


def _nearest(value: float, dtype: np.dtype) -> np.generic:
    """Return a value that fits in a type; one that is written rounded up is its largest."""
    if dtype.kind == "f":
        value = max(min(float(value), float(np.finfo(dtype).max)), float(np.finfo(dtype).min))
    nearest: np.generic = dtype.type(value)
    return nearest


def _fits(value: float, dtype: np.dtype) -> bool:
    if dtype.kind == "f":
        return abs(float(value)) <= float(np.finfo(dtype).max) * (1 + 1e-7)  # written rounded up
    limits = np.iinfo(dtype)
    return value == np.floor(value) and limits.min <= value <= limits.max
