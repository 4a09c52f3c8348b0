"""Test images that became right or wrong, beside the synthetic images that may be the reason."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from classifier.arms.arm import BASELINE
from classifier.arms.registry import arm_of
from classifier.compare.predictions import paired_predictions
from classifier.network.features import trained_network
from classifier.network.views import Views
from classifier.train.experiment import Experiment, Trial
from classifier.train.setup import feature_cache
from classifier.train.training import is_trained
from terrabalance.evenly import evenly
from terrabalance.images import read_patches
from terrabalance.manifest import Manifest
from terrabalance.page import Section, data_uri, render
from terrabalance.progress import silent

_SHOWN = 6  # images of each kind
_NEAREST = 3
_NO_MAJORITY = -1
_SIDE_PX = 96  # of a picture on the page, at most


@dataclass(frozen=True)
class Change:
    """A test image on which two arms disagree, each by the majority of its seeds.

    Attributes:
        path: of the image.
        class_name: the true one.
        before: class predicted by most seeds of the best arm without synthetic images.
        after: class predicted by most seeds of the arm with them.
        nearest: path and class of the synthetic training images with the nearest features.
    """

    path: str
    class_name: str
    before: str
    after: str
    nearest: tuple[tuple[str, str], ...] = ()


def changes(predictions: pd.DataFrame, record: Mapping[str, Any]) -> dict[str, list[Change]]:
    """Find the test images whose majority over seeds became right (`gained`) or wrong (`lost`).

    An image without a majority, in either arm, is left out.

    Args:
        predictions: as `classifier.compare.comparison.compare` takes them.
        record: of that comparison; its headline names the two arms.

    Returns:
        Changes without `nearest`, by path.
    """
    headline, classes = record["headline"], record["classes"]
    part = paired_predictions(predictions, "test", record["arms"], classes)
    assert part is not None
    names = (headline["rival"], headline["arm"])
    before, after = (_majority(part.predicted[name], len(classes)) for name in names)
    found: dict[str, list[Change]] = {"gained": [], "lost": []}
    for path, truth, old, new in zip(part.paths, part.truth, before, after, strict=True):
        if old != new and truth in (old, new) and _NO_MAJORITY not in (old, new):
            kind = "gained" if new == truth else "lost"
            found[kind].append(Change(path, classes[truth], classes[old], classes[new]))
    return found


def _majority(predicted: np.ndarray, n_classes: int) -> np.ndarray:
    votes = np.stack([(predicted == label).sum(0) for label in range(n_classes)])
    return np.where(2 * votes.max(0) > len(predicted), votes.argmax(0), _NO_MAJORITY)


def changes_section(
    experiment: Experiment, predictions: pd.DataFrame, record: Mapping[str, Any]
) -> Section | None:
    """Show changed test images beside the nearest synthetic ones; None without synthetic images.

    Args:
        experiment: of the comparison.
        predictions: as for `changes`.
        record: of the comparison.
    """
    arm = record["headline"]["arm"]
    if not arm_of(arm).generative or not record["shares"].get(arm, 1.0):
        return None
    found = changes(predictions, record)
    shown = {kind: _with_nearest(experiment, record, _evenly(each)) for kind, each in found.items()}
    pictures = {
        kind: [_pictured(experiment, change) for change in each] for kind, each in shown.items()
    }
    html = render(
        "classifier.report",
        "changes.html.j2",
        counts={kind: len(each) for kind, each in found.items()},
        pictures=pictures,
        label=arm_of(arm).label,
        rival=arm_of(record["headline"]["rival"]).label,
        n_seeds=len(record["seeds"]),
    )
    return Section("Which images changed?", html, "changes")


def _evenly(found: list[Change]) -> list[Change]:
    return [found[place] for place in evenly(len(found), _SHOWN)]


def _with_nearest(
    experiment: Experiment, record: Mapping[str, Any], found: list[Change]
) -> list[Change]:
    arm = record["headline"]["arm"]
    rows = arm_of(arm).train_rows(experiment.manifest, record["shares"].get(arm, 1.0))
    made = rows[rows["source"] == "synthetic"].reset_index(drop=True)
    tests = experiment.manifest.usable("test").set_index("path", drop=False)
    if not found or made.empty:
        return found
    asked = tests.loc[[change.path for change in found]].reset_index(drop=True)
    own, others = (_features(experiment, record, part) for part in (asked, made))
    distance = np.linalg.norm(own[:, None] - others[None], axis=2)
    nearest = []
    for change, row in zip(found, distance, strict=True):
        best = made.iloc[row.argsort()[:_NEAREST]]
        pairs = tuple(zip(best["path"], best["class"], strict=True))
        nearest.append(replace(change, nearest=pairs))
    return nearest


def _features(experiment: Experiment, record: Mapping[str, Any], rows: pd.DataFrame) -> np.ndarray:
    """Return (N, D) features of the network that was trained without synthetic images."""
    if experiment.config.frozen:
        cached = feature_cache(experiment).of(experiment.manifest, rows, Views(), silent)
        features: np.ndarray = cached[:, 0].float().numpy()
        return features
    trial = Trial(BASELINE, record["seeds"][0])
    assert is_trained(experiment, trial)
    network = trained_network(experiment.folder(trial), experiment.device)
    return network.embed(
        read_patches(experiment.manifest.unchanged(rows), experiment.resolution, experiment.bands)
    )


def _pictured(experiment: Experiment, change: Change) -> dict[str, Any]:
    uris = [
        _uri(experiment, experiment.manifest, path)
        for path in (change.path, *(p for p, _ in change.nearest))
    ]
    return {"change": change, "test": uris[0], "nearest": uris[1:]}


def _uri(experiment: Experiment, manifest: Manifest, path: str) -> str:
    rows = manifest.frame[manifest.frame["path"] == path]
    levels = read_patches(manifest.unchanged(rows), experiment.resolution, experiment.bands)
    step = max(1, -(-max(levels.shape[-2:]) // _SIDE_PX))
    return data_uri(experiment.bands.preview(levels)[0][:, ::step, ::step])
