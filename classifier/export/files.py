"""Write an exported classifier: weights and settings in timm's layout, and a card with its code."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import timm
from safetensors.torch import load_file

from classifier.export.choice import Chosen
from classifier.export.network import (
    Network,
    logits_of,
    network_of,
    noise_for,
    refuse_unequal,
)
from classifier.export.readme import readme
from classifier.network.model import input_size
from terrabalance import __version__
from terrabalance.checkpoint import write_tensors
from terrabalance.files import write_plain_json, write_text
from terrabalance.finished import mark_done
from terrabalance.sizes import height_width

WEIGHTS, CONFIG, README = "model.safetensors", "config.json", "README.md"
FILES = (WEIGHTS, CONFIG, README)


def write_export(
    folder: Path, trained: Path, chosen: Chosen, record: Mapping[str, Any], name: str
) -> None:
    """Write a trained classifier for other programs, and make sure that timm loads it as it is.

    Args:
        folder: that gets the files; `done.json`, the last, has their checksums.
        trained: the folder of the trained classifier.
        chosen: the arm that reads it.
        record: of the comparison.
        name: of the comparison's report.

    Raises:
        BadInput: as of `network_of`, or timm does not give the same logits by these files.
    """
    network = network_of(trained, chosen)
    config = _config(network, chosen, name)
    write_tensors(folder / WEIGHTS, network.model.state_dict())
    write_plain_json(folder / CONFIG, config)
    write_text(folder / README, readme(network, chosen, record, name))
    _refuse_unlike(folder, network, config)
    about = {"export": name, "arm": chosen.arm, "seed": chosen.seed}
    mark_done(folder, about, [folder / file for file in FILES])


def _config(network: Network, chosen: Chosen, name: str) -> dict[str, Any]:
    """Return `config.json` as timm reads it from folders and from the hub.

    crop_pct and crop_mode are those of images that have been cut to the shape of the resolution.
    """
    card, known = network.card, network.source
    side, names = card.config.image_size, list(card.classes)
    kept = ["fixed_input_size", "first_conv", "classifier"]
    if card.config.pretrained and card.config.weights is None:
        kept.append("license")  # of the weights of that name, which a network from scratch has not
    config = {
        "architecture": known["architecture"],
        "num_classes": len(names),
        "num_features": network.model.num_features,
        "label_names": names,
        "model_args": input_size(card.config),
        "pretrained_cfg": {
            **{key: known[key] for key in kept if key in known},
            "input_size": [3, side, side], "mean": network.mean, "std": network.std,
            "interpolation": "bicubic", "crop_pct": 1.0, "crop_mode": "squash",
            "num_classes": len(names),
        },
        "terrabalance": {
            "version": __version__, "report": name, "arm": chosen.arm, "seed": chosen.seed,
            "reduced_to": height_width(card.resolution), "roots_of_features": network.takes_roots,
        },
    }  # fmt: skip
    return config


def _refuse_unlike(folder: Path, network: Network, config: Mapping[str, Any]) -> None:
    """Load the files as the card's code does, and compare."""
    model = timm.create_model(
        config["architecture"], num_classes=config["num_classes"], **config["model_args"]
    ).eval()
    model.load_state_dict(load_file(folder / WEIGHTS))
    again = replace(network, model=model)
    inputs = noise_for(network)
    refuse_unequal(logits_of(again), logits_of(network)(inputs), inputs, network.card)
