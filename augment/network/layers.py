"""Upstream's layers with less memory traffic: the same weights, names and results.

Under bf16 autocast upstream's norms and attention fall back to the float32 of their parameters, and
its attention copies tensors between two memory layouts. Here activations stay in bf16, except for
sums of squares, and in the layout of convolutions with channels last.
"""

import torch
import torch.nn.functional as F
from denoising_diffusion_pytorch import Unet
from denoising_diffusion_pytorch.denoising_diffusion_pytorch import (
    Attention,
    Block,
    LinearAttention,
    RMSNorm,
)
from torch import Tensor, nn

from augment.network.fused import fuses, norm_silu
from augment.network.unfused import norm_silu_unfused

_MOST_IN_A_MATRIX = 1024  # pixels whose attention is one matrix: of 4 heads, 8 MB an image in bf16


class LeanNorm(RMSNorm):  # type: ignore[misc]
    """Root mean square norm over the channels (arXiv:1910.07467)."""

    def forward(self, images: Tensor) -> Tensor:
        """Normalize (B, C, H, W) features; return the same dtype."""
        if fuses(images):
            return norm_silu(images, self.g, activates=False)
        return norm_silu_unfused(images, self.g, activates=False)


class LeanBlock(Block):  # type: ignore[misc]
    """Convolution, norm, modulation, SiLU, dropout."""

    def forward(self, images: Tensor, scale_shift: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Turn (B, C, H, W) features into (B, D, H, W), modulated by (B, D, 1, 1) each."""
        scale, shift = scale_shift or (None, None)
        if fuses(images):
            # The kernel adds the bias, which alone, with the sum of its gradient, took a fifth of a
            # step.
            images = self.proj._conv_forward(images, self.proj.weight, None)
            features = norm_silu(images, self.norm.g, scale, shift, self.proj.bias)
        else:
            features = norm_silu_unfused(self.proj(images), self.norm.g, scale, shift)
        dropped: Tensor = self.dropout(features)
        return dropped


class LeanUpsample(nn.Upsample):
    """Doubles the side, in the dtype of its input: autocast would make it float32 on CUDA."""

    def forward(self, images: Tensor) -> Tensor:
        """Enlarge (B, C, H, W) features."""
        with torch.autocast(images.device.type, enabled=False):
            return super().forward(images)


class LeanLinearAttention(LinearAttention):  # type: ignore[misc]
    """Linear attention: its cost grows with the number of pixels (arXiv:1812.01243).

    Values and what is attended are never stored for each pixel. Both are linear maps, of the pixels
    and of the context, so their weights are applied to the context of a head, which is small.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Attend within (B, C, H, W) features."""
        pixels = _as_pixels(self.norm(images))
        of_queries, of_keys, of_values = self.to_qkv.weight.flatten(1).chunk(3)
        learned_keys, learned_values = self.mem_kv.transpose(-1, -2)  # (heads, M, D) each
        queries = _by_head(F.linear(pixels, of_queries), self.heads)
        # With an explicit dtype, autocast does not change it.
        queries = queries.softmax(-1, dtype=queries.dtype).flatten(-2)
        keys = F.linear(pixels, of_keys)
        learned = learned_keys.transpose(0, 1).flatten(1).to(keys.dtype)
        keys = torch.cat((learned.expand(len(keys), -1, -1), keys), dim=1)
        keys = keys.softmax(1, dtype=keys.dtype)
        n_learned = len(learned)
        # Of each head: keys times pixels, times the weights of the values, (B, heads, D, D).
        gathered = keys[:, n_learned:].transpose(1, 2) @ pixels
        gathered = gathered.view(len(keys), self.heads, -1, gathered.shape[-1])
        context = gathered @ of_values.unflatten(0, (self.heads, -1)).transpose(-1, -2)
        recalled = _by_head(keys[:, :n_learned], self.heads).permute(0, 2, 3, 1) @ learned_values
        project = self.to_out[0]
        of_out = project.weight.flatten(1).unflatten(1, (self.heads, -1)).permute(1, 2, 0)
        joint = ((context + recalled) * self.scale @ of_out).flatten(1, 2)  # (B, heads D, C)
        attended = queries @ joint + project.bias.to(queries.dtype)
        return self.to_out[1](_as_image(attended, images.shape))


class LeanAttention(Attention):  # type: ignore[misc]
    """Attention between all pixels, by torch's fused kernels: its matrix is never stored.

    Upstream's own `flash=True` allows nothing but the flash kernel on CUDA, which refuses float32.
    On a CPU that kernel's backward pass is slow, and few pixels are attended to by plain products.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Attend within (B, C, H, W) features."""
        queries, keys, values = _split(self.to_qkv(self.norm(images)), self.heads)
        keys, values = _with_memory(keys, values, self.mem_kv)
        if images.is_cuda or keys.shape[-2] > _MOST_IN_A_MATRIX:
            attended = F.scaled_dot_product_attention(queries, keys, values)
        else:
            weights = queries * keys.shape[-1] ** -0.5 @ keys.transpose(-1, -2)
            attended = weights.softmax(-1, dtype=weights.dtype) @ values
        attended = attended.transpose(1, 2).flatten(2)
        return self.to_out(_as_image(attended, images.shape))


def use_lean_layers(unet: Unet) -> None:
    """Replace the forward passes of a U-Net's layers by those above, in place."""
    lean = {
        RMSNorm: LeanNorm,
        Block: LeanBlock,
        LinearAttention: LeanLinearAttention,
        Attention: LeanAttention,
        nn.Upsample: LeanUpsample,
    }
    for module in unet.modules():
        # Not a new module: weights, their names and the random numbers drawn for them stay.
        module.__class__ = lean.get(type(module), type(module))


def _split(features: Tensor, heads: int) -> list[Tensor]:
    """Return queries, keys, values, (B, heads, N, D) each, as views of (B, 3 heads D, H, W)."""
    parts = _as_pixels(features).chunk(3, dim=-1)
    return [_by_head(part, heads).transpose(1, 2) for part in parts]


def _with_memory(keys: Tensor, values: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    """Put (2, heads, M, D) learned keys and values before those of the pixels."""
    learned = memory.to(keys.dtype)[:, None].expand(-1, len(keys), -1, -1, -1)
    return torch.cat((learned[0], keys), dim=-2), torch.cat((learned[1], values), dim=-2)


def _by_head(features: Tensor, heads: int) -> Tensor:
    """Turn (B, N, heads D) into (B, N, heads, D)."""
    return features.view(*features.shape[:-1], heads, -1)


def _as_pixels(features: Tensor) -> Tensor:
    """Turn (B, C, H, W), channels last in memory, into (B, N, C)."""
    return features.permute(0, 2, 3, 1).flatten(1, 2)


def _as_image(pixels: Tensor, shape: torch.Size) -> Tensor:
    """Turn (B, N, D) into (B, D, H, W), channels last in memory."""
    batch, _, height, width = shape
    return pixels.reshape(batch, height, width, -1).permute(0, 3, 1, 2)
