"""Randomness by name, not by order: every draw has a seed derived from what it is for."""

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def seed_for(*parts: str | int) -> int:
    """Derive a seed in [0, 2**63) from what it is for; the same on every machine.

    Example:
        `seed_for(run_seed, "sample", "Pond", 17)` is the seed of Pond's 18th synthetic image.
    """
    digest = hashlib.blake2b(json.dumps(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def generator_for(*parts: str | int) -> "torch.Generator":
    """Return a CPU generator seeded with `seed_for(*parts)`.

    On the CPU even when the model is not: the same numbers then reach every kind of device.
    """
    import torch

    return torch.Generator().manual_seed(seed_for(*parts))
