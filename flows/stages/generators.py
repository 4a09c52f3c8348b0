"""Train the generators of a run: the base that all classes share, and one for each class."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from augment.network.conditioning import label_of
from augment.train.data import HeldOut, TrainingData
from augment.train.evaluation import FEWEST
from augment.train.spec import TrainingSpec
from augment.train.training import train_generator
from classifier.network.features import Load
from flows.stages.features import embedder, feature_network
from flows.stages.run import Run
from flows.stages.unlabelled import MOST_BASE_IMAGES, tell_other_words
from flows.store.held_out import keep_learned
from flows.store.pinned_base import read_base_card
from flows.store.result import Folder, Make, find, make_once
from terrabalance.manifest import even_share
from terrabalance.progress import Progress, silent

_MOST_BASE_HELD_OUT = 500


def base_of(run: Run) -> Folder | None:
    """Return the base as a result; None where no class starts from it."""
    folder, n = run.names.base, run.config.execution.devices_per_class
    if folder is None or not run.filled:
        return None
    return Folder(what="the base", place=folder, part="base", n_devices=n)


def generator_of(run: Run, class_name: str) -> Folder:
    """Return a class's generator as a result; with `strategy=conditional` it is the base."""
    folder = run.names.generator(class_name)
    if folder == run.names.base:
        base = base_of(run)
        assert base is not None
        return base
    return Folder(
        what=f"the generator of {class_name}",
        place=folder,
        part=f"generator {class_name}",
        n_devices=run.config.execution.devices_per_class,
    )


def train_base(run: Run, on_progress: Progress = silent) -> Path | None:
    """Train the base on the train part of every class, once; return its folder.

    It also learns the images without labels that `base.images` names.

    None where the generators start from scratch: by `strategy`, or for want of a second class and
    of images without labels. A base that is named (`base_from`) is not trained.

    Raises:
        NotReady, BadInput, StoreUnreachable: as of `Run`.
    """
    _ = run.class_plans  # refuses unknown classes before anything is trained
    run.list_unlabelled(on_progress)
    base = base_of(run)
    if base is None:
        return None
    keep_learned(run.config, base.place)
    if run.config.base_from is not None or find(run.config, base):
        tell_other_words(run.config, base.place)
        return base.place
    classes = tuple(sorted(run.catalogue.usable("train")["class"].unique()))
    val = run.catalogue.usable("val")
    shown = even_share(val[val["class"].isin(classes)], _MOST_BASE_HELD_OUT)
    load = _evaluates_with(run, run.config.base.evaluations, shown, on_progress)

    def make(devices: list[torch.device], listener: Progress) -> None:
        rows = even_share(run.catalogue.usable("train"), MOST_BASE_IMAGES)
        labels = np.array([classes.index(name) for name in rows["class"]])
        config = run.config
        spec = TrainingSpec(
            "", config.generator, config.base.loop, config.seed, classes=classes, bands=run.bands
        )
        held_out = load and _held_out(run, shown, classes, load, devices[0])
        images = run.patches(run.catalogue, rows)
        data = TrainingData(images, labels, held_out, tuple(rows["sha256"]))
        if run.unlabelled is not None:
            data = run.unlabelled.behind(data, config, run.bands, label=len(classes))
        train_generator(data, spec, base.place, devices, listener)

    return _made(run, base, make, on_progress)


def train_class(run: Run, class_name: str, on_progress: Progress = silent) -> Path:
    """Train one class's generator on its train part, from the base; return its folder."""
    generator = generator_of(run, class_name)
    keep_learned(run.config, generator.place)
    if find(run.config, generator):
        return generator.place
    start = train_base(run, on_progress)
    if start == generator.place:
        return start
    shown = run.catalogue.usable("val", class_name)
    load = _evaluates_with(run, run.config.training.evaluations, shown, on_progress)

    def make(devices: list[torch.device], listener: Progress) -> None:
        classes, config = read_base_card(start).classes if start else (), run.config
        spec = TrainingSpec(
            class_name, config.generator, config.training, config.seed, start, classes, run.bands
        )
        rows = run.catalogue.usable("train", class_name)
        images = run.patches(run.catalogue, rows)
        held_out = load and _held_out(run, shown, classes, load, devices[0])
        data = TrainingData(images, held_out=held_out, hashes=tuple(rows["sha256"]))
        train_generator(data, spec, generator.place, devices, listener)

    return _made(run, generator, make, on_progress)


def _made(run: Run, generator: Folder, make: Make, on_progress: Progress) -> Path:
    folder = make_once(run.config, generator, make, on_progress)
    keep_learned(run.config, folder)
    return folder


def _evaluates_with(
    run: Run, n_evaluations: int, shown: pd.DataFrame, on_progress: Progress
) -> Load | None:
    """Make sure of the network that a training is evaluated by; None where it is not."""
    if not n_evaluations or len(shown) < FEWEST:
        return None
    return feature_network(run, on_progress)


def _held_out(
    run: Run, rows: pd.DataFrame, classes: tuple[str, ...], load: Load, device: torch.device
) -> HeldOut:
    labels = [label_of(name, classes) for name in rows["class"]]
    network = load(device)
    embed = embedder(network, run.bands)
    return HeldOut(run.patches(run.catalogue, rows), np.array(labels), embed, network.name)
