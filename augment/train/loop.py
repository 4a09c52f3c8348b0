"""The training loop of one generator.

The data order, symmetries, timesteps and noise of a step are functions of (seed, class, step), so
the step number is the whole random state: a resumed run repeats nothing and skips nothing.
"""

import logging
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from augment.config import SamplingConfig
from augment.network.conditioning import ask_for
from augment.network.generator import CARD, WEIGHTS
from augment.sample.batch import draw_batch
from augment.train.divergence import is_healthy
from augment.train.evaluation import FEWEST, HeldOut, Witness
from augment.train.history import write_looks, write_losses
from augment.train.process_group import Crew
from augment.train.selection import Review
from augment.train.snapshots import Snapshots
from augment.train.spec import Recipe
from augment.train.stepper import Stepper
from terrabalance import __version__
from terrabalance.checkpoint import drop_checkpoints, load_newest, save_checkpoint, write_tensors
from terrabalance.device import forget_peak_memory, peak_memory, precision_on
from terrabalance.errors import BadInput, TrainingDiverged
from terrabalance.files import mark_done, write_json
from terrabalance.images import grid, write_png
from terrabalance.progress import Progress
from terrabalance.seeds import seed_for

log = logging.getLogger(__name__)

_MOST_ROLLBACKS = 3
_READ_EVERY = 10  # steps between two readings of the loss: each waits for the device
_PREVIEW = SamplingConfig(batch_size=8)


class Training:
    """A training in its folder: what it reports, saves, and does when it goes wrong.

    Of a crew all run this, and see the same losses, so that all go back and end at the same step.
    The main rank alone has held-out images, writes, and reports.
    """

    def __init__(
        self,
        images: np.ndarray,
        recipe: Recipe,
        folder: Path,
        device: torch.device,
        key: str = "",
        labels: np.ndarray | None = None,
        held_out: HeldOut | None = None,
        crew: Crew | None = None,
    ) -> None:
        if labels is None:
            labels = np.full(len(images), recipe.label)
        self.asked = recipe
        recipe = replace(recipe, training=recipe.training.for_images(len(images)))
        self.n_images, self.recipe, self.folder, self.device = len(images), recipe, folder, device
        self.key, self.config, self.crew = key, recipe.training, crew or Crew()
        self.precision = precision_on(device, self.config.precision)
        self.stepper = Stepper(images, labels, recipe, device, self.precision, self.crew)
        self.review = self._review(images, labels, held_out)
        self.looks_due = self.crew.told(self.review.due if self.review else set())
        self.memorizes = False
        shown = np.linspace(0, len(labels) - 1, _PREVIEW.batch_size).round().astype(int)
        self.preview_labels = torch.from_numpy(np.sort(labels)[shown])
        self.elapsed_s = 0.0
        self.losses: list[list[float]] = []  # rows of losses.csv
        self.pending: list[tuple[Tensor, Tensor]] = []  # losses still on the device

    def _review(
        self, images: np.ndarray, labels: np.ndarray, held_out: HeldOut | None
    ) -> Review | None:
        if held_out is None or len(held_out.images) < FEWEST or not self.config.looks:
            return None
        key, told = (self.recipe.seed, "look", self.recipe.class_name), bool(self.recipe.classes)
        witness = Witness(images, labels, held_out, key, told, self.device)
        return Review(witness, self.folder / "snapshots", self.config)

    @property
    def step(self) -> int:
        """Optimizer steps taken."""
        return self.stepper.step

    def restore(self) -> None:
        """Take up the newest checkpoint, if there is one."""
        saved = load_newest(self.folder / "checkpoints")
        if saved is None:
            return
        refuse_other(self.folder, saved["key"], self.key)
        if saved["precision"] != self.precision:
            raise BadInput(
                f"{self.folder}: training began in {saved['precision']} and would go on in "
                f"{self.precision}. Set training.precision={saved['precision']}, or delete its "
                "checkpoints to begin again."
            )
        self.stepper.load(saved)
        self.elapsed_s, self.losses = saved["elapsed_s"], saved["losses"]
        if self.review:
            self.review.load(saved["looks"])
        log.info("%s: going on from step %d", self.recipe.title, self.step)

    def run(self, on_progress: Progress) -> None:
        """Train to the end, judging, previewing and saving at fixed step numbers."""
        began = time.monotonic() - self.elapsed_s
        forget_peak_memory(self.device)
        self.memorizes = self._memorizes()
        with self._board() as board:
            while not self.is_over():
                self.pending.append(self.stepper.advance())
                last, judge = self.step == self.config.steps, self.step in self.looks_due
                save = last or judge or self.step % self.config.checkpoint_every == 0
                if save or self.step % _READ_EVERY == 0:
                    loss, norm = self.read_losses()
                    if not is_healthy(loss, norm, [row[2] for row in self.losses]):
                        self.roll_back(loss, norm)
                        continue
                    self.note(loss, norm, board)
                    message = f"{self.recipe.title}: loss {loss:.4f}"
                    on_progress(self.step, self.config.steps, message)
                if judge:
                    self.judge(board)
                    self.memorizes = self._memorizes()
                if not self.crew.is_main:
                    continue
                if last or self.step % self.config.preview_every == 0:
                    self.preview()
                if save:
                    self.elapsed_s = time.monotonic() - began
                    self.save()

    def _board(self) -> AbstractContextManager[SummaryWriter | None]:
        if not self.crew.is_main:
            return nullcontext()
        return SummaryWriter(str(self.folder / "tensorboard"), purge_step=self.step + 1)

    def is_over(self) -> bool:
        """Say whether the last step is done, or the training memorizes."""
        return self.step == self.config.steps or self.memorizes

    def _memorizes(self) -> bool:
        """Say what the looks say, to all of the crew."""
        return self.crew.told(self.review is not None and self.review.is_over())

    def judge(self, board: SummaryWriter | None) -> None:
        """Let held-out images speak, where this process has them."""
        if self.review is None or board is None:
            return
        seen = self.review.take(self.stepper)
        for name in ("held_out_loss", "kid", "coverage", "copies"):
            board.add_scalar(name, getattr(seen, name), self.step)
        log.info("%s: %s", self.recipe.title, seen)

    def read_losses(self) -> tuple[float, float]:
        """Read the pending losses and gradient norms from the device; return their means.

        The same numbers for all of the crew.
        """
        pairs = self.crew.mean(torch.stack([torch.stack(pair) for pair in self.pending]))
        loss, norm = pairs.cpu().mean(0).tolist()  # the one wait for the device
        self.pending.clear()
        return loss, norm

    def note(self, loss: float, norm: float, board: SummaryWriter | None) -> None:
        """Add a row to the losses."""
        rate = self.stepper.rate(self.step - 1)
        self.losses.append([self.step, self._seen(), loss, rate, norm])
        if board:
            board.add_scalar("loss", loss, self.step)
            board.add_scalar("grad_norm", norm, self.step)

    def roll_back(self, loss: float, norm: float) -> None:
        """Go back to the last good state, and on from there at half the learning rate."""
        n_rollbacks, bad_step = self.stepper.n_halvings_of_rate + 1, self.step
        if n_rollbacks > _MOST_ROLLBACKS:
            raise TrainingDiverged(
                f"{self.recipe.title}: loss {loss:g}, gradient norm {norm:g} by step {bad_step}, "
                f"after going back {_MOST_ROLLBACKS} times already. The last checkpoint in "
                f"{self.folder / 'checkpoints'} is good. Lower training.learning_rate (now "
                f"{self.config.learning_rate}) and run again."
            )
        self.stepper.begin()
        self.losses = []
        if self.review:
            self.review.load([])
        self.restore()
        self.stepper.n_halvings_of_rate = n_rollbacks
        log.warning(
            "%s: loss %g, gradient norm %g by step %d; back at step %d, at half the learning rate",
            self.recipe.title, loss, norm, bad_step, self.step,
        )  # fmt: skip

    def preview(self) -> None:
        """Draw the same eight noises with the averaged weights, to see the training at work."""
        seeds = [seed_for("preview", self.recipe.class_name, i) for i in range(_PREVIEW.batch_size)]
        average = self.stepper.average
        if self.recipe.classes:
            ask_for(average, self.preview_labels)
        with self.stepper.drawing_with(average) as diffusion:
            steps = min(_PREVIEW.steps, diffusion.num_timesteps)
            config = _PREVIEW.model_copy(update={"steps": steps})
            bands = self.recipe.bands
            images, _ = draw_batch(diffusion, seeds, config, self.device, bands.level_type)
        write_png(
            self.folder / "previews" / f"step_{self.step:07d}.png",
            grid(bands.preview(images), columns=4),
        )

    def save(self) -> None:
        """Write the histories and a checkpoint with all that is needed to go on."""
        write_losses(self.folder / "losses.csv", self.losses)
        if self.review:
            write_looks(self.folder / "looks.csv", self.review.looks)
        parts = {
            **self.stepper.state(),
            "losses": self.losses,
            "looks": self.review.state() if self.review else [],
            "elapsed_s": self.elapsed_s,
            "precision": self.precision,
            "key": self.key,
        }
        save_checkpoint(self.folder / "checkpoints", self.step, parts)

    def finish(self) -> None:
        """Write the chosen weights and the card, mark the folder done, drop the rest."""
        choice = self.review.pick(self.stepper) if self.review else None
        write_tensors(self.folder / WEIGHTS, self.stepper.average.state_dict())
        recipe = self.asked
        card = {
            "class_name": recipe.title,
            "n_images": self.n_images,
            "config": {
                "generator": recipe.generator.model_dump(),
                "training": recipe.training.model_dump(),
            },
            "bands": asdict(recipe.bands),
            "seed": recipe.seed,
            "classes": list(recipe.classes),
            "draws": list(recipe.draws),
            "start": recipe.start and recipe.start.name,
            "steps": self.step,
            "images_seen": self._seen(),
            "planned_steps": self.config.steps,
            "judge": self.review and self.review.judge,
            "chosen": choice and choice.card(),
            "n_rollbacks": self.stepper.n_halvings_of_rate,
            "seconds": round(self.elapsed_s, 1),
            "peak_memory_bytes": peak_memory(self.device),
            "device": self.device.type,
            "devices": self.crew.n,
            "precision": self.precision,
            "parameters": sum(p.numel() for p in self.stepper.network.parameters()),
            "final_loss": self.losses[-1][2],
            "versions": {"terrabalance": __version__, "torch": torch.__version__},
        }
        write_json(self.folder / CARD, card)
        mark_done(self.folder, {"class": recipe.title, "steps": self.step, "key": self.key})
        tidy(self.folder)

    def _seen(self) -> int:
        return self.step * self.config.batch_size * self.config.accumulate


def tidy(folder: Path) -> None:
    """Delete what a finished training kept for going on."""
    drop_checkpoints(folder / "checkpoints")
    Snapshots(folder / "snapshots").drop()


def refuse_other(folder: Path, found: str, wanted: str) -> None:
    """Stop where the `training_key` of what a folder holds is not the wanted one.

    Raises:
        BadInput: they differ.
    """
    if found != wanted:
        raise BadInput(
            f"{folder}: holds a generator of other images or settings. Name another folder."
        )
