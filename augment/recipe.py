"""What a class's generator is trained with: the settings of the loop, and all of them together."""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from augment.generator import GeneratorConfig
from terrabalance.settings import Settings


class TrainingConfig(Settings):
    """How one class's generator is trained."""

    steps: int = Field(10_000, ge=1, description="optimizer steps")
    batch_size: int = Field(16, ge=1, description="images per forward pass")
    accumulate: int = Field(1, ge=1, description="forward passes per optimizer step")
    learning_rate: float = Field(3e-4, gt=0, description="of Adam, constant")
    loss: Literal["l2", "l1", "huber"] = Field("l2", description="distance to the objective")
    ema_decay: float = Field(0.995, ge=0, lt=1, description="of the averaged weights, per step")
    max_grad_norm: float = Field(1.0, gt=0, description="gradients are clipped to this norm")
    symmetries: Literal["all", "rotations", "none"] = Field(
        "all",
        description="all eight symmetries of the square, the four quarter turns, or none; seen "
        "from above there is no up, but the direction of shadows may matter to you",
    )
    precision: Literal["auto", "bf16", "fp32"] = Field(
        "auto", description="auto: bf16 autocast where the device does it natively; never fp16"
    )
    preview_every: int = Field(500, ge=1, description="steps between two sample grids")
    checkpoint_every: int = Field(250, ge=1, description="steps between two checkpoints")


@dataclass(frozen=True)
class Recipe:
    """All that decides what a class's generator becomes, besides its images."""

    class_name: str
    generator: GeneratorConfig
    training: TrainingConfig
    seed: int
