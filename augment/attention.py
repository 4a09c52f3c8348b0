"""Attention without its matrix: memory grows with the number of pixels, not with its square."""

import torch.nn.functional as F
from denoising_diffusion_pytorch import Unet
from denoising_diffusion_pytorch.denoising_diffusion_pytorch import Attention
from torch import Tensor, nn


class FusedAttend(nn.Module):
    """Upstream's `Attend` by torch's fused kernels, whichever fits device and dtype.

    Upstream's own `flash=True` allows nothing but the flash kernel on CUDA, which refuses float32.
    """

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Attend with (B, heads, N, D) queries to (B, heads, M, D) keys and values."""
        return F.scaled_dot_product_attention(queries, keys, values)


def fuse_attention(unet: Unet) -> None:
    """Let every full attention of a U-Net use fused kernels, in place; its weights stay."""
    for module in unet.modules():
        if isinstance(module, Attention):
            module.attend = FusedAttend()
