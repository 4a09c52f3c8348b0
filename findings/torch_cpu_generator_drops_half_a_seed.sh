#!/usr/bin/env bash
# torch's CPU generator uses 32 of the 64 bits of a seed, and says that it uses all of them.
#
# Expected: `Generator.manual_seed` takes any number of 64 bits, and advises large seeds with a
#   balance of zeros and ones, such as hashes. Two such seeds give two streams, as NumPy's do;
#   `initial_seed` returns the one in use.
# What happens: on the CPU the upper half is dropped. Seeds that differ in it alone give the same
#   noise to the last bit, while `initial_seed` returns both in full. Of many hashed seeds some
#   collide, as of 32 bits. Nothing is said. (A GPU's generator, Philox, uses all 64.)
# Versions: torch 2.15.0, numpy 2.4.6, Python 3.11.
# Output seen:
#   1 and 4294967297: the same noise: True; initial_seed: [1, 4294967297]
#   NumPy, the same seeds: the same noise: False
#   of 200000 hashed seeds 14 share their noise with another
# Whom it hurts: whoever draws each image of a diffusion model from a seed of its own, on a CPU
#   generator, as is advised for the same images on every device: a set of 200,000 images holds
#   exact copies, which then lie in training and in test.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.15.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PY'
import hashlib
from collections import Counter

import numpy as np
import torch

N_SEEDS = 200_000


def noise(seed):
    return torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(seed))


seeds = [1, 2**32 + 1]
alike = torch.equal(*map(noise, seeds))
said = [torch.Generator().manual_seed(seed).initial_seed() for seed in seeds]
print(f"{seeds[0]} and {seeds[1]}: the same noise: {alike}; initial_seed: {said}")
assert alike and said == seeds

theirs = [np.random.default_rng(seed).standard_normal(8).tolist() for seed in seeds]
print(f"NumPy, the same seeds: the same noise: {theirs[0] == theirs[1]}")
assert theirs[0] != theirs[1]

hashed = [
    int.from_bytes(hashlib.sha256(f"image {n}".encode()).digest()[:8], "big")
    for n in range(N_SEEDS)
]
assert len(set(hashed)) == N_SEEDS
of_low = Counter(seed % 2**32 for seed in hashed)
candidates = [seed for seed in hashed if of_low[seed % 2**32] > 1]
drawn = Counter(noise(seed).numpy().tobytes() for seed in candidates)
sharing = sum(count for count in drawn.values() if count > 1)
print(f"of {N_SEEDS} hashed seeds {sharing} share their noise with another")
assert sharing == len(candidates) > 0
PY
echo "as described"
