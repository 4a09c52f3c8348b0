"""What is asked of a drawing: a class's synthetic images, and the real images that help."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from augment.config import SamplingConfig
from terrabalance.rasters.raster import Layout
from terrabalance.seeds import seed_for


@dataclass(frozen=True)
class SamplingRequest:
    """A class's synthetic images.

    Attributes:
        generator: folder of a finished generator.
        class_name: the class to draw.
        n_images: how many images the folder is to hold.
        config: sampler, steps and batch size.
        seed: of the run.
        folder: to write the images to.
        device: to draw on.
        run: name of the run, written into every image's metadata.
        layout: that most real images of the class are stored in, for the synthetic ones to be
            opened alike; None: these are no TIFFs.
    """

    generator: Path
    class_name: str
    n_images: int
    config: SamplingConfig
    seed: int
    folder: Path
    device: torch.device
    run: str
    layout: Layout | None = None

    def seed_of(self, index: int) -> int:
        """Return the seed of an image."""
        return seed_for(self.seed, "sample", self.class_name, index)


@dataclass(frozen=True)
class RealImages:
    """Functions that read real training images, called only where images are to be drawn.

    Attributes:
        own: returns (N, C, H, W) levels of the class: starts of the images
            (`config.starts_from_real`), and what their spectrum is matched to
            (`config.match_spectrum`).
        others: returns those of each other class, which help to estimate the spectrum of a class
            of few images; None: they are not used.
    """

    own: Callable[[], np.ndarray]
    others: Callable[[], Sequence[np.ndarray]] | None = None
