"""Scenes that people laid out: farmland, residential streets, storage tanks."""

import math

import numpy as np

from augment.scenes.ground import UNITS, Colour, Ground, ramp, turn
from augment.scenes.nature import plant
from augment.scenes.palette import (
    ASPHALT,
    CONCRETE,
    GRAVEL,
    ROOFS,
    SEASONS,
    TANKS,
    Season,
)  # fmt: skip

_REACH = UNITS * 0.75  # half the side of a square that covers the scene at every angle
Box = tuple[float, float, float, float]  # low u, high u, low v, high v


def farmland(ground: Ground) -> None:
    """Fields with furrows between tracks and hedges; sometimes a round one, a copse, a farm."""
    season = ground.pick(SEASONS)
    ground.paint(np.ones_like(ground.x), ground.vary(season.grass, 0.05))
    angle = ground.between(0, math.pi)
    u, v = ground.frame(angle)
    u = u + ground.between(0, 2.5) * ground.noise(2)
    hedge = np.zeros_like(u)
    gap = ground.between(0.4, 1.3)
    for box in _split(ground, (-_REACH, _REACH, -_REACH, _REACH), ground.between(15, 30)):
        edge = np.minimum(np.minimum(u - box[0], box[1] - u), np.minimum(v - box[2], box[3] - v))
        _field(ground, season, ramp(edge, gap - 0.4, gap + 0.4), u if ground.chance(0.5) else v)
        if ground.chance(0.2):
            hedge = np.maximum(hedge, (np.abs(edge) < 1) * 0.8)
    if ground.chance(0.2):
        _pivot(ground, season)
    if ground.chance(0.3):
        hedge = np.maximum(hedge, ramp(ground.noise(3, 2), 0.4, 0.6))
    plant(ground, season, 3.2, ground.between(1.6, 2.6), hedge)
    if ground.chance(0.25):
        _farm(ground, angle)
    ground.mottle(0.05)


def _split(ground: Ground, box: Box, longest: float) -> list[Box]:
    """Cut a box across its longer side until no side is longer than about `longest` units."""
    wide, high = box[1] - box[0], box[3] - box[2]
    if max(wide, high) < longest * ground.between(0.9, 1.8):
        return [box]
    at = ground.between(0.33, 0.67)
    if wide > high:
        middle = box[0] + at * wide
        parts = ((box[0], middle, box[2], box[3]), (middle, box[1], box[2], box[3]))
    else:
        middle = box[2] + at * high
        parts = ((box[0], box[1], box[2], middle), (box[0], box[1], middle, box[3]))
    return [leaf for part in parts for leaf in _split(ground, part, longest)]


def _field(ground: Ground, season: Season, cover: np.ndarray, across: np.ndarray) -> None:
    tone = np.asarray(ground.vary(ground.pick((*season.crops, season.soil)), 0.06), np.float32)
    phase = across / np.float32(ground.between(2.6, 5.0)) + np.float32(ground.between(0, 1))
    furrows = np.abs(phase - np.floor(phase) - 0.5) * 4 - 1
    depth = ground.pick((0.0, 0.03, 0.06, 0.10))
    shown = cover > 0  # a field is a small part of the scene
    colours = tone * (1 + depth * furrows[shown][:, None])
    ground.colour[shown] += cover[shown][:, None] * (colours - ground.colour[shown])


def _pivot(ground: Ground, season: Season) -> None:
    """A field that is round because its sprinkler turns."""
    x, y, radius = ground.between(14, 50), ground.between(14, 50), ground.between(11, 24)
    far = np.sqrt((ground.x - x) ** 2 + (ground.y - y) ** 2)
    ground.paint(ramp(far, radius + 0.4, radius - 0.4), ground.vary(ground.pick(season.crops)))
    ring = ramp(np.abs(far - radius * ground.between(0.4, 0.8)), 1.6, 0.6)
    ground.paint(ring * 0.3, season.soil)


def _farm(ground: Ground, angle: float) -> None:
    x, y = ground.between(10, 54), ground.between(10, 54)
    yard = ramp(np.hypot(ground.x - x, ground.y - y) + 2 * ground.noise(5), 11, 9)
    ground.paint(yard, ground.vary(GRAVEL, 0.05))
    for _ in range(int(ground.rng.integers(2, 5))):
        size = (ground.between(6, 11), ground.between(4, 6))
        side = ground.pick((0.0, math.pi / 2))
        right, down = ground.between(-6, 6), ground.between(-6, 6)
        roof = ground.vary(ground.pick(ROOFS), 0.05)
        ground.house(x + right, y + down, size, angle + side, roof)


def residential(ground: Ground) -> None:
    """Straight or bent streets lined with houses, gardens, trees and a few pools."""
    season = ground.pick(SEASONS)
    ground.paint(np.ones_like(ground.x), ground.vary(season.grass, 0.06))
    ground.mottle(0.10)
    angle, bend = ground.between(0, math.pi), ground.pick((0.0, 0.0, 0.4, -0.4))
    scale = ground.between(0.75, 1.3)
    block = scale * ground.between(25, 32)
    start = ground.between(-0.5, 0.5) * block
    u, v = ground.frame(angle)
    v = v - np.float32(bend / UNITS) * u * u
    road = _streets(ground, u, (v - start) / block, block, scale)
    woods = ramp(ground.noise(4, 2) + ground.between(-0.4, 0.3), 0, 0.4)
    n_rows = int(_REACH / block) + 1
    lots = [start + block * row + side * block * 0.27
            for row in range(-n_rows, n_rows + 1) for side in (-1, 1)]  # fmt: skip
    kit = [ground.pick(ROOFS) for _ in range(3)]
    for lane in lots:
        _row_of_houses(ground, lane, (angle, bend, scale), kit)
    plant(ground, season, 4.2, ground.between(1.5, 2.4),
          0.7 * woods * (road < 0.1) * (ground.height < 0.1))  # fmt: skip


def _streets(
    ground: Ground, u: np.ndarray, blocks: np.ndarray, block: float, scale: float
) -> np.ndarray:
    """Paint the streets, one a block and sometimes one across; return their cover."""
    half = scale * ground.between(1.8, 2.6)
    off = np.abs(blocks - np.floor(blocks + 0.5)) * block
    if ground.chance(0.5):
        off = np.minimum(off, np.abs(u - ground.between(-24, 24)))
    ground.paint(ramp(off, half + 1.4, half + 0.8) * 0.8, ground.vary(CONCRETE, 0.05))
    road = ramp(off, half + 0.3, half - 0.3)
    ground.paint(road, ground.vary(ASPHALT, 0.09))
    return ramp(off, half + 2, half + 1.5)


def _row_of_houses(
    ground: Ground, lane: float, layout: tuple[float, float, float], kit: list[Colour]
) -> None:
    angle, bend, scale = layout
    cos, sin = turn(angle)
    u = -_REACH + ground.between(0, 6)
    while u < _REACH:
        length, width = scale * ground.between(6.5, 9.5), scale * ground.between(4.8, 6.4)
        v = lane + bend / UNITS * u * u + ground.between(-1, 1)
        x, y = UNITS / 2 + u * cos - v * sin, UNITS / 2 + u * sin + v * cos
        if ground.chance(0.88):
            tilt = math.atan(2 * bend / UNITS * u) + ground.pick((0.0, 0.0, math.pi / 2))
            ground.house(x, y, (length, width), angle + tilt, ground.vary(ground.pick(kit), 0.06))
        elif ground.chance(0.4):
            pool = ramp(np.hypot(ground.x - x, ground.y - y), 2.0, 1.4)
            ground.paint(pool, (0.35, 0.68, 0.78))
        u += length + scale * ground.between(1.8, 4.5)


def storage_tanks(ground: Ground) -> None:
    """Rows of round tanks on concrete or gravel, with roads, walls and pipes."""
    season = ground.pick(SEASONS)
    ground.paint(np.ones_like(ground.x), ground.vary(season.grass, 0.06))
    ground.mottle(0.08)
    angle = ground.between(0, math.pi)
    u, v = ground.frame(angle)
    radius = ground.between(4.5, 11)
    pitch = 2 * radius + ground.between(2.5, 8)
    columns, rows = int(ground.rng.integers(1, 5)), int(ground.rng.integers(1, 5))
    middle = (ground.between(-8, 8), ground.between(-8, 8))
    half = (columns * pitch / 2 + 2, rows * pitch / 2 + 2)
    off = np.maximum(np.abs(u - middle[0]) - half[0], np.abs(v - middle[1]) - half[1])
    yard = ground.vary(ground.pick((CONCRETE, GRAVEL, season.soil)), 0.06)
    ground.paint(ramp(off, 7, 6), ground.vary(ground.pick((ASPHALT, GRAVEL)), 0.06))
    ground.paint(ramp(off, 0.4, -0.4), yard)
    ground.raise_to(ramp(np.abs(off), 1.0, 0.4), 1.0)
    _pipe(ground, v - middle[1], off)
    paint, cos_sin = ground.pick(TANKS), turn(angle)
    for row, column in np.ndindex(rows, columns):
        a = middle[0] + (column - (columns - 1) / 2) * pitch
        b = middle[1] + (row - (rows - 1) / 2) * pitch
        _place_tank(ground, (a, b), cos_sin, radius, paint)
    ground.mottle(0.03)


def _pipe(ground: Ground, across: np.ndarray, off: np.ndarray) -> None:
    pipe = ramp(np.abs(across), 0.9, 0.5) * (off < 12)
    ground.paint(pipe * 0.7, ground.vary((0.75, 0.75, 0.74), 0.08))
    ground.raise_to(pipe, 0.7)


def _place_tank(
    ground: Ground, place: tuple[float, float], cos_sin: tuple[float, float],
    radius: float, paint: Colour,
) -> None:  # fmt: skip
    (a, b), (cos, sin) = place, cos_sin
    x, y = UNITS / 2 + a * cos - b * sin, UNITS / 2 + a * sin + b * cos
    if ground.chance(0.9):
        size = radius * ground.pick((1.0, 1.0, 0.95, 0.7))
        colour = ground.vary(paint if ground.chance(0.75) else ground.pick(TANKS), 0.04)
        ground.tank(x, y, size, radius * ground.between(0.5, 1.0), colour)
