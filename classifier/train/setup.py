"""The two ways to train: a whole network on images, or a linear head on cached features."""

from typing import Protocol

import pandas as pd
import torch
from torch import Tensor, nn

from classifier.arms.arm import Arm
from classifier.images.loading import load_images
from classifier.network.features import FeatureNetwork
from classifier.network.model import build_model, normalisation
from classifier.network.views import Embed, FeatureCache, Views
from classifier.train.examples import Examples, FeatureExamples, PixelExamples
from classifier.train.experiment import Experiment
from terrabalance.progress import Progress
from terrabalance.sizes import height_width
from terrabalance.symmetry import keep_shape


class Setup(Protocol):
    """Gives examples, and a network for them."""

    def examples(
        self,
        rows: pd.DataFrame,
        classes: list[str],
        on_progress: Progress,
        trained_by: Arm | None,
    ) -> Examples:
        """Read the images of manifest rows, augmented as an arm asks for; None: only predicted."""

    def model(self, examples: Examples) -> nn.Module:
        """Return the untrained network on the device, drawn from torch's global generator."""


def setup_for(experiment: Experiment, n_classes: int) -> Setup:
    """Return the setup that the settings ask for."""
    return (
        _Head(experiment, n_classes) if experiment.config.frozen else _Whole(experiment, n_classes)
    )


def feature_cache(experiment: Experiment) -> FeatureCache:
    """Return the cache of features by the pretrained network of the settings."""

    def open_network() -> Embed:
        config, n_bands = experiment.config, experiment.bands.count
        model = build_model(config, n_classes=1, n_bands=n_bands)
        return FeatureNetwork(
            model, config.model, config.image_size, experiment.device, n_bands, config.precision
        ).embed

    folder, key = experiment.root / "features", experiment.network_key()
    return FeatureCache(folder, key, open_network, experiment.resolution, experiment.bands)


class _Whole:
    def __init__(self, experiment: Experiment, n_classes: int) -> None:
        self._experiment = experiment
        self._model = build_model(experiment.config, n_classes, experiment.bands.count)
        self._mean, self._std = normalisation(self._model, experiment.bands.count)

    def examples(
        self,
        rows: pd.DataFrame,
        classes: list[str],
        on_progress: Progress,
        trained_by: Arm | None,
    ) -> PixelExamples:
        experiment = self._experiment
        images = load_images(
            experiment.manifest, rows, classes, experiment.resolution, on_progress, experiment.bands
        )
        train = trained_by is not None
        return PixelExamples(
            images, experiment.config.image_size, self._mean, self._std, experiment.device,
            symmetries=train and experiment.config.symmetries,
            chroma=experiment.chroma if train else 0.0,
            arm=trained_by,
        )  # fmt: skip

    def model(self, examples: Examples) -> nn.Module:
        return self._model.to(self._experiment.device, memory_format=torch.channels_last)  # type: ignore[call-overload]


class _Head:
    def __init__(self, experiment: Experiment, n_classes: int) -> None:
        self._experiment, self._n_classes = experiment, n_classes

    def examples(
        self,
        rows: pd.DataFrame,
        classes: list[str],
        on_progress: Progress,
        trained_by: Arm | None,
    ) -> FeatureExamples:
        experiment, views = self._experiment, Views()
        if trained_by is not None:
            turns = (
                keep_shape(*height_width(experiment.resolution))
                if experiment.config.symmetries
                else (0,)
            )
            views = Views(turns, experiment.chroma, trained_by.pastes)
        features = feature_cache(experiment).of(experiment.manifest, rows, views, on_progress)
        index = {name: label for label, name in enumerate(classes)}
        labels = torch.tensor([index[name] for name in rows["class"]], dtype=torch.int64)
        synthetic = torch.tensor((rows["source"] == "synthetic").tolist(), dtype=torch.bool)
        return FeatureExamples(features, labels, synthetic, list(rows["path"]), experiment.device)

    def model(self, examples: Examples) -> nn.Module:
        assert isinstance(examples, FeatureExamples)
        return LinearHead(examples.features[:, 0].float(), self._n_classes).to(
            self._experiment.device
        )


class LinearHead(nn.Module):
    """Square roots of features, standardised, to logits.

    Pooled features are averages of what a ReLU leaves, with long tails; the root of their absolute
    value, with their sign, makes them nearer to normal (power normalisation: Perronnin et al. 2010,
    doi:10.1007/978-3-642-15561-1_11). What it is worth: docs/experiments.md.

    Args:
        features: (N, D) float32, of whose roots mean and standard deviation are taken off.
        n_classes: number of logits.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, features: Tensor, n_classes: int) -> None:
        super().__init__()
        few, rooted = len(features) < 2, roots(features)
        spread = torch.ones(features.shape[1]) if few else rooted.std(dim=0).clamp_min(1e-6)
        self.register_buffer("mean", rooted.mean(dim=0))
        self.register_buffer("spread", spread)
        self.linear = nn.Linear(features.shape[1], n_classes)

    def forward(self, features: Tensor) -> Tensor:
        """Return (N, n_classes) of (N, D)."""
        logits: Tensor = self.linear((roots(features) - self.mean) / self.spread)
        return logits


def roots(features: Tensor) -> Tensor:
    """Return the roots of the absolute values, with the signs of the features."""
    return features.abs().sqrt().copysign(features)
