"""How near the synthetic images of a run come to real ones: by features, codec and spectrum."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from augment.measure.fidelity import measure_class
from augment.measure.giveaway import give_away
from classifier.feature_network import TRAINED_HERE
from classifier.images.chroma import jittered_by_name
from classifier.network.features import FeatureNetwork
from classifier.network.views import FeatureCache, Views
from flows.stages.features import feature_cache
from flows.stages.run import Run
from terrabalance.bands import Bands
from terrabalance.images import read_patches
from terrabalance.manifest import Manifest, even_share, read_manifest
from terrabalance.progress import silent
from terrabalance.sizes import Size, describe_size, height_width
from terrabalance.symmetry import keep_shape

Read = Callable[[Manifest, pd.DataFrame], np.ndarray]
MOST_OTHERS = 500  # images of other classes: enough for a ceiling


def measure_fidelity(
    run: Run, synthetic: dict[str, Path], network: FeatureNetwork
) -> dict[str, Any]:
    """Compare each filled class with its real images of the val part.

    The test part stays unseen: only the comparison of the classifiers reads it.

    Args:
        run: whose classes.
        synthetic: class -> folder of its synthetic images.
        network: that gives the features, on the device that is held.

    Returns:
        `network`, `wanted` (the one that the settings name, where its weights could not be had,
        else None), `resolution`, and `classes`: for each its name, its number of synthetic images,
        the measures of `measure_class` and the area under the curve of `give_away` (None with too
        few images).
    """
    config, catalogue, named = run.config, run.catalogue, run.config.fidelity.model
    size, bands = config.generator.image_size, run.bands
    made = {name: read_manifest(folder) for name, folder in synthetic.items()}
    measured = measure_classes(feature_cache(run, network), catalogue, made)

    trained_on = _as_trained_on(size, bands, config.classifier.chroma_jitter)
    return {
        "network": network.name,
        "wanted": None if named in (TRAINED_HERE, network.name) else named,
        "resolution": describe_size(size),
        "classes": [
            {
                "class": name,
                "n_synthetic": len(drawn.usable()),
                "measures": measured[name],
                "give_away": _give_away(catalogue, name, drawn, trained_on),
            }
            for name, drawn in made.items()
        ],
    }


def measure_classes(
    cache: FeatureCache, catalogue: Manifest, made: Mapping[str, Manifest]
) -> dict[str, dict[str, Any] | None]:
    """Measure the synthetic images of each class by `augment.measure.fidelity.measure_class`.

    Each image is embedded once at most, however many classes it is compared with: with six classes
    to fill, 136 real images were embedded 426 times.

    Args:
        cache: of features.
        catalogue: manifest of the real images.
        made: class -> manifest of its synthetic images.
    """
    rows = {name: _real_rows(catalogue, name) for name in made}
    features = _features_by_path(
        cache, catalogue, [t for own in rows.values() for t in own.values()]
    )

    def real(part: pd.DataFrame) -> np.ndarray:
        return _as_array([features[path] for path in part["path"]])

    return {
        name: measure_class(
            generated=_as_array(list(cache.of(drawn, drawn.usable(), Views(), silent)[:, 0])),
            **{kind: real(part) for kind, part in rows[name].items()},
        )
        for name, drawn in made.items()
    }


def _real_rows(catalogue: Manifest, name: str) -> dict[str, pd.DataFrame]:
    """Return the real images that a class is compared with, as `measure_class` names them."""
    train = catalogue.usable("train")
    return {
        "held_out": catalogue.usable("val", name),
        "train": catalogue.usable("train", name),
        "others": even_share(train[train["class"] != name], MOST_OTHERS),
    }


def _features_by_path(
    cache: FeatureCache, catalogue: Manifest, tables: list[pd.DataFrame]
) -> dict[str, Tensor]:
    """Return the (D,) float16 features of all images in tables of the catalogue.

    Screening keeps the features of all symmetries of a class's images. Where those are on the
    disk, the features of the image as it is, which come first, are read from there.
    """
    if not tables:
        return {}
    found: dict[str, Tensor] = {}
    symmetries = Views(keep_shape(*height_width(cache.size)))
    rows = pd.concat(tables).drop_duplicates("path")
    for (split, name), part in rows.groupby(["split", "class"]):
        part = part.sort_values("path", ignore_index=True)
        whole = catalogue.usable(split, name)
        kept = cache.kept(whole, symmetries)
        if kept is None:
            features = cache.of(catalogue, part, Views(), silent)[:, 0]
        else:
            features = kept[pd.Index(whole["path"]).get_indexer(part["path"]), 0]
        found |= dict(zip(part["path"], features, strict=True))
    return found


def _as_array(features: list[Tensor]) -> np.ndarray:
    return torch.stack(features).float().numpy() if features else np.empty((0, 1), np.float32)


def give_aways(manifest: Manifest, size: Size, bands: Bands, chroma: float) -> list[dict[str, Any]]:
    """Measure for each class with synthetic images how well codec and spectrum tell them apart.

    Args:
        manifest: real and synthetic images.
        size: that all are reduced to first.
        bands: how they are read.
        chroma: strength of `classifier.images.chroma.jittered`, which the training images undergo.

    Returns:
        `class`, `value` and `standard_error` of `augment.measure.giveaway.give_away`, for the
        classes with enough images.
    """
    trained_on = _as_trained_on(size, bands, chroma)
    rows = manifest.usable("train")
    found = []
    for name, made in rows[rows["source"] == "synthetic"].groupby("class"):
        estimate = _give_away(manifest, str(name), Manifest(manifest.root, made), trained_on)
        if estimate is not None:
            found.append({"class": str(name), **estimate})
    return found


def _give_away(
    real: Manifest, name: str, made: Manifest, trained_on: Read
) -> dict[str, float] | None:
    """Probe a class against its val part: its train part set the filter of the spectrum."""
    held_out = trained_on(real, real.usable("val", name))
    found = give_away(held_out, trained_on(made, made.usable()))
    return asdict(found) if found else None


def _as_trained_on(size: Size, bands: Bands, chroma: float) -> Read:
    """Return what reads images as a classifier sees them in training."""

    def read(manifest: Manifest, rows: pd.DataFrame) -> np.ndarray:
        images = torch.from_numpy(read_patches(manifest.unchanged(rows), size, bands))
        return jittered_by_name(images, list(rows["path"]), chroma).numpy()

    return read
