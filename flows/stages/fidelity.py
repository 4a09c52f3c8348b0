"""Judge the synthetic images of a run by the features of one fixed network."""

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
from classifier.network.features import FeatureNetwork, named_network, trained_network
from classifier.train.experiment import Experiment
from classifier.train.training import train_baseline
from flows.settings.config import RunConfig
from flows.store import paths
from flows.store.bands import bands_of
from flows.store.locks import turn
from flows.store.sync import sharing
from terrabalance.bands import Bands
from terrabalance.device import pick_device
from terrabalance.images import read_patches
from terrabalance.manifest import Manifest, even_share, read_manifest
from terrabalance.progress import Progress, silent
from terrabalance.sizes import Size, describe_size

MOST_OTHERS = 500  # images of other classes: enough for a ceiling


def judge_network(
    config: RunConfig, catalogue: Manifest, on_progress: Progress = silent
) -> FeatureNetwork:
    """Return the network whose features tell how near generated images come to real ones.

    The one that the settings name; where its weights cannot be had, or `baseline` is asked for,
    a classifier that is trained once on the real train part.
    """
    device = pick_device(config.device_here)
    if (named := named_network(config.fidelity, device)) is not None:
        return named
    folder, size = paths.baseline_folder(config, catalogue), config.generator.image_size
    with turn(folder, "another process trains the judge, waiting for it", on_progress):
        root, bands = paths.classifiers_folder(config), bands_of(config, catalogue)
        bench = Experiment(catalogue, config.classifier, size, device, root, bands)
        with sharing(config, folder, _of_the_judge(on_progress)) as listener:
            train_baseline(bench, folder, listener)
    return trained_network(folder, device)


def _of_the_judge(on_progress: Progress) -> Progress:
    """Say whose steps these are, in the midst of a generator's."""
    return lambda done, total, message="": on_progress(
        done, total, f"a classifier to judge by, {message}"
    )


def embedder(network: FeatureNetwork, bands: Bands) -> Callable[[np.ndarray], np.ndarray]:
    """Return what gives features of levels; a network of three bands sees their preview."""
    if network.n_bands == bands.count:
        return network.embed
    return lambda levels: network.embed(bands.preview(levels))


def judge_fidelity(
    config: RunConfig, catalogue: Manifest, synthetic: dict[str, Path]
) -> dict[str, Any]:
    """Judge each filled class against its real images of the val part.

    test stays unseen: it is for the classifiers' last word.

    Args:
        config: of the run.
        catalogue: manifest of the real images.
        synthetic: class -> folder of its synthetic images.

    Returns:
        `network`, `wanted` (the one that the settings name, where its weights could not be had,
        else None), `resolution`, and `classes`: for each its name, the measures of `judge_class`
        and the area under the curve of `give_away` (None with too few images).
    """
    network, named = judge_network(config, catalogue), config.fidelity.model
    size, bands = config.generator.image_size, bands_of(config, catalogue)
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
    """Say of each class with synthetic images whether codec and spectrum alone tell them apart.

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
