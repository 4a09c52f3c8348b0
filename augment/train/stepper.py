"""One optimizer step of a diffusion model after another: batches in, weights changed."""

import logging
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from denoising_diffusion_pytorch import GaussianDiffusion
from torch import Tensor, nn

from augment.network.compiling import compile_network, stop_compiling
from augment.network.conditioning import ask_for, tell_changes
from augment.network.generator import build_diffusion, load_weights
from augment.train.batches import Batch, BatchSource
from augment.train.ema import LENGTHS, USUAL, Average, PowerAverage, WeightAverage
from augment.train.learning_rate import learning_rate_at
from augment.train.objective import diffusion_loss
from augment.train.process_group import Crew, TooMany
from augment.train.spec import Recipe
from terrabalance.cuda_graphs import Replay
from terrabalance.device import autocast, describe_device, tuned_convolutions
from terrabalance.errors import BadInput
from terrabalance.seeds import seed_for
from terrabalance.sizes import describe_size
from terrabalance.symmetry import keep_shape

log = logging.getLogger(__name__)

_SYMMETRIES = {"all": tuple(range(8)), "rotations": (0, 1, 2, 3), "flip": (0, 4), "none": (0,)}


class Stepper:
    """A network, its average, its optimizer, and the step that they have reached.

    Args:
        images: (N, C, H, W) levels, see `terrabalance.bands`.
        labels: (N,) int64, places in `recipe.classes`.
        recipe: what to train, and how.
        device: to train on.
        precision: `bf16` (autocast) or `fp32`.
        crew: with whom each step is taken.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        recipe: Recipe,
        device: torch.device,
        precision: str,
        crew: Crew | None = None,
    ) -> None:
        self.recipe, self.config = recipe, recipe.training
        self.device, self.precision, self.crew = device, precision, crew or Crew()
        self.micro_batch = -(-self.config.batch_size // self.crew.n)
        self.n_halvings_of_rate = 0
        self.compiles = recipe.training.compile
        self._learn = self._replay()
        self.begin()
        sides = images.shape[-2:]
        self.batches = BatchSource(
            images,
            labels,
            self.config.batch_size,
            [which for which in _SYMMETRIES[self.config.symmetries] if which in keep_shape(*sides)],
            self.diffusion.num_timesteps,
            # A network that is to draw one class only is never asked without its label.
            self.config.label_dropout if len(set(labels.tolist())) > 1 else 0.0,
            len(recipe.classes),
            self.config.augment,
            key=(recipe.seed, "train", recipe.class_name),
            device=device,
        )

    def begin(self) -> None:
        """Go to step 0: random weights, or those that the recipe starts from."""
        recipe = self.recipe
        self._learn.forget()
        torch.manual_seed(seed_for(recipe.seed, "init", recipe.class_name))
        n_classes, n_bands = len(recipe.classes), recipe.bands.count
        self.diffusion = build_diffusion(recipe.generator, n_classes, n_bands)
        if recipe.start is not None:
            load_weights(self.diffusion.model, recipe.start)
        self.diffusion.to(self.device, memory_format=torch.channels_last)
        self.network = self.diffusion.model
        self.averages = self._averages()
        # Betas as upstream's Trainer; fused is one kernel a step instead of one a tensor.
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), lr=self.config.learning_rate, betas=(0.9, 0.99), fused=True
        )
        self.step = 0
        if self.compiles:
            compile_network(self.network)
        self.diffusion.model = self.crew.share(self.network)

    def _replay(self) -> Replay:
        # Several processes talk to each other in the middle of a backward pass.
        device = self.device if self.crew.n == 1 else torch.device("cpu")
        # Weakly: in a cycle, the memory of a finished training would wait for the collector.
        return Replay(partial(Stepper._learn_from, weakref.proxy(self)), device)

    def _averages(self) -> list[Average]:
        if self.config.ema_decay is None:
            return [PowerAverage(self.network, length) for length in LENGTHS]
        return [WeightAverage(self.network, self.config.ema_decay)]

    @property
    def average(self) -> nn.Module:
        """The averaged network that is drawn from, until the end has chosen another."""
        return self.averages[min(USUAL, len(self.averages) - 1)].network

    @contextmanager
    def drawing_with(self, network: nn.Module) -> Iterator[GaussianDiffusion]:
        """Lend the diffusion model, with another network in it, in the training's precision."""
        self._learn.forget()  # drawing needs the memory
        learning, self.diffusion.model = self.diffusion.model, network
        try:
            with autocast(self.device, self.precision):
                yield self.diffusion
        finally:
            self.diffusion.model = learning

    def state(self) -> dict[str, Any]:
        """Return all that changes from step to step."""
        return {
            "network": self.network.state_dict(),
            "averages": [average.network.state_dict() for average in self.averages],
            "optimizer": self.optimizer.state_dict(),
            "n_halvings_of_rate": self.n_halvings_of_rate,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Take up what `state` returned, and the `step` beside it."""
        self.network.load_state_dict(state["network"])
        for average, saved in zip(self.averages, state["averages"], strict=True):
            average.network.load_state_dict(saved)
        self.optimizer.load_state_dict(state["optimizer"])
        self.n_halvings_of_rate, self.step = state["n_halvings_of_rate"], state["step"]

    def rate(self, step: int) -> float:
        """Return the learning rate of a step."""
        return learning_rate_at(step, self.config) / 2**self.n_halvings_of_rate

    def advance(self) -> tuple[Tensor, Tensor]:
        """Take one optimizer step; return the loss and the gradient norm, still on the device.

        Where the device's memory does not suffice, the batch is cut into parts whose gradients
        are added up: the same step, only slower. The host queues the work and never waits for
        the device but to record a step, so what is read from it here would cost the time to catch
        up.
        """
        while True:
            # The first step is taken whole before any part of it is recorded: what the optimizer
            # allocates at its end could not have the memory that a record holds.
            self._learn.waits = self._learn.is_new
            try:
                with tuned_convolutions():
                    loss = self._accumulate()
                break
            except torch.OutOfMemoryError as error:
                self._halve(error)
            except RuntimeError as error:
                self._stop_compiling(error)
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.max_grad_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate(self.step)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=not self._learn.is_on)  # recorded work adds to them
        self.step += 1
        if self.step % self.config.ema_every == 0:
            for average in self.averages:
                average.update(self.network, self.step // self.config.ema_every)
        return loss, norm

    def _accumulate(self) -> Tensor:
        """Add up the gradients of this process's images of the step; return their loss.

        The mean over the crew, of the gradients and of this, is that of all images of the step.
        """
        total, config, recipe = torch.zeros((), device=self.device), self.config, self.recipe
        for index in range(config.accumulate):
            place = self.step * config.accumulate + index
            batch = self.crew.part_of(self.batches[place])
            # Dropout draws from torch's global generator: a resumed step must draw the same, and
            # another part of the batch something else.
            torch.manual_seed(
                seed_for(recipe.seed, "dropout", recipe.class_name, place, *self.crew.stream)
            )
            parts = list(
                zip(*(torch.split(field, self.micro_batch) for field in batch), strict=True)
            )
            for number, part in enumerate(parts, 1):
                last = number == len(parts) and index + 1 == config.accumulate
                # The others are talked to once a step, however many parts each of them has.
                with nullcontext() if last else self.crew.holding_back(self.diffusion.model):
                    total += self._learn(*part)
        return total

    def _learn_from(self, *fields: Tensor) -> Tensor:
        """Add the gradients of some images; return what they contribute to the loss of the step.

        Args:
            fields: those of a `Batch`.
        """
        part = Batch(*fields)
        if self.recipe.classes:
            ask_for(self.network, part.labels)
        tell_changes(self.network, part.changes)
        config, images = self.config, part.images
        with autocast(self.device, self.precision):
            loss = diffusion_loss(self.diffusion, images, part.times, part.noise, config.loss)
        share = len(images) * self.crew.n / (config.batch_size * config.accumulate)
        loss = loss * share
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def _halve(self, error: torch.OutOfMemoryError) -> None:
        """Cut batches into parts half as large from now on, and forget the gradients so far.

        Raises:
            BadInput: a part was a single image already.
            TooMany: others wait for the gradients that were lost, so all have to begin anew.
        """
        if self.micro_batch == 1:
            size = describe_size(self.recipe.generator.image_size)
            raise BadInput(
                f"{self.recipe.title}: one image of {size} does not fit "
                f"into the memory of {describe_device(self.device)}. Lower generator.dim or "
                "generator.image_size, or use another --device."
            ) from error
        self.micro_batch = (self.micro_batch + 1) // 2
        self._learn = self._replay()
        if self.crew.n > 1:
            raise TooMany(self.micro_batch) from error
        self.optimizer.zero_grad(set_to_none=True)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        log.warning(
            "%s: out of memory, going on with %d images at once; the batch stays %d",
            self.recipe.title, self.micro_batch, self.config.batch_size,
        )  # fmt: skip

    def _stop_compiling(self, error: RuntimeError) -> None:
        """Go on uncompiled where compiling fails, or what was compiled does.

        For want of a C compiler for example. An error that has nothing to do with it comes again.
        """
        if not self.compiles:
            raise error
        self.compiles = False
        stop_compiling(self.network)
        self._learn.forget()
        self.optimizer.zero_grad(set_to_none=True)
        reason = " ".join(str(error).strip().splitlines()[:2])  # who raised, and what
        log.warning("%s: going on uncompiled (%s)", self.recipe.title, reason)
