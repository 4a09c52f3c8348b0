"""Manifest rows to labelled pixels, in the same way for real and for synthetic images."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from classifier.images.paste import Peers
from terrabalance.bands import RGB, Bands
from terrabalance.errors import BadInput
from terrabalance.images import read_patches
from terrabalance.manifest import Manifest
from terrabalance.progress import Progress, silent
from terrabalance.sizes import Size
from terrabalance.wording import listed


@dataclass(frozen=True)
class LabelledImages:
    """The images of some manifest rows, in their order.

    Attributes:
        pixels: (N, C, height, width) levels (`terrabalance.bands`) on the CPU.
        labels: (N,) int64, indices into the classes given to `load_images`.
        synthetic: (N,) bool.
        paths: N paths relative to the manifest's root.
    """

    pixels: Tensor
    labels: Tensor
    synthetic: Tensor
    paths: list[str]

    @cached_property
    def peers(self) -> Peers:
        """For each image the others of its class and source."""
        return Peers(2 * self.labels + self.synthetic)


def train_classes(manifest: Manifest) -> list[str]:
    """Return the classes with a real training image, sorted: the label order of every arm."""
    rows = manifest.usable("train")
    return sorted(rows[rows["source"] == "real"]["class"].unique())


def check_known(manifest: Manifest, rows: pd.DataFrame, classes: Sequence[str]) -> None:
    """Make sure that `rows` have no class beside `classes`.

    Raises:
        BadInput: they have.
    """
    if unknown := sorted(set(rows["class"]) - set(classes)):
        raise BadInput(
            f"{manifest.root}: classes without a real training image: {listed(unknown)}. "
            "Add real images of them to split 'train', or leave these classes out."
        )


def load_images(
    manifest: Manifest,
    rows: pd.DataFrame,
    classes: Sequence[str],
    resolution: Size,
    on_progress: Progress = silent,
    bands: Bands = RGB,
) -> LabelledImages:
    """Read images into memory at one resolution.

    Synthetic images are drawn at the generator's size, real ones are larger JPEGs. Fed as they
    are, a classifier could learn "soft and lossless means rare class", shine in training and
    fail on real rare images. So every image, real or synthetic, train or test, is first reduced
    to the same `resolution` by the same filter, which leaves no difference in sharpness and
    next to none of the JPEG blocks; only then is it resized to the network's input.

    Args:
        manifest: the dataset.
        rows: of the manifest.
        classes: names in label order.
        resolution: size in pixels to reduce to; that of the generator.
        on_progress: called after each decoded image.
        bands: how images are read.

    Raises:
        BadInput: a path leaves the root, or a class is not in `classes`.
        UnreadableImage: a file is damaged.
    """
    check_known(manifest, rows, classes)
    index = {name: label for label, name in enumerate(classes)}
    pixels = read_patches(manifest.unchanged(rows), resolution, bands, on_progress)
    return LabelledImages(
        pixels=torch.from_numpy(pixels),
        labels=torch.tensor([index[name] for name in rows["class"]], dtype=torch.int64),
        synthetic=torch.tensor((rows["source"] == "synthetic").tolist(), dtype=torch.bool),
        paths=list(rows["path"]),
    )


def to_input(pixels: Tensor, size_px: int, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Resize (bicubic, antialiased) and normalise a batch on the device that it is on.

    Args:
        pixels: (N, C, H, W) levels.
        size_px: side of the network's square input.
        mean: of the bands in [0, 1], from the model's own data config.
        std: likewise.

    Returns:
        (N, C, size_px, size_px) float32.
    """
    images = pixels.float() / torch.iinfo(pixels.dtype).max
    if images.shape[-2:] != (size_px, size_px):
        images = functional.interpolate(
            images, (size_px, size_px), mode="bicubic", antialias=True, align_corners=False
        ).clamp(0, 1)
    shape = (1, len(mean), 1, 1)
    centre = torch.tensor(mean, device=pixels.device).view(shape)
    spread = torch.tensor(std, device=pixels.device).view(shape)
    return (images - centre) / spread
