"""Optimizer steps of a diffusion model."""

import logging
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial

import numpy as np
import torch
from denoising_diffusion_pytorch import GaussianDiffusion
from torch import Tensor, nn

from augment.network.conditioning import set_augmentation, set_labels
from augment.network.generator import build_diffusion, load_weights
from augment.train.batches import Batch, BatchSource, BatchSpec
from augment.train.ema import LENGTHS, USUAL, Average, PowerAverage, WeightAverage
from augment.train.learning_rate import learning_rate_at
from augment.train.objective import diffusion_loss
from augment.train.optimizer import optimizers_of
from augment.train.process_group import MicroBatchTooLarge, ProcessGroup
from augment.train.spec import TrainingSpec
from terrabalance.checkpoint import finite_tensors
from terrabalance.cuda_graphs import RecordedGradients
from terrabalance.device import autocast, describe_device, tuned_convolutions
from terrabalance.errors import BadInput
from terrabalance.seeds import seed_for, seed_torch
from terrabalance.sizes import describe_size
from terrabalance.symmetry import keep_shape

log = logging.getLogger(__name__)

_MAX_GRAD_NORM = 1.0  # as upstream's Trainer
_SYMMETRIES = {"all": tuple(range(8)), "rotations": (0, 1, 2, 3), "flip": (0, 4), "none": (0,)}


class Stepper:
    """A network, its averages, its optimizer, and the step that they have reached.

    Args:
        images: (N, C, H, W) levels, see `terrabalance.bands`.
        labels: (N,) int64, places in `spec.classes`.
        spec: what to train, and how.
        device: to train on.
        precision: `bf16` (autocast) or `fp32`.
        group: processes that share each step; None: this one alone.
        n_unlabelled: of the images, the last of all, see `augment.train.batches.BatchSpec`.

    Attributes:
        step: optimizer steps done.
        micro_batch: most images in a forward pass; smaller where the memory of the device is short.
        n_halvings_of_rate: how often the learning rate was halved, as the training diverged.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        spec: TrainingSpec,
        device: torch.device,
        precision: str,
        group: ProcessGroup | None = None,
        n_unlabelled: int = 0,
    ) -> None:
        self.spec, self.config = spec, spec.training
        self.device, self.precision, self.group = device, precision, group or ProcessGroup()
        self.micro_batch = -(-self.config.batch_size // self.group.size)
        self.n_halvings_of_rate = 0
        # Several processes exchange gradients in the middle of a backward pass.
        records_on = device if self.group.size == 1 else torch.device("cpu")
        # Weakly: in a cycle, the memory of a finished training would wait for the collector.
        learn = partial(Stepper._learn_from, weakref.proxy(self))
        self.gradients = RecordedGradients(learn, records_on)
        self.reset()
        batches = self._batch_spec(images, labels, n_unlabelled)
        self.batches = BatchSource(images, labels, batches, device)

    def _batch_spec(self, images: np.ndarray, labels: np.ndarray, n_unlabelled: int) -> BatchSpec:
        spec, config, allowed = self.spec, self.config, keep_shape(*images.shape[-2:])
        return BatchSpec(
            (spec.seed, "train", spec.class_name),
            config.batch_size,
            self.diffusion.num_timesteps,
            tuple(which for which in _SYMMETRIES[config.symmetries] if which in allowed),
            config.augment,
            # A network that draws a single class is never called without its label.
            config.label_dropout if len(set(labels.tolist())) > 1 else 0.0,
            len(spec.classes),
            n_unlabelled,
        )

    def reset(self) -> None:
        """Go to step 0: random weights, or those of `spec.start`."""
        spec = self.spec
        self.gradients.forget()
        seed_torch(seed_for(spec.seed, "init", spec.class_name))
        n_classes, n_bands = len(spec.classes), spec.bands.count
        self.diffusion = build_diffusion(spec.generator, n_classes, n_bands)
        if spec.start is not None:
            load_weights(self.diffusion.model, spec.start)
        self.diffusion.to(self.device, memory_format=torch.channels_last)
        self.network = self.diffusion.model
        self.averages = self._averages()
        self.optimizer = optimizers_of(
            self.network, self.config.optimizer, self.config.learning_rate, self.precision == "bf16"
        )
        self.step = 0
        self.diffusion.model = self.group.wrap(self.network)

    def _averages(self) -> list[Average]:
        if self.config.ema_decay is None:
            return [PowerAverage(self.network, length) for length in LENGTHS]
        return [WeightAverage(self.network, self.config.ema_decay)]

    @property
    def average(self) -> nn.Module:
        """The averaged network that is sampled from; its weights are chosen at the end."""
        return self.averages[min(USUAL, len(self.averages) - 1)].network

    def lost_weights(self) -> str:
        """Return the first tensor of the network or an average that is not finite; "" for none.

        No loss tells what the step after it did to the weights. The device is waited for.
        """
        for network in (self.network, *(average.network for average in self.averages)):
            state = network.state_dict()
            if lost := sorted(state.keys() - finite_tensors(state)):
                return lost[0]
        return ""

    @contextmanager
    def drawing_with(self, network: nn.Module) -> Iterator[GaussianDiffusion]:
        """Yield the diffusion model with another network in it, in the training's precision."""
        self.gradients.forget()  # drawing needs the memory
        trained, self.diffusion.model = self.diffusion.model, network
        try:
            with autocast(self.device, self.precision):
                yield self.diffusion
        finally:
            self.diffusion.model = trained

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of a step, from 0."""
        return learning_rate_at(step, self.config) / 2**self.n_halvings_of_rate

    def advance(self) -> tuple[Tensor, Tensor]:
        """Take one optimizer step; return its loss and gradient norm, 0-d tensors on the device.

        Where the device's memory does not suffice, the batch is cut into parts whose gradients
        are added up: the same step, only slower. The host queues the work and waits for the device
        only to record a step; to read a result here would make it wait.
        """
        while True:
            self.gradients.begin_step()
            try:
                with tuned_convolutions():
                    loss = self._accumulate()
                break
            except torch.OutOfMemoryError as error:
                self._halve_micro_batch(error)
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), _MAX_GRAD_NORM)
        self.optimizer.set_learning_rate(self.learning_rate(self.step))
        self.optimizer.step()
        self.gradients.clear(self.optimizer.zero_grad)
        self.step += 1
        if self.step % self.config.ema_every == 0:
            for average in self.averages:
                average.update(self.network, self.step // self.config.ema_every)
        return loss, norm

    def _accumulate(self) -> Tensor:
        """Add up the gradients of this process's images of the step; return their loss.

        The mean over the ranks, of the gradients and of the loss, is that of all images.
        """
        total, config, spec = torch.zeros((), device=self.device), self.config, self.spec
        for index in range(config.accumulate):
            place = self.step * config.accumulate + index
            batch = self.group.shard(self.batches[place])
            # Dropout draws from torch's global generator: a resumed step must draw the same, and
            # another shard of the batch something else.
            seed_torch(seed_for(spec.seed, "dropout", spec.class_name, place, *self.group.stream))
            parts = list(
                zip(*(torch.split(field, self.micro_batch) for field in batch), strict=True)
            )
            for number, part in enumerate(parts, 1):
                last = number == len(parts) and index + 1 == config.accumulate
                # Gradients are exchanged once a step, however many parts each rank has.
                with nullcontext() if last else self.group.no_sync(self.diffusion.model):
                    total += self.gradients(*part)
        return total

    def _learn_from(self, *fields: Tensor) -> Tensor:
        """Add the gradients of some images; return their share of the loss of the step.

        Args:
            fields: those of a `Batch`.
        """
        part = Batch(*fields)
        if self.spec.classes:
            set_labels(self.network, part.labels)
        set_augmentation(self.network, part.augmentation)
        config, images = self.config, part.images
        with autocast(self.device, self.precision):
            loss = diffusion_loss(self.diffusion, images, part.times, part.noise, config.loss)
        share = len(images) * self.group.size / (config.batch_size * config.accumulate)
        loss = loss * share
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def _halve_micro_batch(self, error: torch.OutOfMemoryError) -> None:
        """Cut batches into parts half as large from now on, and drop the gradients so far.

        Raises:
            BadInput: a part was a single image already.
            MicroBatchTooLarge: other ranks wait for the lost gradients, so all have to begin anew.
        """
        if self.micro_batch == 1:
            size = describe_size(self.spec.generator.image_size)
            raise BadInput(
                f"{self.spec.title}: one image of {size} does not fit "
                f"into the memory of {describe_device(self.device)}. Lower generator.dim or "
                "generator.image_size, or use another --device."
            ) from error
        self.micro_batch = (self.micro_batch + 1) // 2
        self.gradients.restart()
        if self.group.size > 1:
            raise MicroBatchTooLarge(self.micro_batch) from error
        self.optimizer.zero_grad(set_to_none=True)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        log.warning(
            "%s: out of memory, going on with %d images at once; the batch stays %d",
            self.spec.title, self.micro_batch, self.config.batch_size,
        )  # fmt: skip
