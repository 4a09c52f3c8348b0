"""Train the generators of a run: the base that all classes share, and one for each class."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout

from augment.recipe import Recipe
from augment.training import train_generator
from flows import store
from flows.config import RunConfig
from flows.stages import load_catalogue
from terrabalance.device import pick_device
from terrabalance.files import done
from terrabalance.images import read_squares
from terrabalance.manifest import Manifest, even_share
from terrabalance.progress import Progress, silent

# At 256 px they take 4 GB of memory; more images than that teach a base nothing that a rare
# class could use.
MOST_BASE_IMAGES = 20_000


def train_base(config: RunConfig, on_progress: Progress = silent) -> Path | None:
    """Train the base on the train part of every class, once; return its folder.

    Of those who ask at the same time one trains, and the others wait for it. None where the
    generators start from scratch: by `strategy`, or for want of a second class.
    """
    manifest = load_catalogue(config)
    folder = store.base_folder(config, manifest)
    if folder is None or done(folder) is not None:
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _turn(folder, config.base.steps, on_progress):
        if done(folder) is None:
            rows = even_share(manifest.usable("train"), MOST_BASE_IMAGES)
            classes = _classes(manifest)
            labels = np.array([classes.index(name) for name in rows["class"]])
            recipe = Recipe("", config.generator, config.base, config.seed, classes=classes)
            images, device = _squares(config, manifest, rows), pick_device(config.device)
            train_generator(images, recipe, folder, device, on_progress, labels)
    return folder


def train_class(config: RunConfig, class_name: str, on_progress: Progress = silent) -> Path:
    """Train one class's generator on its train part, from the base; return its folder."""
    manifest = load_catalogue(config)
    folder = store.generator_folder(config, manifest, class_name)
    if done(folder) is not None:
        return folder
    start = train_base(config, on_progress)
    if start == folder:
        return folder
    classes = _classes(manifest) if start else ()
    recipe = Recipe(class_name, config.generator, config.training, config.seed, start, classes)
    images = _squares(config, manifest, manifest.usable("train", class_name))
    return train_generator(images, recipe, folder, pick_device(config.device), on_progress)


def _classes(manifest: Manifest) -> tuple[str, ...]:
    return tuple(sorted(manifest.usable("train")["class"].unique()))


@contextmanager
def _turn(folder: Path, steps: int, on_progress: Progress) -> Iterator[None]:
    """Hold the lock beside `folder`, which the kernel frees when its holder dies."""
    lock = FileLock(folder.with_name(f"{folder.name}.lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        on_progress(0, steps, "another process trains the base, waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _squares(config: RunConfig, manifest: Manifest, rows: pd.DataFrame) -> np.ndarray:
    return read_squares(manifest.paths(rows), config.generator.image_size)
