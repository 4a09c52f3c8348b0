"""Make one network of timm of a trained classifier, whose outputs are the logits of its arm."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from classifier.arms.registry import arm_of
from classifier.export.choice import Chosen
from classifier.images.loading import to_input
from classifier.network.card import Card, read_card
from classifier.network.model import WEIGHTS, build_model, normalisation
from classifier.train.experiment import weights_key
from classifier.train.setup import LinearHead, roots
from terrabalance.checkpoint import load_result
from terrabalance.errors import BadInput
from terrabalance.sizes import height_width

Logits = Callable[[Tensor], Tensor]  # of (N, 3, S, S) float32 to (N, classes) float32
_CLOSE = 1e-3  # of the largest logit: what rounding may change, far below any other mistake
_N_TRIED = 4  # images of noise


@dataclass(frozen=True)
class Network:
    """A network to be exported.

    Attributes:
        model: a timm model in evaluation mode, on the CPU.
        card: of its training.
        source: what timm says of the weights of this name.
        mean, std: of the bands in [0, 1] that it expects.
    """

    model: nn.Module
    card: Card
    source: dict[str, Any]
    mean: list[float]
    std: list[float]

    @property
    def takes_roots(self) -> bool:
        """Whether its last layer takes the roots of features, which no layer of timm does."""
        return self.card.config.frozen


def network_of(folder: Path, chosen: Chosen) -> Network:
    """Build the network of a trained classifier, with the correction of its arm's logits in it.

    A correction takes a constant off each logit, so it becomes part of the last layer's bias. Of a
    linear head on frozen features, which were standardised, mean and spread become part of its
    weights and bias.

    Args:
        folder: of the trained classifier.
        chosen: the arm that reads it.

    Raises:
        BadInput: files that are gone or were changed, bands that an export does not read, or a
            network of timm whose last layer cannot hold the head.
    """
    card = read_card(folder)
    if not card.bands.is_rgb:
        raise BadInput(
            f"{folder}: reads {card.bands.count} bands of {card.bands.dtype}. Only classifiers of "
            "images with three bands of 8 bit can be exported: other programs would read others "
            "differently."
        )
    model, logits = (_head if card.config.frozen else _whole)(folder, card, chosen)
    source: dict[str, Any] = dict(model.pretrained_cfg)  # type: ignore[arg-type]
    network = Network(model, card, source, *normalisation(model))
    inputs = noise_for(network)
    wanted = torch.from_numpy(_corrected(logits(inputs).numpy(), chosen))
    _add_to_bias(model, card, torch.from_numpy(_corrected(_zeros(card), chosen))[0])
    refuse_unequal(logits_of(network), wanted, inputs, card)
    return network


def logits_of(network: Network) -> Logits:
    """Return what a program does with an exported network."""
    usual = _inference(network.model)
    if not network.takes_roots:
        return usual

    def logits(inputs: Tensor) -> Tensor:
        last = _last(network.model, network.card)
        hook = last.register_forward_pre_hook(lambda _, given: roots(given[0]))
        try:
            return usual(inputs)
        finally:
            hook.remove()

    return logits


def refuse_unequal(logits: Logits, wanted: Tensor, inputs: Tensor, card: Card) -> None:
    """Make sure that a network gives the logits that it has to.

    Args:
        logits: of the network.
        wanted: (N, classes).
        inputs: (N, 3, S, S).
        card: of its training.

    Raises:
        BadInput: it does not.
    """
    apart = (logits(inputs) - wanted).abs().max().item()
    if not apart <= _CLOSE * max(1.0, wanted.abs().max().item()):
        raise _unfit(card, f"its logits would differ by {apart:.2g}")


def noise_for(network: Network) -> Tensor:
    """Return (N, 3, S, S) inputs to try a network with."""
    card = network.card
    shape = (_N_TRIED, 3, *height_width(card.resolution))
    levels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return to_input(torch.from_numpy(levels), card.config.image_size, network.mean, network.std)


def _whole(folder: Path, card: Card, chosen: Chosen) -> tuple[nn.Module, Logits]:
    offline = card.config.model_copy(update={"pretrained": False, "weights": None})
    model = build_model(offline, len(card.classes)).eval()
    load_result(model, folder / WEIGHTS)
    return model, _inference(model)


def _head(folder: Path, card: Card, chosen: Chosen) -> tuple[nn.Module, Logits]:
    # The file of this comparison: the head may have been trained with a copy that has gone since.
    config = card.config.model_copy(update={"weights": chosen.weights_file})
    if weights_key(config) != chosen.weights:
        raise BadInput(
            f"{config.weights}: gone, or not as it was when the head was trained on its features. "
            "Put the file back, and export again."
        )
    network = build_model(config, 1).eval()
    network.reset_classifier(0)  # type: ignore[operator]
    model = build_model(config, len(card.classes)).eval()
    last = _last(model, card)
    head = LinearHead(torch.zeros(2, last.in_features), len(card.classes)).eval()
    load_result(head, folder / WEIGHTS)
    # float64: the standardisation's small spreads would cost digits.
    weight = head.linear.weight.double() / head.spread.double()
    bias = head.linear.bias.double() - weight @ head.mean.double()
    last.load_state_dict({"weight": weight.float(), "bias": bias.float()})
    return model, _inference(nn.Sequential(network, head))


def _inference(model: nn.Module) -> Logits:
    def logits(inputs: Tensor) -> Tensor:
        with torch.no_grad():
            found: Tensor = model(inputs)
        return found

    return logits


def _last(model: nn.Module, card: Card) -> nn.Linear:
    last = model.get_classifier()  # type: ignore[operator]
    if not isinstance(last, nn.Linear) or last.bias is None:
        raise _unfit(card, "its last layer is no linear one with a bias")
    return last


def _add_to_bias(model: nn.Module, card: Card, offsets: Tensor) -> None:
    if offsets.any():
        last = _last(model, card)
        with torch.no_grad():
            last.bias.add_(offsets)


def _zeros(card: Card) -> np.ndarray:
    return np.zeros((1, len(card.classes)), np.float32)


def _corrected(logits: np.ndarray, chosen: Chosen) -> np.ndarray:
    return arm_of(chosen.arm).corrected(logits, chosen.shares, chosen.setting)


def _unfit(card: Card, why: str) -> BadInput:
    return BadInput(
        f"{card.config.model} cannot be exported as one network of timm: {why}. Compare with "
        "another classifier.model."
    )
