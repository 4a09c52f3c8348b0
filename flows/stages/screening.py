"""Score synthetic images by rules that are fitted on the real ones, once for all classes."""

from pathlib import Path

import numpy as np
import pandas as pd

from augment.screen.fitted_rules import (
    RealPart,
    fit_rules,
    read_fitted_rules,
    write_fitted_rules,
)
from augment.screen.limits import FEWEST_TRAINED
from augment.screen.rules.rule import Limits, Scores
from augment.screen.scoring import score_drawn
from classifier.images.loading import train_classes
from classifier.network.features import FeatureNetwork
from classifier.network.views import Views, features_of_views
from flows.stages.features import embedder, feature_cache
from flows.stages.run import Run
from flows.store.result import Files, make_once
from terrabalance.progress import Progress, silent
from terrabalance.sizes import height_width
from terrabalance.symmetry import keep_shape


class RealFeatures:
    """Real images of a run with the features of their symmetric views, kept on disk.

    Args:
        run: whose images.
        network: that gives the features.
        on_progress: counts images.
    """

    def __init__(self, run: Run, network: FeatureNetwork, on_progress: Progress = silent) -> None:
        self._run, self._on_progress = run, on_progress
        self._views = keep_shape(*height_width(run.config.generator.image_size))
        self._embed = embedder(network, run.bands)
        self._cache = feature_cache(run, network)

    def of(self, rows: pd.DataFrame) -> RealPart:
        """Return images of the catalogue with their features and labels."""
        manifest = self._run.catalogue
        labels = {name: label for label, name in enumerate(train_classes(manifest))}
        features = self._cache.of(manifest, rows, Views(self._views), self._on_progress)
        return RealPart(
            self._run.patches(manifest, rows),
            features.float().numpy(),
            rows["class"].map(labels).to_numpy(int),
        )

    def of_views(self, images: np.ndarray) -> np.ndarray:
        """Return the features of the symmetric views of images that are not in the catalogue."""
        return features_of_views(self._embed, images, self._views)


class Screening:
    """The fitted rules of a run, and what they need to score images.

    Args:
        run: whose classes; one for which `can_screen`.
        network: that gives the features, on the device that is held.
        on_progress: counts images.
    """

    def __init__(self, run: Run, network: FeatureNetwork, on_progress: Progress = silent) -> None:
        self._run, self._features = run, RealFeatures(run, network, on_progress)
        self._rules = read_fitted_rules(_fitted(run, network, self._features, on_progress))

    def scores(self, class_name: str, images: np.ndarray) -> tuple[Scores, Limits]:
        """Score (N, C, H, W) levels of drawn images; return the limits of their class as well."""
        rules, catalogue = self._rules, self._run.catalogue
        label = train_classes(catalogue).index(class_name)
        candidates = rules.candidates(images, self._features.of_views(images))
        own = self._features.of(catalogue.usable("train", class_name))
        limit = rules.limits[label]
        return score_drawn(candidates, rules.class_of(label, own), limit), limit


def can_screen(run: Run) -> bool:
    """Return whether the real images set any limit: two classes, one of them of two images."""
    return len(run.counts) > 1 and max(run.counts.values()) >= FEWEST_TRAINED


def _fitted(
    run: Run, network: FeatureNetwork, features: RealFeatures, on_progress: Progress
) -> Path:
    """Fit the rules on the real images of train and val, once for all classes."""

    def make(_devices: object, listener: Progress) -> None:
        train, val = (features.of(run.catalogue.usable(split)) for split in ("train", "val"))
        listener(0, 1, "fitting the screening")
        fitted = fit_rules(train, val, run.config.screening.refuse_real)
        assert fitted is not None
        write_fitted_rules(rules.place, fitted)

    rules = Files(what="the screening", place=run.names.screening(network.key))
    return make_once(run.config, rules, make, on_progress)
