"""What an arm does about rare classes: which images a step takes, how the loss counts them."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from classifier.arms import Treatment
from classifier.images.schedule import batch_indices, weighted_indices
from classifier.train.examples import Examples
from classifier.tuning import Setting


def indices_of(
    treatment: Treatment,
    examples: Examples,
    step: int,
    total: int,
    batch_size: int,
    seed: int,
    strength: float,
) -> Tensor:
    """Return the (batch_size,) examples of `step` (from 0) of `total`.

    Plain arms go through all images in random order, again and again. `oversample` draws rare
    classes more often: with a `strength` of 1 all come equally often, as by torch's
    `WeightedRandomSampler`, with 0 by their numbers. `pretrain` takes all images in the first half
    of the steps, and the real ones alone in the second.
    """
    if treatment == "oversample":
        return weighted_indices(step, examples.labels, batch_size, seed, strength)
    first_half = total // 2
    if treatment == "pretrain" and step >= first_half:
        real = torch.nonzero(~examples.synthetic).flatten()
        return real[batch_indices(step - first_half, len(real), batch_size, seed)]
    return batch_indices(step, len(examples.labels), batch_size, seed)


def image_weights(
    treatment: Treatment, examples: Examples, counts: Sequence[int], setting: Setting
) -> Tensor:
    """Return the (N,) float32 weight of each image in the loss.

    `class-weight`: the class's number of images to the power of minus `setting.strength`, 1 on
    average over the images; with 1 as scikit-learn's "balanced". `weighted`: `setting.weight` for
    a synthetic image.
    """
    if treatment == "class-weight":
        each = torch.tensor(counts).float().pow(-setting.strength)[examples.labels]
        return each / each.mean()
    if treatment == "weighted":
        return torch.where(examples.synthetic, setting.weight, 1.0)
    return torch.ones(len(examples.labels))


def log_prior(counts: Sequence[int]) -> Tensor:
    """Return the (classes,) logarithm of each class's share of the training images."""
    sizes = torch.tensor(counts, dtype=torch.float32)
    return (sizes / sizes.sum()).log()


def weighted_loss(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the mean cross-entropy, each image by its weight.

    Args:
        logits: (N, classes) float32.
        targets: (N, classes) soft labels.
        weights: (N,).
    """
    each = functional.cross_entropy(logits, targets, reduction="none")
    return (weights * each).sum() / weights.sum()
