"""Train one diffusion model on the images of one class, resumable to the bit.

Images of the val part say when to stop and which moment to keep (`augment.review`). Own loop
(`augment.loop`) instead of upstream's `Trainer`, which refuses fewer than 100 images (the
minority case itself), writes checkpoints in place and stores neither random state nor data
position.
"""

import hashlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from augment.evidence import HeldOut
from augment.generator import WEIGHTS
from augment.loop import Training, refuse_other, tidy
from augment.plan import FEWEST_IMAGES
from augment.recipe import NOT_RESULT, Recipe
from terrabalance.errors import BadInput
from terrabalance.files import done, fingerprint, sha256_of
from terrabalance.progress import Progress, silent


def train_generator(
    images: np.ndarray,
    recipe: Recipe,
    folder: Path,
    device: torch.device,
    on_progress: Progress = silent,
    labels: np.ndarray | None = None,
    held_out: HeldOut | None = None,
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

    Returns:
        `folder`.

    Raises:
        BadInput: fewer than two images, or what is in `folder` is of another recipe, of other
            images, or of another precision.
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
    training = Training(images, recipe, folder, device, key, labels, held_out)
    training.restore()
    training.run(on_progress)
    training.finish()
    return folder


def training_key(
    images: np.ndarray,
    recipe: Recipe,
    labels: np.ndarray | None = None,
    held_out: HeldOut | None = None,
) -> str:
    """Return the hash of all that decides a generator; the arguments are `train_generator`'s."""
    loop = recipe.training.model_dump(exclude=NOT_RESULT)
    content = _content(images)
    judged = None
    if held_out is not None:
        judged = [_content(held_out.images), held_out.labels.tolist(), held_out.judge]
    start = sha256_of(recipe.start / WEIGHTS) if recipe.start else None
    told = None if labels is None else labels.tolist()
    generator = recipe.generator.model_dump()
    named = [recipe.class_name, recipe.classes, recipe.seed, asdict(recipe.bands)]
    return fingerprint(named, generator, loop, start, told, images.shape, content, judged)


def _content(images: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(images).data).hexdigest()
