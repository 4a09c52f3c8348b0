"""Sun, haze and camera: from colours and heights to the picture."""

import math
from dataclasses import dataclass

import numpy as np

from augment.scenes.ground import UNITS, Ground, turn

_SKY = np.array([0.78, 0.92, 1.18], np.float32)  # colour of what lights the shadows
_HAZE = np.array([0.74, 0.78, 0.82], np.float32)

_GREYING = 0.18  # aerial photographs are less colourful than the ground


@dataclass(frozen=True)
class Light:
    """The light of one picture.

    Attributes:
        azimuth: direction towards the sun in radians, 0 along x, growing towards y.
        slope: height of the sun as the tangent of its elevation; shadows are height / slope long.
        gain: exposure.
        warmth: white balance, positive for red.
        haze: share of the picture that the air adds, in [0, 1).
        grain: standard deviation of the camera's noise, in display values of [0, 1].
    """

    azimuth: float
    slope: float
    gain: float
    warmth: float
    haze: float
    grain: float


def draw_light(ground: Ground) -> Light:
    """Draw the light of a scene from the scene's own randomness."""
    return Light(
        azimuth=ground.between(0, 2 * math.pi),
        slope=ground.between(0.75, 2.2),
        gain=ground.between(0.85, 1.2),
        warmth=ground.between(-0.05, 0.07),
        haze=ground.between(0.0, 0.16),
        grain=ground.between(0.004, 0.014),
    )


def render(ground: Ground, light: Light, reduce: int) -> np.ndarray:
    """Light the ground and average `reduce` x `reduce` points a pixel; (3, S, S) uint8."""
    direct = _shading(ground, light) * (1 - 0.9 * _shadow(ground, light))
    lit = ground.colour * (0.72 * direct[..., None] + 0.28 * _SKY)
    lit = lit * (light.gain * np.array([1 + light.warmth, 1, 1 - light.warmth], np.float32))
    lit += np.float32(_GREYING) * (lit.mean(axis=2, keepdims=True) - lit)
    lit += np.float32(light.haze) * (_HAZE - lit)
    pixels = _average(lit, reduce)
    pixels += np.float32(light.grain) * _bell(ground.rng, pixels.shape)
    picture: np.ndarray = (np.clip(pixels, 0, 1) * 255).round().astype(np.uint8)
    return picture.transpose(2, 0, 1)


def _shading(ground: Ground, light: Light) -> np.ndarray:
    """Lambert's cosine law, relative to level ground; (S, S), 1 on the plain."""
    step = 2 * UNITS / ground.side_px
    padded = np.pad(ground.height, 1, mode="edge")
    # Walls are steeper than any roof: a limit keeps their edge from becoming a black line.
    east = np.clip((padded[1:-1, 2:] - padded[1:-1, :-2]) / step, -1.2, 1.2)
    south = np.clip((padded[2:, 1:-1] - padded[:-2, 1:-1]) / step, -1.2, 1.2)
    cos, sin = turn(light.azimuth)
    facing = light.slope - east * cos - south * sin
    cosine: np.ndarray = facing / light.slope / np.sqrt(1 + east * east + south * south)
    return cosine.clip(0.1, 1.5)


def _shadow(ground: Ground, light: Light) -> np.ndarray:
    """Return (S, S) in [0, 1]: 1 where something between the point and the sun is higher."""
    scale = ground.side_px / UNITS
    reach = int(float(ground.height.max()) / light.slope * scale) + 1
    cos, sin = turn(light.azimuth)
    padded = np.pad(ground.height, reach, mode="edge")
    side = ground.side_px
    ridge = np.full((side, side), -1, np.float32)
    for step in range(1, reach + 1):
        left, top = reach + round(cos * step), reach + round(sin * step)
        above = padded[top : top + side, left : left + side] - step * light.slope / scale
        np.maximum(ridge, above, out=ridge)
    return ((ridge - ground.height) / 0.4).clip(0, 1)


def _average(values: np.ndarray, reduce: int) -> np.ndarray:
    parts = [values[i::reduce, j::reduce] for i in range(reduce) for j in range(reduce)]
    return np.asarray(sum(parts) / len(parts), np.float32)


def _bell(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Noise close to normal, from four uniform draws: mean 0, standard deviation 1."""
    total = np.full(shape, -2, np.float32)
    for _ in range(4):
        total += rng.random(shape, dtype=np.float32)
    return total * np.float32(3**0.5)
