"""Train the generators of a run: the base that all classes share, and one for each class."""

from pathlib import Path

import numpy as np
import pandas as pd

from augment.network.conditioning import label_of
from augment.train.data import HeldOut, TrainingData
from augment.train.evaluation import FEWEST
from augment.train.spec import TrainingSpec
from augment.train.training import train_generator
from flows.settings.config import RunConfig
from flows.stages.fidelity import embedder, judge_network
from flows.stages.stages import load_catalogue
from flows.store import paths
from flows.store.bands import bands_of
from flows.store.devices import devices_of_class
from flows.store.locks import turn
from flows.store.pinned_base import read_base_card
from flows.store.sync import exchange, sharing
from terrabalance.files import done
from terrabalance.images import read_patches
from terrabalance.manifest import Manifest, even_share
from terrabalance.progress import Progress, silent

# At 256 px they take 4 GB of memory; more images than that teach a base nothing that a rare
# class could use.
MOST_BASE_IMAGES = 20_000
_MOST_BASE_HELD_OUT = 500


def train_base(config: RunConfig, on_progress: Progress = silent) -> Path | None:
    """Train the base on the train part of every class, once; return its folder.

    Of those who ask at the same time one trains, and the others wait for it. None where the
    generators start from scratch: by `strategy`, or for want of a second class. A base that is
    named (`base_from`) is not trained.

    Raises:
        NotReady, BadInput, StoreUnreachable: of a base that is named, as of `pinned_base`.
    """
    manifest = load_catalogue(config)
    folder = paths.base_folder(config, manifest)
    if folder is None or config.base_from is not None:
        return folder
    exchange(config, folder)
    if done(folder) is not None:
        return folder
    held_out = None
    classes = _classes(manifest)
    if config.base.evaluations:
        rows = manifest.usable("val")
        shown = even_share(rows[rows["class"].isin(classes)], _MOST_BASE_HELD_OUT)
        held_out = _held_out(config, manifest, shown, classes, on_progress)
    with turn(folder, "another process trains the base, waiting for it", on_progress):
        if done(folder) is None:
            rows = even_share(manifest.usable("train"), MOST_BASE_IMAGES)
            labels = np.array([classes.index(name) for name in rows["class"]])
            bands = bands_of(config, manifest)
            spec = TrainingSpec(
                "", config.generator, config.base, config.seed, classes=classes, bands=bands
            )
            data = TrainingData(_patches(config, manifest, rows), labels, held_out)
            devices = devices_of_class(config)
            with sharing(config, folder, on_progress) as listener:
                train_generator(data, spec, folder, devices, listener)
    return folder


def train_class(config: RunConfig, class_name: str, on_progress: Progress = silent) -> Path:
    """Train one class's generator on its train part, from the base; return its folder."""
    manifest = load_catalogue(config)
    folder = paths.generator_folder(config, manifest, class_name)
    exchange(config, folder)
    if done(folder) is not None:
        return folder
    start = train_base(config, on_progress)
    if start == folder:
        return folder
    with turn(folder, f"another process trains {class_name}, waiting for it", on_progress):
        if done(folder) is None:
            _train_from(start, config, manifest, class_name, on_progress)
    return folder


def _train_from(
    start: Path | None,
    config: RunConfig,
    manifest: Manifest,
    class_name: str,
    on_progress: Progress,
) -> None:
    folder = paths.generator_folder(config, manifest, class_name)
    classes = read_base_card(start).classes if start else ()
    bands = bands_of(config, manifest)
    spec = TrainingSpec(
        class_name, config.generator, config.training, config.seed, start, classes, bands
    )
    images = _patches(config, manifest, manifest.usable("train", class_name))
    held_out = None
    if config.training.evaluations:
        shown = manifest.usable("val", class_name)
        held_out = _held_out(config, manifest, shown, classes, on_progress)
    data, devices = TrainingData(images, held_out=held_out), devices_of_class(config)
    with sharing(config, folder, on_progress) as listener:
        train_generator(data, spec, folder, devices, listener)


def _classes(manifest: Manifest) -> tuple[str, ...]:
    return tuple(sorted(manifest.usable("train")["class"].unique()))


def _held_out(
    config: RunConfig,
    manifest: Manifest,
    rows: pd.DataFrame,
    classes: tuple[str, ...],
    on_progress: Progress,
) -> HeldOut | None:
    """Return what a generator is judged by; None where there is too little of it."""
    if len(rows) < FEWEST:
        return None
    labels = [label_of(name, classes) for name in rows["class"]]
    network = judge_network(config, manifest, on_progress)
    images = _patches(config, manifest, rows)
    embed = embedder(network, bands_of(config, manifest))
    return HeldOut(images, np.array(labels), embed, network.name)


def _patches(config: RunConfig, manifest: Manifest, rows: pd.DataFrame) -> np.ndarray:
    size, bands = config.generator.image_size, bands_of(config, manifest)
    return read_patches(manifest.paths(rows), size, bands)
