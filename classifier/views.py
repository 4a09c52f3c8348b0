"""Features of images and their symmetric views, computed once and kept class by class."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from classifier.chroma import jittered, noise_of
from terrabalance.bands import Bands
from terrabalance.checkpoint import write_tensors
from terrabalance.files import fingerprint
from terrabalance.images import read_patches
from terrabalance.manifest import Manifest
from terrabalance.progress import Progress
from terrabalance.sizes import Size
from terrabalance.symmetry import apply_symmetry

Embed = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class FeatureCache:
    """Features by one network, on the disk.

    Attributes:
        folder: gets a file for each class, split and source, so that a killed run goes on from
            there.
        network_key: what decides the features of pixels.
        open_network: gives what turns (N, C, H, W) levels into (N, D) features; called once, and
            only where something is missing.
        size: at which images are read.
        bands: how they are read.
    """

    folder: Path
    network_key: str
    open_network: Callable[[], Embed]
    size: Size
    bands: Bands

    def of(
        self,
        manifest: Manifest,
        rows: pd.DataFrame,
        views: Sequence[int],
        on_progress: Progress,
        chroma: float = 0.0,
    ) -> Tensor:
        """Return (len(rows), len(views), D) float16.

        Args:
            manifest: of the images.
            rows: of it, with an index of their own each.
            views: numbers of `terrabalance.symmetry.apply_symmetry`; 0 is the image as it is.
            on_progress: told of images.
            chroma: strength of `classifier.chroma.jittered`, of each view anew.

        Raises:
            BadInput: a network that cannot be loaded, or a path that leaves the root.
            UnreadableImage: a file is damaged.
        """
        embed: Embed | None = None
        order: list[int] = []
        parts: list[Tensor] = []
        for _, part in rows.groupby(["split", "source", "class"], sort=False):
            path = self.folder / f"{self._key(part, views, chroma)}.safetensors"
            features = _read(path)
            if features is None:
                embed = embed or self.open_network()
                features = self._embed(embed, manifest, part, views, chroma)
                write_tensors(path, {"features": features})
            order.extend(part.index)
            parts.append(features)
            on_progress(len(order), len(rows), "features")
        if not parts:
            return torch.empty(0, len(views), 1, dtype=torch.float16)
        place = pd.Series(range(len(order)), index=order)
        return torch.cat(parts)[place[rows.index].tolist()]

    def _key(self, rows: pd.DataFrame, views: Sequence[int], chroma: float) -> str:
        parts = [self.network_key, self.size, asdict(self.bands), _names(rows), list(views)]
        return fingerprint(*parts, chroma)

    def _embed(
        self,
        embed: Embed,
        manifest: Manifest,
        rows: pd.DataFrame,
        views: Sequence[int],
        chroma: float,
    ) -> Tensor:
        images = read_patches(manifest.paths(rows), self.size, self.bands)
        noise = noise_of(_names(rows), len(views), self.bands.count)
        change = partial(jittered, strength=chroma, noise=noise)
        return torch.from_numpy(features_of_views(embed, images, views, change)).half()


def _names(rows: pd.DataFrame) -> list[str]:
    return list(rows["sha256"].where(rows["sha256"] != "", rows["path"]))


def features_of_views(
    embed: Embed,
    images: np.ndarray,
    views: Sequence[int],
    change: Callable[[Tensor], Tensor] = lambda pixels: pixels,
) -> np.ndarray:
    """Return the features of (N, C, H, W) levels in several views.

    Args:
        embed: gives features.
        images: levels.
        views: as of `FeatureCache.of`.
        change: of the (N * views, C, H, W) levels before that, the views of an image in a row.

    Returns:
        (N, views, D).
    """
    pixels = torch.from_numpy(images)
    # One call for all: full batches of one shape, for which a GPU's library prepares only once.
    turned = torch.stack([apply_symmetry(pixels, which) for which in views], dim=1)
    found = embed(change(turned.flatten(0, 1)).numpy())
    return found.reshape(len(images), len(views), found.shape[-1])


def _read(path: Path) -> Tensor | None:
    try:
        return load_file(path)["features"]
    except (OSError, SafetensorError):
        return None
