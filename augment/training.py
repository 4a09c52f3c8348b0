"""Train one diffusion model on the images of one class, resumable to the bit.

Own loop instead of upstream's `Trainer`, which refuses fewer than 100 images (the minority case
itself), writes checkpoints in place and stores neither random state nor data position. Here the
data order, symmetries, timesteps and noise of a step are functions of (seed, class, step), so
the step number is the whole random state: a resumed run repeats nothing and skips nothing.
"""

import hashlib
import logging
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from augment.condition import ask_for
from augment.generator import CARD, WEIGHTS
from augment.health import is_healthy
from augment.losses import write_losses
from augment.plan import FEWEST_IMAGES
from augment.recipe import Recipe
from augment.sampling import draw_batch
from augment.solvers import SamplingConfig
from augment.stepper import Stepper
from terrabalance import __version__
from terrabalance.checkpoint import drop_checkpoints, load_newest, save_checkpoint, write_tensors
from terrabalance.device import supports_bf16
from terrabalance.errors import BadInput, TrainingDiverged
from terrabalance.files import done, fingerprint, mark_done, sha256_of, write_json
from terrabalance.images import grid, write_png
from terrabalance.progress import Progress, silent
from terrabalance.seeds import seed_for

log = logging.getLogger(__name__)

_MOST_ROLLBACKS = 3
_LOOK_EVERY = 10  # steps between two looks at the loss: each look waits for the device
_PREVIEW = SamplingConfig(batch_size=8)


def train_generator(
    images: np.ndarray,
    recipe: Recipe,
    folder: Path,
    device: torch.device,
    on_progress: Progress = silent,
    labels: np.ndarray | None = None,
) -> Path:
    """Train a class's generator in `folder`, going on from the newest checkpoint there.

    Args:
        images: (N, 3, S, S) uint8 real images of the train part.
        recipe: class, network, loop and seed.
        folder: gets `generator.safetensors` (averaged weights), `card.json`, `losses.csv`,
            `previews/`, `tensorboard/`, and `done.json` last.
        device: to train on.
        on_progress: told (steps done, steps in all, loss).
        labels: (N,) int64, places in `recipe.classes`; None: all are of `recipe.class_name`.

    Returns:
        `folder`.

    Raises:
        BadInput: fewer than two images, or what is in `folder` is of another recipe, of other
            images, or of another precision.
        TrainingDiverged: the loss is not finite or jumps, even at an eighth of the learning rate;
            the last good checkpoint is kept.
    """
    key = training_key(images, recipe, labels)
    if (finished := done(folder)) is not None:
        _refuse_other(folder, finished["key"], key)
        return folder
    if len(images) < FEWEST_IMAGES:
        raise BadInput(
            f"{recipe.title}: {len(images)} images in the train part, a generator needs at "
            f"least {FEWEST_IMAGES}. Add images or leave the class out with --classes."
        )
    training = Training(images, recipe, folder, device, key, labels)
    training.restore()
    training.run(on_progress)
    training.finish()
    return folder


def training_key(images: np.ndarray, recipe: Recipe, labels: np.ndarray | None = None) -> str:
    """Return the hash of all that decides a generator; the arguments are `train_generator`'s."""
    loop = recipe.training.model_dump(exclude={"checkpoint_every", "preview_every"})
    content = hashlib.sha256(np.ascontiguousarray(images).data).hexdigest()
    start = sha256_of(recipe.start / WEIGHTS) if recipe.start else None
    told = None if labels is None else labels.tolist()
    generator = recipe.generator.model_dump()
    named = [recipe.class_name, recipe.classes, recipe.seed]
    return fingerprint(named, generator, loop, start, told, images.shape, content)


def _refuse_other(folder: Path, found: str, wanted: str) -> None:
    if found != wanted:
        raise BadInput(
            f"{folder}: holds a generator of other images or settings. Name another folder."
        )


class Training:
    """A training in its folder: what it reports, saves, and does when it goes wrong."""

    def __init__(
        self,
        images: np.ndarray,
        recipe: Recipe,
        folder: Path,
        device: torch.device,
        key: str = "",
        labels: np.ndarray | None = None,
    ) -> None:
        if labels is None:
            labels = np.full(len(images), recipe.label)
        self.n_images, self.recipe, self.folder, self.device = len(images), recipe, folder, device
        self.key, self.config = key, recipe.training
        self.precision = _precision(self.config.precision, device)
        self.stepper = Stepper(images, labels, recipe, device, self.precision)
        shown = np.linspace(0, len(labels) - 1, _PREVIEW.batch_size).round().astype(int)
        self.preview_labels = torch.from_numpy(np.sort(labels)[shown])
        self.elapsed_s = 0.0
        self.losses: list[list[float]] = []  # rows of losses.csv
        self.pending: list[tuple[Tensor, Tensor]] = []  # losses still on the device

    @property
    def step(self) -> int:
        """Optimizer steps taken."""
        return self.stepper.step

    def restore(self) -> None:
        """Take up the newest checkpoint, if there is one."""
        saved = load_newest(self.folder / "checkpoints")
        if saved is None:
            return
        _refuse_other(self.folder, saved["key"], self.key)
        if saved["precision"] != self.precision:
            raise BadInput(
                f"{self.folder}: training began in {saved['precision']} and would go on in "
                f"{self.precision}. Set training.precision={saved['precision']}, or delete its "
                "checkpoints to begin again."
            )
        self.stepper.load(saved)
        self.elapsed_s, self.losses = saved["elapsed_s"], saved["losses"]
        log.info("%s: going on from step %d", self.recipe.title, self.step)

    def run(self, on_progress: Progress) -> None:
        """Train to the last step, looking, previewing and saving at fixed step numbers."""
        began = time.monotonic() - self.elapsed_s
        with SummaryWriter(str(self.folder / "tensorboard"), purge_step=self.step + 1) as board:
            while self.step < self.config.steps:
                self.pending.append(self.stepper.advance())
                last = self.step == self.config.steps
                save = last or self.step % self.config.checkpoint_every == 0
                if save or self.step % _LOOK_EVERY == 0:
                    loss, norm = self.look()
                    if not is_healthy(loss, norm, [row[2] for row in self.losses]):
                        self.roll_back(loss, norm)
                        continue
                    self.note(loss, norm, board)
                    message = f"{self.recipe.title}: loss {loss:.4f}"
                    on_progress(self.step, self.config.steps, message)
                if last or self.step % self.config.preview_every == 0:
                    self.preview()
                if save:
                    self.elapsed_s = time.monotonic() - began
                    self.save()

    def look(self) -> tuple[float, float]:
        """Read the pending losses and gradient norms from the device; return their means."""
        loss, norm = torch.tensor(self.pending).mean(0).tolist()
        self.pending.clear()
        return loss, norm

    def note(self, loss: float, norm: float, board: SummaryWriter) -> None:
        """Add a row to the losses."""
        rate = self.stepper.rate(self.step - 1)
        self.losses.append([self.step, self._seen(), loss, rate, norm])
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
        self.restore()
        self.stepper.n_halvings_of_rate = n_rollbacks
        log.warning(
            "%s: loss %g, gradient norm %g by step %d; back at step %d, at half the learning rate",
            self.recipe.title, loss, norm, bad_step, self.step,
        )  # fmt: skip

    def preview(self) -> None:
        """Draw the same eight noises with the averaged weights, to see the training at work."""
        seeds = [seed_for("preview", self.recipe.class_name, i) for i in range(_PREVIEW.batch_size)]
        diffusion, average = self.stepper.diffusion, self.stepper.average.network
        if self.recipe.classes:
            ask_for(average, self.preview_labels)
        config = _PREVIEW.model_copy(update={"steps": min(_PREVIEW.steps, diffusion.num_timesteps)})
        diffusion.model = average
        images, _ = draw_batch(diffusion, seeds, config, self.device)
        diffusion.model = self.stepper.network
        write_png(self.folder / "previews" / f"step_{self.step:07d}.png", grid(images, columns=4))

    def save(self) -> None:
        """Write losses.csv and a checkpoint with all that is needed to go on."""
        write_losses(self.folder / "losses.csv", self.losses)
        parts = {
            **self.stepper.state(),
            "losses": self.losses,
            "elapsed_s": self.elapsed_s,
            "precision": self.precision,
            "key": self.key,
        }
        save_checkpoint(self.folder / "checkpoints", self.step, parts)

    def finish(self) -> None:
        """Write the averaged weights and the card, mark the folder done, drop the checkpoints."""
        write_tensors(self.folder / WEIGHTS, self.stepper.average.network.state_dict())
        recipe = self.recipe
        card = {
            "class_name": recipe.title,
            "n_images": self.n_images,
            "config": {
                "generator": recipe.generator.model_dump(),
                "training": recipe.training.model_dump(),
            },
            "seed": recipe.seed,
            "classes": list(recipe.classes),
            "draws": list(recipe.draws),
            "start": recipe.start and recipe.start.name,
            "steps": self.step,
            "images_seen": self._seen(),
            "n_rollbacks": self.stepper.n_halvings_of_rate,
            "seconds": round(self.elapsed_s, 1),
            "device": self.device.type,
            "precision": self.precision,
            "parameters": sum(p.numel() for p in self.stepper.network.parameters()),
            "final_loss": self.losses[-1][2],
            "versions": {"terrabalance": __version__, "torch": torch.__version__},
        }
        write_json(self.folder / CARD, card)
        mark_done(self.folder, {"class": recipe.title, "steps": self.step, "key": self.key})
        drop_checkpoints(self.folder / "checkpoints")

    def _seen(self) -> int:
        return self.step * self.config.batch_size * self.config.accumulate


def _precision(wanted: str, device: torch.device) -> str:
    if wanted != "auto":
        return wanted
    return "bf16" if supports_bf16(device) else "fp32"
