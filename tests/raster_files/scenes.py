"""What is written into the files: values as sensors give them, gaps in them, palettes."""

from zlib import crc32

import numpy as np
from PIL import Image

# Unequal, so that a transposition shows; odd, so that a row of bits ends within a byte; no multiple
# of a tile of 16.
HEIGHT, WIDTH = (
    20,
    23,
)
GAP = (slice(None), slice(0, 6), slice(0, 7))  # the corner that holds no data, as (C, H, W)
SCATTERED = (-1, 12, 10)  # and one sample of the last band alone

# Scale and offset from Sentinel-2 digital numbers. The wide types use more bits than float32 has.
_UNITS = {
    "uint8": (1 / 12, 0),
    "int8": (1 / 12, -128),
    "uint16": (1, 0),
    "int16": (1, -1500),
    "uint32": (1_000_003, 0),
    "int32": (1_000_003, -1_500_000_000),
    "uint64": (1_000_000_000_000_037, 0),
    "int64": (1_000_000_000_000_037, -1_500_000_000_000_000_000),
    "float16": (1e-4, 0),
    "float32": (1e-4, 0),
    "float64": (1e-4, -0.05),
}
DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")


def reflectance(bands: int, seed: str = "") -> np.ndarray:
    """(bands, H, W) float64: a smooth scene with noise, digital numbers of 200 to 2,900."""
    draw = np.random.default_rng(crc32(f"{bands} {seed}".encode()))
    coarse = draw.uniform(200, 2900, (bands, 6, 6)).astype(np.float32)
    smooth = [
        Image.fromarray(band).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC) for band in coarse
    ]
    noise = draw.normal(0, 20, (bands, HEIGHT, WIDTH))
    return (np.stack([np.asarray(band) for band in smooth]) + noise).clip(200, 2900)


def scene(bands: int, dtype: str) -> np.ndarray:
    """(bands, H, W) of a type, in a unit usual for it."""
    scale, offset = _UNITS[dtype]
    return (reflectance(bands, dtype) * scale + offset).astype(dtype)


def gradients(bands: int) -> np.ndarray:
    """(bands, H, W) uint8 of 16 to 240, each band a ramp of its own: what JPEG hardly changes."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    turns = np.linspace(0, 1.6 * np.pi, bands)
    ramps = np.stack([np.cos(turn) * x / WIDTH + np.sin(turn) * y / HEIGHT for turn in turns])
    low, high = ramps.min((1, 2), keepdims=True), ramps.max((1, 2), keepdims=True)
    return ((ramps - low) / (high - low) * 224 + 16).round().astype(np.uint8)


def numbers_of_bits(bands: int, bits: int) -> np.ndarray:
    """(bands, H, W) unsigned numbers that use all of `bits` bits, in the smallest type for them."""
    share = (reflectance(bands, f"{bits} bits") - 200) / 2700
    dtype = next(f"uint{size}" for size in (8, 16, 32) if bits <= size)
    return (share * (2**bits - 1)).round().astype(dtype)


def with_gap(values: np.ndarray, fill: float) -> tuple[np.ndarray, np.ndarray]:
    """Put `fill` into a corner of all bands and one sample of the last; values and valid.

    Where a value happens to be `fill`, it is not valid either: nobody could tell.
    """
    filled = values.copy()
    for place in (GAP, SCATTERED):
        filled[place] = fill
    valid = filled != filled.dtype.type(fill)
    for place in (GAP, SCATTERED):
        valid[place] = False
    return filled, valid


def corner_mask() -> np.ndarray:
    """(1, H, W) bool, False in the corner: a mask that all bands share."""
    valid = np.ones((1, HEIGHT, WIDTH), bool)
    valid[GAP] = False
    return valid


def mask_band(dtype: str = "uint8") -> np.ndarray:
    """(1, H, W): an alpha band that is a mask, 0 in the corner and the type's largest elsewhere."""
    return (corner_mask() * np.iinfo(dtype).max).astype(dtype)


def palette(size: int) -> np.ndarray:
    """(size, 3) uint8: colours in no order, as those of land cover maps."""
    return np.random.default_rng(size).integers(0, 256, (size, 3)).astype(np.uint8)


def coloured(indices: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """(3, H, W) uint8: the colours of (1, H, W) indices."""
    return colours[indices[0]].transpose(2, 0, 1)


def cmyk_as_rgb(inks: np.ndarray) -> np.ndarray:
    """(3, H, W) uint8: (4, H, W) inks as Pillow, which knows no colour profile, shows them."""
    image = Image.frombytes("CMYK", (WIDTH, HEIGHT), inks.transpose(1, 2, 0).tobytes())
    return np.asarray(image.convert("RGB")).transpose(2, 0, 1)
