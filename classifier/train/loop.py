"""The training loop. Every step is a function of seed and step number, so that it can resume."""

import logging
import math
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from classifier.arms.arm import BASELINE, Arm
from classifier.arms.part import Batch, Step
from classifier.arms.registry import ARMS
from classifier.arms.setting import USUAL, Setting
from classifier.config import ClassifierConfig
from classifier.train.examples import Examples
from classifier.train.learning_rate import learning_rate_at
from classifier.train.small_inputs import keep_gradients_written
from terrabalance.checkpoint import (
    finite_tensors,
    load_into,
    load_newest_whole,
    save_checkpoint,
)
from terrabalance.device import autocast, precision_on
from terrabalance.errors import BadInput, TrainingDiverged
from terrabalance.progress import Progress
from terrabalance.seeds import generator_for, seed_for, seed_torch

CHECKPOINTS = "checkpoints"
CHECKPOINT_EVERY_S = 15.0
_LONG_S = 0.5  # a checkpoint that takes longer to write is written less often
_log = logging.getLogger(__name__)


@dataclass
class Trainer:
    """Trains a network as an arm asks for.

    Attributes:
        model: inputs to logits, on `device`.
        config: of the classifier.
        seed: of order, augmentation and dropout.
        device: of the model.
        counts: training images by class, in label order.
        arm: decides images of a step, weights, mixing and loss.
        setting: of the trial.
        losses: (step, loss, learning rate) so far.
        precision: `bf16` (autocast) or `fp32`, as `config` asks for; of a training that is resumed
            that in which it began.
    """

    model: nn.Module
    config: ClassifierConfig
    seed: int
    device: torch.device
    counts: list[int]
    arm: Arm = ARMS[BASELINE]
    setting: Setting = USUAL
    losses: list[tuple[int, float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.precision = precision_on(self.device, self.config.precision)
        if self.device.type == "cpu":
            keep_gradients_written(self.model)
        self._weights = [p for p in self.model.parameters() if p.requires_grad and p.ndim > 1]
        plain = [p for p in self.model.parameters() if p.requires_grad and p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": self._weights, "weight_decay": self.config.weight_decay},
             {"params": plain, "weight_decay": 0.0}],
            lr=self.config.learning_rate,
        )  # fmt: skip
        self._offsets = self.arm.offsets(self.counts, self.setting).to(self.device)

    def logits(self, inputs: Tensor) -> Tensor:
        """Return (N, classes) float32 logits, computed in `precision`."""
        with autocast(self.device, self.precision):
            out: Tensor = self.model(inputs)
        return out.float()

    def predict(self, examples: Examples) -> Tensor:
        """Return the (N, classes) float32 logits of all examples, on the CPU."""
        self.model.eval()
        with torch.inference_mode():
            parts = [self.logits(inputs).cpu() for inputs in examples.plain()]
        return torch.cat([torch.empty(0, len(self.counts)), *parts])

    def train(
        self,
        examples: Examples,
        folder: Path,
        inputs: str,
        name: str,
        on_progress: Progress,
        checkpoint_every_s: float,
    ) -> None:
        """Train to the last step, from the newest checkpoint in `folder` of the same `inputs`.

        Those that are damaged, or of other inputs, are deleted with a warning.

        Args:
            examples: of the training part.
            folder: gets `checkpoints/`, which stays.
            inputs: a hash of all that decides the result.
            name: of the training, in progress and errors.
            on_progress: called after each step.
            checkpoint_every_s: seconds between checkpoints, as of `pause_s`; 0: one at each step.

        Raises:
            TrainingDiverged: the loss is not finite, or the weights are not at the end.
        """
        sound = finite_tensors(self.model.state_dict())
        total, due = self.config.steps, time.monotonic() + checkpoint_every_s
        weights = self.arm.weights(examples, self.counts, self.setting)
        for step in range(self._resume(folder, inputs), total):
            loss, rate = self.step(examples, weights, step)
            if not math.isfinite(loss):
                raise TrainingDiverged(
                    f"classifier ({name}): the loss is {loss} at step {step + 1} of {total}. "
                    "Lower classifier.learning_rate and run again."
                )
            self.losses.append((step + 1, loss, rate))
            if step + 1 < total and (began := time.monotonic()) >= due:
                self._save(folder, inputs, step + 1)
                ended = time.monotonic()
                due = ended + pause_s(checkpoint_every_s, ended - began)
            on_progress(step + 1, total, f"{name}, loss {loss:.3f}")
        # No loss tells what the last step did to the weights.
        if lost := sorted(sound - finite_tensors(self.model.state_dict())):
            raise TrainingDiverged(
                f"classifier ({name}): {lost[0]} holds NaN or infinity after the last of {total} "
                "steps. Lower classifier.learning_rate and run again."
            )

    def step(self, examples: Examples, weights: Tensor, step: int) -> tuple[float, float]:
        """Take one optimizer step; return its loss and learning rate.

        Args:
            examples: of the training part.
            weights: (N,) of each example in the loss.
            step: number of the step, from 0.
        """
        config, arm = self.config, self.arm
        rate = self.setting.rate * learning_rate_at(step, config)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        seed_torch(seed_for("classifier", "dropout", self.seed, step))
        this = Step(step, config.steps, config.batch_size, self.seed)
        chosen = arm.indices(examples, this, self.setting)
        draws = generator_for("classifier", "augment", self.seed, step)
        batch = self._batch(examples, chosen, draws)
        others = arm.partners(examples, this)
        partners = None if others is None else self._batch(examples, others, draws)
        inputs, targets = arm.mixed(batch, partners, len(self.counts), draws)
        targets = _smoothed(targets, config.label_smoothing)
        self.model.train()
        logits = self.logits(inputs) + self._offsets
        losses = arm.losses(logits, targets, self.setting)
        loss = _weighted_mean(losses, weights[chosen].to(self.device))
        if penalty := self.setting.penalty:
            loss = loss + penalty / 2 * torch.stack([w.square().sum() for w in self._weights]).sum()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.item(), rate

    def _batch(self, examples: Examples, chosen: Tensor, draws: torch.Generator) -> Batch:
        labels = examples.labels[chosen].to(self.device)
        return Batch(examples.augmented(chosen, draws), labels)

    def _save(self, folder: Path, inputs: str, step: int) -> None:
        parts = {
            "inputs": inputs, "precision": self.precision, "losses": self.losses,
            "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(),
        }  # fmt: skip
        save_checkpoint(folder / CHECKPOINTS, step, parts)

    def _resume(self, folder: Path, inputs: str) -> int:
        """Load the newest checkpoint of the same inputs; return the number of steps done."""
        parts = load_newest_whole(folder / CHECKPOINTS)
        if parts is None:
            return 0
        try:
            if parts.get("inputs") != inputs:
                raise BadInput(f"{folder}: holds checkpoints of other settings or images.")
            load_into(self.model, parts["model"], str(folder / CHECKPOINTS))
        except BadInput as error:  # also of another timm, which builds the model otherwise
            _log.warning("%s The training begins again, and its checkpoints are deleted.", error)
            remove_checkpoints(folder)
            return 0
        self.precision = parts["precision"]
        self.optimizer.load_state_dict(parts["optimizer"])
        self.losses = [tuple(row) for row in parts["losses"]]
        _log.info("%s: going on from step %d", folder, parts["step"])
        return int(parts["step"])


def _smoothed(targets: Tensor, smoothing: float) -> Tensor:
    """Spread a share of (N, classes) soft labels evenly over the classes."""
    return torch.lerp(targets, torch.full_like(targets, 1 / targets.shape[1]), smoothing)


def _weighted_mean(losses: Tensor, weights: Tensor) -> Tensor:
    return (weights * losses).sum() / weights.sum()


def pause_s(every_s: float, writing_s: float) -> float:
    """Return the seconds until the next checkpoint, at least `every_s`.

    Writing half a second's file every 15 s costs a thirtieth of the time, and a longer one no more.
    """
    return every_s * max(1.0, writing_s / _LONG_S)


def remove_checkpoints(folder: Path) -> None:
    """Delete the checkpoints of a trial that has ended or cannot be resumed."""
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
