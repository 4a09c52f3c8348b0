"""What a training saves in a checkpoint, and what a resumed training restores."""

from pathlib import Path

from augment.train.history import History
from augment.train.selection import Selection
from augment.train.snapshots import Snapshots
from augment.train.stepper import Stepper
from terrabalance.checkpoint import (
    drop_checkpoints,
    load_newest,
    note_of_newest,
    save_checkpoint,
)
from terrabalance.errors import BadInput

SNAPSHOTS = "snapshots"  # folder of the averages among which the end of a training chooses
_CHECKPOINTS = "checkpoints"


class Checkpoints:
    """The checkpoints of a training.

    The data order, symmetries, timesteps and noise of a step are functions of (seed, class, step),
    so the step number is the whole random state.

    Args:
        folder: of the generator.
        key: `training_key` of the training.
        precision: of the training, `bf16` or `fp32`.
    """

    def __init__(self, folder: Path, key: str, precision: str) -> None:
        self._folder, self._key, self._precision = folder, key, precision

    @staticmethod
    def precision_of(folder: Path) -> str | None:
        """Return the precision that the training in a folder began in; None: it did not begin."""
        began: str | None = note_of_newest(folder / _CHECKPOINTS, "precision")
        return began

    def save(self, stepper: Stepper, selection: Selection, history: History) -> None:
        """Write a checkpoint with all that is needed to resume."""
        parts = {
            "network": stepper.network.state_dict(),
            "averages": [average.network.state_dict() for average in stepper.averages],
            "optimizer": stepper.optimizer.state_dict(),
            "n_halvings_of_rate": stepper.n_halvings_of_rate,
            "losses": history.losses,
            "looks": selection.state(),
            "elapsed_s": history.elapsed_s,
            "precision": self._precision,
            "key": self._key,
        }
        save_checkpoint(self._folder / _CHECKPOINTS, stepper.step, parts)

    def restore(self, stepper: Stepper, selection: Selection, history: History) -> bool:
        """Restore the newest checkpoint; return whether there is one.

        Raises:
            BadInput: it is damaged, or of another training, or of another precision.
        """
        saved = load_newest(self._folder / _CHECKPOINTS)
        if saved is None:
            return False
        if saved["key"] != self._key:
            raise BadInput(
                f"{self._folder}: its training began on other images or settings, or from a base "
                "that has been made anew since. Delete its checkpoints to begin again, or name "
                "another folder."
            )
        if saved["precision"] != self._precision:
            raise BadInput(
                f"{self._folder}: training began in {saved['precision']} and would go on in "
                f"{self._precision}. Set training.precision={saved['precision']}, or delete its "
                "checkpoints to begin again."
            )
        stepper.network.load_state_dict(saved["network"])
        for average, weights in zip(stepper.averages, saved["averages"], strict=True):
            average.network.load_state_dict(weights)
        stepper.optimizer.load_state_dict(saved["optimizer"])
        stepper.n_halvings_of_rate, stepper.step = saved["n_halvings_of_rate"], saved["step"]
        history.elapsed_s, history.losses = saved["elapsed_s"], saved["losses"]
        selection.load(saved["looks"])
        return True


def tidy(folder: Path) -> None:
    """Delete the checkpoints and snapshots of a finished training."""
    drop_checkpoints(folder / _CHECKPOINTS)
    Snapshots(folder / SNAPSHOTS).drop()


def refuse_other(folder: Path, found: str, wanted: str) -> None:
    """Refuse a folder whose `training_key` is not the wanted one.

    Raises:
        BadInput: they differ.
    """
    if found != wanted:
        raise BadInput(
            f"{folder}: holds a generator of other images or settings. Name another folder."
        )
