"""A generator: its `Unet` and `GaussianDiffusion`, built from settings or loaded from a folder."""

from pathlib import Path

import torch
from denoising_diffusion_pytorch import GaussianDiffusion, Unet
from torch import Tensor, nn

from augment.network.card import CARD, WEIGHTS, read_drawing_card
from augment.network.conditioning import Guided, condition, label_of
from augment.network.config import GeneratorConfig
from augment.network.layers import use_lean_layers
from augment.network.noise_schedule import shift_noise_schedule
from augment.network.patches import work_on_patches
from terrabalance.bands import bands_from
from terrabalance.checkpoint import load_result
from terrabalance.cuda_graphs import Replayed
from terrabalance.device import autocast, supports_bf16
from terrabalance.errors import BadInput
from terrabalance.sizes import height_width


def build_diffusion(
    config: GeneratorConfig, n_classes: int = 0, n_bands: int = 3
) -> GaussianDiffusion:
    """Build the diffusion model with random weights (global torch RNG).

    Its network is conditioned on augmentation and, with `n_classes` above 0, on the class, see
    `augment.network.conditioning`. The layers that upstream has are upstream's, seed for seed.
    """
    unet = Unet(
        dim=config.dim,
        channels=n_bands,
        dim_mults=config.dim_mults,
        attn_heads=config.attention_heads,
        attn_dim_head=config.attention_dim,
        dropout=config.dropout,
    )
    work_on_patches(unet, config.patch)
    use_lean_layers(unet)
    condition(unet, n_classes)
    diffusion = GaussianDiffusion(
        unet,
        image_size=height_width(config.image_size),
        timesteps=config.timesteps,
        objective=config.objective,
        beta_schedule=config.beta_schedule,
        min_snr_loss_weight=config.min_snr,
    )
    if config.noise_schedule_base_size is not None:
        shift_noise_schedule(diffusion, config.noise_schedule_base_size, config.min_snr)
    return diffusion


class InBf16(nn.Module):
    """A network that computes under bf16 autocast, for sampling; the sampler's steps stay float32.

    Args:
        network: of images and timesteps.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor, times: Tensor, self_condition: None = None) -> Tensor:
        """Predict for (B, C, H, W) images and (B,) timesteps; float32."""
        with autocast(images.device, "bf16"):
            predicted: Tensor = self.network(images, times, self_condition)
        return predicted.float()


def load_generator(
    folder: Path, class_name: str, device: torch.device, guidance: float = 1.0
) -> GaussianDiffusion:
    """Load a finished generator to draw one class.

    Args:
        folder: of the generator.
        class_name: the class to draw.
        device: to run on.
        guidance: scale of the guidance of a generator of several classes, see
            `augment.network.conditioning.Guided`.

    Returns:
        The diffusion model with the averaged (EMA) weights, in evaluation mode on `device`. It
        draws in the precision that it was trained in, where `device` supports that.

    Raises:
        NotReady: the folder holds no finished generator.
        BadInput: the generator does not know the class, or its weights do not fit its card.
    """
    card = read_drawing_card(folder)
    n_bands = bands_from(card.bands, folder / CARD).count
    if class_name not in card.draws:
        raise BadInput(f"{folder}: draws {', '.join(card.draws)}, not {class_name!r}.")
    diffusion = build_diffusion(card.config.generator, len(card.classes), n_bands)
    load_weights(diffusion.model, folder)
    if card.classes:
        label = label_of(class_name, card.classes)
        diffusion.model = Guided(diffusion.model, label, guidance)
    if card.precision == "bf16" and supports_bf16(device):
        diffusion.model = InBf16(diffusion.model)
    diffusion.to(device, memory_format=torch.channels_last)
    diffusion.model = Replayed(diffusion.model, device)
    return diffusion.eval().requires_grad_(False)


def load_weights(network: nn.Module, folder: Path) -> None:
    """Load a finished generator's averaged weights into a network on the CPU.

    Raises:
        BadInput: the weights belong to a network with other settings.
    """
    load_result(network, folder / WEIGHTS)
