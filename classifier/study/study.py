"""A whole comparison: train all trials, select on val, open test once, compare."""

import logging
from pathlib import Path
from typing import Any

import pandas as pd

from classifier.compare.comparison import compare
from classifier.compare.precision import mixed_precision
from classifier.study.ledger import LEDGER, note_opening
from classifier.study.mixing import tell_mixing
from classifier.study.selection import choose, counts_of, predictions_of, trained_for
from classifier.train.experiment import Experiment, trials_of
from classifier.train.precision import precisions_of
from classifier.train.training import train
from terrabalance.files import atomic_write, sha256_of
from terrabalance.progress import Progress, silent
from terrabalance.sizes import describe_size

_log = logging.getLogger(__name__)


def run_study(
    experiment: Experiment, folder: Path, test_kind: str, on_progress: Progress = silent
) -> dict[str, Any]:
    """Train what is missing, select on val, note the opening of test, compare; return the record.

    Args:
        experiment: images, settings and device.
        folder: `predictions.csv` is written there; the record has its hash.
        test_kind: `real` or `drawn`.
        on_progress: called after each step and image.
    """
    tell_mixing(experiment)
    for trial in trials_of(experiment.config):
        train(experiment, trial, on_progress)
    precisions = precisions_of(experiment)
    if mixed := mixed_precision(precisions):
        _log.warning("%s", mixed)  # before test is opened
    choices = choose(experiment)
    n_openings = note_opening(
        experiment.root / LEDGER, experiment.test_key(), experiment.comparison_key
    )
    parts = [predictions_of(experiment, choices, split, on_progress) for split in ("val", "test")]
    predictions = pd.concat(parts, ignore_index=True)
    path = folder / "predictions.csv"
    with atomic_write(path) as file:
        predictions.to_csv(file, index=False, float_format="%.6f")
    record = compare(
        predictions,
        counts_of(experiment, choices),
        resolution=describe_size(experiment.resolution),
        training=experiment.config.model_dump(mode="json"),
        test_kind=test_kind,
        tried=choices.tried,
        shares=choices.shares,
        n_openings=n_openings,
    )
    trained = trained_for(experiment, choices)
    return record | {
        "trained": trained, "precisions": precisions, "predictions_sha256": sha256_of(path),
    }  # fmt: skip
