"""Train one diffusion model on the images of one class, resumable to the bit.

Own loop instead of upstream's `Trainer`, which refuses fewer than 100 images (the minority case
itself), writes checkpoints in place and stores neither random state nor data position. Here the
data order, symmetries, timesteps and noise of a step are functions of (seed, class, step), so
the step number is the whole random state: a resumed run repeats nothing and skips nothing.
"""

import logging
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from augment.batches import BatchSource
from augment.ema import WeightAverage
from augment.generator import CARD, WEIGHTS, build_diffusion, save_generator
from augment.losses import write_losses
from augment.objective import diffusion_loss
from augment.recipe import Recipe
from augment.sampling import SamplingConfig, draw_batch
from terrabalance import __version__
from terrabalance.checkpoint import drop_checkpoints, load_newest, save_checkpoint
from terrabalance.device import supports_bf16
from terrabalance.errors import BadInput, TrainingDiverged
from terrabalance.files import done, mark_done, write_json
from terrabalance.images import grid, write_png
from terrabalance.progress import Progress, silent
from terrabalance.seeds import seed_for

log = logging.getLogger(__name__)

MIN_IMAGES = 2
_N_SYMMETRIES = {"all": 8, "rotations": 4, "none": 1}
_FLUSH_EVERY = 10  # steps between two looks at the loss: each look waits for the device
_PREVIEW = SamplingConfig(sampler="ddim", steps=25, batch_size=8)


def train_generator(
    images: np.ndarray,
    recipe: Recipe,
    folder: Path,
    device: torch.device,
    on_progress: Progress = silent,
) -> Path:
    """Train a class's generator in `folder`, going on from the newest checkpoint there.

    Args:
        images: (N, 3, S, S) uint8 real images of the train part.
        recipe: class, network, loop and seed.
        folder: gets `generator.safetensors` (averaged weights), `card.json`, `losses.csv`,
            `previews/`, `tensorboard/`, and `done.json` last.
        device: to train on.
        on_progress: told (steps done, steps in all, loss).

    Returns:
        `folder`.

    Raises:
        BadInput: fewer than two images, or the checkpoint there is of another precision.
        TrainingDiverged: the loss is not finite; the last checkpoint is kept.
    """
    if done(folder) is not None:
        return folder
    if len(images) < MIN_IMAGES:
        raise BadInput(
            f"{recipe.class_name}: {len(images)} images in the train part, a generator needs at "
            f"least {MIN_IMAGES}. Add images or leave the class out with --classes."
        )
    training = Training(images, recipe, folder, device)
    training.restore()
    training.run(on_progress)
    training.finish()
    return folder


class Training:
    """The state of one training and the few verbs that change it."""

    def __init__(
        self, images: np.ndarray, recipe: Recipe, folder: Path, device: torch.device
    ) -> None:
        self.n_images, self.recipe, self.folder, self.device = len(images), recipe, folder, device
        self.config = recipe.training
        self.precision = _precision(self.config.precision, device)
        torch.manual_seed(seed_for(recipe.seed, "init", recipe.class_name))
        self.diffusion = build_diffusion(recipe.generator)
        self.diffusion.to(device, memory_format=torch.channels_last)
        self.network = self.diffusion.model
        self.average = WeightAverage(self.network, self.config.ema_decay)
        # Betas as upstream's Trainer; fused is one kernel a step instead of one a tensor.
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), lr=self.config.learning_rate, betas=(0.9, 0.99), fused=True
        )
        self.batches = BatchSource(
            images,
            self.config.batch_size,
            _N_SYMMETRIES[self.config.symmetries],
            self.diffusion.num_timesteps,
            key=(recipe.seed, "train", recipe.class_name),
        )
        self.step, self.elapsed_s = 0, 0.0
        self.losses: list[list[float]] = []  # rows of losses.csv
        self.pending: list[tuple[Tensor, Tensor]] = []  # losses still on the device

    def restore(self) -> None:
        """Take up the newest checkpoint, if there is one."""
        saved = load_newest(self.folder / "checkpoints")
        if saved is None:
            return
        if saved["precision"] != self.precision:
            raise BadInput(
                f"{self.folder}: training began in {saved['precision']} and would go on in "
                f"{self.precision}. Set training.precision={saved['precision']}, or delete its "
                "checkpoints to begin again."
            )
        self.network.load_state_dict(saved["network"])
        self.average.network.load_state_dict(saved["average"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.step, self.elapsed_s, self.losses = saved["step"], saved["elapsed_s"], saved["losses"]
        log.info("%s: going on from step %d", self.recipe.class_name, self.step)

    def run(self, on_progress: Progress) -> None:
        """Train to the last step, looking, previewing and saving at fixed step numbers."""
        began = time.monotonic() - self.elapsed_s
        with SummaryWriter(str(self.folder / "tensorboard"), purge_step=self.step) as board:
            while self.step < self.config.steps:
                self.pending.append(self.train_step())
                last = self.step == self.config.steps
                save = last or self.step % self.config.checkpoint_every == 0
                if save or self.step % _FLUSH_EVERY == 0:
                    loss = self.flush(board)
                    message = f"{self.recipe.class_name}: loss {loss:.4f}"
                    on_progress(self.step, self.config.steps, message)
                if last or self.step % self.config.preview_every == 0:
                    self.preview()
                if save:
                    self.elapsed_s = time.monotonic() - began
                    self.save()

    def train_step(self) -> tuple[Tensor, Tensor]:
        """Take one optimizer step; return the loss and the gradient norm, still on the device."""
        total = torch.zeros((), device=self.device)
        for micro in range(self.config.accumulate):
            batch = self.batches[self.step * self.config.accumulate + micro]
            images, times, noise = (part.to(self.device, non_blocking=True) for part in batch)
            bf16 = self.precision == "bf16"
            with torch.autocast(self.device.type, torch.bfloat16, enabled=bf16):
                loss = diffusion_loss(self.diffusion, images, times, noise, self.config.loss)
            loss = loss / self.config.accumulate
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.average.update(self.network, self.step)
        return total, norm

    def flush(self, board: SummaryWriter) -> float:
        """Read the pending losses from the device, check them, note and return their mean."""
        loss, norm = torch.tensor(self.pending).mean(0).tolist()
        self.pending.clear()
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise TrainingDiverged(
                f"{self.recipe.class_name}: loss {loss}, gradient norm {norm} by step {self.step}. "
                f"The last checkpoint in {self.folder / 'checkpoints'} is good. Lower "
                f"training.learning_rate (now {self.config.learning_rate}) and run again."
            )
        self.losses.append([self.step, self._seen(), loss, self.config.learning_rate, norm])
        board.add_scalar("loss", loss, self.step)
        board.add_scalar("grad_norm", norm, self.step)
        return float(loss)

    def preview(self) -> None:
        """Draw the same eight noises with the averaged weights, to see the training at work."""
        seeds = [seed_for("preview", self.recipe.class_name, i) for i in range(_PREVIEW.batch_size)]
        self.diffusion.model = self.average.network
        steps = min(_PREVIEW.steps, self.diffusion.num_timesteps)
        config = _PREVIEW.model_copy(update={"steps": steps})
        images, _ = draw_batch(self.diffusion, seeds, config, self.device)
        self.diffusion.model = self.network
        write_png(self.folder / "previews" / f"step_{self.step:07d}.png", grid(images, columns=4))

    def save(self) -> None:
        """Write losses.csv and a checkpoint with all that is needed to go on."""
        write_losses(self.folder / "losses.csv", self.losses)
        parts = {
            "network": self.network.state_dict(),
            "average": self.average.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "losses": self.losses,
            "elapsed_s": self.elapsed_s,
            "precision": self.precision,
        }
        save_checkpoint(self.folder / "checkpoints", self.step, parts)

    def finish(self) -> None:
        """Write the averaged weights and the card, mark the folder done, drop the checkpoints."""
        save_generator(self.average.network, self.folder / WEIGHTS)
        recipe = self.recipe
        card = {
            "class_name": recipe.class_name,
            "n_images": self.n_images,
            "config": {
                "generator": recipe.generator.model_dump(),
                "training": recipe.training.model_dump(),
            },
            "seed": recipe.seed,
            "steps": self.step,
            "images_seen": self._seen(),
            "seconds": round(self.elapsed_s, 1),
            "device": self.device.type,
            "precision": self.precision,
            "parameters": sum(p.numel() for p in self.network.parameters()),
            "final_loss": self.losses[-1][2],
            "versions": {"terrabalance": __version__, "torch": torch.__version__},
        }
        write_json(self.folder / CARD, card)
        mark_done(self.folder, {"class": recipe.class_name, "steps": self.step})
        drop_checkpoints(self.folder / "checkpoints")

    def _seen(self) -> int:
        return self.step * self.config.batch_size * self.config.accumulate


def _precision(wanted: str, device: torch.device) -> str:
    if wanted != "auto":
        return wanted
    return "bf16" if supports_bf16(device) else "fp32"
