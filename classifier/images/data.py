"""Manifest rows to labelled pixels, the same way for real and for synthetic images."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from classifier.arms import ARMS
from terrabalance.bands import RGB, Bands
from terrabalance.errors import BadInput
from terrabalance.images import read_patches
from terrabalance.manifest import ORACLE, Manifest
from terrabalance.progress import Progress, silent
from terrabalance.sizes import Size


@dataclass(frozen=True)
class LabelledImages:
    """Images of one split, by path.

    Attributes:
        pixels: (N, C, height, width) levels (`terrabalance.bands`) on the CPU.
        labels: (N,) int64, the index of the class in the list that the loader was given.
        synthetic: (N,) bool.
        paths: N paths relative to the manifest's root.
    """

    pixels: Tensor
    labels: Tensor
    synthetic: Tensor
    paths: list[str]


def train_classes(manifest: Manifest) -> list[str]:
    """Return the classes with a real training image, sorted: the label order of every arm."""
    rows = manifest.usable("train")
    return sorted(rows[rows["source"] == "real"]["class"].unique())


def train_counts(manifest: Manifest, arm: str, share: float = 1.0) -> dict[str, int]:
    """Count the training images of `arm` by class; arguments as of `train_rows`."""
    counts = train_rows(manifest, arm, share).groupby("class").size()
    return {name: int(counts[name]) for name in train_classes(manifest)}


def train_rows(manifest: Manifest, arm: str, share: float = 1.0) -> pd.DataFrame:
    """Return the rows that `arm` trains on.

    Args:
        manifest: real and synthetic images.
        arm: name of an arm. Synthetic images are taken by those arms only that use them, images
            of split `oracle` by the arm `oracle` only.
        share: of each class's synthetic images, in (0, 1], rounded up; the first by path.

    Raises:
        BadInput: an unknown arm, or no image that the arm asks for.
    """
    if arm not in ARMS:
        raise BadInput(f"arm {arm!r} is unknown; use one of {list(ARMS)}.")
    rows, wanted = manifest.usable("train"), ARMS[arm].images
    real = rows[rows["source"] == "real"]
    if real.empty:
        raise BadInput(f"{manifest.root}: no real image in split 'train'. Split the dataset first.")
    if wanted == "real":
        return real
    if wanted == "synthetic":
        made = rows[rows["source"] == "synthetic"].groupby("class", sort=False)
        kept = [part.head(math.ceil(share * len(part))) for _, part in made]
        return pd.concat([real, *kept], ignore_index=True)
    extra = manifest.usable(ORACLE)
    extra = extra[extra["source"] == "real"]
    if extra.empty:
        raise BadInput(
            f"{manifest.root}: the arm 'oracle' trains on the real images of split {ORACLE!r}, "
            "and there are none. Leave the arm out, or give such a split."
        )
    return pd.concat([real, extra], ignore_index=True)


def check_judges(manifest: Manifest) -> None:
    """Make sure that val and test hold real images only, none of which is trained on.

    Raises:
        BadInput: a synthetic image in val or test, a test part without images, a class that is
            not in the real train part, or an image whose very file is in another part too.
    """
    val, test = manifest.usable("val"), manifest.usable("test")
    judges = pd.concat([val, test])
    fake = judges[judges["source"] != "real"]
    if len(fake):
        raise BadInput(
            f"{manifest.root}: {len(fake)} images in val or test are not real, the first is "
            f"{fake['path'].iloc[0]!r}. The judge is real images only: move them to train."
        )
    if test.empty:
        raise BadInput(f"{manifest.root}: no real image in split 'test'. Split the dataset first.")
    _check_known(manifest, judges, train_classes(manifest))
    both = val[val["sha256"].isin(set(test["sha256"]) - {""})]
    if len(both):
        raise BadInput(
            f"{manifest.root}: {len(both)} images of val are in test as well, the first is "
            f"{both['path'].iloc[0]!r}. What val chooses would be chosen on test: take them out."
        )
    learned = pd.concat([manifest.usable("train"), manifest.usable(ORACLE)])
    leaked = judges[judges["sha256"].isin(set(learned["sha256"]) - {""})]
    if len(leaked):
        raise BadInput(
            f"{manifest.root}: {len(leaked)} images of val or test are trained on as well, the "
            f"first is {leaked['path'].iloc[0]!r}. Take them out of one of the two."
        )


def _check_known(manifest: Manifest, rows: pd.DataFrame, classes: Sequence[str]) -> None:
    if unknown := sorted(set(rows["class"]) - set(classes)):
        raise BadInput(
            f"{manifest.root}: classes without a real training image: {unknown}. "
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
        rows: of it.
        classes: names in label order.
        resolution: size to reduce to; the generator's.
        on_progress: told of each decoded image.
        bands: how they are read.

    Raises:
        BadInput: a path leaves the root, or a class is not in `classes`.
        UnreadableImage: a file is damaged.
    """
    _check_known(manifest, rows, classes)
    index = {name: label for label, name in enumerate(classes)}
    pixels = read_patches(manifest.paths(rows), resolution, bands, on_progress)
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
