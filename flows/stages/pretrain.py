"""Train a base on images without labels alone, for any number of runs."""

from pathlib import Path

import torch

from augment.train.spec import TrainingSpec
from augment.train.training import train_generator
from flows.settings.config import RunConfig
from flows.stages.run import Run
from flows.stages.unlabelled import list_unlabelled, tell_other_words
from flows.store.bands import bands_of
from flows.store.held_out import keep_learned
from flows.store.names import prior_folder
from flows.store.result import Folder, make_once
from terrabalance.progress import Progress, silent


def pretrain(config: RunConfig, has_data: bool, on_progress: Progress = silent) -> Path:
    """Train a base on the images of `base.images`, once; return its folder.

    It knows no class: a class's generator starts from all of its weights. It goes to its last step,
    as there is no part val to choose a checkpoint by.

    Args:
        config: `base.images`, `base`, `generator`, `scan` and `seed` decide the base.
        has_data: whether `config.data` is a data set, from whose val, test and oracle parts it is
            kept away and in whose bands it is trained.
        on_progress: counts files, then steps.

    Raises:
        BadInput: the images or the data cannot be used.
        NotReady, StoreUnreachable: as of `Run`.
    """
    if has_data:
        run = Run(config)
        bands = run.bands
        images = list_unlabelled(config, bands, run.catalogue, on_progress)
    else:
        images = list_unlabelled(config, on_progress=on_progress)
        bands = bands_of(config, images.manifest)
    base = Folder(
        what="the base",
        place=prior_folder(config, bands, images.manifest),
        part="base",
        n_devices=config.execution.devices_per_class,
    )

    def make(devices: list[torch.device], listener: Progress) -> None:
        spec = TrainingSpec("", config.generator, config.base.loop, config.seed, bands=bands)
        train_generator(images.read(config, bands), spec, base.place, devices, listener)

    make_once(config, base, make, on_progress)
    tell_other_words(config, base.place)
    keep_learned(config, base.place)
    return base.place
