"""Draw a class's images until enough are accepted, or the budget ends."""

import logging
import math
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from augment.plan import ClassJob
from augment.sample.request import RealImages, SamplingRequest
from augment.sample.sampling import sample_class
from augment.screen.fitted import FEWEST_TRAINED, Real, Screener, fit, read_screener, write_screener
from augment.screen.outcome import apply, judge, screening_record, what_is_missing
from augment.screen.rules import Limits, Scores
from classifier.images.data import train_classes
from classifier.network.views import FeatureCache, Views, features_of_views
from flows.settings.config import RunConfig
from flows.stages.fidelity import embedder, judge_network
from flows.store import paths
from flows.store.bands import bands_of
from flows.store.locks import turn
from flows.store.sync import exchange, fetch_file, publish_files
from terrabalance.device import pick_device
from terrabalance.files import done, fingerprint
from terrabalance.images import read_patches
from terrabalance.manifest import Manifest, even_share, read_manifest
from terrabalance.progress import Progress
from terrabalance.sizes import height_width
from terrabalance.symmetry import keep_shape

_log = logging.getLogger(__name__)
_MOST_OTHERS = 1000  # images of other classes: enough to know how classes' spectra differ
_WORST_RATE = 0.1  # of acceptance, by which the number to draw next is guessed


def draw_accepted(
    config: RunConfig, catalogue: Manifest, job: ClassJob, on_progress: Progress
) -> Path:
    """Draw and screen one class's images; return their folder.

    Draws as many as the class needs, judges them, and draws on until enough are accepted or
    `screening.most_draws` times as many are drawn. What is missing then is told and recorded.
    Killed, it goes on: images that are there are not drawn again.
    """
    folder = paths.synthetic_folder(config, catalogue, job)
    with turn(folder, f"another process draws {job.class_name}, waiting for it", on_progress):
        exchange(config, folder, changes=True)
        exchange(config, paths.generator_folder(config, catalogue, job.class_name))
        _draw_accepted(config, catalogue, job, folder, on_progress)
        exchange(config, folder)
    return folder


def _draw_accepted(
    config: RunConfig, catalogue: Manifest, job: ClassJob, folder: Path, on_progress: Progress
) -> None:
    most = math.ceil(config.screening.most_draws * job.n_needed)
    n_images = min(most, max(job.n_needed, (done(folder) or {}).get("n_images", 0)))
    while True:
        _draw(config, catalogue, job, folder, n_images, on_progress)
        record = screening_record(folder)
        if record is None or not record["ended"]:
            found, limit = _judge(config, catalogue, job.class_name, folder, on_progress)
            record = apply(folder, job.n_needed, most, found, limit)
        if record["ended"]:
            break
        rate = max(_WORST_RATE, record["n_accepted"] / n_images)
        n_images = min(most, n_images + math.ceil(record["n_missing"] / rate))
    if missing := what_is_missing(job.class_name, record):
        _log.warning("%s", missing)


def _draw(
    config: RunConfig,
    catalogue: Manifest,
    job: ClassJob,
    folder: Path,
    n_images: int,
    on_progress: Progress,
) -> None:
    size, bands = config.generator.image_size, bands_of(config, catalogue)

    def read(rows: pd.DataFrame) -> np.ndarray:
        return read_patches(catalogue.paths(rows), size, bands)

    def reals() -> np.ndarray:
        return read(catalogue.usable("train", job.class_name))

    def others() -> list[np.ndarray]:
        train = catalogue.usable("train")
        rows = even_share(train[train["class"] != job.class_name], _MOST_OTHERS)
        return [read(part) for _, part in rows.groupby("class")]

    request = SamplingRequest(
        paths.generator_folder(config, catalogue, job.class_name),
        job.class_name,
        n_images,
        config.sampling,
        config.seed,
        folder,
        pick_device(config.device_here),
        config.run_name,
    )
    sample_class(request, RealImages(reals, others), on_progress)


def _judge(
    config: RunConfig, catalogue: Manifest, class_name: str, folder: Path, on_progress: Progress
) -> tuple[Scores | None, Limits | None]:
    """Score a class's synthetic images; (None, None) where nothing can be judged."""
    own = catalogue.usable("train", class_name)
    if not config.screening.enabled or len(own) < FEWEST_TRAINED:
        return None, None
    judges, made = Judge(config, catalogue, on_progress), read_manifest(folder)
    if judges.screener is None:
        _log.warning("%s: not screened, one class alone sets no limits", class_name)
        return None, None
    rows = made.frame.sort_values("path")
    images = read_patches(made.paths(rows), config.generator.image_size, judges.bands)
    return judges.scores(class_name, images)


class Judge:
    """The network that images are judged by, and the real images by its features.

    Args:
        config: of the run.
        catalogue: real images; those of train and val set the limits.
        on_progress: told of.

    Attributes:
        bands: of the images.
    """

    def __init__(self, config: RunConfig, catalogue: Manifest, on_progress: Progress) -> None:
        self.bands = bands_of(config, catalogue)
        self._config, self._catalogue, self._on_progress = config, catalogue, on_progress
        network = judge_network(config, catalogue, on_progress)
        self._embed, self._network_key = embedder(network, self.bands), network.key
        self._views = keep_shape(*height_width(config.generator.image_size))

    def scores(self, class_name: str, images: np.ndarray) -> tuple[Scores, Limits]:
        """Score (N, C, H, W) levels of drawn images; return the limits of their class as well."""
        screener, label = self.screener, train_classes(self._catalogue).index(class_name)
        assert screener is not None
        seen = screener.see(images, features_of_views(self._embed, images, self._views))
        own = self._real(self._catalogue.usable("train", class_name))
        limit = screener.limits[label]
        return judge(seen, screener.class_of(label, own), limit), limit

    def _real(self, rows: pd.DataFrame) -> Real:
        """Read real images with the features of their symmetric views."""
        size, manifest = self._config.generator.image_size, self._catalogue
        cache = FeatureCache(
            paths.screeners_folder(self._config) / "features", self._network_key,
            lambda: self._embed, size, self.bands,
        )  # fmt: skip
        labels = {name: label for label, name in enumerate(train_classes(manifest))}
        return Real(
            read_patches(manifest.paths(rows), size, self.bands),
            cache.of(manifest, rows, Views(self._views), self._on_progress).float().numpy(),
            rows["class"].map(labels).to_numpy(int),
        )

    @cached_property
    def screener(self) -> Screener | None:
        """The rules, fitted once for all classes; None where one class alone sets no limits."""
        rows = [self._catalogue.usable(split) for split in ("train", "val")]
        config = self._config
        key = fingerprint(
            paths.FORMAT, self._network_key, config.generator.image_size, asdict(self.bands),
            config.screening.refuse_real, *(list(part["sha256"] + part["class"]) for part in rows),
        )  # fmt: skip
        path = paths.screeners_folder(config) / f"{key}.safetensors"
        with turn(path, "another process fits the screening, waiting for it", self._on_progress):
            if not path.is_file():
                fetch_file(config, path)
            if path.is_file():
                return read_screener(path)
            train, val = self._real(rows[0]), self._real(rows[1])
            self._on_progress(0, 1, "fitting the screening")
            screener = fit(train, val, config.screening.refuse_real)
            if screener is not None:
                write_screener(path, screener)
                publish_files(config, [path])
            return screener
