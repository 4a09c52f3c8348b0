"""What the main rank writes while a generator is trained: curves, previews, losses, checkpoints."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import numpy as np
import torch
from torch.utils.tensorboard import SummaryWriter

from augment.config import SamplingConfig
from augment.network.conditioning import set_labels
from augment.sample.batch import draw_batch
from augment.train.history import LOSSES, History, write_losses
from augment.train.resume import Checkpoints
from augment.train.selection import Selection
from augment.train.spec import TrainingSpec
from augment.train.stepper import Stepper
from terrabalance.images import grid, write_png
from terrabalance.seeds import seed_for

_PREVIEW = SamplingConfig(batch_size=8)


class NoOutputs:
    """The outputs of a rank that writes nothing."""

    def open(self, step: int) -> AbstractContextManager[None]:
        """Return a context in which scalars can be added, from the first step after `step` on."""
        return nullcontext()

    def add_scalar(self, name: str, value: float, step: int) -> None:
        """Add a point to a curve."""

    def preview(self, stepper: Stepper) -> None:
        """Draw the same eight noises with the averaged weights, to show the progress."""

    def save(self, stepper: Stepper, selection: Selection, history: History) -> None:
        """Write the losses, the evaluations and a checkpoint."""


class Outputs:
    """Writes to the folder of a generator.

    Args:
        folder: gets `tensorboard/`, `previews/`, `losses.csv`, `looks.csv` and `checkpoints/`.
        spec: of the training.
        labels: (N,) int64 of the training images, over which previews are spread.
        checkpoints: of the training.
    """

    def __init__(
        self, folder: Path, spec: TrainingSpec, labels: np.ndarray, checkpoints: Checkpoints
    ) -> None:
        self._folder, self._spec, self._checkpoints = folder, spec, checkpoints
        shown = np.linspace(0, len(labels) - 1, _PREVIEW.batch_size).round().astype(int)
        self._labels = torch.from_numpy(np.sort(labels)[shown])
        self._board: SummaryWriter | None = None

    @contextmanager
    def open(self, step: int) -> Iterator[None]:
        """Open TensorBoard, and drop the points after `step` that an earlier process wrote."""
        with SummaryWriter(str(self._folder / "tensorboard"), purge_step=step + 1) as self._board:
            yield

    def add_scalar(self, name: str, value: float, step: int) -> None:
        """Add a point to a curve."""
        assert self._board is not None
        self._board.add_scalar(name, value, step)

    def preview(self, stepper: Stepper) -> None:
        """Draw the same eight noises with the averaged weights, to show the progress."""
        name, bands, average = self._spec.class_name, self._spec.bands, stepper.average
        seeds = [seed_for("preview", name, index) for index in range(_PREVIEW.batch_size)]
        if self._spec.classes:
            set_labels(average, self._labels)
        with stepper.drawing_with(average) as diffusion:
            config = _PREVIEW.at_most(diffusion.num_timesteps)
            images, _ = draw_batch(diffusion, seeds, config, stepper.device, bands.level_type)
        path = self._folder / "previews" / f"step_{stepper.step:07d}.png"
        write_png(path, grid(bands.preview(images), columns=4))

    def save(self, stepper: Stepper, selection: Selection, history: History) -> None:
        """Write the losses, the evaluations and a checkpoint."""
        write_losses(self._folder / LOSSES, history.losses)
        selection.write(self._folder)
        self._checkpoints.save(stepper, selection, history)
