"""All parts, and the arms that settings offer.

All arms share network, optimizer steps, learning-rate schedule and seeds; they differ in what their
parts change. A new loss or correction is a file with its part and a line here. Every combination of
parts is an arm, by its name (`arm_of`); those that are worth comparing are listed in `ARMS`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from classifier.arms.arm import BASELINE, Arm
from classifier.arms.balanced_softmax import BalancedSoftmax
from classifier.arms.class_cutmix import ClassCutMix
from classifier.arms.class_weight import ClassWeight
from classifier.arms.cmo import ContextMixing
from classifier.arms.halved import Halved
from classifier.arms.logit_adjustment import LogitAdjustment
from classifier.arms.oracle import Oracle
from classifier.arms.oversample import Oversample
from classifier.arms.part import Part
from classifier.arms.pretrain_synthetic import PretrainSynthetic
from classifier.arms.strong_augment import StrongAugment
from classifier.arms.synthetic import Synthetic, SyntheticWeighted
from terrabalance.errors import BadInput


@dataclass(frozen=True)
class _Combined:
    """An offered combination of parts: the name of the arm, and a label short enough for tables."""

    name: str
    label: str


# In the order of settings, help and messages. A part is offered as an arm of its own.
_OFFERED: tuple[Part | _Combined, ...] = (
    ClassWeight(),
    Oversample(),
    BalancedSoftmax(),
    LogitAdjustment(),
    StrongAugment(),
    ClassCutMix(),
    _Combined("class-cutmix+logit-adjustment", "CutMix + logit adj."),
    ContextMixing(),
    _Combined("cmo+logit-adjustment", "CMO + logit adj."),
    _Combined("cmo+balanced-softmax", "CMO + balanced softmax"),
    Synthetic(),
    _Combined("synthetic+logit-adjustment", "Synthetic + logit adj."),
    SyntheticWeighted(),
    _Combined("synthetic-weighted+logit-adjustment", "Weighted + logit adj."),
    # Do synthetic images add anything to what real ones give without them?
    _Combined("class-cutmix+synthetic", "CutMix + synthetic"),
    _Combined("class-cutmix+synthetic+logit-adjustment", "CutMix + synth. + logit adj."),
    PretrainSynthetic(),
    _Combined("pretrain-synthetic+logit-adjustment", "Synth., then real + logit adj."),
    # What is a real image worth?
    Halved(),
    _Combined("halved+logit-adjustment", "Half + logit adj."),
    Oracle(),
)
PARTS: dict[str, Part] = {row.name: row for row in _OFFERED if isinstance(row, Part)}


def compose(name: str, label: str | None = None) -> Arm:
    """Return the arm that a name stands for: `real`, or names of parts joined by `+`.

    Args:
        name: of the arm.
        label: in reports; None: the labels of the parts, joined.

    Raises:
        BadInput: an unknown part, or parts that exclude each other.
    """
    words = [] if name == BASELINE else name.split("+")
    if set(words) - set(PARTS):
        raise BadInput(f"arm {name!r} is unknown; use one of {list(ARMS)}.")
    parts = tuple(PARTS[_meant(word, words)] for word in words)
    return Arm(name, label or " + ".join(part.label for part in parts), parts)


def _meant(word: str, words: Sequence[str]) -> str:
    """Beside CutMix, synthetic images are weighted; such an arm keeps the shorter name."""
    beside_cutmix = word == Synthetic.name and ClassCutMix.name in words
    return SyntheticWeighted.name if beside_cutmix else word


ARMS: dict[str, Arm] = {
    BASELINE: compose(BASELINE, "Real only"),
    **{row.name: compose(row.name, row.label) for row in _OFFERED},
}
if TYPE_CHECKING:
    ArmName = str
else:  # settings and forms list the names
    ArmName = Literal[tuple(ARMS)]
DEFAULT_ARMS: tuple[ArmName, ...] = (
    "real",
    "logit-adjustment",
    "class-cutmix+logit-adjustment",
    "synthetic",
    "synthetic+logit-adjustment",
)


def arm_of(name: str) -> Arm:
    """Return the arm of a name, offered in `ARMS` or any other combination of parts.

    Raises:
        BadInput: an unknown part, or parts that exclude each other.
    """
    return ARMS.get(name) or compose(name)


def rivals(names: Sequence[str]) -> list[str]:
    """Return those of `names` that train on the real training images, all of them and no others."""
    return [name for name in names if not (arm_of(name).adds or arm_of(name).halves)]


def generative(names: Sequence[str]) -> list[str]:
    """Return those of `names` that use synthetic images."""
    return [name for name in names if arm_of(name).generative]


def with_rivals(names: Sequence[ArmName]) -> tuple[ArmName, ...]:
    """Return `names` with what each arm that uses synthetic images has to be better than.

    That is the same arm without them, and a correction of its logits, which costs no training.
    Without the latter, the gain of a correction would pass for that of synthetic images.
    """
    first = next((at for at, name in enumerate(names) if arm_of(name).generative), len(names))
    plain = dict.fromkeys(arm_of(name).without for name in generative(names))
    wanted = [*plain, *(arm.name for arm in ARMS.values() if arm.corrects in plain)]
    missing = [name for name in wanted if name not in (BASELINE, *names)]
    return (*names[:first], *missing, *names[first:])
