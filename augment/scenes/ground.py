"""The ground of a drawn scene: a colour and a height for each point, and brushes to change them.

Lengths are in units of 1/64 of the scene's side, so that a scene is the same at every size in
pixels. Heights use the same unit; `light.render` turns them into shading and shadows.
Only additions, products and roots of single numbers are used, no library whose sums depend on
the processor: equal seeds give equal pixels on every machine.
"""

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Colour = tuple[float, float, float]
T = TypeVar("T")
UNITS = 64.0


class Ground:
    """One scene while it is drawn.

    Attributes:
        x, y: (S, S) float32, units from the upper left corner.
        colour: (S, S, 3) float32 in [0, 1], reflectance in linear display values.
        height: (S, S) float32, units above the plain.
    """

    def __init__(self, rng: np.random.Generator, side_px: int, base: Colour) -> None:
        """Start a plain of one colour, `side_px` pixels a side."""
        self.rng = rng
        self.side_px = side_px
        axis = ((np.arange(side_px) + 0.5) * (UNITS / side_px)).astype(np.float32)
        self.x, self.y = np.broadcast_arrays(axis[None, :], axis[:, None])
        self.colour = np.empty((side_px, side_px, 3), np.float32)
        self.colour[:] = base
        self.height = np.zeros((side_px, side_px), np.float32)

    def between(self, low: float, high: float) -> float:
        """Draw a number in [low, high)."""
        return low + (high - low) * float(self.rng.random())

    def chance(self, probability: float) -> bool:
        """Say yes with this probability in [0, 1]."""
        return float(self.rng.random()) < probability

    def pick(self, options: Sequence[T]) -> T:
        """Draw one of the options, all alike."""
        return options[int(self.rng.integers(len(options)))]

    def vary(self, colour: Colour, amount: float = 0.05) -> Colour:
        """Return a neighbour of a colour: brighter or darker, a little warmer or colder."""
        gain, warm = self.between(-amount, amount), self.between(-amount, amount) / 2
        red, green, blue = colour
        return red + gain + warm, green + gain, blue + gain - warm

    def noise(self, cells: int, octaves: int = 1) -> np.ndarray:
        """Return smooth (S, S) float32 noise around 0, nearly all of it in [-1, 1].

        Cubic B-splines over a lattice of random numbers; each octave has twice the cells and
        half the amplitude of the one before.
        """
        total = np.zeros((self.side_px, self.side_px), np.float32)
        for octave in range(octaves):
            total += self._splines(cells * 2**octave) * np.float32(0.5**octave)
        return total

    def _splines(self, cells: int) -> np.ndarray:
        lattice = self.rng.random((cells + 3, cells + 3), dtype=np.float32) * 2 - 1
        place = (np.arange(self.side_px) + 0.5) * (cells / self.side_px)
        first = place.astype(np.int64)
        taps = _spline_taps((place - first).astype(np.float32))
        rows = np.zeros((self.side_px, cells + 3), np.float32)
        for k, tap in enumerate(taps):
            rows += tap[:, None] * lattice[first + k]
        both = np.zeros((self.side_px, self.side_px), np.float32)
        for k, tap in enumerate(taps):
            both += tap[None, :] * rows[:, first + k]
        return 2 * both

    def frame(self, angle: float) -> tuple[np.ndarray, np.ndarray]:
        """Return coordinates (u, v), (S, S) units from the centre, turned by `angle` radians."""
        cos, sin = turn(angle)
        x, y = self.x - UNITS / 2, self.y - UNITS / 2
        return x * cos + y * sin, y * cos - x * sin

    def paint(self, cover: np.ndarray, colour: Colour | np.ndarray) -> None:
        """Blend a colour, or (S, S, 3) colours, over the ground where `cover` in [0, 1] says."""
        self.colour += cover[..., None].astype(np.float32) * (
            np.asarray(colour, np.float32) - self.colour
        )

    def raise_to(self, cover: np.ndarray, height: float | np.ndarray) -> None:
        """Set the height, blended where `cover` in [0, 1] is between."""
        self.height += cover.astype(np.float32) * (height - self.height)

    def mottle(self, amount: float, cells: int = 6, octaves: int = 3) -> None:
        """Make the ground unevenly bright, by about `amount`."""
        self.colour *= 1 + amount * self.noise(cells, octaves)[..., None]

    def _window(self, x: float, y: float, reach: float) -> tuple[slice, slice]:
        scale = self.side_px / UNITS
        low_x, high_x = int((x - reach) * scale), int((x + reach) * scale) + 2
        low_y, high_y = int((y - reach) * scale), int((y + reach) * scale) + 2
        return slice(max(low_y, 0), max(high_y, 0)), slice(max(low_x, 0), max(high_x, 0))

    def tree(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """Put a crown, a rough dome of `radius` units, over whatever is lower."""
        window = self._window(x, y, radius)
        far = (self.x[window] - x) ** 2 + (self.y[window] - y) ** 2
        dome = np.sqrt(np.maximum(1 - far / radius**2, 0)) * (1.5 * radius)
        above = dome > self.height[window]
        self.height[window][above] = dome[above]
        self.colour[window][above] = self.vary(colour, 0.04)

    def tank(self, x: float, y: float, radius: float, height: float, colour: Colour) -> None:
        """Put an upright cylinder with a low cone as its roof and a darker rim."""
        window = self._window(x, y, radius)
        far = np.sqrt((self.x[window] - x) ** 2 + (self.y[window] - y) ** 2)
        inside = far < radius
        roof = height + 0.25 * (radius - far)
        self.height[window][inside] = roof[inside]
        self.colour[window][inside] = colour
        self.colour[window][inside & (far > radius - 0.6)] = [0.8 * part for part in colour]

    def house(
        self, x: float, y: float, size: tuple[float, float], angle: float, colour: Colour
    ) -> None:
        """Put a house with a gable roof along its length; `size` is (length, width) in units."""
        length, width = size
        window = self._window(x, y, (length + width) / 2)
        cos, sin = turn(angle)
        right, down = self.x[window] - x, self.y[window] - y
        along, across = np.abs(right * cos + down * sin), np.abs(down * cos - right * sin)
        inside = (along < length / 2) & (across < width / 2)
        roof = 0.4 * width + 0.55 * (width / 2 - across)
        self.height[window][inside] = roof[inside]
        self.colour[window][inside] = colour


def turn(angle: float) -> tuple[float, float]:
    """Return (cos, sin), rounded because the last bit differs between C libraries."""
    return round(math.cos(angle), 6), round(math.sin(angle), 6)


def ramp(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Rise smoothly from 0 at `low` to 1 at `high`; falls where low > high."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _spline_taps(t: np.ndarray) -> list[np.ndarray]:
    """Weights of the four neighbours at fraction `t` of a cell: the uniform cubic B-spline."""
    rest = 1 - t
    return [
        rest * rest * rest / 6,
        (3 * t * t * t - 6 * t * t + 4) / 6,
        (3 * rest * rest * rest - 6 * rest * rest + 4) / 6,
        t * t * t / 6,
    ]
