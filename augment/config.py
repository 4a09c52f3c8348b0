"""Settings of the stages that make synthetic images, in the order of the stages.

Nothing here imports torch, so that a wrong setting is reported at once.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, field_validator, model_validator

from terrabalance.class_names import one_form
from terrabalance.settings import MOST, AbsolutePath, Settings
from terrabalance.wording import shown

Count = Annotated[int, Field(ge=1, le=MOST)]
Images = Annotated[int, Field(ge=1, le=65_536)]  # at once
Timesteps = Annotated[int, Field(ge=2, le=10_000)]
Words = Annotated[str, Field(max_length=2000)]
Share = Annotated[float, Field(ge=0, lt=1)]
ClassName = Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(one_form)]
# Rows of `augment.sample.samplers.SAMPLERS`; those that can keep a part of a real image.
SamplerName = Literal["unipc", "dpm++", "ddim", "ancestral"]
KEEPING_SAMPLERS: tuple[SamplerName, ...] = ("unipc", "dpm++")
UNHURRIED_SAMPLERS: tuple[SamplerName, ...] = ("ancestral",)  # that take every timestep
OptimizerName = Literal["muon", "adam"]
# Settings of a training that do not decide its result, beyond rounding.
NOT_RESULT = {"checkpoint_every", "compile", "preview_every"}
# What the validator takes, which a deployment's schema has to say: the server refuses all else.
_TARGET = {
    "anyOf": [
        {"type": "string", "maxLength": 16}, {"type": "integer", "minimum": 1, "maximum": MOST},
    ]
}  # fmt: skip


class PlanConfig(Settings):
    """Which classes are filled with synthetic images, and up to which size."""

    target: Annotated[str, WithJsonSchema(_TARGET)] = Field(
        "max",
        max_length=16,
        description="images of each class in the train part after filling: max (as the largest "
        "class), median, a number such as 400, or a share of the largest class such as 80%",
    )
    max_per_real: float | None = Field(
        None, gt=0, le=MOST, description="most synthetic images for each real one; none: no limit"
    )
    classes: tuple[ClassName, ...] | None = Field(
        None, max_length=100_000, description="classes to fill; none: every class below the target"
    )
    rarest: Count | None = Field(
        None, description="number of classes to fill, rarest first; none: all"
    )

    @field_validator("target", mode="before")
    @classmethod
    def _known_policy(cls, value: object) -> str:
        is_read = isinstance(value, str) or (type(value) is int and 0 < value <= MOST)
        text = str(value).strip().lower() if is_read else ""
        if not re.fullmatch(r"max|median|[1-9][0-9]{0,8}|[0-9]{1,3}(\.[0-9]{1,6})?%", text):
            known = f"max, median, a number up to {MOST:,}, or a share such as 80%"
            raise ValueError(f"{shown(value)} is not {known}")
        return text


class TrainingConfig(Settings):
    """The training loop of one generator."""

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {
        "passes": "views", "evaluations": "looks", "learning_rate_schedule": "schedule",
    }  # fmt: skip
    # On an H200 at 64 px a compiled network took no shorter steps. Nobody changed the norm.
    RETIRED: ClassVar[Mapping[str, Any]] = {"compile": False, "max_grad_norm": 1.0}
    ADDED: ClassVar[Mapping[str, Any]] = {"optimizer": "adam"}

    steps: Count = Field(10_000, description="optimizer steps, at most")
    passes: Count | None = Field(
        None,
        description="passes over each real image, at most, which end the training of a small "
        "class before `steps`: the time to learn a class does not depend on its number of images, "
        "the time to memorize them grows with it (arXiv:2505.17638); none: no limit",
    )
    evaluations: int = Field(
        6, ge=0, le=10_000,
        description="evaluations on images of the part val, evenly spaced over the steps; the "
        "best of these checkpoints becomes the generator; 0: the last step becomes it",
    )  # fmt: skip
    memorizing: float = Field(
        0.1, gt=0, le=1000, description="rise of the loss on the part val, as a share above its "
        "lowest value, that ends the training: the network is memorizing the training images",
    )  # fmt: skip
    batch_size: Images = Field(16, description="images in each forward pass")
    accumulate: int = Field(1, ge=1, le=10_000, description="forward passes in each optimizer step")
    optimizer: OptimizerName = Field(
        "muon",
        description="muon: kernels of hidden convolutions get orthogonal updates, the rest Adam's "
        "(arXiv:2502.16982); adam: all weights get Adam's. Learning rates mean the same for both",
    )
    learning_rate: float = Field(3e-4, gt=0, le=1, description="highest learning rate")
    learning_rate_schedule: Literal["linear", "constant"] = Field(
        "linear", description="linear: a warm-up, then linearly down to 0; constant: no change"
    )
    warmup_steps: int = Field(
        30, ge=0, le=MOST, description="optimizer steps of the warm-up, at most half of all; "
        "linear only"
    )  # fmt: skip
    loss: Literal["l2", "l1", "huber"] = Field(
        "l2", description="distance between the prediction and its target"
    )
    ema_decay: Share | None = Field(
        None,
        description="decay per step of the averaged weights; none: three averages are kept and "
        "the best on images of the part val is chosen at the end (arXiv:2312.02696)",
    )
    ema_every: Count = Field(1, description="optimizer steps between two updates of averages")
    symmetries: Literal["all", "rotations", "flip", "none"] = Field(
        "all",
        description="random symmetries of the training images: all eight of the square, the four "
        "quarter turns, left to right, or none; seen from above there is no up, but the direction "
        "of shadows may matter",
    )
    augment: float = Field(
        0.0, ge=0, le=1,
        description="probability of each slight augmentation of a training image: shift, zoom, "
        "brightness, contrast; the network is conditioned on them and draws images without them "
        "(arXiv:2206.00364)",
    )  # fmt: skip
    label_dropout: Share = Field(
        0.1, description="share of the labels dropped in the training of a generator "
        "of several classes; 0: sampling cannot be guided",
    )  # fmt: skip
    precision: Literal["auto", "bf16", "fp32"] = Field(
        "auto",
        description="auto: bf16 autocast where the device is faster in it (a CPU is timed "
        "once), else fp32; what a training began in it goes on in",
    )
    preview_every: Count = Field(500, description="optimizer steps between two sample grids")
    checkpoint_every: Count = Field(250, description="optimizer steps between two checkpoints")

    def for_images(self, n_images: int) -> "TrainingConfig":
        """Return the same settings with the steps that a class of `n_images` is trained for."""
        if self.passes is None:
            return self
        allowed = -(-self.passes * n_images // (self.batch_size * self.accumulate))
        return self.model_copy(update={"steps": min(self.steps, allowed)})


class BaseConfig(TrainingConfig):
    """The training of the base, and images that it learns beside those of the run."""

    ADDED: ClassVar[Mapping[str, Any]] = {
        **TrainingConfig.ADDED, "images": None, "source": None, "licence": None,
    }  # fmt: skip

    images: AbsolutePath | None = Field(
        None,
        description="folder of unlabelled images, however deep they lie, or a zip or tar of one, "
        "that the base learns beside the train part; those that are nearly the same picture as "
        "an image of val, test or oracle are kept out; none: the train part alone",
    )
    source: Words | None = Field(
        None, min_length=1, description="where base.images come from, for the card of the base"
    )
    licence: Words | None = Field(
        None, min_length=1, description="licence of base.images, for the card of the base"
    )

    @model_validator(mode="after")
    def _words_are_of_images(self) -> "BaseConfig":
        for name in ("source", "licence"):
            if self.images is None and getattr(self, name) is not None:
                raise ValueError(
                    f"{name} is said of base.images, which is none. Set base.images, or leave "
                    f"base.{name} out"
                )
        return self

    @property
    def loop(self) -> TrainingConfig:
        """The training loop alone, which decides a base together with the images themselves."""
        return TrainingConfig(**self.model_dump(include=set(TrainingConfig.model_fields)))


class SamplingConfig(Settings):
    """How images are drawn. Its JSON is written into every synthetic image."""

    ADDED: ClassVar[Mapping[str, Any]] = {"colours": "noise"}

    sampler: SamplerName = Field(
        "dpm++",
        description="unipc: UniPC-2 (arXiv:2302.04867); dpm++: DPM-Solver++(2M), the same without "
        "its corrections (arXiv:2211.01095); ddim (arXiv:2010.02502); ancestral: every timestep "
        "(arXiv:2006.11239)",
    )
    steps: int = Field(
        20, ge=1, le=10_000, description="network calls for each image, no more than "
        "generator.timesteps; unused by ancestral"
    )  # fmt: skip
    eta: float = Field(0.0, ge=0, le=1, description="noise that ddim adds; 0: none")
    guidance: float = Field(
        1.0, ge=0, le=100,
        description="guidance scale of a generator of several classes (strategy=conditional): "
        "above 1 exaggerates what sets the class apart, at twice the network calls "
        "(arXiv:2207.12598); 1: no guidance",
    )  # fmt: skip
    strength: float = Field(
        1.0, gt=0, le=1,
        description="1: images start from pure noise; below 1: from real training images of the "
        "class, turned at random and noised to this share of the way (SDEdit, arXiv:2108.01073)",
    )  # fmt: skip
    keep: Share = Field(
        0.0,
        description="side of a square, as a share of the image's side, that is kept from a real "
        "training image; the rest is drawn around it (DDNM, arXiv:2212.00490); 0: nothing is kept. "
        "Needs sampler=unipc or dpm++",
    )
    colours: Literal["class", "noise"] = Field(
        "class",
        description="class: an image starts from the mean colour of a real training image of its "
        "class, noised so far that little else of an image would show: networks are slow to learn "
        "which colours a class has. noise: from pure noise",
    )
    match_spectrum: bool = Field(
        True,
        description="filter the drawn images of a class to the power spectrum of its real training "
        "images; without, softness or grain may tell them from real ones",
    )
    batch_size: Images = Field(32, description="images drawn at the same time")

    @model_validator(mode="after")
    def _sampler_can_keep(self) -> "SamplingConfig":
        if self.keep and self.sampler not in KEEPING_SAMPLERS:
            raise ValueError(f"keep needs sampler = {' or '.join(KEEPING_SAMPLERS)}")
        return self

    def check_timesteps(self, timesteps: int) -> None:
        """Make sure that a generator of so many timesteps can be called so often.

        Raises:
            ValueError: it cannot.
        """
        if self.sampler not in UNHURRIED_SAMPLERS and self.steps > timesteps:
            raise ValueError(
                f"sampling.steps: {self.steps} network calls, but the generator has {timesteps} "
                "timesteps (generator.timesteps). Use at most that many"
            )

    @property
    def starts_from_real(self) -> bool:
        """Whether images start from, or keep a part of, real images."""
        return self.strength < 1 or self.keep > 0

    def at_most(self, steps: int) -> "SamplingConfig":
        """Return the same settings with at most `steps` network calls for each image."""
        return self.model_copy(update={"steps": min(self.steps, steps)})


class ScreeningConfig(Settings):
    """Which synthetic images are refused, and how many are drawn to replace them."""

    enabled: bool = Field(True, description="screen synthetic images and refuse the worst")
    refuse_real: float = Field(
        0.04, gt=0, lt=0.5,
        description="share of real images that all rules together may refuse; higher is stricter",
    )  # fmt: skip
    most_draws: float = Field(
        3.0, ge=1, le=100, description="most images drawn for each one that a class needs"
    )


class InpaintConfig(Settings):
    """How a part of an image is filled. Its JSON is written into every repaired image."""

    steps: Timesteps = Field(50, description="timesteps between noise and image")
    jump: int = Field(2, ge=1, le=10_000, description="timesteps of each return towards the noise")
    resamplings: int = Field(
        5, ge=1, le=1000, description="passes over each stretch of timesteps; 1 leaves seams"
    )

    @model_validator(mode="after")
    def _jumps_within(self) -> "InpaintConfig":
        if self.jump >= self.steps:
            remedy = f"Give `--set jump={self.steps - 1}` or less"
            raise ValueError(f"jump {self.jump} is not below steps {self.steps}. {remedy}")
        return self
