"""Scenes of one kind; each is drawn once in a process, however many tests look at it."""

import functools

import numpy as np

from augment.scenes import draw_scene

_draw = functools.cache(draw_scene)


def forest(first: int, n: int = 40, side: int = 48) -> np.ndarray:
    """Return (n, 3, side, side) uint8: the scenes of the seeds from `first` on."""
    return np.stack([_draw("Forest", first + index, side) for index in range(n)])
