"""Judge the synthetic images of a run by the features of one fixed network."""

from pathlib import Path
from typing import Any

import numpy as np

from augment.judgement import judge_class
from classifier.features import FeatureNetwork, feature_network
from flows.config import RunConfig
from terrabalance.device import pick_device
from terrabalance.images import read_squares
from terrabalance.manifest import Manifest, even_share, read_manifest

MOST_OTHERS = 500  # images of other classes: enough for a ceiling


def judge_fidelity(
    config: RunConfig, catalogue: Manifest, synthetic: dict[str, Path], baseline: Path
) -> dict[str, Any] | None:
    """Judge each filled class against its real images of the val part.

    test stays unseen: it is for the classifiers' last word.

    Args:
        config: of the run.
        catalogue: manifest of the real images.
        synthetic: class -> folder of its synthetic images.
        baseline: folder of the classifier trained on real images.

    Returns:
        `network`, and `classes`: for each its name and the measures of `judge_class` (None with
        too few images). None where no network can be had.
    """
    network = feature_network(config.fidelity, baseline, pick_device(config.device))
    if network is None:
        return None
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
