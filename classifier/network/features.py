"""Frozen features of a network: images in, (N, D) arrays out."""

import functools
import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from classifier.config import ClassifierConfig
from classifier.feature_network import TRAINED_HERE, FeatureConfig
from classifier.images.loading import to_input
from classifier.network.card import read_card
from classifier.network.model import WEIGHTS, build_model, normalisation
from terrabalance.checkpoint import load_result
from terrabalance.device import autocast, precision_on
from terrabalance.errors import BadInput

_log = logging.getLogger(__name__)

_not_had = set[str]()  # names of networks whose weights this process could not get from the hub
_BATCH = 64

Load = Callable[[torch.device], "FeatureNetwork"]


class FeatureNetwork:
    """A feature network: a network without its head, on a device, with a name for reports.

    Args:
        model: a timm model; its head is taken off.
        name: for reports.
        image_size: side of its square input, in pixels.
        device: to run on.
        n_bands: of its input.
        precision: `auto` (bf16 where the device is faster in it), `bf16` or `fp32`.
    """

    def __init__(
        self,
        model: nn.Module,
        name: str,
        image_size: int,
        device: torch.device,
        n_bands: int = 3,
        precision: str = "auto",
    ) -> None:
        model.reset_classifier(0)  # type: ignore[operator]
        self.name, self.n_bands = name, n_bands
        self._size, self._device = image_size, device
        self._precision = precision_on(device, precision)
        self._mean, self._std = normalisation(model, n_bands)
        self._model = model.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]

    @functools.cached_property
    def key(self) -> str:
        """Hash of weights, input size and precision, which decide the features of pixels."""
        name = f"{self.name} {self._size} {self._precision}"
        digest = hashlib.blake2b(name.encode(), digest_size=16)
        for tensor in self._model.state_dict().values():
            digest.update(tensor.cpu().flatten().contiguous().view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def embed(self, pixels: np.ndarray) -> np.ndarray:
        """Return the (N, D) float32 pooled features of (N, n_bands, H, W) levels.

        In bf16 a CPU that computes in it takes a third of the time.
        """
        features = []
        with torch.inference_mode(), autocast(self._device, self._precision):
            for part in torch.split(torch.from_numpy(pixels), _BATCH):
                shown = _filled(part) if self._device.type == "cuda" else part
                images = to_input(shown.to(self._device), self._size, self._mean, self._std)
                images = images.contiguous(memory_format=torch.channels_last)
                features.append(self._model(images)[: len(part)].float().cpu())
        return torch.cat(features).numpy()


def _filled(images: torch.Tensor) -> torch.Tensor:
    """Fill a batch up with black images.

    cuDNN prepares each layer again for every batch size, and every class has its own number of
    images: on an H200 eight views of 2,171 images in classes of 10 to 98 took two minutes.
    """
    missing = _BATCH - len(images)
    return torch.cat([images, images.new_zeros(missing, *images.shape[1:])])


def pretrained_network(config: FeatureConfig, device: torch.device) -> FeatureNetwork:
    """Load the network that `config` names.

    Raises:
        BadInput: an unknown model, a hub that cannot be reached, a file that does not fit.
    """
    return _loader(config)(device)


def _loader(config: FeatureConfig) -> Load:
    wanted = ClassifierConfig(
        model=config.model, weights=config.weights, image_size=config.image_size
    )
    model = build_model(wanted, n_classes=1000, section="fidelity")
    return lambda device: FeatureNetwork(model, config.model, config.image_size, device)


def trained_network(folder: Path, device: torch.device) -> FeatureNetwork:
    """Load the classifier that was trained in `folder`.

    Raises:
        BadInput: its card is of another version or none of ours, or its weights do not fit it.
    """
    card = read_card(folder)
    config = card.config.model_copy(update={"pretrained": False, "weights": None})
    n_bands = card.bands.count
    model = build_model(config, len(card.classes), n_bands)
    load_result(model, folder / WEIGHTS)
    name = f"{config.model}, trained here on real images"
    return FeatureNetwork(model, name, config.image_size, device, n_bands, config.precision)


def named_network(config: FeatureConfig) -> Load | None:
    """Return what loads the network that `config` names; None where its weights are not available.

    Without it, or where `config` asks for that, a classifier that is trained here serves as feature
    network (`classifier.train.training.train_baseline`).

    The hub is asked once per process: a hub that cannot be reached takes a minute to fail, and
    every class asks again.

    Raises:
        BadInput: a local file that does not fit; a file that was asked for is never replaced.
    """
    if config.model == TRAINED_HERE or (config.weights is None and config.model in _not_had):
        return None
    try:
        return _loader(config)
    except BadInput as error:
        if config.weights is not None:
            raise
        _log.warning("features of a classifier trained here are used instead: %s", error)
        _not_had.add(config.model)
        return None
