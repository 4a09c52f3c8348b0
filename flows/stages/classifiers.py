"""Train the classifiers of a comparison, each once, whichever command asks for it."""

from collections.abc import Callable
from pathlib import Path

import torch

from classifier.study.mixing import tell_mixing
from classifier.train.experiment import Experiment, Trial, trials_of
from classifier.train.training import is_trained, train
from flows.settings.config import RunConfig
from flows.stages.dataset import load_dataset
from flows.stages.run import Run
from flows.store import paths
from flows.store.result import Folder, find, make_once
from terrabalance.bands import Bands
from terrabalance.device import pick_device
from terrabalance.errors import BadInput
from terrabalance.manifest import Manifest
from terrabalance.progress import Progress, silent
from terrabalance.sizes import Size, describe_size, height_width


def experiment_of(run: Run, key: str) -> Experiment:
    """Return what all classifiers of a run share.

    Args:
        run: whose balanced dataset is there.
        key: of the dataset's `Parts`.

    Raises:
        BadInput: the plan fills no class, there is but one, or no synthetic image was accepted.
        NotReady: the balanced dataset is not there, or is of other images.
    """
    if why := run.why_not_compared:
        raise BadInput(why)
    return experiment_with(run, key)


def experiment_with(run: Run, key: str) -> Experiment:
    """Return the same of a run that is known to have classifiers to compare.

    Args and errors as of `experiment_of`.
    """
    drawn_at = run.config.generator.image_size
    resolution = resolution_of(run.config, drawn_at, drawn_at)
    return experiment_on(run.config, load_dataset(run, key), resolution, run.bands)


def experiment_on(
    config: RunConfig, manifest: Manifest, resolution: Size, bands: Bands
) -> Experiment:
    """Return what all classifiers of a comparison share, on any manifest.

    Raises:
        BadInput: it has images of one class only.
    """
    if len(manifest.classes()) < 2:
        raise BadInput(f"{manifest.root}: has one class, and a classifier needs two or more.")
    return Experiment(
        manifest, config.classifier, resolution, pick_device(config.device_here),
        paths.classifiers_folder(config), bands,
    )  # fmt: skip


def classifier_of(experiment: Experiment, trial: Trial) -> Folder:
    """Return one trained classifier as a result."""
    return Folder(
        what=f"the classifier ({trial})",
        place=experiment.folder(trial),
        part=f"classifier {trial}",
        n_devices=1,
        is_made=lambda: is_trained(experiment, trial),
    )


def train_classifier(
    config: RunConfig, experiment: Experiment, trial: Trial, on_progress: Progress = silent
) -> Path:
    """Train one classifier and predict val; return its folder."""

    def make(devices: list[torch.device], listener: Progress) -> None:
        train(experiment.on(devices[0]), trial, listener)

    return make_once(config, classifier_of(experiment, trial), make, on_progress)


def train_missing(
    config: RunConfig, experiment: Experiment, watch: Callable[[Trial], Progress]
) -> None:
    """Train the classifiers of a comparison that are not trained yet.

    That they are of another precision than those that are is told before the first.

    Args:
        config: of the run.
        experiment: what they share.
        watch: returns what takes the progress of a training.
    """
    trials = trials_of(experiment.config)
    missing = [each for each in trials if not find(config, classifier_of(experiment, each))]
    tell_mixing(experiment)
    for trial in missing:
        train_classifier(config, experiment, trial, watch(trial))


def is_classified(config: RunConfig, experiment: Experiment, seed: int) -> bool:
    """Return whether the classifiers of every arm with one seed are trained, on any machine."""
    mine = [trial for trial in trials_of(experiment.config) if trial.seed == seed]
    here = [find(config, classifier_of(experiment, trial)) for trial in mine]  # fetches all
    return all(here)


def resolution_of(config: RunConfig, usual: Size, synthetic: Size | None) -> Size:
    """Return the size that the classifier's images are reduced to first.

    Args:
        config: of the run.
        usual: where `classifier.resolution` does not say.
        synthetic: of the smallest synthetic image; None: there is none.

    Raises:
        BadInput: the synthetic images are smaller than the resolution asked for. Enlarged, they
            would be soft, and soft would come to mean synthetic.
    """
    wanted = config.classifier.resolution
    if wanted is not None and synthetic is not None and wanted > min(height_width(synthetic)):
        raise BadInput(
            f"a resolution of {wanted} px, but there are synthetic images of "
            f"{describe_size(synthetic)}: enlarged, they would be recognizable by their softness. "
            "Ask for that size or less."
        )
    return wanted or usual
