"""Exponential moving average of the weights: what is sampled from, not what is trained."""

from copy import deepcopy

import torch
from torch import Tensor, nn


class WeightAverage:
    """Average of a network's weights with a warm-up.

    The decay at step n is min(decay, (1 + n) / (10 + n)), so that a short training is not
    dominated by its first, random weights.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.network = deepcopy(network).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move the average towards `network`; `step` counts updates from 1."""
        decay = min(self.decay, (1 + step) / (10 + step))
        averages: list[Tensor] = list(self.network.parameters())
        torch._foreach_lerp_(averages, list[Tensor](network.parameters()), 1 - decay)
