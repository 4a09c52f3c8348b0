"""Train one generator, resumable to the bit.

Images of the val part decide when to stop and which checkpoint to keep (`augment.train.selection`).
The loop is our own (`augment.train.loop`): upstream's `Trainer` refuses fewer than 100 images (the
minority case itself), writes checkpoints in place, and stores neither random state nor data
position.
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from augment.config import NOT_RESULT
from augment.network.card import WEIGHTS
from augment.plan import FEWEST_IMAGES
from augment.train.data import HeldOut, TrainingData
from augment.train.launch import CallParent, run_ranks
from augment.train.loop import TrainingLoop
from augment.train.process_group import DistributedProcessGroup, MicroBatchTooLarge
from augment.train.resume import refuse_other, tidy
from augment.train.spec import TrainingSpec
from terrabalance.errors import BadInput
from terrabalance.files import fingerprint, sha256_of
from terrabalance.finished import done
from terrabalance.progress import Progress, silent

log = logging.getLogger(__name__)


def train_generator(
    data: TrainingData,
    spec: TrainingSpec,
    folder: Path,
    devices: Sequence[torch.device],
    on_progress: Progress = silent,
) -> Path:
    """Train a generator in `folder`, going on from the newest checkpoint there.

    With held-out images it ends when it begins to memorize, and the best checkpoint and the best
    length of the average become the generator; without, its last step does.

    Args:
        data: real images of the train part, as levels of `spec.bands`, and held-out images; fewer
            than two held-out images are not used.
        spec: class, network, loop and seed.
        folder: gets `generator.safetensors` (averaged weights), `card.json`, `losses.csv`,
            `looks.csv` (evaluations), `learned.txt` (SHA-256 of the images, where known),
            `previews/`, `tensorboard/`, and `done.json` last.
        devices: to train on, at least one. Several of this machine share every batch, a process on
            each. The generator is the same up to rounding, and up to what dropout draws. By two
            processes on the CPU it is the same to the bit each time; the mean of more depends on
            the order of adding, which may differ after going on from a checkpoint.
        on_progress: called with (steps done, steps in all, message).

    Returns:
        `folder`.

    Raises:
        BadInput: fewer than two images; or `folder` holds a training by another spec, of other
            images, or in another precision; or a batch has fewer images than there are devices.
        ProcessLost: a process of several was killed; the last checkpoint is kept.
        TrainingDiverged: the loss is not finite or jumps, even at an eighth of the learning rate;
            the last good checkpoint is kept.
    """
    key = training_key(data, spec)
    if (finished := done(folder)) is not None:
        refuse_other(folder, finished["key"], key)
        tidy(folder)  # it may have been killed before it could
        return folder
    if len(data.images) < FEWEST_IMAGES:
        raise BadInput(
            f"{spec.title}: {len(data.images)} images in the train part, a generator needs at "
            f"least {FEWEST_IMAGES}. Add images or leave the class out with --classes."
        )
    if len(devices) > 1:
        _train_on_ranks(data, spec, folder, devices, key, on_progress)
    else:
        _train(TrainingLoop(data, spec, folder, devices[0], key), on_progress)
    return folder


def _train(loop: TrainingLoop, on_progress: Progress) -> None:
    loop.restore()
    loop.run(on_progress)
    if loop.group.is_main:
        loop.finish()


@dataclass(frozen=True)
class _RankWork:
    """What every rank is given.

    Attributes:
        images: (N, C, H, W) levels, in shared memory.
        rest: of the data, without the images and without those held out.
        spec: what to train.
        folder: of the generator.
        key: `training_key` of the training.
        micro_batch: most images in a forward pass; None: the rank's share of the batch.
    """

    images: torch.Tensor
    rest: TrainingData
    spec: TrainingSpec
    folder: Path
    key: str
    micro_batch: int | None = None


def _train_on_ranks(
    data: TrainingData,
    spec: TrainingSpec,
    folder: Path,
    devices: Sequence[torch.device],
    key: str,
    on_progress: Progress,
) -> None:
    """Train in a process on each device, and again by smaller parts where memory is short."""
    batch_size = spec.training.batch_size
    if batch_size < len(devices):
        raise BadInput(
            f"{spec.title}: a batch of {batch_size} images cannot be shared by {len(devices)} "
            "devices. Raise that batch_size (base.batch_size of all classes, else "
            "training.batch_size) or lower execution.devices_per_class."
        )
    functions: dict[str, Callable[..., Any]] = {"progress": on_progress, "held out": lambda: None}
    if (held_out := data.held_out) is not None:
        fields = (held_out.images, held_out.labels, held_out.feature_network)
        functions |= {"held out": lambda: fields, "features": held_out.embed}
    images, micro_batch = _shared(data.images), None
    rest = replace(data, images=data.images[:0], held_out=None)
    while True:
        work = _RankWork(images, rest, spec, folder, key, micro_batch)
        try:
            return run_ranks(_train_as_rank, devices, functions, spec.title, work)
        except MicroBatchTooLarge as error:
            micro_batch = error.micro_batch
            log.warning(
                "%s: out of memory, going on from the last checkpoint with %d images at once on "
                "each device; the batch stays %d",
                spec.title, micro_batch, batch_size,
            )  # fmt: skip


def _train_as_rank(
    group: DistributedProcessGroup, call_parent: CallParent, work: _RankWork
) -> None:
    """Train as one of several; held-out images and their features come from the parent process."""
    held_out: HeldOut | None = None
    on_progress: Progress = silent
    if group.is_main:
        on_progress = partial(call_parent, "progress")
        if (fields := call_parent("held out")) is not None:
            images, labels, name = fields
            held_out = HeldOut(images, labels, partial(call_parent, "features"), name)
    data = replace(work.rest, images=work.images.numpy(), held_out=held_out)
    loop = TrainingLoop(data, work.spec, work.folder, group.device, work.key, group)
    if work.micro_batch is not None:
        loop.stepper.micro_batch = work.micro_batch
    _train(loop, on_progress)


def _shared(images: np.ndarray) -> torch.Tensor:
    """Copy images to memory that several processes share."""
    try:
        return torch.from_numpy(images).clone().share_memory_()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        raise BadInput(
            f"no room for {images.nbytes / 1e9:.1f} GB of images in the memory that processes "
            f"share, which training over several devices needs ({error}). Give it more (/dev/shm; "
            "docker run --shm-size), or set execution.devices_per_class=1."
        ) from error


def training_key(data: TrainingData, spec: TrainingSpec) -> str:
    """Return the hash of all that decides a generator."""
    held_out = None
    if (unseen := data.held_out) is not None:
        held_out = [_content(unseen.images), unseen.labels.tolist(), unseen.feature_network]
    start = sha256_of(spec.start / WEIGHTS) if spec.start else None
    labels = None if data.labels is None else data.labels.tolist()
    return fingerprint(
        [spec.class_name, spec.classes, spec.seed, asdict(spec.bands)],
        spec.generator.key(),
        spec.training.key(NOT_RESULT),
        start,
        labels,
        data.images.shape,
        _content(data.images),
        held_out,
    )


def _content(images: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(images).data).hexdigest()
