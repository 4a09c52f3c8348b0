"""How a network is trained: whole, on images, or its head alone, on features kept from before."""

from typing import Protocol

import pandas as pd
import torch
from torch import Tensor, nn

from classifier.arms import Arm
from classifier.images.data import load_images
from classifier.network.features import FeatureNetwork
from classifier.network.model import build_model, normalisation
from classifier.network.views import Embed, FeatureCache, Views
from classifier.train.examples import Examples, FeatureExamples, PixelExamples
from classifier.train.experiment import Bench
from terrabalance.progress import Progress
from terrabalance.sizes import height_width
from terrabalance.symmetry import keep_shape


class Setup(Protocol):
    """Examples, and a network for them."""

    def examples(
        self,
        rows: pd.DataFrame,
        classes: list[str],
        on_progress: Progress,
        trained_by: Arm | None,
    ) -> Examples:
        """Read the images of manifest rows, to be augmented as an arm asks for; None: as is."""

    def model(self, examples: Examples) -> nn.Module:
        """Return the network at its start, on the device, by torch's global generator."""


def setup_for(bench: Bench, n_classes: int) -> Setup:
    """Return the way of training that the settings ask for."""
    return _Head(bench, n_classes) if bench.config.frozen else _Whole(bench, n_classes)


def feature_cache(bench: Bench) -> FeatureCache:
    """Return the features of images by the network of the settings, as it was pretrained."""

    def open_network() -> Embed:
        config, n_bands = bench.config, bench.bands.count
        model = build_model(config, n_classes=1, n_bands=n_bands)
        network = FeatureNetwork(model, config.model, config.image_size, bench.device, n_bands)
        return network.embed

    folder, key = bench.root / "features", bench.network_key()
    return FeatureCache(folder, key, open_network, bench.resolution, bench.bands)


class _Whole:
    def __init__(self, bench: Bench, n_classes: int) -> None:
        self._bench = bench
        self._model = build_model(bench.config, n_classes, bench.bands.count)
        self._mean, self._std = normalisation(self._model, bench.bands.count)

    def examples(
        self,
        rows: pd.DataFrame,
        classes: list[str],
        on_progress: Progress,
        trained_by: Arm | None,
    ) -> PixelExamples:
        bench = self._bench
        images = load_images(
            bench.manifest, rows, classes, bench.resolution, on_progress, bench.bands
        )
        train = trained_by is not None
        return PixelExamples(
            images, bench.config.image_size, self._mean, self._std, bench.device,
            symmetries=train and bench.config.symmetries,
            chroma=bench.chroma if train else 0.0,
            pastes=trained_by is not None and trained_by.pastes,
        )  # fmt: skip

    def model(self, examples: Examples) -> nn.Module:
        return self._model.to(self._bench.device, memory_format=torch.channels_last)  # type: ignore[call-overload]


class _Head:
    def __init__(self, bench: Bench, n_classes: int) -> None:
        self._bench, self._n_classes = bench, n_classes

    def examples(
        self,
        rows: pd.DataFrame,
        classes: list[str],
        on_progress: Progress,
        trained_by: Arm | None,
    ) -> FeatureExamples:
        bench, views = self._bench, Views()
        if trained_by is not None:
            turns = keep_shape(*height_width(bench.resolution)) if bench.config.symmetries else (0,)
            views = Views(turns, bench.chroma, trained_by.pastes)
        features = feature_cache(bench).of(bench.manifest, rows, views, on_progress)
        index = {name: label for label, name in enumerate(classes)}
        labels = torch.tensor([index[name] for name in rows["class"]], dtype=torch.int64)
        synthetic = torch.tensor((rows["source"] == "synthetic").tolist(), dtype=torch.bool)
        return FeatureExamples(features, labels, synthetic, list(rows["path"]), bench.device)

    def model(self, examples: Examples) -> nn.Module:
        assert isinstance(examples, FeatureExamples)
        return LinearHead(examples.features[:, 0].float(), self._n_classes).to(self._bench.device)


class LinearHead(nn.Module):
    """Standardised features to logits.

    Args:
        features: (N, D) float32, whose mean and standard deviation are taken off.
        n_classes: number of logits.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, features: Tensor, n_classes: int) -> None:
        super().__init__()
        few = len(features) < 2
        spread = torch.ones(features.shape[1]) if few else features.std(dim=0).clamp_min(1e-6)
        self.register_buffer("mean", features.mean(dim=0))
        self.register_buffer("spread", spread)
        self.linear = nn.Linear(features.shape[1], n_classes)

    def forward(self, features: Tensor) -> Tensor:
        """Return (N, n_classes) of (N, D)."""
        logits: Tensor = self.linear((features - self.mean) / self.spread)
        return logits
