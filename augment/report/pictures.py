"""The pictures and curves of the balance report, read from the files of earlier stages."""

import csv
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from terrabalance.bands import Bands
from terrabalance.charts import Curve, Lines, loss_curve, plain_lines
from terrabalance.errors import UnreadableImage
from terrabalance.evenly import evenly
from terrabalance.files import inside
from terrabalance.images import read_patch, read_patches, to_rgb
from terrabalance.manifest import Manifest, read_manifest
from terrabalance.page import data_uri
from terrabalance.rasters.decode import decode
from terrabalance.sizes import Size, height_width
from terrabalance.symmetry import apply_symmetry

_log = logging.getLogger(__name__)
_STRIP_GAP_PX = 2  # of `terrabalance.images.grid`


class Pictures:
    """Reads pictures as data URIs from the files that the manifests list."""

    def __init__(
        self,
        catalogue: Manifest,
        synthetic: Mapping[str, Path],
        size: Size,
        bands: Bands,
        light: bool,
    ) -> None:
        """Set what is read.

        Args:
            catalogue: manifest of the real images.
            synthetic: class -> folder of its synthetic images.
            size: of every picture.
            bands: how images are read and shown.
            light: fewer pictures of everything, for a page with many classes.
        """
        self.catalogue, self.folders = catalogue, synthetic
        self.size, self.bands, self.light = size, bands, light

    def of_class(self, class_name: str, pairs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return all pictures of a class with synthetic images, and its nearest `pairs`."""
        return {
            "real": self.real(class_name),
            "synthetic": self.synthetic(class_name),
            "pairs": self.pairs(class_name, pairs),
            "strip": self.strip(class_name),
            "refused": self.refused(class_name),
        }

    def real(self, class_name: str) -> list[str]:
        """Return a sample of the real images that the class's generator saw."""
        rows = self.catalogue.usable("train", class_name)
        return self._sample(self.catalogue, rows)

    def synthetic(self, class_name: str) -> list[str]:
        """Return a sample of the class's synthetic images."""
        made = read_manifest(self.folders[class_name])
        return self._sample(made, made.usable())

    def refused(self, class_name: str) -> list[dict[str, str]]:
        """Return a sample of the class's refused images: `uri`, and the reasons as `detail`."""
        made = read_manifest(self.folders[class_name])
        rows = made.frame[made.frame["status"] == "refused"].sort_values("path")
        return [
            {"uri": uri, "detail": str(detail)}
            for uri, detail in zip(
                self._sample(made, rows), rows["detail"].iloc[self._places(len(rows))], strict=True
            )
        ]

    def _places(self, n: int) -> np.ndarray:
        # Evenly over the sorted paths: not chosen by quality, and the same in every run.
        return evenly(n, 6 if self.light else 12)

    def _sample(self, manifest: Manifest, rows: pd.DataFrame) -> list[str]:
        chosen = rows.iloc[self._places(len(rows))]
        images = read_patches(manifest.unchanged(chosen), self.size, self.bands)
        return [data_uri(image) for image in self.bands.preview(images)]

    def pairs(self, class_name: str, pairs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Add `synthetic_uri` and `real_uri` to pairs; the real one turned to meet the other."""
        # Of six, three closest and three typical, a light page keeps two and two.
        chosen = [pairs[at] for at in (0, 1, 3, 4) if at < len(pairs)] if self.light else pairs
        return [self._pair(class_name, pair) for pair in chosen]

    def _pair(self, class_name: str, pair: Mapping[str, Any]) -> dict[str, Any]:
        real_path = inside(self.catalogue.root, pair["real"])
        real = torch.from_numpy(self._show(real_path))
        turned = apply_symmetry(real, pair["symmetry"]).numpy()
        drawn = self._show(inside(self.folders[class_name], pair["synthetic"]))
        return {**pair, "synthetic_uri": data_uri(drawn), "real_uri": data_uri(turned)}

    def _show(self, path: Path) -> np.ndarray:
        return self.bands.preview(read_patch(path, self.size, self.bands))

    def strip(self, class_name: str) -> list[str]:
        """Return the frames of the denoising strip, noise first; [] where none can be read."""
        # Cut apart, so that no white gap shows on a dark page.
        path = self.folders[class_name] / "strip.png"
        try:
            pixels = to_rgb(decode(path))
        except UnreadableImage as error:  # a picture for people: no figure follows from it
            _log.warning(
                "the report of %s goes without its stages: %s. To have them drawn again, with the "
                "same images, delete %s and its first image beside it, and run again",
                class_name, str(error).rstrip("."), path,
            )  # fmt: skip
            return []
        height, width = height_width(self.size)
        width = round(pixels.shape[1] * width / height)
        step = 2 if self.light else 1
        starts = range(0, pixels.shape[2] - width + 1, width + _STRIP_GAP_PX)[::step]
        return [data_uri(pixels[:, :, left : left + width]) for left in starts]


def read_curve(path: Path) -> Curve | None:
    """Lay out the loss history in `losses.csv`; None where there is none."""
    if not path.is_file():
        return None
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return loss_curve([int(row["step"]) for row in rows], [float(row["loss"]) for row in rows])


def read_evaluations(path: Path, chosen: int) -> dict[str, Lines | None]:
    """Lay out the held-out evaluations in `looks.csv`: `loss` and `kid`, the chosen step marked.

    Returns:
        Nothing where there is no such file.
    """
    if not path.is_file():
        return {}
    rows = pd.read_csv(path)
    steps = [int(step) for step in rows["step"]]
    losses = {"training": list(rows["loss"]), "held out": list(rows["held_out_loss"])}
    return {
        "loss": plain_lines(steps, losses, chosen),
        "kid": plain_lines(steps, {"kid": list(rows["kid"])}, chosen),
    }
