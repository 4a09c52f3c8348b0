"""Evaluate a training, end it when it memorizes, and select the checkpoint to keep."""

import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from augment.train.data import TrainingData
from augment.train.ema import LENGTHS
from augment.train.evaluation import FEWEST, Evaluation, HeldOutEvaluator
from augment.train.history import EVALUATIONS, write_evaluations
from augment.train.snapshots import Snapshots
from augment.train.spec import TrainingSpec
from augment.train.stepper import Stepper

log = logging.getLogger(__name__)


class Scalars(Protocol):
    """Where evaluations are plotted, as `augment.train.outputs`."""

    def add_scalar(self, name: str, value: float, step: int) -> None:
        """Add a point to a curve."""


@dataclass(frozen=True)
class Choice:
    """The checkpoint that became the generator.

    Attributes:
        evaluation: of it.
        length: of its average of the weights, see `augment.train.ema`; None: a fixed decay.
    """

    evaluation: Evaluation
    length: float | None

    def card(self) -> dict[str, Any]:
        """Return the choice for `card.json`, with None for what could not be measured."""
        measures = asdict(self.evaluation).items()
        known = {key: None if math.isnan(value) else value for key, value in measures}
        return {**known, "ema_length": self.length}


class NoSelection:
    """The selection of a training that is not evaluated: it goes to its last step, which is kept.

    Attributes:
        due: steps after which an evaluation is due.
        feature_network: name of the network behind KID; None: there is none.
    """

    due: frozenset[int] = frozenset()
    feature_network: str | None = None

    def state(self) -> list[dict[str, float]]:
        """Return the evaluations, for a checkpoint."""
        return []

    def load(self, state: Sequence[dict[str, Any]]) -> None:
        """Restore what `state` returned."""

    def memorizes(self) -> bool:
        """Return whether the training has to end, as it memorizes its images."""
        return False

    def evaluate(self, stepper: Stepper, scalars: Scalars) -> None:
        """Evaluate the training as it is now, and keep its averages."""

    def write(self, folder: Path) -> None:
        """Write the evaluations as CSV."""

    def choose(self, stepper: Stepper) -> Choice | None:
        """Load the best checkpoint into the average that is sampled from, and return it."""
        return None


class CheckpointSelection:
    """Evaluates a training at a few steps, and selects the best of them.

    Args:
        evaluator: measures the generator.
        folder: for the averages of those steps.
        spec: of the training; its `steps` are those of this class.

    Attributes:
        due, feature_network: see `NoSelection`.
    """

    def __init__(self, evaluator: HeldOutEvaluator, folder: Path, spec: TrainingSpec) -> None:
        self._evaluator, self._snapshots, self._title = evaluator, Snapshots(folder), spec.title
        self._evaluations: list[Evaluation] = []
        self._tolerance = spec.training.memorizing
        steps, n = spec.training.steps, spec.training.evaluations
        self.due = frozenset(max(1, round(steps * place / n)) for place in range(1, n + 1))
        self.feature_network: str | None = evaluator.feature_network

    def state(self) -> list[dict[str, float]]:
        """Return the evaluations, for a checkpoint."""
        return [asdict(each) for each in self._evaluations]

    def load(self, state: Sequence[dict[str, Any]]) -> None:
        """Restore what `state` returned."""
        self._evaluations = [Evaluation(**row) for row in state]

    def memorizes(self) -> bool:
        """Return whether the training has to end, as it memorizes its images."""
        return is_memorizing(self._evaluations, self._tolerance)

    def evaluate(self, stepper: Stepper, scalars: Scalars) -> None:
        """Evaluate the training as it is now, and keep its averages."""
        self._snapshots.keep(stepper.step, stepper.averages)
        found = self._evaluate(stepper, stepper.average, stepper.step)
        self._evaluations.append(found)
        for name in ("held_out_loss", "kid", "coverage", "copies"):
            scalars.add_scalar(name, getattr(found, name), stepper.step)
        log.info("%s: %s", self._title, found)

    def write(self, folder: Path) -> None:
        """Write the evaluations as CSV."""
        write_evaluations(folder / EVALUATIONS, self._evaluations)

    def choose(self, stepper: Stepper) -> Choice:
        """Load the best checkpoint into the average that is sampled from, and return it.

        First the step is chosen, then the length of its average, both by `best`.
        """
        chosen, network = self._best_kept(stepper), stepper.average
        if len(stepper.averages) == 1:
            self._snapshots.load(chosen.step, 0, network)
            return Choice(chosen, None)
        tried = []
        for place in range(len(LENGTHS)):
            self._snapshots.load(chosen.step, place, network)
            tried.append(self._evaluate(stepper, network, chosen.step))
        # Without KID the lowest held-out loss wins: `best` takes the last that fits.
        found = best(sorted(tried, key=lambda each: -each.held_out_loss), self._tolerance)
        place = tried.index(found)
        self._snapshots.load(chosen.step, place, network)
        return Choice(found, LENGTHS[place])

    def _best_kept(self, stepper: Stepper) -> Evaluation:
        """Return the best evaluation whose averages are there; the newest are in the stepper."""
        left = list(self._evaluations)
        while True:
            chosen = best(left, self._tolerance)
            if chosen.step == stepper.step:
                self._snapshots.keep(stepper.step, stepper.averages)
                return chosen
            if not (why := self._snapshots.why_lost(chosen.step)):
                return chosen
            log.warning(
                "%s: the best evaluation was that of step %d, whose averages are lost: %s. The "
                "next best is chosen", self._title, chosen.step, why,
            )  # fmt: skip
            left.remove(chosen)

    def _evaluate(self, stepper: Stepper, network: nn.Module, step: int) -> Evaluation:
        with stepper.drawing_with(network) as diffusion:
            return self._evaluator.evaluate(diffusion, step)


Selection = NoSelection | CheckpointSelection


def selection_for(
    data: TrainingData, spec: TrainingSpec, folder: Path, device: torch.device
) -> Selection:
    """Return the selection of a training: none without evaluations or enough held-out images."""
    held_out = data.held_out
    if held_out is None or len(held_out.images) < FEWEST or not spec.training.evaluations:
        return NoSelection()
    return CheckpointSelection(HeldOutEvaluator(data, spec, device), folder, spec)


def is_memorizing(evaluations: Sequence[Evaluation], tolerance: float) -> bool:
    """Return whether the held-out loss has risen by more than a share above its lowest."""
    return bool(evaluations) and evaluations[-1].held_out_loss > _limit(evaluations, tolerance)


def best(evaluations: Sequence[Evaluation], tolerance: float) -> Evaluation:
    """Return the evaluation with the lowest KID among those that do not memorize.

    Where KID could not be measured, the last of them.
    """
    limit = _limit(evaluations, tolerance)
    fit = [each for each in evaluations if each.held_out_loss <= limit]
    known = [each for each in fit if not math.isnan(each.kid)]
    return min(known, key=lambda each: each.kid) if known else fit[-1]


def _limit(evaluations: Sequence[Evaluation], tolerance: float) -> float:
    return min(each.held_out_loss for each in evaluations) * (1 + tolerance)
