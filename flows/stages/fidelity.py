"""Measure how near the synthetic images of a run come to real ones."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from augment.measure.fidelity import judge_class
from augment.measure.giveaway import give_away
from classifier.config import TRAINED_HERE
from classifier.images.chroma import jittered_by_name
from classifier.network.features import FeatureNetwork
from flows.stages.features import embedder
from flows.stages.run import Run
from terrabalance.bands import Bands
from terrabalance.images import read_patches
from terrabalance.manifest import Manifest, even_share, read_manifest
from terrabalance.sizes import Size, describe_size

MOST_OTHERS = 500  # images of other classes: enough for a ceiling


def measure_fidelity(
    run: Run, synthetic: dict[str, Path], network: FeatureNetwork
) -> dict[str, Any]:
    """Compare each filled class with its real images of the val part.

    test stays unseen: it is for the classifiers' last word.

    Args:
        run: whose classes.
        synthetic: class -> folder of its synthetic images.
        network: that gives the features, on the device that is held.

    Returns:
        `network`, `wanted` (the one that the settings name, where its weights could not be had,
        else None), `resolution`, and `classes`: for each its name, the measures of `judge_class`
        and the area under the curve of `give_away` (None with too few images).
    """
    config, catalogue, named = run.config, run.catalogue, run.config.fidelity.model
    size, bands = config.generator.image_size, run.bands
    embed = embedder(network, bands)

    def read(manifest: Manifest, rows: pd.DataFrame) -> np.ndarray:
        return read_patches(manifest.paths(rows), size, bands)

    def features(manifest: Manifest, rows: pd.DataFrame) -> np.ndarray:
        return embed(read(manifest, rows))

    def trained_on(manifest: Manifest, rows: pd.DataFrame) -> np.ndarray:
        return _jittered(read(manifest, rows), rows, config.classifier.chroma_jitter)

    return {
        "network": network.name,
        "wanted": None if named in (TRAINED_HERE, network.name) else named,
        "resolution": describe_size(size),
        "classes": [
            {
                "class": name,
                "measures": _judge(features, catalogue, name, folder),
                "give_away": _give_away(catalogue, name, read_manifest(folder), trained_on),
            }
            for name, folder in synthetic.items()
        ],
    }


def give_aways(manifest: Manifest, size: Size, bands: Bands, chroma: float) -> list[dict[str, Any]]:
    """Measure for each class how well codec and spectrum alone tell synthetic from real images.

    Args:
        manifest: real and synthetic images.
        size: that all are reduced to first.
        bands: how they are read.
        chroma: strength of `classifier.images.chroma.jittered`, which the training images undergo.

    Returns:
        `class`, `value` and `standard_error` of `augment.measure.giveaway.give_away`, for the
        classes with enough images.
    """

    def trained_on(manifest: Manifest, rows: pd.DataFrame) -> np.ndarray:
        return _jittered(read_patches(manifest.paths(rows), size, bands), rows, chroma)

    rows = manifest.usable("train")
    found = []
    for name, made in rows[rows["source"] == "synthetic"].groupby("class"):
        estimate = _give_away(manifest, str(name), Manifest(manifest.root, made), trained_on)
        if estimate is not None:
            found.append({"class": str(name), **estimate})
    return found


def _give_away(
    real: Manifest, name: str, made: Manifest, trained_on: Callable[..., np.ndarray]
) -> dict[str, float] | None:
    """Probe a class against its val part, as that of train set the filter of the spectrum."""
    held_out = trained_on(real, real.usable("val", name))
    found = give_away(held_out, trained_on(made, made.usable()))
    return asdict(found) if found else None


def _jittered(images: np.ndarray, rows: pd.DataFrame, chroma: float) -> np.ndarray:
    return jittered_by_name(torch.from_numpy(images), list(rows["path"]), chroma).numpy()


def _judge(
    features: Callable[[Manifest, pd.DataFrame], np.ndarray],
    catalogue: Manifest,
    name: str,
    folder: Path,
) -> dict[str, Any] | None:
    made = read_manifest(folder)
    train = catalogue.usable("train")
    return judge_class(
        generated=features(made, made.usable()),
        held_out=features(catalogue, catalogue.usable("val", name)),
        train=features(catalogue, catalogue.usable("train", name)),
        others=features(catalogue, even_share(train[train["class"] != name], MOST_OTHERS)),
    )
