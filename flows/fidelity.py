"""Judge the synthetic images of a run by the features of one fixed network."""

from pathlib import Path
from typing import Any

import numpy as np

from augment.judgement import judge_class
from classifier.features import FeatureNetwork, named_network, trained_network
from classifier.training import train_baseline
from flows import store
from flows.config import RunConfig
from flows.turns import turn
from terrabalance.device import pick_device
from terrabalance.images import read_squares
from terrabalance.manifest import Manifest, even_share, read_manifest
from terrabalance.progress import Progress, silent

MOST_OTHERS = 500  # images of other classes: enough for a ceiling


def judge_network(
    config: RunConfig, catalogue: Manifest, on_progress: Progress = silent
) -> FeatureNetwork:
    """Return the network whose features tell how near generated images come to real ones.

    The one that the settings name; where its weights cannot be had, or `baseline` is asked for,
    a classifier that is trained once on the real train part.
    """
    device = pick_device(config.device)
    if (named := named_network(config.fidelity, device)) is not None:
        return named
    folder, side = store.baseline_folder(config, catalogue), config.generator.image_size
    with turn(folder, "another process trains the judge, waiting for it", on_progress):
        train_baseline(catalogue, config.classifier, side, folder, device, on_progress)
    return trained_network(folder, device)


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
        `network`, and `classes`: for each its name and the measures of `judge_class` (None with
        too few images).
    """
    network = judge_network(config, catalogue)
    side = config.generator.image_size
    return {
        "network": network.name,
        "side_px": side,
        "classes": [
            {"class": name, "measures": _judge(network, catalogue, name, folder, side)}
            for name, folder in synthetic.items()
        ],
    }


def _judge(
    network: FeatureNetwork, catalogue: Manifest, name: str, folder: Path, side_px: int
) -> dict[str, Any] | None:
    def features(manifest: Manifest, rows: Any) -> np.ndarray:
        return network.embed(read_squares(manifest.paths(rows), side_px))

    made = read_manifest(folder)
    train = catalogue.usable("train")
    return judge_class(
        generated=features(made, made.usable()),
        held_out=features(catalogue, catalogue.usable("val", name)),
        train=features(catalogue, catalogue.usable("train", name)),
        others=features(catalogue, even_share(train[train["class"] != name], MOST_OTHERS)),
    )
