"""Try a network on one batch before anything is trained: what cannot work is said at once.

Many networks of timm can be built for a size that they then fail at in the first forward pass, in
training mode alone, or when their weights are written.
"""

import numpy as np
import torch
from safetensors.torch import load
from torch import nn

from classifier.config import ClassifierConfig
from classifier.feature_network import TRAINED_HERE, FeatureConfig
from classifier.images.loading import LabelledImages
from classifier.network.features import FeatureNetwork
from classifier.network.model import build_model, normalisation
from classifier.train.examples import PixelExamples
from classifier.train.loop import Trainer
from terrabalance.checkpoint import as_safetensors, load_into
from terrabalance.errors import BadInput

_CPU = torch.device("cpu")
_FEW = 2  # images in the batch, each of a class of its own
_LONGEST_REASON = 200  # characters of a foreign error


def try_classifier(config: ClassifierConfig, n_bands: int = 3) -> None:
    """Try all that a run asks of a classifier: its training, and its features.

    Raises:
        BadInput: as of `build_model`, `try_training` and `try_features`.
    """
    model = build_model(config, 2, n_bands)
    if not config.frozen:
        try_training(model, config, n_bands)
    try_features(model, config.model, config.image_size, n_bands)


def try_training(model: nn.Module, config: ClassifierConfig, n_bands: int = 3) -> None:
    """Take one optimizer step on two images, predict them, and write and read the weights.

    On the CPU, as a training would. The model is changed by it.

    Args:
        model: that was built for `config`, two classes and `n_bands`.
        config: of the classifier.
        n_bands: of the images.

    Raises:
        BadInput: any of it fails; the sentence names model and size.
    """
    few = config.model_copy(update={"batch_size": _FEW})
    pixels = torch.from_numpy(_images(config.image_size, n_bands))
    images = LabelledImages(pixels, torch.arange(_FEW), torch.zeros(_FEW, dtype=torch.bool), [])
    mean, std = normalisation(model, n_bands)
    examples = PixelExamples(
        images, config.image_size, mean, std, _CPU, symmetries=False, chroma=0.0, arm=None
    )
    try:
        model = model.to(_CPU, memory_format=torch.channels_last)  # type: ignore[call-overload]
        trainer = Trainer(model, few, 0, _CPU, [1] * _FEW)
        trainer.step(examples, torch.ones(_FEW), 0)
        trainer.predict(examples)
        load_into(model, load(as_safetensors(model.state_dict())), config.model)
    except Exception as error:  # timm, torch and safetensors each raise their own kinds
        raise BadInput(_refused("classifier", config.model, config.image_size, error)) from error


def try_features(
    model: nn.Module, name: str, image_size: int, n_bands: int = 3, section: str = "classifier"
) -> None:
    """Compute the features of two images by a network without its head.

    Args:
        model: that was built for `image_size` and `n_bands`; it loses its head.
        name: of the model.
        image_size: side of the network's square input, in pixels.
        n_bands: of the images.
        section: of the settings that name the model.

    Raises:
        BadInput: it fails, or gives no vector an image; the sentence names model and size.
    """
    try:
        features = FeatureNetwork(model, name, image_size, _CPU, n_bands).embed(
            _images(image_size, n_bands)
        )
        if features.ndim != 2:
            raise ValueError(f"features of shape {features.shape[1:]} an image, not a vector")
    except Exception as error:
        raise BadInput(_refused(section, name, image_size, error)) from error


def try_feature_network(config: FeatureConfig) -> None:
    """Compute the features of two images by a network that is named, with random weights.

    Raises:
        BadInput: an unknown model, a file that does not fit, or a model that fails at its size.
    """
    if config.model == TRAINED_HERE:
        return
    wanted = ClassifierConfig(
        model=config.model, weights=config.weights, image_size=config.image_size, pretrained=False
    )
    model = build_model(wanted, n_classes=2, section="fidelity")
    try_features(model, config.model, config.image_size, section="fidelity")


def _images(side_px: int, n_bands: int) -> np.ndarray:
    shape = (_FEW, n_bands, side_px, side_px)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def _refused(section: str, model: str, side_px: int, error: Exception) -> str:
    lines = str(error).strip().splitlines()
    kind = type(error).__name__
    reason = f"{kind}: {lines[0][:_LONGEST_REASON]}" if lines else kind
    return (
        f"{section}.model = {model!r} does not work with images of {side_px} px ({reason}). "
        f"Change {section}.image_size or {section}.model."
    )
