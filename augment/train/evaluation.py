"""Evaluate a generator on real images that it was never trained on, while it trains.

Its loss on them falls with the loss on the training images as long as the class is being learned,
and rises when training images are memorized (arXiv:2505.17638). Distance to real images alone
cannot show that: copies of real images look perfect.
"""

from dataclasses import dataclass

import numpy as np
import torch
from denoising_diffusion_pytorch import GaussianDiffusion
from torch import Tensor

from augment.config import SamplingConfig
from augment.measure.metrics import kernel_distance, manifold
from augment.measure.neighbours import COPY_RATIO, nearest_real
from augment.network.conditioning import set_labels
from augment.sample.batch import draw_batch
from augment.train.data import TrainingData
from augment.train.objective import diffusion_loss
from augment.train.spec import TrainingSpec
from terrabalance.evenly import evenly
from terrabalance.levels import centred
from terrabalance.seeds import generator_for, seed_for

FEWEST = 2  # held-out images for a loss
_FEWEST_FEATURES = 20  # held-out images for KID: with fewer its error hides the differences
_IMAGES = 32  # of each kind in an evaluation
_AT_ONCE = 8  # of them: at 256 px 32 would take more memory than the training itself
_NOISES = 4  # on each of them
_DRAWING = 10  # network calls for each drawn image; KID at 10 and at 20 is the same
CALLS = _IMAGES * (_DRAWING + 2 * _NOISES)  # network calls of an evaluation, one image each


@dataclass(frozen=True)
class Evaluation:
    """Measures of a generator at one step.

    Attributes:
        step: optimizer steps done.
        loss: mean denoising loss on training images, with the same noise in every evaluation.
        held_out_loss: the same on held-out images.
        kid, kid_error: KID of drawn to held-out images, and its standard error; nan where there
            are too few.
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


class HeldOutEvaluator:
    """Evaluates a generator, always with the same images, noises and seeds.

    Args:
        data: training images, and held-out images.
        spec: of the training.
        device: to run on.
    """

    def __init__(self, data: TrainingData, spec: TrainingSpec, device: torch.device) -> None:
        assert data.held_out is not None
        # Those that are drawn have a label, and so have the held-out ones.
        own = slice(data.n_labelled)
        self._images, self._held_out, self._device = data.images[own], data.held_out, device
        self._key = (spec.seed, "look", spec.class_name)
        self._is_conditional = bool(spec.classes)
        self._known = _some(self._images, data.labels_or(spec.label)[own])
        self._unknown = _some(data.held_out.images, data.held_out.labels)
        self._real = data.held_out.embed(data.held_out.images)

    @property
    def feature_network(self) -> str:
        """Name of the network behind KID and coverage."""
        return self._held_out.feature_network

    def evaluate(self, diffusion: GaussianDiffusion, step: int) -> Evaluation:
        """Evaluate a diffusion model, in evaluation mode on the device, as it is after `step`."""
        drawn = self._draw(diffusion)
        kid, error, coverage = self._compare(drawn)
        return Evaluation(
            step,
            self._loss(diffusion, *self._known),
            self._loss(diffusion, *self._unknown),
            kid,
            error,
            coverage,
            self._copies(drawn),
        )

    def _loss(self, diffusion: GaussianDiffusion, images: Tensor, labels: Tensor) -> float:
        draw = generator_for(*self._key, "noise")
        return even_loss(diffusion, images, labels if self._is_conditional else None, draw)

    def _draw(self, diffusion: GaussianDiffusion) -> np.ndarray:
        labels, drawn = self._unknown[1], []
        config = SamplingConfig(steps=_DRAWING, batch_size=_AT_ONCE)
        config = config.at_most(diffusion.num_timesteps)
        for block in torch.split(torch.arange(_IMAGES), _AT_ONCE):
            seeds = [seed_for(*self._key, "image", index) for index in block.tolist()]
            self._set_labels(diffusion, labels[block % len(labels)])
            images, _ = draw_batch(diffusion, seeds, config, self._device, self._images.dtype)
            drawn.append(images)
        return np.concatenate(drawn)

    def _set_labels(self, diffusion: GaussianDiffusion, labels: Tensor) -> None:
        if self._is_conditional:
            set_labels(diffusion.model, labels)

    def _compare(self, drawn: np.ndarray) -> tuple[float, float, float]:
        """Return KID, its standard error, and coverage."""
        if len(self._real) < _FEWEST_FEATURES:
            return float("nan"), float("nan"), float("nan")
        features = self._held_out.embed(drawn)
        kid = kernel_distance(self._real, features)
        return kid.value, kid.standard_error, manifold(self._real, features).coverage

    def _copies(self, drawn: np.ndarray) -> float:
        nearest = nearest_real(drawn, self._images, k=2).distance
        return float((nearest[:, 0] < COPY_RATIO * nearest[:, 1]).mean())


def even_loss(
    diffusion: GaussianDiffusion, images: Tensor, labels: Tensor | None, draw: torch.Generator
) -> float:
    """Return the denoising loss over timesteps spread evenly, so that few noises suffice.

    Args:
        diffusion: in evaluation mode.
        images: (B, C, H, W) float32 in [-1, 1], on the CPU.
        labels: (B,) int64, for a network that is conditioned on classes.
        draw: of timesteps and noise.
    """
    total = 0.0
    for part in range(_NOISES):
        share = (part + torch.rand(len(images), generator=draw)) / _NOISES
        times = (share * diffusion.num_timesteps).long()
        noise = torch.randn(images.shape, generator=draw)
        for block in torch.split(torch.arange(len(images)), _AT_ONCE):
            if labels is not None:
                set_labels(diffusion.model, labels[block])
            clean, at, added = (x[block].to(diffusion.betas.device) for x in (images, times, noise))
            with torch.inference_mode():
                loss = diffusion_loss(diffusion, clean, at, added, "l2")
            total += loss.item() * len(block) / len(images)
    return total / _NOISES


def _some(images: np.ndarray, labels: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return at most `_IMAGES` images in [-1, 1], evenly over the labels, and their labels."""
    order = np.argsort(labels, kind="stable")
    chosen = order[evenly(len(order), _IMAGES)]
    return centred(torch.from_numpy(images[chosen])), torch.from_numpy(labels[chosen])
