"""Averages of the weights over a training: they are sampled from, not trained."""

from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn

# Shares of the training. All are kept and one is chosen at the end: rebuilding any length from two,
# as arXiv:2312.02696 does, takes far more snapshots than a short training has (from six to eight,
# lengths outside the two kept ones came out visibly worse than kept ones).
LENGTHS = (0.02, 0.05, 0.10)
USUAL = 1  # place of the average that is sampled from until, or unless, another is chosen


class WeightAverage:
    """Exponential moving average of a network's weights with a warm-up.

    The decay at step n is min(decay, (1 + n) / (10 + n)), so that a short training is not
    dominated by its first, random weights.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.network = _copy(network)

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move the average towards `network`; `step` counts updates from 1."""
        _move(self.network, network, min(self.decay, (1 + step) / (10 + step)))


class PowerAverage:
    """Average whose length stays a fixed share of the training so far (arXiv:2312.02696).

    Weights of step t enter in proportion to t^gamma, so the random ones of the beginning are
    forgotten however long the training is.

    Args:
        network: the network to average.
        length: standard deviation of that profile as a share of the training, in (0, 0.28).
    """

    def __init__(self, network: nn.Module, length: float) -> None:
        self.gamma = exponent(length)
        self.network = _copy(network)

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move the average towards `network`; `step` counts updates from 1."""
        _move(self.network, network, (1 - 1 / step) ** (self.gamma + 1))


Average = WeightAverage | PowerAverage


def _copy(network: nn.Module) -> nn.Module:
    return deepcopy(network).eval().requires_grad_(False)


def _move(average: nn.Module, network: nn.Module, decay: float) -> None:
    averages: list[Tensor] = list(average.parameters())
    torch._foreach_lerp_(averages, list[Tensor](network.parameters()), 1 - decay)


def exponent(length: float) -> float:
    """Return the gamma of an average that is `length` long, a share of the training.

    The largest root of equation 126 of arXiv:2312.02696; 0.05 gives 16.97, 0.10 gives 6.94.
    """
    inverse = length**-2
    return float(np.roots([1, 7, 16 - inverse, 12 - inverse]).real.max())
