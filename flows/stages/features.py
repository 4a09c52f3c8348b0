"""The network whose features screening, fidelity and held-out evaluation measure images by."""

from functools import partial
from pathlib import Path

import torch

from classifier.network.features import FeatureNetwork, Load, named_network, trained_network
from classifier.network.views import Embed, FeatureCache
from classifier.train.experiment import Experiment
from classifier.train.training import is_baseline_trained, train_baseline
from flows.stages.run import Run
from flows.store import paths
from flows.store.result import Folder, make_once
from terrabalance.bands import Bands
from terrabalance.device import pick_device
from terrabalance.progress import Progress, silent


def feature_network(run: Run, on_progress: Progress = silent) -> Load:
    """Make sure of the feature network; return what loads it onto a device.

    That is the network which the settings name. Where its weights cannot be had, or `baseline` is
    asked for, it is a classifier that is trained once on the real train part. To be called before
    devices are held.
    """
    named = named_network(run.config.fidelity)
    if named is not None:
        return named
    folder = _baseline(run, on_progress)
    return partial(trained_network, folder)


def _baseline(run: Run, on_progress: Progress) -> Path:
    folder, config = run.names.baseline, run.config
    experiment = Experiment(
        run.catalogue, config.classifier, config.generator.image_size,
        pick_device(config.device_here), paths.classifiers_folder(config), run.bands,
    )  # fmt: skip

    def make(devices: list[torch.device], listener: Progress) -> None:
        train_baseline(experiment.on(devices[0]), folder, _named(listener))

    baseline = Folder(
        what="the feature network",
        place=folder,
        part="baseline",
        n_devices=1,
        is_made=lambda: is_baseline_trained(experiment, folder),
    )
    return make_once(config, baseline, make, on_progress)


def _named(on_progress: Progress) -> Progress:
    """Name the classifier in its progress, which stands among that of a generator."""
    return lambda done, total, message="": on_progress(
        done, total, f"the classifier behind the features, {message}"
    )


def embedder(network: FeatureNetwork, bands: Bands) -> Embed:
    """Return the function from levels to features; a network of three bands gets their preview."""
    if network.n_bands == bands.count:
        return network.embed
    return lambda levels: network.embed(bands.preview(levels))


def feature_cache(run: Run, network: FeatureNetwork) -> FeatureCache:
    """Return the network's features at the size of generated images, as kept on the disk."""
    return FeatureCache(
        paths.screeners_folder(run.config) / "features", network.key,
        lambda: embedder(network, run.bands), run.config.generator.image_size, run.bands,
    )  # fmt: skip
