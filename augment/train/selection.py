"""Watch a training, end it when it memorizes, and pick what is kept of it."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from augment.config import TrainingConfig
from augment.train.ema import LENGTHS
from augment.train.evaluation import Look, Witness, choose, is_memorizing
from augment.train.snapshots import Snapshots
from augment.train.stepper import Stepper


@dataclass(frozen=True)
class Choice:
    """What became the generator: the look at it, and how long its average is (None: fixed)."""

    look: Look
    length: float | None

    def card(self) -> dict[str, Any]:
        """Return it for `card.json`, with None for what could not be measured."""
        known = {key: None if math.isnan(x) else x for key, x in asdict(self.look).items()}
        return {**known, "ema_length": self.length}


class Review:
    """Looks at a training at a few steps, and remembers.

    Args:
        witness: who looks.
        folder: for the averages of those steps.
        config: of the training, its `steps` those of this class.

    Attributes:
        due: the steps after which a look is to be taken.
        looks: those taken.
    """

    def __init__(self, witness: Witness, folder: Path, config: TrainingConfig) -> None:
        self.looks: list[Look] = []
        self.judge = witness.judge
        self._witness, self._snapshots = witness, Snapshots(folder)
        self._tolerance = config.memorizing
        self.due = {max(1, round(config.steps * n / config.looks)) for n in _up_to(config.looks)}

    def state(self) -> list[dict[str, float]]:
        """Return what has been seen, for a checkpoint."""
        return [asdict(look) for look in self.looks]

    def load(self, state: Sequence[dict[str, Any]]) -> None:
        """Take up what `state` returned."""
        self.looks = [Look(**row) for row in state]

    def is_over(self) -> bool:
        """Say whether the training should go no further."""
        return is_memorizing(self.looks, self._tolerance)

    def take(self, stepper: Stepper) -> Look:
        """Look at the training as it is now, and keep its averages."""
        self._snapshots.keep(stepper.step, stepper.averages)
        self.looks.append(self._look(stepper, stepper.average, stepper.step))
        return self.looks[-1]

    def pick(self, stepper: Stepper) -> Choice:
        """Load the best of what was seen into the average that is drawn from.

        First the step, then the length of its average, both by `augment.train.evaluation.choose`.
        """
        chosen, network = choose(self.looks, self._tolerance), stepper.average
        if len(stepper.averages) == 1:
            self._snapshots.take_up(chosen.step, 0, network)
            return Choice(chosen, None)
        tried = []
        for place in range(len(LENGTHS)):
            self._snapshots.take_up(chosen.step, place, network)
            tried.append(self._look(stepper, network, chosen.step))
        # Without a distance the lowest held-out loss wins: `choose` takes the last that fits.
        best = choose(sorted(tried, key=lambda look: -look.held_out_loss), self._tolerance)
        place = tried.index(best)
        self._snapshots.take_up(chosen.step, place, network)
        return Choice(best, LENGTHS[place])

    def _look(self, stepper: Stepper, network: nn.Module, step: int) -> Look:
        with stepper.drawing_with(network) as diffusion:
            return self._witness.look(diffusion, step)


def _up_to(n: int) -> range:
    return range(1, n + 1)
