"""A class's generator: config to `Unet` + `GaussianDiffusion`, and its file on disk."""

from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from denoising_diffusion_pytorch import GaussianDiffusion, Unet
from pydantic import Field, model_validator
from safetensors.torch import load_file
from torch import Tensor, nn

from augment.condition import Guided, condition, label_of
from augment.layers import lean
from augment.schedule import shift_schedule
from terrabalance.bands import Bands, bands_from
from terrabalance.checkpoint import load_into
from terrabalance.cuda_graphs import Replayed
from terrabalance.device import autocast, supports_bf16
from terrabalance.errors import BadInput, NotReady
from terrabalance.files import done, read_json
from terrabalance.images import height_width
from terrabalance.settings import Settings

WEIGHTS = "generator.safetensors"
CARD = "card.json"
Side = Annotated[int, Field(ge=8)]


class GeneratorConfig(Settings):
    """The network and its diffusion process (denoising_diffusion_pytorch)."""

    image_size: Side | tuple[Side, Side] = Field(
        64, description="side of square images in pixels, or height and width: [40, 56]"
    )
    bands: Literal["auto", "rgb"] = Field(
        "auto",
        description="auto: all bands of the images in their depth, where all images agree, else "
        "RGB of 8 bit; rgb: that in any case",
    )
    shown_bands: tuple[int, int, int] | None = Field(
        None,
        description="bands shown as red, green and blue, counted from 0; none: the first three, or "
        "those of Sentinel-2 where there are 12 or 13",
    )
    dim: int = Field(64, ge=8, multiple_of=4, description="channels at full resolution")
    dim_mults: tuple[int, ...] = Field(
        (1, 2, 4, 8), min_length=1, description="channel multiple at each halving of the side"
    )
    attention_heads: int = Field(4, ge=1, description="of every attention layer")
    attention_dim: int = Field(
        32, ge=8, description="channels a head; at small `dim` attention is most of the work"
    )
    dropout: float = Field(
        0.0, ge=0, lt=1, description="share of activations dropped in every block while training"
    )
    timesteps: int = Field(1000, ge=2, description="steps of the noising process")
    objective: Literal["pred_v", "pred_noise", "pred_x0"] = Field(
        "pred_v", description="what the network predicts"
    )
    beta_schedule: Literal["sigmoid", "cosine", "linear"] = Field(
        "sigmoid", description="noise schedule"
    )
    schedule_base_size: int | None = Field(
        None,
        ge=1,
        description="side, in pixels, of the images that the noise schedule is meant for (64 in "
        "arXiv:2301.11093): larger ones get more noise, smaller ones less; none: all the same. For "
        "beta_schedule=cosine: after the shift, sigmoid has no timestep that is nearly clean",
    )
    min_snr: bool = Field(
        False, description="clip the loss weight at a signal-to-noise ratio of 5 (arXiv:2303.09556)"
    )

    @model_validator(mode="after")
    def _halves_evenly(self) -> "GeneratorConfig":
        factor = 2 ** (len(self.dim_mults) - 1)
        for side in height_width(self.image_size):
            if side % factor:
                low = side // factor * factor
                raise ValueError(
                    f"image_size {side} cannot be halved {len(self.dim_mults) - 1} times; "
                    f"the nearest sizes that can are {low or factor} and {low + factor}"
                )
        return self


def build_diffusion(
    config: GeneratorConfig, n_classes: int = 0, n_bands: int = 3
) -> GaussianDiffusion:
    """Build the diffusion model with freshly drawn weights (global torch RNG).

    Its network can be told of augmentation and, with `n_classes`, of the class, see
    `augment.condition`; the parts that upstream has are upstream's, seed for seed.
    """
    unet = Unet(
        dim=config.dim,
        channels=n_bands,
        dim_mults=config.dim_mults,
        attn_heads=config.attention_heads,
        attn_dim_head=config.attention_dim,
        dropout=config.dropout,
    )
    lean(unet)
    condition(unet, n_classes)
    diffusion = GaussianDiffusion(
        unet,
        image_size=height_width(config.image_size),
        timesteps=config.timesteps,
        objective=config.objective,
        beta_schedule=config.beta_schedule,
        min_snr_loss_weight=config.min_snr,
    )
    if config.schedule_base_size is not None:
        shift_schedule(diffusion, config.schedule_base_size, config.min_snr)
    return diffusion


class InBf16(nn.Module):
    """A network that computes under bf16 autocast, for sampling; the solver's steps stay float32.

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
        class_name: the class that it is to draw.
        device: to run on.
        guidance: of a generator that knows several classes, see `augment.condition.Guided`.

    Returns:
        The diffusion model with the averaged (EMA) weights, in evaluation mode on `device`. It
        draws in the precision that it was trained in, where `device` has that.

    Raises:
        NotReady: the folder holds no finished generator.
        BadInput: the generator does not know the class, or its weights do not fit its card.
    """
    card = read_card(folder)
    if class_name not in card["draws"]:
        raise BadInput(f"{folder}: draws {', '.join(card['draws'])}, not {class_name!r}.")
    classes = card["classes"]
    config, n_bands = GeneratorConfig(**card["config"]["generator"]), read_bands(folder).count
    diffusion = build_diffusion(config, len(classes), n_bands)
    load_weights(diffusion.model, folder)
    if classes:
        label = label_of(class_name, classes)
        diffusion.model = Guided(diffusion.model, label, guidance)
    if card["precision"] == "bf16" and supports_bf16(device):
        diffusion.model = InBf16(diffusion.model)
    diffusion.to(device, memory_format=torch.channels_last)
    diffusion.model = Replayed(diffusion.model, device)
    return diffusion.eval().requires_grad_(False)


def load_weights(network: nn.Module, folder: Path) -> None:
    """Load a finished generator's averaged weights into a network on the CPU.

    Raises:
        BadInput: the weights belong to a network with other settings.
    """
    load_into(network, load_file(folder / WEIGHTS), str(folder / WEIGHTS))


def read_bands(folder: Path) -> Bands:
    """Return the bands that a finished generator draws.

    Raises:
        NotReady: the folder holds no finished generator.
    """
    return bands_from(read_card(folder)["bands"])


def read_card(folder: Path) -> dict[str, Any]:
    """Return the card of a finished generator, as written by `augment.training`.

    Raises:
        NotReady: the folder holds no finished generator.
    """
    if done(folder) is None:
        raise NotReady(f"{folder}: no finished generator. Run `terrabalance train` first.")
    card: dict[str, Any] = read_json(folder / CARD)
    return card
