"""The network whose features screening, fidelity and held-out evaluation measure images by."""

from classifier.network.features import FeatureNetwork, named_network, trained_network
from classifier.network.views import Embed, FeatureCache
from classifier.train.experiment import Bench
from classifier.train.training import train_baseline
from flows.settings.config import RunConfig
from flows.store import paths
from flows.store.bands import bands_of
from flows.store.locks import turn
from flows.store.sync import sharing
from terrabalance.bands import Bands
from terrabalance.device import pick_device
from terrabalance.manifest import Manifest
from terrabalance.progress import Progress, silent


def feature_network(
    config: RunConfig, catalogue: Manifest, on_progress: Progress = silent
) -> FeatureNetwork:
    """Return the network whose features measure how near generated images come to real ones.

    The one that the settings name; where its weights cannot be had, or `baseline` is asked for,
    a classifier that is trained once on the real train part.
    """
    device = pick_device(config.device_here)
    if (named := named_network(config.fidelity, device)) is not None:
        return named
    folder, size = paths.baseline_folder(config, catalogue), config.generator.image_size
    with turn(folder, "another process trains the feature network, waiting for it", on_progress):
        root, bands = paths.classifiers_folder(config), bands_of(config, catalogue)
        bench = Bench(catalogue, config.classifier, size, device, root, bands)
        with sharing(config, folder, _named(on_progress)) as listener:
            train_baseline(bench, folder, listener)
    return trained_network(folder, device)


def _named(on_progress: Progress) -> Progress:
    """Name the network in its progress, which is shown amid that of a generator."""
    return lambda done, total, message="": on_progress(done, total, f"feature network, {message}")


def embedder(network: FeatureNetwork, bands: Bands) -> Embed:
    """Return the function from levels to features; a network of three bands gets their preview."""
    if network.n_bands == bands.count:
        return network.embed
    return lambda levels: network.embed(bands.preview(levels))


def feature_cache(config: RunConfig, network: FeatureNetwork, bands: Bands) -> FeatureCache:
    """Return the network's features at the size of generated images, as kept on the disk."""
    return FeatureCache(
        paths.screeners_folder(config) / "features", network.key,
        lambda: embedder(network, bands), config.generator.image_size, bands,
    )  # fmt: skip
