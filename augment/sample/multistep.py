"""Multistep solvers of the diffusion equation of second order, which need few network calls.

Between two timesteps the logarithm of the signal's share over the noise's, lambda, grows by h, and
the clean image that the network predicts is taken as linear in lambda: through the last two
predictions (DPM-Solver++(2M), arXiv:2211.01095, which is also the predictor of UniPC), and, once
the next one is there, through that as well (the corrector of UniPC-2, arXiv:2302.04867, B2). To
correct a step costs no network call.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Prediction:
    """What the network said at a timestep.

    Attributes:
        time: the timestep.
        images: (B, C, H, W) noisy images that it was said of.
        clean: the clean images that it predicted.
    """

    time: int
    images: Tensor
    clean: Tensor


class Solver:
    """Steps between timesteps of a noise schedule.

    Args:
        signal: (T,) float64, share of the signal's variance at each timestep, in (0, 1).
    """

    def __init__(self, signal: Tensor) -> None:
        self._signal, self._noise = signal.sqrt().tolist(), (1 - signal).sqrt().tolist()
        self._lambda = (torch.logit(signal) / 2).tolist()

    def predict(self, last: Prediction, before: Prediction | None, time: int) -> Tensor:
        """Step from the last prediction to an earlier timestep; the one before it, if there is."""
        images, weight = self._first_order(last, time)
        if before is None:
            return images
        return images - weight / 2 * self._slope(last, before, time)

    def correct(
        self, last: Prediction, before: Prediction | None, time: int, clean: Tensor
    ) -> Tensor:
        """Take the same step again, knowing the clean images that are predicted at its end."""
        images, weight = self._first_order(last, time)
        change = clean - last.clean
        if before is None:
            return images - weight / 2 * change
        h = self._h(last.time, time)
        whole = -1 / math.expm1(-h)
        first = whole - 1 / h  # moments of the exponential over the step, as shares of `weight`
        second = whole - 2 * first / h
        of_slope = (first - second) / (1 - self._h(last.time, before.time) / h)
        slope = self._slope(last, before, time)
        return images - weight * (of_slope * slope + (first - of_slope) * change)

    def _first_order(self, last: Prediction, time: int) -> tuple[Tensor, float]:
        """Return the step for a constant prediction, and the weight of what changes it."""
        weight = self._signal[time] * math.expm1(-self._h(last.time, time))
        ratio = self._noise[time] / self._noise[last.time]
        return ratio * last.images - weight * last.clean, weight

    def _slope(self, last: Prediction, before: Prediction, time: int) -> Tensor:
        """Return how the prediction changes over the step, if it goes on as it did before."""
        ratio = self._h(last.time, before.time) / self._h(last.time, time)
        return (before.clean - last.clean) / ratio

    def _h(self, start: int, end: int) -> float:
        return self._lambda[end] - self._lambda[start]
