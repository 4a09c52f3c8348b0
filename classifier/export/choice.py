"""Which trained classifier of a comparison is exported, by its record; needs no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classifier.arms.setting import Setting
from terrabalance.errors import BadInput
from terrabalance.files import Fields, read_record
from terrabalance.wording import listed

_FIELDS: Fields = {"arms": list, "seeds": list, "metrics": dict, "training": dict, "levels": dict}


@dataclass(frozen=True)
class Chosen:
    """A trained classifier of a comparison.

    Attributes:
        arm: of it.
        seed: of its training.
        setting: that validation chose for the arm.
        shares: of the classes in the loss, in label order, for corrections of logits.
        folder: name of the folder that it was trained in.
        weights_file: local file of weights that it started from; None: there was none.
        weights: of that file, see `classifier.train.experiment.weights_key`.
    """

    arm: str
    seed: int
    setting: Setting
    shares: Sequence[float]
    folder: str
    weights_file: Path | None
    weights: str


def read_comparison(path: Path, again: str) -> dict[str, Any]:
    """Read `comparison.json`.

    Args:
        path: of it.
        again: what the user does where it is of a version that did not keep its trainings.

    Raises:
        BadInput: it is damaged, none of ours, or of such a version.
    """
    record = read_record(path)
    if "trained" not in record:
        raise BadInput(
            f"{path}: of a version of terrabalance that did not note which trainings it compares. "
            f"{again}"
        )
    return read_record(path, {**_FIELDS, "trained": dict})


def choose_from(
    record: Mapping[str, Any], path: Path, arm: str | None = None, seed: int | None = None
) -> Chosen:
    """Return the classifier of an arm and a seed.

    Args:
        record: of the comparison.
        path: of it, for errors.
        arm: None: the one that the comparison recommends.
        seed: None: of the arm's seeds that with the best balanced accuracy on val, of equals the
            first; without val the first. The figures of the arm stay means over all seeds.

    Raises:
        BadInput: nothing is recommended, or arm or seed were not compared.
    """
    name = _recommended(record, path) if arm is None else arm
    if name not in record["arms"]:
        raise BadInput(f"{path}: arm {name!r} was not compared. Give {_any_of(record['arms'])}.")
    seeds = record["seeds"]
    if seed is not None and seed not in seeds:
        raise BadInput(f"{path}: seed {seed} was not trained. Give {_any_of(seeds)}.")
    scores = (record["val_per_seed"] or {}).get(name, [0.0] * len(seeds))
    at = scores.index(max(scores)) if seed is None else seeds.index(seed)
    trained = record["trained"]
    mine, file = trained["arms"][name], record["training"].get("weights")
    return Chosen(
        arm=name, seed=seeds[at], setting=Setting(**mine["setting"]), shares=mine["shares"],
        folder=mine["folders"][at], weights_file=Path(file) if file else None,
        weights=trained["weights"],
    )  # fmt: skip


def _recommended(record: Mapping[str, Any], path: Path) -> str:
    name = record["recommended"]["arm"]
    if name is None:
        raise BadInput(
            f"{path}: no arm is recommended, as there were no validation images to choose one by. "
            f"Give one with --arm: {_any_of(record['arms'])}."
        )
    return str(name)


def _any_of(names: Sequence[Any]) -> str:
    return listed(names) if len(names) == 1 else f"one of {listed(names)}"
