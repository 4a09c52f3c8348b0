"""The settings of the classifiers that are compared."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from classifier.arms.arm import BASELINE
from classifier.arms.registry import DEFAULT_ARMS, ArmName, arm_of, with_rivals
from classifier.arms.tuning import MOST_TRIES
from terrabalance.settings import LONGEST_PATH, MOST, AbsolutePath, Seed, Settings

# Fields that do not decide a trial's result by themselves.
CHOICES = {"arms", "chroma_jitter", "seeds", "tries", "weights", "resolution"}


class ClassifierConfig(Settings):
    """Settings of the classifier, the same for every arm, so that only the arms differ."""

    ADDED: ClassVar[Mapping[str, Any]] = {"precision": "auto"}

    model: str = Field(
        "resnet18", min_length=1, max_length=LONGEST_PATH, description="any timm model name"
    )
    pretrained: bool = Field(True, description="load the weights of that name from the hub")
    weights: AbsolutePath | None = Field(
        None, description="local .safetensors or .pth file, used instead of the hub"
    )
    image_size: int = Field(
        128, ge=16, le=1024, description="side of the network's square input, in pixels"
    )
    resolution: int | None = Field(
        None,
        ge=8,
        le=4096,
        description="side that every image, real or synthetic, is reduced to first, in pixels; "
        "none: the size of the synthetic ones, or the smallest side of the training images, in "
        "their usual shape",
    )
    steps: int = Field(2_000, gt=0, le=MOST, description="optimizer steps, equal in every arm")
    batch_size: int = Field(64, ge=2, le=4096, description="images a step")
    learning_rate: float = Field(
        1e-3, gt=0, le=1, description="peak of the learning-rate schedule, of AdamW"
    )
    weight_decay: float = Field(
        0.05, ge=0, le=1, description="of weight matrices; norms and biases: none"
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="share of the label spread evenly; the corrections of logits "
        "for rare classes assume none"
    )  # fmt: skip
    chroma_jitter: float = Field(
        0.5,
        ge=0,
        le=2,
        description="where there are synthetic images: how much the fine detail of colours of "
        "every training image, real or synthetic, is changed at random, as it would give synthetic "
        "images away; 1: about as much as images of a class differ in it",
    )
    frozen: bool = Field(
        False,
        description="train a linear head only, on features of a pretrained network that are "
        "computed once: minutes instead of hours",
    )
    precision: Literal["auto", "bf16", "fp32"] = Field(
        "auto",
        description="auto: bf16 autocast where the device is faster in it (a CPU is timed once), "
        "else fp32; a training that is resumed, and its predictions, stay in what it began in",
    )
    arms: tuple[ArmName, ...] = Field(
        DEFAULT_ARMS,
        min_length=2,
        max_length=100,
        description="arms to compare, `real` among them; oracle needs a split oracle in the data. "
        "What arms with synthetic images have to be better than is added: the same without them, "
        "and logit adjustment",
    )
    tries: int = Field(
        2,
        ge=1,
        le=MOST_TRIES,
        description="settings that every arm is tried with; the validation part chooses. 1: the "
        "usual one; 2: in arms with synthetic images also none of them; up to 6: how many of "
        "them, how strong a correction for rare classes, or, in arms that have neither, which "
        "learning rate. From 2 on, frozen tries each of them with three penalties of the head",
    )
    seeds: tuple[Seed, ...] = Field(
        (0, 1, 2),
        min_length=1,
        max_length=100,
        description="one training a seed and arm; 3 or more for a verdict",
    )
    symmetries: bool = Field(
        True, description="train on the eight symmetries of the square (views from above)"
    )

    @field_validator("arms")
    @classmethod
    def _and_rivals(cls, given: tuple[ArmName, ...]) -> tuple[ArmName, ...]:
        return with_rivals(given)

    @field_validator("arms", "seeds")
    @classmethod
    def _each_once(cls, given: tuple[object, ...]) -> tuple[object, ...]:
        if len(set(given)) < len(given):
            raise ValueError(f"{list(given)} names one twice")
        return given

    @model_validator(mode="after")
    def _possible(self) -> "ClassifierConfig":
        if BASELINE not in self.arms:
            raise ValueError(f"arms lacks {BASELINE!r}, which all others are compared with")
        if self.frozen and not self.pretrained and self.weights is None:
            raise ValueError("frozen needs pretrained weights: pretrained = true, or weights")
        parts = (part for arm in self.arms for part in arm_of(arm).parts)
        if self.batch_size % 2 and (mixing := [part.name for part in parts if part.mixes_pairs]):
            raise ValueError(f"batch_size must be even for {mixing[0]}, which mixes pairs")
        return self
