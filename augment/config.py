"""What a user may change about the making of synthetic images, in the order of the stages."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from terrabalance.settings import Settings
from terrabalance.sizes import height_width

Side = Annotated[int, Field(ge=8)]
# Settings of a training that do not decide what comes out of it, beyond rounding.
NOT_RESULT = {"checkpoint_every", "compile", "preview_every"}


class ScanConfig(Settings):
    """What is too small, and what counts as the same picture."""

    min_side_px: int = Field(16, ge=1, description="shortest side that is used, in pixels")
    near_duplicate_bits: int = Field(
        4, ge=0, le=16, description="perceptual hashes (64 bits) that differ in at most so many "
        "bits are the same picture; such images stay in one part of the split",
    )  # fmt: skip


class SplitConfig(Settings):
    """How much of each class is kept for judging; not used where the data gives a split."""

    val: float = Field(0.2, gt=0, lt=1, description="fraction of each class in val")
    test: float = Field(0.2, gt=0, lt=1, description="fraction of each class in test")

    @model_validator(mode="after")
    def _leave_some_to_train(self) -> "SplitConfig":
        if self.val + self.test >= 1:
            raise ValueError(f"val {self.val:g} and test {self.test:g} leave nothing to train on")
        return self


class PlanConfig(Settings):
    """How far to fill, and which classes."""

    target: str = Field(
        "max",
        description="images a class should have in the train part: max (the largest class), "
        "median, a number such as 400, or a share of the largest class such as 80%",
    )
    max_per_real: float | None = Field(
        None, gt=0, description="at most this many synthetic images per real one; none: no cap"
    )
    classes: tuple[str, ...] | None = Field(
        None, description="fill only these classes; none: every class below the target"
    )
    rarest: int | None = Field(
        None, ge=1, description="fill only this many classes, the rarest ones; none: all"
    )

    @field_validator("target", mode="before")
    @classmethod
    def _known_policy(cls, value: object) -> str:
        text = str(value).strip().lower()
        if not re.fullmatch(r"max|median|[1-9]\d*|\d{1,3}(\.\d+)?%", text):
            raise ValueError(f"{value!r} is not max, median, a number, or a share such as 80%")
        return text


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


class SamplingConfig(Settings):
    """How images are drawn."""

    sampler: Literal["dpm++", "ddim", "ancestral"] = Field(
        "dpm++",
        description="dpm++: DPM-Solver++(2M), fewest steps (arXiv:2211.01095); ddim "
        "(arXiv:2010.02502); ancestral: all timesteps (arXiv:2006.11239)",
    )
    steps: int = Field(20, ge=1, description="network calls per image; ancestral uses them all")
    eta: float = Field(0.0, ge=0, le=1, description="noise added by ddim; 0 is deterministic")
    guidance: float = Field(
        1.0,
        ge=0,
        description="of a generator that knows several classes (strategy conditional): above 1 "
        "exaggerates what sets the class apart, at twice the calls (arXiv:2207.12598)",
    )
    strength: float = Field(
        1.0,
        gt=0,
        le=1,
        description="1: images begin as pure noise; below: as real training images of the class, "
        "turned at random and noised to this share of the way (SDEdit, arXiv:2108.01073)",
    )
    keep: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="side of a square, as a share of the image's, in which a real training image "
        "stays as it is, somewhere in each image; the rest is drawn around it (DDNM, "
        "arXiv:2212.00490). Needs sampler=dpm++",
    )
    match_spectrum: bool = Field(
        True,
        description="filter the drawn images of a class so that their power spectrum is that of "
        "its real training images; else softness or grain may tell them from real ones",
    )
    batch_size: int = Field(32, ge=1, description="images drawn at once")

    @model_validator(mode="after")
    def _keeps_with_its_solver(self) -> "SamplingConfig":
        if self.keep and self.sampler != "dpm++":
            raise ValueError("keep needs sampler = dpm++")
        return self

    @property
    def begins_as_real(self) -> bool:
        """Whether drawing needs real images."""
        return self.strength < 1 or self.keep > 0


class ScreeningConfig(Settings):
    """Which synthetic images are refused, and how long others are drawn for them."""

    enabled: bool = Field(True, description="judge synthetic images and refuse some")
    refuse_real: float = Field(
        0.04, gt=0, lt=0.5, description="share of real images that the rules may refuse together: "
        "how strict they are"
    )  # fmt: skip
    most_draws: float = Field(
        3.0, ge=1, le=100, description="images drawn for each one that a class needs, at most"
    )


class InpaintConfig(Settings):
    """How an image is filled."""

    steps: int = Field(50, ge=2, description="timesteps from noise to image")
    jump: int = Field(2, ge=1, description="timesteps that are gone up again at once")
    resamplings: int = Field(
        5, ge=1, description="times that each stretch is walked down; 1: seams stay visible"
    )

    @model_validator(mode="after")
    def _jumps_within(self) -> "InpaintConfig":
        if self.jump >= self.steps:
            raise ValueError(f"jump {self.jump} is no shorter than the {self.steps} steps")
        return self
