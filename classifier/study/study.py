"""A whole comparison: train, let val choose, open test once, judge."""

from pathlib import Path
from typing import Any

import pandas as pd

from classifier.compare.comparison import compare
from classifier.study.ledger import LEDGER, note_opening
from classifier.study.selection import choose, counts_of, predictions_of
from classifier.train.experiment import Bench, trainings_of
from classifier.train.training import train
from terrabalance.files import atomic_write
from terrabalance.progress import Progress, silent
from terrabalance.sizes import describe_size


def compare_bench(
    bench: Bench, folder: Path, test_kind: str, on_progress: Progress = silent
) -> dict[str, Any]:
    """Train what is missing, let val choose, note it, then open test; return the record.

    Args:
        bench: images, settings and device.
        folder: gets `predictions.csv`.
        test_kind: `real` or `drawn`.
        on_progress: told of steps and images.
    """
    for training in trainings_of(bench.config):
        train(bench, training, on_progress)
    choices = choose(bench)
    n_openings = note_opening(bench.root / LEDGER, bench.test_key(), bench.comparison_key)
    parts = [predictions_of(bench, choices, split, on_progress) for split in ("val", "test")]
    predictions = pd.concat(parts, ignore_index=True)
    with atomic_write(folder / "predictions.csv") as file:
        predictions.to_csv(file, index=False, float_format="%.6f")
    return compare(
        predictions,
        counts_of(bench, choices),
        resolution=describe_size(bench.resolution),
        training=bench.config.model_dump(mode="json"),
        test_kind=test_kind,
        tried=choices.tried,
        shares=choices.shares,
        n_openings=n_openings,
    )
