"""The small network that benchmarks on a CPU vary, and its training."""

import json
from collections.abc import Iterable
from typing import Any

from augment.config import TrainingConfig

NETWORK = {"dim": 32, "dim_mults": [1, 2, 4], "attention_heads": 2, "attention_dim": 16}
TRAINING = {"batch_size": 16, "learning_rate": 1e-3, "learning_rate_schedule": "constant"}


def settings_of(words: Iterable[str], side_px: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings of the generator and of its training.

    They are the preset `cpu`'s network and a constant learning rate, but for what is given.

    Args:
        words: `name=value` each; a list is written with dashes, [1-2-2].
        side_px: of the images.
    """
    given = {name: _value(text) for name, text in (word.split("=") for word in words)}
    of_training = given.keys() & TrainingConfig.model_fields.keys()
    network = {name: value for name, value in given.items() if name not in of_training}
    training = {name: given[name] for name in of_training}
    return {"image_size": side_px, **NETWORK, **network}, {**TRAINING, **training}


def _value(text: str) -> Any:
    try:
        return json.loads(text.replace("-", ",") if text.startswith("[") else text)
    except json.JSONDecodeError:
        return text
