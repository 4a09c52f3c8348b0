"""Tell before a training that a comparison is about to have trainings of two precisions."""

import logging
from collections import Counter
from pathlib import Path

from classifier.compare.precision import about_to_mix
from classifier.train.experiment import Experiment, trials_of
from classifier.train.loop import CHECKPOINTS
from classifier.train.precision import in_words, precision_of
from classifier.train.training import is_trained
from terrabalance.checkpoint import note_of_newest
from terrabalance.device import precision_on

_log = logging.getLogger(__name__)


def tell_mixing(experiment: Experiment) -> None:
    """Warn where a training to come is of another precision than all that have ended.

    Once one such has ended it is not told again, until `run_study` does before test is opened.

    Args:
        experiment: on the device that will train, with what other machines have trained in place.

    Raises:
        BadInput: a card is damaged.
    """
    had, to_come = Counter[str](), Counter[str]()
    for trial in trials_of(experiment.config):
        folder = experiment.folder(trial)
        if not is_trained(experiment, trial):
            to_come[in_words(_precision_to_come(experiment, folder))] += 1
        elif precision := precision_of(folder):
            had[in_words(precision)] += 1
    if had and to_come.keys() - had.keys():
        _log.warning("%s", about_to_mix(had, to_come))


def _precision_to_come(experiment: Experiment, folder: Path) -> str:
    begun = note_of_newest(folder / CHECKPOINTS, "precision")
    config = experiment.going_on_in(begun).config
    return precision_on(experiment.device, config.precision)
