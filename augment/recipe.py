"""What a class's generator is trained with: the settings of the loop, and all of them together."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from augment.condition import label_of
from augment.generator import GeneratorConfig
from terrabalance.bands import RGB, Bands
from terrabalance.settings import Settings

# Settings of a training that do not decide what comes out of it, beyond rounding.
NOT_RESULT = {"checkpoint_every", "compile", "preview_every"}


class TrainingConfig(Settings):
    """How one class's generator is trained."""

    steps: int = Field(10_000, ge=1, description="optimizer steps, at most")
    views: int | None = Field(
        None,
        ge=1,
        description="times that each real image may be seen, which ends the training of a small "
        "class before `steps`: the time to learn a class does not depend on how many images it "
        "has, the time to learn them by heart grows with their number (arXiv:2505.17638)",
    )
    looks: int = Field(
        6,
        ge=0,
        description="times that the training is judged by images of the val part; the best of "
        "these moments becomes the generator",
    )
    memorizing: float = Field(
        0.1,
        gt=0,
        description="rise of the loss on the val part, as a share above its lowest, that ends the "
        "training: the training images are being learned by heart",
    )
    batch_size: int = Field(16, ge=1, description="images per forward pass")
    accumulate: int = Field(1, ge=1, description="forward passes per optimizer step")
    learning_rate: float = Field(3e-4, gt=0, description="of Adam, at its highest")
    schedule: Literal["linear", "constant"] = Field(
        "linear",
        description="of the learning rate: linearly down to 0 after a warm-up, or constant",
    )
    warmup_steps: int = Field(30, ge=0, description="steps of the linear schedule's warm-up")
    loss: Literal["l2", "l1", "huber"] = Field("l2", description="distance to the objective")
    ema_decay: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="of the averaged weights, per step; none: how much is averaged is chosen after "
        "the training by images of the val part (arXiv:2312.02696)",
    )
    ema_every: int = Field(1, ge=1, description="steps between two updates of the average")
    max_grad_norm: float = Field(1.0, gt=0, description="gradients are clipped to this norm")
    symmetries: Literal["all", "rotations", "flip", "none"] = Field(
        "all",
        description="all eight symmetries of the square, the four quarter turns, left to right, "
        "or none; from above there is no up, but the direction of shadows may matter to you",
    )
    augment: float = Field(
        0.0,
        ge=0,
        le=1,
        description="probability that a training image is moved, and that it is zoomed, made "
        "brighter or darker, given more or less contrast, all slightly; the network is told, and "
        "draws images as if there had been none of it (arXiv:2206.00364)",
    )
    label_dropout: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="share of the labels hidden from a network of several classes, without which "
        "sampling cannot be guided",
    )
    precision: Literal["auto", "bf16", "fp32"] = Field(
        "auto", description="auto: bf16 autocast where the device does it natively; never fp16"
    )
    compile: bool = Field(
        False,
        description="the network by torch.compile, which takes two minutes; on an H200 at 64 px "
        "steps were no faster than without",
    )
    preview_every: int = Field(500, ge=1, description="steps between two sample grids")
    checkpoint_every: int = Field(250, ge=1, description="steps between two checkpoints")

    def for_images(self, n_images: int) -> "TrainingConfig":
        """Return it with as many steps, at most, as a class of `n_images` is trained for."""
        if self.views is None:
            return self
        allowed = -(-self.views * n_images // (self.batch_size * self.accumulate))
        return self.model_copy(update={"steps": min(self.steps, allowed)})


@dataclass(frozen=True)
class Recipe:
    """All that decides what a class's generator becomes, besides its images.

    Attributes:
        class_name: whose images are given; empty: those of all `classes`.
        generator: the network and its diffusion process.
        training: the loop.
        seed: of the run.
        start: folder of a finished generator of the same network, whose weights training starts
            from (as in arXiv:2211.03264); None: random ones.
        classes: names in the order of the labels, for a network that is told the class; empty:
            one that knows a single class. `class_name` need not be among them.
        bands: of the images.
    """

    class_name: str
    generator: GeneratorConfig
    training: TrainingConfig
    seed: int
    start: Path | None = None
    classes: tuple[str, ...] = ()
    bands: Bands = RGB

    @property
    def label(self) -> int:
        """What the network is told of the class, see `label_of`."""
        return label_of(self.class_name, self.classes)

    @property
    def draws(self) -> tuple[str, ...]:
        """The classes that the generator can draw."""
        return (self.class_name,) if self.class_name else self.classes

    @property
    def title(self) -> str:
        """What people read: the class, or that it is all of them."""
        return self.class_name or "all classes"
