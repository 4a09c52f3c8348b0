"""Decide which classes are minorities and how many synthetic images each gets. Pure arithmetic."""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from augment.config import PlanConfig
from terrabalance.errors import BadInput
from terrabalance.wording import listed

FEWEST_IMAGES = 2  # of a class in the train part: one is copied, not learned


@dataclass(frozen=True)
class ClassPlan:
    """What one class has and gets.

    Attributes:
        class_name: as in the manifest.
        n_train: real images in the train part.
        n_target: images that the class should have there in the end.
        n_needed: synthetic images to make; 0 for a class that is not filled.
        capped: whether `max_per_real` keeps the class below the target.
    """

    class_name: str
    n_train: int
    n_target: int
    n_needed: int
    capped: bool

    @property
    def minority(self) -> bool:
        """Whether the class has fewer images than the target."""
        return self.n_train < self.n_target


def target_count(counts: Mapping[str, int], target: str) -> int:
    """Turn a target policy into images a class; shares are rounded up."""
    if target == "max":
        return max(counts.values())
    if target == "median":
        return math.ceil(statistics.median(counts.values()))
    if target.endswith("%"):
        return math.ceil(max(counts.values()) * _decimal(target[:-1]) / 100)
    return int(target)


def _decimal(number: object) -> Fraction:
    """Return what a number says in decimals: 0.29 of 100 images is 29, of binary floats 28."""
    return Fraction(str(number).strip())


def plan_classes(counts: Mapping[str, int], config: PlanConfig) -> list[ClassPlan]:
    """Plan every class, rarest first; `counts` are real images in the train part.

    Raises:
        BadInput: no class at all, `config.classes` names one that the data does not have, or a
            class to be filled has too few images to train on.
    """
    if not counts:
        raise BadInput("the train part has no usable image. See the catalogue's status column.")
    _refuse_unknown(counts, config.classes or ())
    target = target_count(counts, config.target)
    rarest_first = sorted(counts, key=lambda name: (counts[name], name))
    chosen = [name for name in rarest_first if config.classes is None or name in config.classes]
    filled = set(chosen[: config.rarest])
    plans = [_plan(name, counts[name], target, name in filled, config) for name in rarest_first]
    _refuse_small(plans)
    return plans


def _refuse_unknown(counts: Mapping[str, int], named: Sequence[str]) -> None:
    unknown = sorted(set(named) - set(counts))
    if not unknown:
        return
    # The option --classes parts at commas, and takes spaces off the ends.
    odd = next((name for name in sorted(counts) if "," in name or name != name.strip()), None)
    how = f" That one is named by --set 'plan.classes={json.dumps([odd])}'." if odd else ""
    raise BadInput(f"no such class: {listed(unknown)}. The data has {listed(sorted(counts))}.{how}")


def _refuse_small(plans: Sequence[ClassPlan]) -> None:
    if small := [p.class_name for p in plans if p.n_needed and p.n_train < FEWEST_IMAGES]:
        raise BadInput(
            f"the train part has fewer than {FEWEST_IMAGES} images of {listed(small)}: too "
            "few to train a generator on. Add images, give less of them away (split.val, "
            "split.test), or name the classes to fill with --classes."
        )


def _plan(name: str, n_train: int, target: int, filled: bool, config: PlanConfig) -> ClassPlan:
    wanted = max(0, target - n_train)
    most = config.max_per_real
    cap = wanted if most is None else math.floor(n_train * _decimal(most))
    needed = min(wanted, cap) if filled else 0
    return ClassPlan(name, n_train, target, needed, capped=filled and needed < wanted)


def plan_record(
    plans: list[ClassPlan], config: PlanConfig, cost: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the plan as the JSON that `plan.json` holds."""
    rows = [{"class": plan.class_name, "minority": plan.minority, **asdict(plan)} for plan in plans]
    for row in rows:
        del row["class_name"]
    return {
        "target": {"policy": config.target, "count": plans[0].n_target},
        "left_out": _left_out(plans, config),
        "classes": rows,
        "cost": dict(cost),
    }


def _left_out(plans: list[ClassPlan], config: PlanConfig) -> str:
    """Say that `rarest` leaves out some of the plans, rarest first; empty where it does not."""
    named = [plan for plan in plans if config.classes is None or plan.class_name in config.classes]
    below = [plan for plan in named[config.rarest :] if plan.minority]
    if config.rarest is None or not below:
        return ""
    who = "rarest class is" if config.rarest == 1 else f"{config.rarest} rarest classes are"
    return f"Only the {who} filled; all: --set plan.rarest=none."
