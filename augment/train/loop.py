"""The training loop of one generator."""

import logging
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from augment.network.card import CARD, WEIGHTS
from augment.network.learned import (
    LEARNED,
    SKETCHES,
    write_learned,
    write_learned_sketches,
)
from augment.network.unlabelled import read_unlabelled
from augment.train.batches import n_in_an_epoch
from augment.train.data import TrainingData
from augment.train.divergence import is_healthy
from augment.train.history import EVALUATIONS, LOSSES, History
from augment.train.outputs import NoOutputs, Outputs
from augment.train.process_group import ProcessGroup
from augment.train.resume import SNAPSHOTS, Checkpoints, tidy
from augment.train.selection import Choice, selection_for
from augment.train.spec import TrainingSpec
from augment.train.stepper import Stepper
from terrabalance import __version__
from terrabalance.checkpoint import write_tensors
from terrabalance.device import forget_peak_memory, peak_memory, precision_on
from terrabalance.errors import TrainingDiverged
from terrabalance.files import write_json
from terrabalance.finished import mark_done
from terrabalance.progress import Progress

log = logging.getLogger(__name__)

_MOST_ROLLBACKS = 3
_READ_EVERY = 10  # steps between two readings of the loss: each waits for the device


class TrainingLoop:
    """The training of one generator in its folder.

    All ranks of a process group run it and read the same losses, so that all go back and end at
    the same step. The main rank alone has held-out images, writes, and reports.

    Args:
        data: real images.
        spec: what to train, and how.
        folder: of the generator.
        device: to train on.
        key: `training_key` of the training.
        group: processes that train together; None: this one alone.
    """

    def __init__(
        self,
        data: TrainingData,
        spec: TrainingSpec,
        folder: Path,
        device: torch.device,
        key: str = "",
        group: ProcessGroup | None = None,
    ) -> None:
        n_images = data.n_labelled or len(data.images)
        n_drawn = n_in_an_epoch(data.n_labelled, data.n_unlabelled)
        self.asked, self.hashes, self.unlabelled = spec, data.hashes, data.unlabelled
        self.spec = spec = replace(spec, training=spec.training.for_images(n_drawn))
        self.n_images, self.folder, self.device, self.key = n_images, folder, device, key
        self.config, self.group = spec.training, group or ProcessGroup()
        # Of a machine that chose otherwise, or was updated since: a training ends as it began.
        began = Checkpoints.precision_of(folder) if self.config.precision == "auto" else None
        chosen = began or precision_on(device, self.config.precision)
        self.precision = self.group.broadcast(chosen)
        labels = data.labels_or(spec.label)
        self.stepper = Stepper(
            data.images, labels, spec, device, self.precision, self.group, data.n_unlabelled
        )
        self.selection = selection_for(data, spec, folder / SNAPSHOTS, device)
        self.evaluation_steps = self.group.broadcast(self.selection.due)
        self.checkpoints = Checkpoints(folder, key, self.precision)
        self.outputs: Outputs | NoOutputs = (
            Outputs(folder, spec, labels[:n_images], self.checkpoints)
            if self.group.is_main
            else NoOutputs()
        )
        self.history, self.memorizes = History(), False
        self.pending: list[tuple[Tensor, Tensor]] = []  # losses still on the device

    @property
    def step(self) -> int:
        """Optimizer steps done."""
        return self.stepper.step

    @property
    def is_over(self) -> bool:
        """Whether the last step is done, or the training memorizes."""
        return self.step == self.config.steps or self.memorizes

    def restore(self) -> None:
        """Restore the newest checkpoint, if there is one.

        Raises:
            BadInput: it is damaged, or of another training, or of another precision.
        """
        if self.checkpoints.restore(self.stepper, self.selection, self.history):
            log.info("%s: going on from step %d", self.spec.title, self.step)

    def run(self, on_progress: Progress) -> None:
        """Train to the end; evaluate, preview and save at fixed step numbers.

        Raises:
            TrainingDiverged: the training diverges even at an eighth of the learning rate.
        """
        began = time.monotonic() - self.history.elapsed_s
        forget_peak_memory(self.device)
        self._check_memorizing()
        with self.outputs.open(self.step):
            while not self.is_over:
                self.pending.append(self.stepper.advance())
                last = self.step == self.config.steps
                evaluates = self.step in self.evaluation_steps
                saves = last or evaluates or self._is_due(self.config.checkpoint_every)
                if (saves or self._is_due(_READ_EVERY)) and not self._read_losses(on_progress):
                    continue
                if saves and (lost := self.group.broadcast(self.stepper.lost_weights())):
                    self._roll_back(f"weights of NaN or infinity ({lost})")
                    continue
                if evaluates:
                    self.selection.evaluate(self.stepper, self.outputs)
                    self._check_memorizing()
                if last or self._is_due(self.config.preview_every):
                    self.outputs.preview(self.stepper)
                if saves:
                    self.history.elapsed_s = time.monotonic() - began
                    self.outputs.save(self.stepper, self.selection, self.history)

    def _is_due(self, every: int) -> bool:
        return self.step % every == 0

    def _check_memorizing(self) -> None:
        """Let all ranks know what the main rank's evaluations show."""
        self.memorizes = self.group.broadcast(self.selection.memorizes())

    def _read_losses(self, on_progress: Progress) -> bool:
        """Read the pending losses and report them; return False where the training went back."""
        # The same numbers on all ranks.
        pairs = self.group.mean(torch.stack([torch.stack(pair) for pair in self.pending]))
        loss, norm = pairs.cpu().mean(0).tolist()  # the one wait for the device
        self.pending.clear()
        if not is_healthy(loss, norm, [row[2] for row in self.history.losses]):
            self._roll_back(f"loss {loss:g}, gradient norm {norm:g}")
            return False
        rate = self.stepper.learning_rate(self.step - 1)
        self.history.losses.append([self.step, self._images_seen(), loss, rate, norm])
        self.outputs.add_scalar("loss", loss, self.step)
        self.outputs.add_scalar("grad_norm", norm, self.step)
        on_progress(self.step, self.config.steps, f"{self.spec.title}: loss {loss:.4f}")
        return True

    def _roll_back(self, why: str) -> None:
        """Go back to the last good state, and go on from there at half the learning rate."""
        n_rollbacks, bad_step = self.stepper.n_halvings_of_rate + 1, self.step
        if n_rollbacks > _MOST_ROLLBACKS:
            raise TrainingDiverged(
                f"{self.spec.title}: {why} by step {bad_step}, after going back "
                f"{_MOST_ROLLBACKS} times already. The last checkpoint in "
                f"{self.folder / 'checkpoints'} is good. Lower training.learning_rate (now "
                f"{self.config.learning_rate}) and run again."
            )
        self.stepper.reset()
        self.history.losses = []
        self.selection.load([])
        self.restore()
        self.stepper.n_halvings_of_rate = n_rollbacks
        log.warning(
            "%s: %s by step %d; back at step %d, at half the learning rate",
            self.spec.title, why, bad_step, self.step,
        )  # fmt: skip

    def finish(self) -> None:
        """Write the chosen weights and the card, mark the folder done, delete the checkpoints.

        Raises:
            TrainingDiverged: the weights are not finite, as checkpoints of earlier versions may be.
        """
        choice = self.selection.choose(self.stepper)
        if lost := self.stepper.lost_weights():
            raise TrainingDiverged(
                f"{self.folder}: its training went on from a checkpoint with NaN or infinity in "
                f"{lost}. Delete the newest file in its folder checkpoints and run again, to go on "
                "from the one before."
            )
        write_tensors(self.folder / WEIGHTS, self.stepper.average.state_dict())
        write_json(self.folder / CARD, self._card(choice))
        write_learned(self.folder, self.hashes, self.asked.start)
        sketches = None if self.unlabelled is None else self.unlabelled.sketches
        write_learned_sketches(self.folder, sketches, self.asked.start)
        record = {"class": self.spec.title, "steps": self.step, "key": self.key}
        names = (WEIGHTS, CARD, LEARNED, SKETCHES, LOSSES, EVALUATIONS)
        files = [self.folder / name for name in names]
        mark_done(self.folder, record, [file for file in files if file.is_file()])
        tidy(self.folder)

    def _card(self, choice: Choice | None) -> dict[str, Any]:
        spec = self.asked
        # What its start has learned may come back in its images.
        told = read_unlabelled(spec.start) if spec.start else None
        if self.unlabelled is not None:
            told = self.unlabelled.record
        return {
            "class_name": spec.title,
            "n_images": self.n_images,
            **({"unlabelled": told.model_dump()} if told else {}),
            "config": {
                "generator": spec.generator.model_dump(),
                "training": spec.training.model_dump(),
            },
            "bands": asdict(spec.bands),
            "seed": spec.seed,
            "classes": list(spec.classes),
            "draws": list(spec.draws),
            "start": spec.start and spec.start.name,
            "steps": self.step,
            "images_seen": self._images_seen(),
            "planned_steps": self.config.steps,
            "judge": self.selection.feature_network,
            "chosen": choice and choice.card(),
            "n_rollbacks": self.stepper.n_halvings_of_rate,
            "seconds": round(self.history.elapsed_s, 1),
            "peak_memory_bytes": peak_memory(self.device),
            "device": self.device.type,
            "devices": self.group.size,
            "precision": self.precision,
            "parameters": sum(p.numel() for p in self.stepper.network.parameters()),
            "final_loss": self.history.losses[-1][2],
            "versions": {"terrabalance": __version__, "torch": torch.__version__},
        }

    def _images_seen(self) -> int:
        return self.step * self.config.batch_size * self.config.accumulate
