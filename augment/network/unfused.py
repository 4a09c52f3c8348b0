"""Norm, modulation and activation of a block by PyTorch's own operators, on any device.

Autograd would keep four tensors as large as the features for the backward pass, and read and write
them a dozen times. Here it keeps the features and one number a pixel, and computes the rest again.
"""

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

SHORTEST = 1e-12  # of a vector that is normalized, as in `torch.nn.functional.normalize`


class _Unfused(torch.autograd.Function):
    """Of features (B, C, H, W), gain (1, C, 1, 1), scale and shift (B, C, 1, 1) or None."""

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, gain: Tensor, scale: Tensor | None, shift: Tensor | None,
        activates: bool,
    ) -> Tensor:  # fmt: skip
        length = torch.linalg.vector_norm(features, dim=1, keepdim=True, dtype=torch.float32)
        factor = (features.shape[1] ** 0.5 / length.clamp_min_(SHORTEST)).to(features.dtype)
        slope = (gain if scale is None else gain * (1 + scale)).to(features.dtype)
        level = None if shift is None else shift.to(features.dtype)
        ctx.save_for_backward(features, factor, slope, level, gain, scale)
        ctx.activates = activates
        result = _modulated(features * factor, slope, level)
        return F.silu(result, inplace=True) if activates else result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        features, factor, slope, level, gain, scale = ctx.saved_tensors
        unit = features * factor
        if ctx.activates:
            grad = torch.ops.aten.silu_backward(grad, _modulated(unit, slope, level))
        weighted = grad * unit
        # Summed in float32 and rounded once; to ask for a float32 result would copy all features.
        of_slope = weighted.sum((2, 3), keepdim=True).float()
        of_shift = None if level is None else grad.sum((2, 3), keepdim=True).float()
        # What would only lengthen a pixel's vector changes nothing.
        radial = weighted.mul_(slope).sum(1, keepdim=True) / -features.shape[1]
        of_features = torch.mul(grad, slope, out=weighted).addcmul_(unit, radial).mul_(factor)
        if scale is None:
            return of_features, of_slope.sum(0, keepdim=True), None, None, None
        of_gain = (of_slope * (1 + scale)).sum(0, keepdim=True)
        return of_features, of_gain, of_slope * gain, of_shift, None


def _modulated(unit: Tensor, slope: Tensor, level: Tensor | None) -> Tensor:
    return unit * slope if level is None else torch.addcmul(level, unit, slope)


def norm_silu_unfused(
    features: Tensor,
    gain: Tensor,
    scale: Tensor | None = None,
    shift: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    activates: bool = True,
) -> Tensor:
    """Return the result of `augment.network.fused.norm_silu`, on any device.

    Computed in the dtype of the features, except for sums.
    """
    features = features if bias is None else features + bias[:, None, None]
    with torch.autocast(features.device.type, enabled=False):  # on CUDA it would copy to float32
        return cast(Tensor, _Unfused.apply(features, gain, scale, shift, activates))
