"""Randomness by name, not by order: every draw has a seed derived from what it is for."""

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


# Of the bytes of a state: seed (8), left (4), seeded (4), next (8), then 624 words of 8 bytes each.
_WORDS = slice(24, 24 + 624 * 8)


def seed_for(*parts: str | int) -> int:
    """Derive a seed in [0, 2**63) from what it is for; the same on every machine.

    Example:
        `seed_for(run_seed, "sample", "Pond", 17)` is the seed of Pond's 18th synthetic image.
    """
    digest = hashlib.blake2b(json.dumps(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def generator_for(*parts: str | int) -> "torch.Generator":
    """Return `generator_of(seed_for(*parts))`."""
    return generator_of(seed_for(*parts))


def generator_of(seed: int) -> "torch.Generator":
    """Return torch's CPU generator (MT19937) with a state that all bits of a seed decide.

    `manual_seed` of the CPU takes the lowest 32 bits alone, in which about five pairs of 200,000
    seeds agree. Here numpy spreads the seed over the 624 words of the state, as it does for its own
    MT19937; the same on every machine. On the CPU even when the model is not: the same numbers
    then reach every kind of device. Generators of GPUs (Philox) take 64 bits by themselves.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    state = generator.get_state()
    words = np.random.MT19937(np.random.SeedSequence(seed)).state["state"]["key"]
    state.numpy()[_WORDS].view(np.uint64)[:] = words
    return generator.set_state(state)


def seed_torch(seed: int) -> None:
    """Seed torch's global generators: those of GPUs, and the CPU's as in `generator_of`."""
    import torch

    torch.manual_seed(seed)
    torch.set_rng_state(generator_of(seed).get_state())
