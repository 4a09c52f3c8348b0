"""Train one diffusion model on the images of one class, resumable to the bit.

Images of the val part say when to stop and which moment to keep (`augment.train.selection`). Own
loop (`augment.train.loop`) instead of upstream's `Trainer`, which refuses fewer than 100 images
(the minority case itself), writes checkpoints in place and stores neither random state nor data
position.
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from augment.config import NOT_RESULT
from augment.network.generator import WEIGHTS
from augment.plan import FEWEST_IMAGES
from augment.train.evaluation import HeldOut
from augment.train.launch import Ask, together
from augment.train.loop import Training, refuse_other, tidy
from augment.train.process_group import Ranks, TooMany
from augment.train.spec import Recipe
from terrabalance.errors import BadInput
from terrabalance.files import done, fingerprint, sha256_of
from terrabalance.progress import Progress, silent

log = logging.getLogger(__name__)


def train_generator(
    images: np.ndarray,
    recipe: Recipe,
    folder: Path,
    device: torch.device,
    on_progress: Progress = silent,
    labels: np.ndarray | None = None,
    held_out: HeldOut | None = None,
    beside: Sequence[torch.device] = (),
) -> Path:
    """Train a class's generator in `folder`, going on from the newest checkpoint there.

    With held-out images it ends when it begins to memorize, and the best moment and the best
    length of the average become the generator; without, it goes to its last step.

    Args:
        images: (N, C, H, W) real images of the train part, as levels of `recipe.bands`.
        recipe: class, network, loop and seed.
        folder: gets `generator.safetensors` (averaged weights), `card.json`, `losses.csv`,
            `looks.csv`, `previews/`, `tensorboard/`, and `done.json` last.
        device: to train on.
        on_progress: told (steps done, steps in all, loss).
        labels: (N,) int64, places in `recipe.classes`; None: all are of `recipe.class_name`.
        held_out: real images that it is judged by; None or fewer than two: it is not.
        beside: more devices of this machine, which share every batch with `device`, a process on
            each. The generator is the same up to rounding, and up to what dropout draws. By two
            processes on the CPU it is the same to the bit each time; the mean of more depends on
            the order of adding, which may be another one after going on from a checkpoint.

    Returns:
        `folder`.

    Raises:
        BadInput: fewer than two images, or what is in `folder` is of another recipe, of other
            images, or of another precision; or a batch has fewer images than there are devices.
        ProcessLost: a process of several was killed; the last checkpoint is kept.
        TrainingDiverged: the loss is not finite or jumps, even at an eighth of the learning rate;
            the last good checkpoint is kept.
    """
    key = training_key(images, recipe, labels, held_out)
    if (finished := done(folder)) is not None:
        refuse_other(folder, finished["key"], key)
        tidy(folder)  # it may have been killed before it could
        return folder
    if len(images) < FEWEST_IMAGES:
        raise BadInput(
            f"{recipe.title}: {len(images)} images in the train part, a generator needs at "
            f"least {FEWEST_IMAGES}. Add images or leave the class out with --classes."
        )
    if beside:
        devices = (device, *beside)
        _train_over(devices, images, recipe, folder, key, on_progress, labels, held_out)
    else:
        _train(Training(images, recipe, folder, device, key, labels, held_out), on_progress)
    return folder


def _train(training: Training, on_progress: Progress) -> None:
    training.restore()
    training.run(on_progress)
    if training.crew.is_main:
        training.finish()


def _train_over(
    devices: Sequence[torch.device],
    images: np.ndarray,
    recipe: Recipe,
    folder: Path,
    key: str,
    on_progress: Progress,
    labels: np.ndarray | None,
    held_out: HeldOut | None,
) -> None:
    """Train in a process on each device, and again with smaller parts where memory is short."""
    batch_size = recipe.training.batch_size
    if batch_size < len(devices):
        raise BadInput(
            f"{recipe.title}: a batch of {batch_size} images cannot be shared by {len(devices)} "
            "devices. Raise training.batch_size or lower execution.devices_per_class."
        )
    answers: dict[str, Callable[..., Any]] = {"progress": on_progress, "held out": lambda: None}
    if held_out is not None:
        unseen = (held_out.images, held_out.labels, held_out.judge)
        answers |= {"held out": lambda: unseen, "features": held_out.embed}
    shared, at_once = _shared(images), None  # all that a rank has, until it is too much
    while True:
        asked = (shared, recipe, folder, key, labels, at_once)
        try:
            return together(_train_as_rank, devices, answers, recipe.title, *asked)
        except TooMany as error:
            at_once = error.at_once
            log.warning(
                "%s: out of memory, going on from the last checkpoint with %d images at once on "
                "each device; the batch stays %d",
                recipe.title, at_once, batch_size,
            )  # fmt: skip


def _train_as_rank(
    crew: Ranks,
    ask: Ask,
    images: torch.Tensor,
    recipe: Recipe,
    folder: Path,
    key: str,
    labels: np.ndarray | None,
    at_once: int | None,
) -> None:
    """Train with the others; what only the process that started them has is asked from there."""
    held_out: HeldOut | None = None
    on_progress: Progress = silent
    if crew.is_main:
        on_progress = partial(ask, "progress")
        if (unseen := ask("held out")) is not None:
            held_out = HeldOut(unseen[0], unseen[1], partial(ask, "features"), judge=unseen[2])
    training = Training(images.numpy(), recipe, folder, crew.device, key, labels, held_out, crew)
    if at_once is not None:
        training.stepper.micro_batch = at_once
    _train(training, on_progress)


def _shared(images: np.ndarray) -> torch.Tensor:
    """Copy images to where several processes see them, once for all."""
    try:
        return torch.from_numpy(images).clone().share_memory_()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        raise BadInput(
            f"no room for {images.nbytes / 1e9:.1f} GB of images in the memory that processes "
            f"share, which training over several devices needs ({error}). Give it more (/dev/shm; "
            "docker run --shm-size), or set execution.devices_per_class=1."
        ) from error


def training_key(
    images: np.ndarray,
    recipe: Recipe,
    labels: np.ndarray | None = None,
    held_out: HeldOut | None = None,
) -> str:
    """Return the hash of all that decides a generator; the arguments are `train_generator`'s."""
    loop = recipe.training.key(NOT_RESULT)
    content = _content(images)
    judged = None
    if held_out is not None:
        judged = [_content(held_out.images), held_out.labels.tolist(), held_out.judge]
    start = sha256_of(recipe.start / WEIGHTS) if recipe.start else None
    told = None if labels is None else labels.tolist()
    generator = recipe.generator.key()
    named = [recipe.class_name, recipe.classes, recipe.seed, asdict(recipe.bands)]
    return fingerprint(named, generator, loop, start, told, images.shape, content, judged)


def _content(images: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(images).data).hexdigest()
