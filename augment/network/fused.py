"""Norm, modulation and activation of a block as one Triton kernel, forward and backward.

In PyTorch they are a dozen kernels, each of which reads and writes all features; on a GPU that
takes longer than the convolutions between them. One kernel reads the features once.
"""

import logging
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor

from augment.network.unfused import SHORTEST, norm_silu_unfused

try:
    from augment.network import kernels
except ImportError:  # Triton comes with torch, but not on every system
    kernels = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

_TILE = 4096  # features that a program holds at once
_PROGRAMS = 64  # for each image, in the backward pass: each leaves one partial sum


class _Fused(torch.autograd.Function):
    """The kernels as a differentiable function.

    Of features (B, C, H, W), bias and gain (C,), scale and shift (B, C), and whether SiLU follows;
    bias, scale and shift may be None.
    """

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, bias: Tensor | None, gain: Tensor, scale: Tensor | None,
        shift: Tensor | None, activates: bool,
    ) -> Tensor:  # fmt: skip
        features = features.contiguous(memory_format=torch.channels_last)
        ctx.save_for_backward(features, bias, gain, scale, shift)
        batch, width, high, wide = features.shape
        ctx.sizes = _sizes(features, bias, scale, activates)
        ctx.tiles = -(-high * wide // ctx.sizes["ROWS"])
        ctx.numbers = high * wide, width**0.5, SHORTEST
        out = torch.empty_like(features)
        # Triton asks which device is the current one.
        with torch.cuda.device_of(features):  # type: ignore[no-untyped-call]
            kernels.forward[(ctx.tiles, batch)](
                features, bias, gain, scale, shift, out, *ctx.numbers, **ctx.sizes
            )
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        features, bias, gain, scale, shift = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        out, (batch, width) = torch.empty_like(features), features.shape[:2]
        programs = min(ctx.tiles, _PROGRAMS)
        parts = features.new_empty((3, batch, programs, width), dtype=torch.float32)
        with torch.cuda.device_of(features):  # type: ignore[no-untyped-call]
            kernels.backward[(programs, batch)](
                features, bias, gain, scale, shift, grad, out, parts,
                *ctx.numbers, ctx.tiles, **ctx.sizes,
            )  # fmt: skip
        of_unit, of_shift, of_bias = parts
        of_unit, of_bias = of_unit.sum(1), None if bias is None else of_bias.sum((0, 1))
        if scale is None:
            return out, of_bias, of_unit.sum(0), None, None, None
        of_gain = (of_unit * (1 + scale)).sum(0)
        return out, of_bias, of_gain, of_unit * gain, of_shift.sum(1), None


def _sizes(
    features: Tensor, bias: Tensor | None, scale: Tensor | None, activates: bool
) -> dict[str, Any]:
    width = features.shape[1]
    lanes = 1 << (width - 1).bit_length()
    return {
        "WIDTH": width, "LANES": lanes, "ROWS": max(1, _TILE // lanes),
        "SHIFTS": bias is not None, "MODULATES": scale is not None, "ACTIVATES": activates,
        "enable_fp_fusion": True,  # Triton's default until 3.10
    }  # fmt: skip


def norm_silu(
    features: Tensor,
    gain: Tensor,
    scale: Tensor | None = None,
    shift: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    activates: bool = True,
) -> Tensor:
    """Return silu(norm(features + bias) * (1 + scale) + shift).

    The norm is the root mean square norm over the channels (arXiv:1910.07467).

    Args:
        features: (B, C, H, W) bf16 or float32, for which `fuses` returns True.
        gain: (1, C, 1, 1), upstream's `g`.
        scale: (B, C, 1, 1), or None.
        shift: (B, C, 1, 1) with a scale, else None.
        bias: (C,), of the convolution before, which did not add it; or None.
        activates: False leaves out the SiLU.

    Returns:
        (B, C, H, W) of the dtype of the features, channels last; computed in float32.
    """
    if scale is not None and shift is not None:
        scale, shift = scale.float().flatten(1).contiguous(), shift.float().flatten(1).contiguous()
    bias = None if bias is None else bias.float()
    return cast(
        Tensor, _Fused.apply(features, bias, gain.float().flatten(), scale, shift, activates)
    )


def fuses(features: Tensor) -> bool:
    """Return whether `norm_silu` works on the device of some features."""
    return features.is_cuda and _works_on(str(features.device))


@cache
def _works_on(device: str) -> bool:
    """Try `norm_silu` once, and return whether its result is right.

    Triton needs a C compiler, not every GPU supports the kernels, and compilers have faults.
    """
    if kernels is None:
        return False
    kind = torch.device(device).type
    try:
        with (
            torch.enable_grad(),
            torch.inference_mode(False),
            torch.autocast(kind, enabled=False),
        ):
            for modulated in (True, False):
                torch.testing.assert_close(
                    *_both(torch.device(device), modulated), atol=1e-3, rtol=1e-3
                )
    except Exception as error:  # whatever the compiler or the driver raises
        reason = " ".join(str(error).strip().splitlines()[:2])
        log.warning("norms are not fused on %s, which is slower (%s)", device, reason)
        return False
    return True


def _both(device: torch.device, modulated: bool) -> list[list[Tensor]]:
    """Return result and gradients of `norm_silu`, and of PyTorch's operators."""
    draw = torch.Generator().manual_seed(0)
    shapes = [(2, 24, 5, 7), (1, 24, 1, 1), (2, 24, 1, 1), (2, 24, 1, 1), (24,)]
    inputs = [torch.randn(shape, generator=draw) for shape in shapes[: 5 if modulated else 2]]
    inputs = [each.to(device).requires_grad_() for each in inputs]
    found = []
    for function in (norm_silu, norm_silu_unfused):
        result = function(*inputs, activates=modulated)
        slopes = torch.autograd.grad(result.square().sum(), inputs)
        found.append([result.detach(), *slopes])
    return found
