"""The arms of a comparison: which images each trains on, and what it does about rare classes.

All arms share network, optimizer steps, the shape of the schedule, seeds and, but for
`strong-augment` and those with `class-cutmix`, augmentation. An arm that only corrects the logits
of another one is not trained again. What validation may choose of each, the height of the learning
rate where an arm has nothing of its own, is in `classifier.tuning`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

ArmName = Literal[
    "real",
    "class-weight",
    "oversample",
    "balanced-softmax",
    "logit-adjustment",
    "strong-augment",
    "class-cutmix",
    "class-cutmix+logit-adjustment",
    "synthetic",
    "synthetic+logit-adjustment",
    "synthetic-weighted",
    "synthetic-weighted+logit-adjustment",
    "class-cutmix+synthetic",
    "class-cutmix+synthetic+logit-adjustment",
    "pretrain-synthetic",
    "oracle",
]
Treatment = Literal[
    "plain",
    "class-weight",
    "oversample",
    "balanced-softmax",
    "strong-augment",
    "weighted",
    "pretrain",
]
Knob = Literal["rate", "strength", "share", "weight", "share and strength"]
BASELINE: ArmName = "real"
DEFAULT_ARMS: tuple[ArmName, ...] = (
    "real",
    "logit-adjustment",
    "class-cutmix+logit-adjustment",
    "synthetic",
    "synthetic+logit-adjustment",
)


@dataclass(frozen=True)
class Arm:
    """One arm.

    Attributes:
        name: as in settings and records.
        label: as in reports.
        images: `real` training images alone, with the `synthetic` ones, or with the real ones of
            split `oracle`.
        treatment: of the loss, the order or the images, while training.
        pastes: whether images are pasted onto others of their class and source
            (`classifier.images.paste`).
        without: the arm that this one is, but for its synthetic images.
        corrects: the arm whose logits this one corrects (Menon et al. 2021); None: it is trained.
        tunes: what of it is tried on validation, see `classifier.tuning`.
    """

    name: ArmName
    label: str
    images: Literal["real", "synthetic", "oracle"] = "real"
    treatment: Treatment = "plain"
    pastes: bool = False
    without: ArmName = BASELINE
    corrects: ArmName | None = None
    tunes: Knob = "rate"

    @property
    def generative(self) -> bool:
        """Whether synthetic images take part."""
        return self.images == "synthetic"


_ALL = (
    Arm("real", "Real only"),
    # Inverse frequency, as scikit-learn's "balanced".
    Arm("class-weight", "Class weights", treatment="class-weight", tunes="strength"),
    Arm("oversample", "Oversampling", treatment="oversample", tunes="strength"),
    # Ren et al. 2020.
    Arm("balanced-softmax", "Balanced softmax", treatment="balanced-softmax", tunes="strength"),
    Arm("logit-adjustment", "Logit adjustment", corrects="real", tunes="strength"),
    # timm's RandAugment, mixup and CutMix.
    Arm("strong-augment", "Strong augmentation", treatment="strong-augment"),
    # What is left of images drawn around parts of real ones if nothing is drawn.
    Arm("class-cutmix", "CutMix within classes", pastes=True),
    Arm(
        "class-cutmix+logit-adjustment",
        "CutMix + logit adj.",
        corrects="class-cutmix",
        tunes="strength",
    ),
    Arm("synthetic", "Real + synthetic", "synthetic", tunes="share"),
    Arm(
        "synthetic+logit-adjustment",
        "Synthetic + logit adj.",
        "synthetic",
        corrects="synthetic",
        tunes="share and strength",
    ),
    Arm("synthetic-weighted", "Synthetic, weighted", "synthetic", "weighted", tunes="weight"),
    # The shares that the loss has seen: a synthetic image counts its weight.
    Arm(
        "synthetic-weighted+logit-adjustment",
        "Weighted + logit adj.",
        "synthetic",
        corrects="synthetic-weighted",
        tunes="weight",
    ),
    # Whether synthetic images add anything to what real ones give without them.
    Arm(
        "class-cutmix+synthetic",
        "CutMix + synthetic",
        "synthetic",
        "weighted",
        pastes=True,
        without="class-cutmix",
        tunes="weight",
    ),
    Arm(
        "class-cutmix+synthetic+logit-adjustment",
        "CutMix + synth. + logit adj.",
        "synthetic",
        without="class-cutmix",
        corrects="class-cutmix+synthetic",
        tunes="weight",
    ),
    Arm("pretrain-synthetic", "Synthetic, then real", "synthetic", "pretrain", tunes="share"),
    Arm("oracle", "Oracle (more real)", "oracle"),
)
ARMS: dict[str, Arm] = {arm.name: arm for arm in _ALL}
assert tuple(ARMS) == get_args(ArmName)


def rivals(names: Sequence[str]) -> list[str]:
    """Return those of `names` that need neither synthetic images nor the oracle's."""
    return [name for name in names if ARMS[name].images == "real"]


def with_rivals(names: Sequence[ArmName]) -> tuple[ArmName, ...]:
    """Return `names` with what each arm that uses synthetic images has to be better than.

    That is the same arm without them, and a correction of its logits, which costs no training: who
    leaves them out would call theirs the gain of a correction.
    """
    first = next((place for place, name in enumerate(names) if ARMS[name].generative), len(names))
    plain = dict.fromkeys(ARMS[name].without for name in names if ARMS[name].generative)
    wanted = [*plain, *(arm.name for arm in _ALL if arm.corrects in plain)]
    missing = [name for name in wanted if name not in (BASELINE, *names)]
    return (*names[:first], *missing, *names[first:])


def generative(names: Sequence[str]) -> list[str]:
    """Return those of `names` that use synthetic images."""
    return [name for name in names if ARMS[name].generative]
