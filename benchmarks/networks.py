"""The small network that benchmarks on a CPU vary."""

import json
from collections.abc import Iterable
from typing import Any

NETWORK = {"dim": 32, "dim_mults": [1, 2, 4], "attention_heads": 2, "attention_dim": 16}


def settings_of(words: Iterable[str], side_px: int) -> dict[str, Any]:
    """Return the settings of the generator: the preset `cpu`'s network, but for what is given.

    Args:
        words: `name=value` each; a list is written with dashes, [1-2-2].
        side_px: of the images.
    """
    given = dict(word.split("=") for word in words)
    changed = {name: json.loads(value.replace("-", ",")) for name, value in given.items()}
    return {"image_size": side_px, **NETWORK, **changed}
