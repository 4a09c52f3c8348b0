"""An assembled dataset for PyTorch: images of any bands and depth, in their files' own values.

Pillow, and so torchvision, timm and Hugging Face, reads three bands of 8 bit. These classes read
all that terrabalance reads, real and synthetic images in the same way.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from terrabalance.bands import measure_bands
from terrabalance.contents import changed_file
from terrabalance.errors import BadInput, NotReady
from terrabalance.manifest import read_manifest
from terrabalance.rasters.decode import decode
from terrabalance.rasters.gaps import fill
from terrabalance.rasters.raster import Raster

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class TerraBalanceDataset(Dataset[Any]):
    """The images of one part of an assembled dataset, with their labels, by path.

    An item is an image and its label: (C, H, W) float32, bands in file order, and an int. Values
    are those that are stored, before scale and offset; whole numbers are exact up to 2**24. What
    holds no data is filled as for our own networks (`terrabalance.rasters.gaps`), and a band that
    is the alpha mask of the image is left out.

    Each file is compared with its SHA-256 in the manifest before it is used for the first time in
    a process, and again where its size or time has changed; so are files beside it that decide its
    pixels. Workers of a `DataLoader` are processes: with `persistent_workers=True` they do not
    begin anew in each epoch.

    Args:
        root: folder of the dataset, with its `manifest.parquet`.
        split: `train`, `val`, `test`, or another that the dataset has.
        transform: called with the image; its result is the item's image.

    Attributes:
        classes: the names, in label order: that of `class_map.txt` in every part.
        class_to_idx: label of each name.
        targets: label of each item.
        rows: of the manifest, one an item: `source`, `bands`, `generator`…

    Raises:
        NotReady: the folder holds no manifest.
        BadInput: the dataset has no image in that split; a path leaves its folder; or what
            `read_manifest` refuses.
    """

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        transform: Callable[[Tensor], Any] | None = None,
    ) -> None:
        folder = Path(root)
        if not (folder / "manifest.parquet").is_file():
            raise NotReady(
                f"{folder}: holds no manifest. Give a folder that `terrabalance assemble` made."
            )
        manifest = read_manifest(folder)
        there = sorted(set(manifest.usable()["split"]))
        # None would be all of them: images to train on and to test on as one.
        if not isinstance(split, str) or split not in there:
            raise BadInput(f"{folder}: no images in split {split!r}. It has {there}.")
        self.rows = manifest.usable(split)
        self.classes: list[str] = manifest.classes()
        self.class_to_idx = {name: label for label, name in enumerate(self.classes)}
        self.targets: list[int] = [self.class_to_idx[name] for name in self.rows["class"]]
        self.transform = transform
        self._files = [str(path) for path in manifest.paths(self.rows)]
        self._sha256: list[str] = self.rows["sha256"].tolist()
        self._beside: list[str] = self.rows["beside"].tolist()
        self._n_bands: list[int] = self.rows["bands"].tolist()

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Any:
        image = self.image(index)
        return (self.transform(image) if self.transform else image), self.targets[index]

    def image(self, index: int) -> Tensor:
        """Read the image of an item, before any transform; (C, H, W) float32.

        Raises:
            BadInput: its file is gone, is not the one that the manifest lists, or has other bands.
            UnreadableImage: it cannot be decoded.
        """
        path, n_bands = Path(self._files[index]), self._n_bands[index]
        if changed := changed_file(path, self._sha256[index], self._beside[index]):
            raise BadInput(
                f"{changed}: gone, damaged, or changed since the dataset was assembled. Restore it "
                "from a copy, or give the command that made it again: it assembles it anew."
            )
        raster = decode(path).of_bands(n_bands)
        if n_bands and len(raster.pixels) != n_bands:  # 0: a manifest from elsewhere may not know
            raise BadInput(
                f"{path}: {len(raster.pixels)} bands, where the manifest says {n_bands}. Correct "
                "its column `bands`, or restore it from a copy."
            )
        return torch.from_numpy(fill(raster.pixels.astype(np.float32), raster.valid))


class TerraBalanceSamples(TerraBalanceDataset):
    """The same in TorchGeo's way: an item is a dict, `image` (C, H, W) float32 and `label` int64.

    `torchgeo.datasets.stack_samples` makes batches of them, and
    `torchgeo.datamodules.NonGeoDataModule(TerraBalanceSamples, root=...)` loaders.

    Args:
        root, split: as of `TerraBalanceDataset`.
        transforms: called with the whole item.
    """

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        transforms: Callable[[dict[str, Tensor]], dict[str, Tensor]] | None = None,
    ) -> None:
        super().__init__(root, split)
        self.transforms = transforms

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        sample = {"image": self.image(index), "label": torch.tensor(self.targets[index])}
        return self.transforms(sample) if self.transforms else sample

    def plot(
        self, sample: dict[str, Tensor], show_titles: bool = True, suptitle: str | None = None
    ) -> "Figure":
        """Show a sample in true or false colours, stretched from its own range; needs matplotlib.

        What is no number, or infinite, is black.

        Args:
            sample: `image`, `label` and, where there is one, `prediction`.
            show_titles: whether label and prediction are named.
            suptitle: what stands above.
        """
        from matplotlib.figure import Figure

        figure = Figure(figsize=(4, 4))
        axes = figure.subplots()
        axes.imshow(_picture(sample["image"].numpy()))
        axes.axis("off")
        if show_titles:
            named = [key for key in ("label", "prediction") if key in sample]
            said = (f"{key.capitalize()}: {self.classes[int(sample[key])]}" for key in named)
            axes.set_title("\n".join(said))
        if suptitle is not None:
            figure.suptitle(suptitle)
        return figure


def _picture(image: np.ndarray) -> np.ndarray:
    """Turn (C, H, W) values into an (H, W, 3) uint8 picture."""
    valid = np.isfinite(image)
    image = np.where(valid, image, 0)
    bands = measure_bands([Raster(image, "", valid)])
    shares = np.stack([bands.shares(band, place) for place, band in enumerate(image)])
    return np.moveaxis(bands.preview(bands.levels_of(np.where(valid, shares, 0))), 0, -1)
