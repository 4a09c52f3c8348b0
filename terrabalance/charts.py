"""Where the marks of a chart go; templates draw them, so that they follow the page's colours."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from terrabalance.evenly import evenly

WIDTH = 600  # of the curve's own coordinate system; the page stretches it
HEIGHT = 120
_MOST_POINTS = 300


@dataclass(frozen=True)
class Curve:
    """A curve over steps on a logarithmic axis.

    Attributes:
        raw: SVG points of the values as measured.
        smooth: SVG points of their moving average.
        first, last: steps at the left and right end.
        low, high: values at the bottom and top.
        final: last value of the moving average.
    """

    raw: str
    smooth: str
    first: int
    last: int
    low: float
    high: float
    final: float


def loss_curve(steps: Sequence[int], losses: Sequence[float]) -> Curve | None:
    """Lay out a loss history; None with fewer than two positive, finite losses.

    Args:
        steps: rising optimizer steps.
        losses: one for each step. The axis is logarithmic, because a loss falls by orders of
            magnitude at first and by per cents later.
    """
    kept = [(s, x) for s, x in zip(steps, losses, strict=True) if x > 0 and math.isfinite(x)]
    if len(kept) < 2:
        return None
    x = np.array([step for step, _ in kept], float)
    y = np.array([loss for _, loss in kept])
    # Averaged as drawn, in logarithms: a plain mean would lag behind the steep start.
    smooth = np.exp(_moving_average(np.log(y), max(1, len(y) // 40)))
    low, high = float(y.min()), float(y.max())
    thin = evenly(len(x), _MOST_POINTS)
    return Curve(
        _points(x[thin], y[thin], low, high),
        _points(x[thin], smooth[thin], low, high),
        int(x[0]),
        int(x[-1]),
        low,
        high,
        float(smooth[-1]),
    )


@dataclass(frozen=True)
class Lines:
    """Lines over the same steps on one linear axis.

    Attributes:
        points: name -> SVG points.
        first, last: steps at the left and right end.
        low, high: values at the bottom and top.
        mark: position of a step of interest, in the curve's own coordinates; its stroke, too, is
            inside.
    """

    points: dict[str, str]
    first: int
    last: int
    low: float
    high: float
    mark: float


def plain_lines(
    steps: Sequence[int], series: Mapping[str, Sequence[float]], mark: int
) -> Lines | None:
    """Lay out values over steps; None with fewer than two steps or a value that is not finite.

    Args:
        steps: rising optimizer steps.
        series: name -> a value for each step.
        mark: a step to be marked.
    """
    values = np.array(list(series.values()), float)
    if len(steps) < 2 or not np.isfinite(values).all():
        return None
    low, high = float(values.min()), float(values.max())
    x = np.array([*steps, mark], float)
    across = (x - x[0]) / max(x[-2] - x[0], 1e-9) * WIDTH
    down = (1 - (values - low) / max(high - low, 1e-9)) * HEIGHT
    points = {
        name: " ".join(f"{a:.1f},{d:.1f}" for a, d in zip(across[:-1], row, strict=True))
        for name, row in zip(series, down, strict=True)
    }
    inside = min(max(float(across[-1]), 1), WIDTH - 1)  # half a stroke, where a chart is narrow
    return Lines(points, steps[0], steps[-1], low, high, round(inside, 1))


def _moving_average(values: np.ndarray, half: int) -> np.ndarray:
    """Average over 2 * half + 1 neighbours; over those that exist at the ends."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(len(values))
    left, right = np.maximum(at - half, 0), np.minimum(at + half + 1, len(values))
    means: np.ndarray = (total[right] - total[left]) / (right - left)
    return means


def _points(x: np.ndarray, y: np.ndarray, low: float, high: float) -> str:
    across = (x - x[0]) / max(x[-1] - x[0], 1e-9) * WIDTH
    span = max(math.log(high / low), 1e-9)
    down = (1 - np.log(y / low) / span) * HEIGHT
    return " ".join(f"{a:.1f},{d:.1f}" for a, d in zip(across, down, strict=True))


def symmetric_limit(intervals: Sequence[tuple[float, float]], smallest: float = 0.05) -> float:
    """Return a round half-width, a multiple of 0.05, of an axis that holds all intervals.

    From -1 to 1 are left out unless there are no others: they mean that nothing is known.
    """
    known = [max(-low, high) for low, high in intervals if (low, high) != (-1, 1)]
    if not known:
        return 1.0 if intervals else smallest
    return min(1.0, max(smallest, math.ceil(max(known) * 20) / 20))


def place(value: float, limit: float) -> float:
    """Return the position in % of `value` on an axis from -limit to limit, kept inside it."""
    return round(50 + 50 * min(1.0, max(-1.0, value / limit)), 2)
