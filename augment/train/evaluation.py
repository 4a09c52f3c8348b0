"""What real images that a generator never saw say of it while it learns.

Its loss on them falls with the loss on the training images for as long as the class is learned,
and rises when training images are learned by heart (arXiv:2505.17638). Nearness to real images
alone cannot tell: copies of real images look perfect.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from denoising_diffusion_pytorch import GaussianDiffusion
from torch import Tensor

from augment.config import SamplingConfig
from augment.measure.metrics import kernel_distance, manifold
from augment.measure.neighbours import COPY_RATIO, nearest_real
from augment.network.conditioning import ask_for
from augment.sample.batch import draw_batch
from augment.train.objective import diffusion_loss
from terrabalance.levels import centred
from terrabalance.seeds import generator_for, seed_for

FEWEST = 2  # held-out images, for a loss
_FEWEST_FEATURES = 20  # likewise, for KID: of fewer its error hides what it is to tell apart
_IMAGES = 32  # of each kind that a look takes
_AT_ONCE = 8  # of them: at 256 px 32 would take more memory than the training that they look at
_NOISES = 4  # on each of them
_DRAWING = 10  # network calls for each drawn image; KID at 10 and at 20 is the same
CALLS = _IMAGES * (_DRAWING + 2 * _NOISES)  # network calls of a look, one image each


@dataclass(frozen=True)
class HeldOut:
    """Real images that a generator is not trained on, and the network that compares by features.

    Attributes:
        images: (M, C, H, W) levels, see `terrabalance.bands`.
        labels: (M,) int64, places in `Recipe.classes`.
        embed: gives (N, D) float32 features of (N, C, H, W) images.
        judge: name of the network behind `embed`.
    """

    images: np.ndarray
    labels: np.ndarray
    embed: Callable[[np.ndarray], np.ndarray]
    judge: str


@dataclass(frozen=True)
class Look:
    """What was seen at one step.

    Attributes:
        step: optimizer steps done.
        loss: mean denoising loss on training images, with noise that is the same in every look.
        held_out_loss: the same on held-out images.
        kid, kid_error: of drawn images to held-out ones, with its standard error; nan where
            there are too few.
        coverage: see `augment.measure.metrics.Manifold`; nan where there are too few.
        copies: share of drawn images much nearer to one training image than to any other.
    """

    step: int
    loss: float
    held_out_loss: float
    kid: float
    kid_error: float
    coverage: float
    copies: float


class Witness:
    """Takes looks at a generator, all with the same images, noises and seeds.

    Args:
        images: (N, C, H, W) training images, as levels.
        labels: (N,) int64 of them.
        held_out: what it is not trained on.
        key: names the random draws, e.g. (seed, "look", class).
        told: the network takes labels.
        device: to run on.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        held_out: HeldOut,
        key: tuple[str | int, ...],
        told: bool,
        device: torch.device,
    ) -> None:
        self.judge = held_out.judge
        self._images, self._held_out, self._key = images, held_out, key
        self._told, self._device = told, device
        self._known = _some(images, labels)
        self._unknown = _some(held_out.images, held_out.labels)
        self._real = held_out.embed(held_out.images)

    def look(self, diffusion: GaussianDiffusion, step: int) -> Look:
        """Judge a diffusion model, in evaluation mode on the device, as it is after `step`."""
        drawn = self._draw(diffusion)
        kid, error, coverage = self._compare(drawn)
        return Look(
            step,
            self._loss(diffusion, *self._known),
            self._loss(diffusion, *self._unknown),
            kid,
            error,
            coverage,
            self._copies(drawn),
        )

    def _loss(self, diffusion: GaussianDiffusion, images: Tensor, labels: Tensor) -> float:
        """Return the loss over times spread evenly, so that few noises suffice."""
        draw, total = generator_for(*self._key, "noise"), 0.0
        for part in range(_NOISES):
            share = (part + torch.rand(len(images), generator=draw)) / _NOISES
            times = (share * diffusion.num_timesteps).long()
            noise = torch.randn(images.shape, generator=draw)
            for block in torch.split(torch.arange(len(images)), _AT_ONCE):
                self._tell(diffusion, labels[block])
                clean, asked, added = (x[block].to(self._device) for x in (images, times, noise))
                with torch.inference_mode():
                    loss = diffusion_loss(diffusion, clean, asked, added, "l2")
                total += loss.item() * len(block) / len(images)
        return total / _NOISES

    def _draw(self, diffusion: GaussianDiffusion) -> np.ndarray:
        labels, drawn = self._unknown[1], []
        config = SamplingConfig(steps=min(_DRAWING, diffusion.num_timesteps), batch_size=_AT_ONCE)
        for block in torch.split(torch.arange(_IMAGES), _AT_ONCE):
            seeds = [seed_for(*self._key, "image", index) for index in block.tolist()]
            self._tell(diffusion, labels[block % len(labels)])
            images, _ = draw_batch(diffusion, seeds, config, self._device, self._images.dtype)
            drawn.append(images)
        return np.concatenate(drawn)

    def _tell(self, diffusion: GaussianDiffusion, labels: Tensor) -> None:
        if self._told:
            ask_for(diffusion.model, labels)

    def _compare(self, drawn: np.ndarray) -> tuple[float, float, float]:
        if len(self._real) < _FEWEST_FEATURES:
            return float("nan"), float("nan"), float("nan")
        features = self._held_out.embed(drawn)
        kid = kernel_distance(self._real, features)
        return kid.value, kid.standard_error, manifold(self._real, features).coverage

    def _copies(self, drawn: np.ndarray) -> float:
        nearest = nearest_real(drawn, self._images, k=2).distance
        return float((nearest[:, 0] < COPY_RATIO * nearest[:, 1]).mean())


def _some(images: np.ndarray, labels: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return at most `_IMAGES` images in [-1, 1], evenly over the labels, and their labels."""
    order = np.argsort(labels, kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, min(_IMAGES, len(order))).round().astype(int)]
    return centred(torch.from_numpy(images[chosen])), torch.from_numpy(labels[chosen])


def is_memorizing(looks: Sequence[Look], tolerance: float) -> bool:
    """Say whether the held-out loss has risen by more than a share above its lowest."""
    return bool(looks) and looks[-1].held_out_loss > _limit(looks, tolerance)


def choose(looks: Sequence[Look], tolerance: float) -> Look:
    """Return the look with the lowest KID among those that do not memorize.

    Where KID could not be measured, the last of them.
    """
    fit = [look for look in looks if look.held_out_loss <= _limit(looks, tolerance)]
    known = [look for look in fit if not np.isnan(look.kid)]
    return min(known, key=lambda look: look.kid) if known else fit[-1]


def _limit(looks: Sequence[Look], tolerance: float) -> float:
    return min(look.held_out_loss for look in looks) * (1 + tolerance)
