"""Upstream's norm, with what follows it in a block, as one kernel each way (Triton).

Norm, modulation and activation are a dozen kernels in PyTorch, each of which reads and writes all
features; on a GPU that takes longer than the convolutions between them. One kernel reads them once.
"""

import logging
from functools import cache
from typing import Any

import torch
from torch import Tensor

try:
    from augment import kernels
except ImportError:  # Triton comes with torch, but not on every system
    kernels = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

_SHORTEST = 1e-12  # of a vector that is normalized, as in `torch.nn.functional.normalize`
_TILE = 4096  # features that a program holds at once
_PROGRAMS = 64  # for each image, in the backward pass: each leaves one partial sum


class _Fused(torch.autograd.Function):
    """Features (B, C, H, W), gain (C,), scale and shift (B, C) or None, whether SiLU follows."""

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, gain: Tensor, scale: Tensor | None, shift: Tensor | None,
        activates: bool,
    ) -> Tensor:  # fmt: skip
        features = features.contiguous(memory_format=torch.channels_last)
        ctx.save_for_backward(features, gain, scale, shift)
        ctx.activates = activates
        out = torch.empty_like(features)
        batch, n_pixels, sizes = _sizes(features, scale, activates)
        tiles = -(-n_pixels // sizes["ROWS"])
        root = features.shape[1] ** 0.5
        # Triton asks which device is the current one.
        with torch.cuda.device_of(features):  # type: ignore[no-untyped-call]
            kernels.forward[(tiles, batch)](
                features, gain, scale, shift, out, n_pixels, root, _SHORTEST, **sizes
            )
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        features, gain, scale, shift = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        out = torch.empty_like(features)
        batch, n_pixels, sizes = _sizes(features, scale, ctx.activates)
        tiles = -(-n_pixels // sizes["ROWS"])
        programs = min(tiles, _PROGRAMS)
        parts = features.new_empty((2, batch, programs, features.shape[1]), dtype=torch.float32)
        root = features.shape[1] ** 0.5
        with torch.cuda.device_of(features):  # type: ignore[no-untyped-call]
            kernels.backward[(programs, batch)](
                features, gain, scale, shift, grad, out, parts[0], parts[1],
                n_pixels, root, _SHORTEST, tiles, **sizes,
            )  # fmt: skip
        sums = parts[0].sum(1)
        if scale is None:
            return out, sums.sum(0), None, None, None
        return out, (sums * (1 + scale)).sum(0), sums * gain, parts[1].sum(1), None


def _sizes(
    features: Tensor, scale: Tensor | None, activates: bool
) -> tuple[int, int, dict[str, Any]]:
    batch, width, high, wide = features.shape
    lanes = 1 << (width - 1).bit_length()
    sizes = {
        "WIDTH": width, "LANES": lanes, "ROWS": max(1, _TILE // lanes),
        "MODULATES": scale is not None, "ACTIVATES": activates,
        "enable_fp_fusion": True,  # Triton's default until 3.10
    }  # fmt: skip
    return batch, high * wide, sizes


def norm_silu(
    features: Tensor,
    gain: Tensor,
    scale: Tensor | None = None,
    shift: Tensor | None = None,
    activates: bool = True,
) -> Tensor:
    """Return silu(norm(features) * (1 + scale) + shift), where norm is `augment.layers.Norm`.

    Args:
        features: (B, C, H, W) bf16 or float32, on a device that `fuses` says yes of.
        gain: (1, C, 1, 1), upstream's `g`.
        scale: (B, C, 1, 1), or None.
        shift: (B, C, 1, 1), where there is a scale.
        activates: False leaves out the SiLU.

    Returns:
        (B, C, H, W) of the dtype of the features, channels last; computed in float32.
    """
    if scale is not None and shift is not None:
        scale, shift = scale.float().flatten(1).contiguous(), shift.float().flatten(1).contiguous()
    result: Tensor = _Fused.apply(features, gain.float().flatten(), scale, shift, activates)
    return result


def fuses(features: Tensor) -> bool:
    """Say whether `norm_silu` works on the device of some features.

    Not while they are compiled: the compiler fuses by itself, and cannot look inside.
    """
    return (
        features.is_cuda and not torch.compiler.is_compiling() and _works_on(str(features.device))
    )


@cache
def _works_on(device: str) -> bool:
    """Try it once: Triton needs a C compiler, and not every GPU has all it takes."""
    if kernels is None:
        return False
    try:
        with torch.enable_grad(), torch.inference_mode(False):
            features = torch.ones(1, 2, 2, 2, device=device, requires_grad=True)
            one = torch.ones(1, 2, 1, 1, device=device)
            norm_silu(features, one, one, one).sum().backward()  # type: ignore[no-untyped-call]
    except Exception as error:  # whatever the compiler or the driver raises
        reason = " ".join(str(error).strip().splitlines()[:2])
        log.warning("norms are not fused on %s, which is slower (%s)", device, reason)
        return False
    return True
