"""Scenes without a plan: forest, river, beach."""

import math

import numpy as np

from augment.scenes.ground import UNITS, Colour, Ground, ramp
from augment.scenes.palette import (
    ASPHALT,
    FOAM,
    FRESH,
    GRAVEL,
    ROOFS,
    SAND,
    SEA,
    SEASONS,
    Season,
)  # fmt: skip


def plant(
    ground: Ground, season: Season, spacing: float, radius: float, density: np.ndarray
) -> None:
    """Plant trees on a shaken lattice, each with the probability that `density` (S, S) gives."""
    n = int(UNITS / spacing) + 2
    shaken = ground.rng.random((n, n, 2))
    wanted = ground.rng.random((n, n))
    tint = season.trees[: 1 + int(ground.rng.integers(len(season.trees)))]
    for row, column in np.ndindex(n, n):
        x = (column - 0.5 + float(shaken[row, column, 0])) * spacing
        y = (row - 0.5 + float(shaken[row, column, 1])) * spacing
        if wanted[row, column] < _at(density, x, y):
            ground.tree(x, y, radius * ground.between(0.65, 1.25), ground.pick(tint))


def _at(values: np.ndarray, x: float, y: float) -> float:
    last = len(values) - 1
    row, column = int(y / UNITS * last), int(x / UNITS * last)
    return float(values[min(max(row, 0), last), min(max(column, 0), last)])


def wander(ground: Ground, u: np.ndarray, swing: float) -> np.ndarray:
    """Return how far a winding line is off its axis at each `u`: (S, S) units, up to `swing`."""
    bends = ground.rng.random(3) * 2 - 1
    lengths = (ground.between(45, 90), ground.between(22, 40), ground.between(11, 18))
    weights = (1.0, 0.45, 0.12)
    total = np.zeros_like(u)
    for bend, length, weight in zip(bends, lengths, weights, strict=True):
        total += _wave(u / length + float(bend)) * np.float32(weight)
    return total * np.float32(swing)


def _wave(t: np.ndarray) -> np.ndarray:
    """A sine of period 1 made of parabolas, so that it is the same on every machine."""
    turn = t - np.floor(t) - 0.5
    wave: np.ndarray = 16 * turn * (np.abs(turn) - 0.5)
    return wave


def forest(ground: Ground) -> None:
    """Closed or open woodland, sometimes with clearings, a track, or a glint of water."""
    season = ground.pick(SEASONS)
    ground.paint(np.ones_like(ground.x), ground.vary(season.grass, 0.07))
    ground.mottle(0.10)
    cover = ground.noise(3, 2) + ground.pick((0.15, 0.5, 0.8, 1.2))
    if ground.chance(0.35):
        u, v = ground.frame(ground.between(0, math.pi))
        track = np.abs(v - wander(ground, u, 6) - ground.between(-18, 18))
        ground.paint(ramp(track, 1.8, 0.9), ground.vary(season.soil, 0.06))
        cover = np.minimum(cover, track - 2.5)
    if ground.chance(0.25):
        fringe = ground.noise(4, 2) + 0.06 * np.hypot(
            ground.x - ground.between(8, 56), ground.y - ground.between(8, 56)
        )
        opening = ground.pick((season.crops[0], season.soil, ground.pick(FRESH)))
        ground.paint(ramp(fringe, 0.75, 0.55), opening)
        cover = np.minimum(cover, (fringe - 0.8) * 4)
    radius = ground.between(2.2, 4.4)
    plant(ground, season, radius * 1.25, radius, ramp(cover, -0.15, 0.25))
    ground.mottle(0.12, cells=3)


def river(ground: Ground) -> None:
    """A winding river between meadows, woods or fields, with bars of sand and bridges."""
    season = ground.pick(SEASONS)
    _meadows(ground, season)
    angle = ground.between(0, math.pi)
    u, v = ground.frame(angle)
    course = wander(ground, u, ground.between(3, 15)) + ground.between(-10, 10)
    half = ground.between(3.0, 12.0) * (1 + 0.25 * ground.noise(3))
    off = np.abs(v - course) - half
    if ground.chance(0.6):
        shore = ground.between(0.6, 4.0) * (1 + ground.noise(4))
        ground.paint(ramp(off - shore, 0.8, -0.4), ground.vary(ground.pick((SAND, GRAVEL)), 0.05))
    water = ramp(off, 0.4, -0.4)
    tone = np.array(ground.vary(ground.pick(FRESH), 0.05), np.float32)
    depth = ramp(-off, 0, ground.between(3, 9))[..., None]
    ground.paint(water, tone * (1.22 - 0.25 * depth) * (1 + 0.05 * ground.noise(5)[..., None]))
    if ground.chance(0.35):
        bar = ramp(ground.noise(5, 2), 0.45, 0.6) * ramp(off, -0.5, -2)
        ground.paint(bar, ground.vary(SAND, 0.06))
    woods = ramp(ground.noise(4, 2) + ground.between(-0.6, 0.7), 0, 0.3)
    beside = ramp(off, ground.between(8, 40), 2)
    plant(ground, season, 3.6, ground.between(1.6, 2.8), woods * beside * ramp(off, 1.5, 2.5))
    if ground.chance(0.3):
        _bridge(ground, u - ground.between(-18, 18), off)


def _meadows(ground: Ground, season: Season) -> None:
    """Open land: grass, or a few large fields."""
    ground.paint(np.ones_like(ground.x), ground.vary(season.grass, 0.07))
    if ground.chance(0.5):
        u, v = ground.frame(ground.between(0, math.pi))
        wide = ground.between(14, 26)
        for low, high in ((-60.0, -wide), (wide, 60.0)):
            field = ramp(v, low, low + 0.8) * ramp(v, high, high - 0.8)
            ground.paint(field, ground.vary(ground.pick(season.crops), 0.05))
            part = field * ramp(u, ground.between(-20, 20), 60)
            ground.paint((part > 0.02) * field, ground.vary(ground.pick(season.crops), 0.05))
    ground.mottle(0.10)


def _bridge(ground: Ground, along: np.ndarray, off: np.ndarray) -> None:
    half = ground.between(1.2, 2.2)
    deck = ramp(np.abs(along), half + 0.3, half - 0.3)
    ground.paint(deck, ground.vary(ground.pick((ASPHALT, GRAVEL)), 0.06))
    ground.raise_to(deck * (off < 1), 2.0)


def beach(ground: Ground) -> None:
    """A shore: sea with surf on one side, sand, then grass, trees, a promenade or houses."""
    season = ground.pick(SEASONS)
    ground.paint(np.ones_like(ground.x), ground.vary(SAND, 0.08))
    ground.mottle(0.05)
    angle = ground.between(0, 2 * math.pi)
    u, v = ground.frame(angle)
    sea = v - wander(ground, u, ground.between(1, 9)) - ground.between(-14, 12)
    inland = -sea - ground.between(6, 22) + 3 * ground.noise(5, 2)
    green = ramp(inland, -0.8, 0.8)
    ground.paint(green, ground.vary(season.grass, 0.07))
    _sea(ground, sea)
    if ground.chance(0.35):
        road = ramp(np.abs(inland - 5), 1.8, 1.2)
        ground.paint(road, ground.vary(ASPHALT, 0.06))
        green = green * ramp(inland, 6.5, 8)
        _villas(ground, inland, angle)
    woods = ramp(ground.noise(4, 2) + ground.between(-0.5, 0.6), 0, 0.3)
    plant(ground, season, 3.8, ground.between(1.5, 2.7), woods * green * (ground.height < 0.1))


def _sea(ground: Ground, sea: np.ndarray) -> None:
    ground.paint(ramp(sea, -ground.between(1.5, 5), -0.5), _darker(SAND, ground.between(0.7, 0.85)))
    shallow, deep = ground.pick(SEA)
    depth = ramp(sea + 4 * ground.noise(3, 2), 0, ground.between(10, 45))[..., None]
    tone = np.asarray(shallow, np.float32) * (1 - depth) + np.asarray(deep, np.float32) * depth
    ground.paint(ramp(sea, -0.5, 0.5), tone * (1 + 0.04 * ground.noise(8, 2)[..., None]))
    patches = ground.noise(5, 2)
    for distance in (0.8, *(ground.between(3, 14) for _ in range(int(ground.rng.integers(4))))):
        crest = ramp(np.abs(sea - distance - 1.2 * patches), ground.between(0.9, 2.0), 0.3)
        broken = 1.0 if distance < 1 else ramp(ground.noise(6), -0.1, 0.3)
        ground.paint(crest * broken * 0.85, FOAM)


def _villas(ground: Ground, inland: np.ndarray, angle: float) -> None:
    for _ in range(int(ground.rng.integers(2, 9))):
        x, y = ground.between(0, UNITS), ground.between(0, UNITS)
        if _at(inland, x, y) > 10:
            size = (ground.between(5, 9), ground.between(4, 6))
            ground.house(x, y, size, angle, ground.vary(ground.pick(ROOFS), 0.05))


def _darker(colour: Colour, factor: float) -> Colour:
    red, green, blue = colour
    return red * factor, green * factor, blue * factor
