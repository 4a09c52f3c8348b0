"""Convolutions whose kernel is larger than their input, whose gradients torch leaves unwritten.

In bf16 on CPUs, oneDNN does not write the weight gradient of kernel rows and columns that meet
padding alone: it holds what was in that memory (torch 2.15; repeated by
`findings/torch_bf16_leaves_strided_gradients_unwritten.sh`).
"""

import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn


def keep_gradients_written(network: nn.Module) -> None:
    """Let each convolution compute in float32 wherever its input is smaller than its kernel.

    In the deepest layers alone, and with small images: it costs no time that could be noticed.

    Args:
        network: for the CPU, under autocast or not; changed in place. Again changes nothing more.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            usual = type(layer).forward
            layer.forward = functools.partial(_forward, usual, layer)  # type: ignore[method-assign]


def _forward(
    usual: Callable[[nn.Conv2d, Tensor], Tensor], layer: nn.Conv2d, inputs: Tensor
) -> Tensor:
    if not _is_small(layer, inputs):
        return usual(layer, inputs)
    with torch.autocast("cpu", enabled=False):
        return usual(layer, inputs.float())


def _is_small(layer: nn.Conv2d, inputs: Tensor) -> bool:
    """Return whether rows or columns of the kernel, or of a stride, can be beyond the input."""
    sizes = zip(inputs.shape[-2:], layer.kernel_size, layer.dilation, layer.stride, strict=True)
    return any(side < max(gap * (taps - 1) + 1, stride) for side, taps, gap, stride in sizes)
