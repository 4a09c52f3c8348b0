"""Features of images and their symmetric views, computed once and cached class by class."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from filelock import FileLock
from torch import Tensor

from classifier.images.chroma import jittered_by_name
from classifier.images.paste import pasted_by_name
from terrabalance.bands import Bands
from terrabalance.checkpoint import read_tensors, write_tensors
from terrabalance.contents import contents
from terrabalance.errors import BadInput
from terrabalance.files import fingerprint, left_of
from terrabalance.images import read_patches
from terrabalance.manifest import Manifest
from terrabalance.progress import Progress
from terrabalance.sizes import Size
from terrabalance.symmetry import apply_symmetry

_log = logging.getLogger(__name__)
# Raise when the features of a view would come out different.
_FORMAT = 2
Embed = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Views:
    """The views of each image.

    Attributes:
        symmetries: numbers of `terrabalance.symmetry.apply_symmetry`; 0 is the image as it is.
        chroma: strength of `classifier.images.chroma.jittered`, drawn for each view.
        pastes: whether each view comes once more, pasted onto another image of the class.
    """

    symmetries: tuple[int, ...] = (0,)
    chroma: float = 0.0
    pastes: bool = False


@dataclass(frozen=True)
class FeatureCache:
    """Features by one network, on disk.

    Attributes:
        folder: holds a file for each class, split and source, so that a killed run resumes there.
        network_key: hash of what decides the features of pixels.
        open_network: returns the function from (N, C, H, W) levels to (N, D) features; called
            once, and only if features are missing.
        size: in pixels, at which images are read.
        bands: how images are read.
    """

    folder: Path
    network_key: str
    open_network: Callable[[], Embed]
    size: Size
    bands: Bands

    def of(
        self, manifest: Manifest, rows: pd.DataFrame, views: Views, on_progress: Progress
    ) -> Tensor:
        """Return (len(rows), views, D) float16.

        Args:
            manifest: of the images.
            rows: of the manifest, with a unique index.
            views: of each image.
            on_progress: called after each class, with the number of images.

        Raises:
            BadInput: a network that cannot be loaded, or a path that leaves the root.
            UnreadableImage: a file is damaged.
        """
        embed: Embed | None = None
        order: list[int] = []
        parts: list[Tensor] = []
        for _, part in rows.groupby(["split", "source", "class"], sort=False):
            path = self.folder / f"{self._key(part, views)}.safetensors"
            features = _read(path)
            if features is None:
                embed = embed or self.open_network()
                features = self._embed(embed, manifest, part, views)
                _keep(path, features)
            order.extend(part.index)
            parts.append(features)
            on_progress(len(order), len(rows), "features")
        if not parts:
            return torch.empty(0, 1, 1, dtype=torch.float16)
        place = pd.Series(range(len(order)), index=order)
        return torch.cat(parts)[place[rows.index].tolist()]

    def kept(self, rows: pd.DataFrame, views: Views) -> Tensor | None:
        """Return what `of` would, where all of it is on the disk; None otherwise."""
        place = pd.Series(range(len(rows)), index=rows.index)
        found = torch.empty(0)
        for _, part in rows.groupby(["split", "source", "class"], sort=False):
            features = _read(self.folder / f"{self._key(part, views)}.safetensors")
            if features is None:
                return None
            if not len(found):
                found = features.new_empty(len(rows), *features.shape[1:])
            found[place[part.index].tolist()] = features
        return found if len(found) else None

    def _key(self, rows: pd.DataFrame, views: Views) -> str:
        how = [self.network_key, self.size, asdict(self.bands), asdict(views)]
        return fingerprint(_FORMAT, *how, _names(rows))

    def _embed(self, embed: Embed, manifest: Manifest, rows: pd.DataFrame, views: Views) -> Tensor:
        names = _names(rows)
        images = torch.from_numpy(read_patches(manifest.unchanged(rows), self.size, self.bands))
        seen = [apply_symmetry(images, which) for which in views.symmetries]
        if views.pastes:
            seen += [pasted_by_name(each, names, view) for view, each in enumerate(seen)]
        stacked = torch.stack(seen, dim=1)
        if views.chroma:
            changed = jittered_by_name(stacked.flatten(0, 1), names, views.chroma)
            stacked = changed.reshape(stacked.shape)
        return torch.from_numpy(_features(embed, stacked)).half()


def _names(rows: pd.DataFrame) -> list[str]:
    return list(contents(rows).where(rows["sha256"] != "", rows["path"]))


def features_of_views(embed: Embed, images: np.ndarray, symmetries: Sequence[int]) -> np.ndarray:
    """Return the (N, views, D) features of (N, C, H, W) levels in several symmetries."""
    pixels = torch.from_numpy(images)
    turned = [apply_symmetry(pixels, which) for which in symmetries]
    return _features(embed, torch.stack(turned, dim=1))


def _features(embed: Embed, views: Tensor) -> np.ndarray:
    # One call for all: full batches of one shape, for which a GPU's library prepares only once.
    found = embed(views.flatten(0, 1).numpy())
    return found.reshape(*views.shape[:2], found.shape[-1])


def _keep(path: Path, features: Tensor) -> None:
    """Write features, and remove what a writer that was killed left of the same ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(".writing.lock")):  # two runs may write the same
        write_tensors(path, {"features": features})
        for left in left_of(path):
            left.unlink(missing_ok=True)


def _read(path: Path) -> Tensor | None:
    if not path.is_file():
        return None
    try:
        return read_tensors(path)["features"]
    except BadInput as error:  # it costs one embedding
        _log.warning("embedded again: %s", error)
        return None
