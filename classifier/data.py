"""Manifest rows to labelled pixels, the same way for real and for synthetic images."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from classifier.config import ClassifierConfig
from terrabalance.bands import RGB, Bands
from terrabalance.errors import BadInput
from terrabalance.files import fingerprint, sha256_of
from terrabalance.images import Size, read_patches
from terrabalance.manifest import Manifest
from terrabalance.progress import Progress, silent

Arm = Literal["real", "synthetic"]
ARMS: tuple[Arm, ...] = ("real", "synthetic")


@dataclass(frozen=True)
class LabelledImages:
    """Images of one split, by path.

    Attributes:
        pixels: (N, C, height, width) levels (`terrabalance.bands`) on the CPU.
        labels: (N,) int64, the index of the class in the list that the loader was given.
        paths: N paths relative to the manifest's root.
    """

    pixels: Tensor
    labels: Tensor
    paths: list[str]


def train_classes(manifest: Manifest) -> list[str]:
    """Return the classes with a real training image, sorted: the label order of every arm."""
    rows = manifest.usable("train")
    return sorted(rows[rows["source"] == "real"]["class"].unique())


def train_counts(manifest: Manifest, arm: Arm) -> dict[str, int]:
    """Count the training images of `arm` by class."""
    counts = arm_rows(manifest, arm).usable("train").groupby("class").size()
    return {name: int(counts[name]) for name in train_classes(manifest)}


def arm_rows(manifest: Manifest, arm: str) -> Manifest:
    """Return the manifest with the rows that `arm` may use.

    Raises:
        BadInput: an unknown arm, a synthetic image in val or test, or no real image to train on
            or to test with.
    """
    if arm not in ARMS:
        raise BadInput(f"arm {arm!r} is unknown; use one of {list(ARMS)}.")
    judged = pd.concat([manifest.usable("val"), manifest.usable("test")])
    fake = judged[judged["source"] != "real"]
    if len(fake):
        raise BadInput(
            f"{manifest.root}: {len(fake)} images in val or test are not real, the first is "
            f"{fake['path'].iloc[0]!r}. The judge is real images only: move them to train."
        )
    for split in ("train", "test"):
        if not (manifest.usable(split)["source"] == "real").any():
            raise BadInput(
                f"{manifest.root}: no real image in split {split!r}. Split the dataset first."
            )
    frame = manifest.frame
    return Manifest(manifest.root, frame[frame["source"] == "real"] if arm == "real" else frame)


def load_part(
    manifest: Manifest,
    split: str,
    classes: Sequence[str],
    resolution: Size,
    on_progress: Progress = silent,
    bands: Bands = RGB,
) -> LabelledImages:
    """Read all usable images of `split` into memory at one resolution.

    Synthetic images are drawn at the generator's size, real ones are larger JPEGs. Fed as they
    are, a classifier could learn "soft and lossless means rare class", shine in training and
    fail on real rare images. So every image, real or synthetic, train or test, is first reduced
    to the same `resolution` by the same filter, which leaves no difference in sharpness and
    next to none of the JPEG blocks; only then is it resized to the network's input.

    Args:
        manifest: the dataset.
        split: train, val or test.
        classes: names in label order.
        resolution: size to reduce to; the generator's.
        on_progress: told of each decoded image.
        bands: how they are read.

    Raises:
        BadInput: a path leaves the root, or a class is not in `classes`.
        UnreadableImage: a file is damaged.
    """
    rows = manifest.usable(split)
    index = {name: label for label, name in enumerate(classes)}
    if unknown := sorted(set(rows["class"]) - set(index)):
        raise BadInput(
            f"split {split!r} has classes without a real training image: {unknown}. "
            "Add real images of them to split 'train', or leave these classes out."
        )
    pixels = read_patches(manifest.paths(rows), resolution, bands, on_progress)
    return LabelledImages(
        pixels=torch.from_numpy(pixels),
        labels=torch.tensor([index[name] for name in rows["class"]], dtype=torch.int64),
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


def inputs_fingerprint(
    rows: Manifest, arm: str, seed: int, config: ClassifierConfig, resolution: Size,
    bands: Bands = RGB,
) -> str:  # fmt: skip
    """Hash all that decides a training's result: images, settings, the weights' bytes.

    `config.seeds` is left out: a further seed does not make the finished ones stale.
    """
    settings = config.model_dump(mode="json", exclude={"seeds", "weights"})
    weights = config.weights
    content = sha256_of(weights) if weights is not None and weights.is_file() else str(weights)
    columns = ["path", "class", "split", "sha256", "generator", "seed"]
    used = rows.usable()
    listed = used[used["split"].isin(["train", "val", "test"])][columns].to_csv(index=False)
    return fingerprint(arm, seed, settings, content, resolution, asdict(bands), listed)
