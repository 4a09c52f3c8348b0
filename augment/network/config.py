"""Settings of the network and its diffusion process. Nothing here imports torch."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from augment.config import Count, Share, Timesteps
from terrabalance.settings import Settings
from terrabalance.sizes import halved

_MOST_POSITIONS = 256**2  # of an image in the smallest level of the network
_MOST_OF_LINEAR = 20  # timesteps for which the last of the linear betas is 1 or more
_MOST_CHANNELS = 16_384  # a layer of twice as many has four times its weights

Side = Annotated[int, Field(ge=8, le=4096)]
Band = Annotated[int, Field(ge=0, le=65_535)]
Multiple = Annotated[int, Field(ge=1, le=64)]


class GeneratorConfig(Settings):
    """The network and its diffusion process (denoising_diffusion_pytorch)."""

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"noise_schedule_base_size": "schedule_base_size"}
    ADDED: ClassVar[Mapping[str, Any]] = {"patch": 1}

    image_size: Side | tuple[Side, Side] = Field(
        64, description="side of square images, or height and width as [40, 56], in pixels"
    )
    bands: Literal["auto", "rgb"] = Field(
        "auto",
        description="auto: all bands at their own bit depth where all images have the same, else "
        "8-bit RGB; rgb: always 8-bit RGB",
    )
    shown_bands: tuple[Band, Band, Band] | None = Field(
        None,
        description="bands shown as red, green and blue, counted from 0; none: the first three, or "
        "Sentinel-2's red, green and blue where there are 12 or 13 bands",
    )
    patch: Literal[1, 2, 4] = Field(
        1,
        description="side of the patches of pixels that the network takes as one position: 2 and 4 "
        "leave it a quarter and a sixteenth of the positions, and no pixel fewer in the image. "
        "The sides must be multiples of it, for each halving once more by two",
    )
    dim: int = Field(
        64, ge=8, le=1024, multiple_of=4, description="channels at the highest resolution"
    )
    dim_mults: tuple[Multiple, ...] = Field(
        (1, 2, 4, 8), min_length=1, max_length=8, description="multiple of `dim` at each halving "
        "of the side"
    )  # fmt: skip
    attention_heads: int = Field(4, ge=1, le=64, description="heads of every attention layer")
    attention_dim: int = Field(
        32, ge=8, le=512, description="channels of each head; at small `dim` attention takes most "
        "time"
    )  # fmt: skip
    dropout: Share = Field(
        0.0, description="share of activations dropped in every block during training"
    )
    timesteps: Timesteps = Field(1000, description="timesteps of the diffusion process")
    objective: Literal["pred_v", "pred_noise", "pred_x0"] = Field(
        "pred_v", description="what the network predicts: velocity, noise, or the clean image"
    )
    beta_schedule: Literal["sigmoid", "cosine", "linear"] = Field(
        "sigmoid", description="noise schedule, by the name that upstream gives it"
    )
    noise_schedule_base_size: Count | None = Field(
        None,
        description="side, in pixels, of the images that the noise schedule is meant for (64 in "
        "arXiv:2301.11093): larger images get more noise, smaller ones less; none: the same noise "
        "at every size. Use it with beta_schedule=cosine: a shifted sigmoid schedule has no "
        "timestep that is nearly clean",
    )
    min_snr: bool = Field(
        False, description="clip loss weights at a signal-to-noise ratio of 5 (arXiv:2303.09556)"
    )

    @model_validator(mode="after")
    def _keeps_some_signal(self) -> "GeneratorConfig":
        # Upstream spreads its linear betas, up to 0.02 of 1,000 timesteps, over however many.
        if self.beta_schedule == "linear" and self.timesteps <= _MOST_OF_LINEAR:
            raise ValueError(
                f"beta_schedule=linear adds more noise than there is room for in {self.timesteps} "
                f"timesteps. Set timesteps to {_MOST_OF_LINEAR + 1} or more, or another schedule"
            )
        return self

    @model_validator(mode="after")
    def _can_be_built(self) -> "GeneratorConfig":
        if (channels := self.dim * max(self.dim_mults)) > _MOST_CHANNELS:
            raise ValueError(
                f"dim {self.dim} times the largest of dim_mults is {channels:,} channels; "
                f"{_MOST_CHANNELS:,} are the most"
            )
        n_halvings = len(self.dim_mults) - 1 + self.patch.bit_length() - 1
        n_positions = math.prod(halved(self.image_size, n_halvings))
        if n_positions > _MOST_POSITIONS:  # each attends to all: a step that nothing can interrupt
            raise ValueError(
                f"image_size halved {n_halvings} times leaves {n_positions:,} positions for the "
                f"full attention; {_MOST_POSITIONS:,} are the most. Add levels to dim_mults"
            )
        return self
