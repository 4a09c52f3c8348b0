"""Requests for a few small images."""

from pathlib import Path

import torch
from PIL import Image

from augment.config import SamplingConfig
from augment.network.config import GeneratorConfig
from augment.sample.request import SamplingRequest

TINY = GeneratorConfig(image_size=16, dim=8, dim_mults=(1, 2), timesteps=20)
DDIM = SamplingConfig(sampler="ddim", steps=5, batch_size=4)


def ponds(
    generator: Path, n: int, folder: Path, config: SamplingConfig = DDIM, seed: int = 0
) -> SamplingRequest:
    """Ask for `n` images of the class Pond."""
    cpu = torch.device("cpu")
    return SamplingRequest(generator, "Pond", n, config, seed, folder, cpu, run="r")


def pixels(folder: Path) -> list[bytes]:
    return [Image.open(path).tobytes() for path in sorted(folder.glob("0*.png"))]
