"""Losses and evaluations of a training, and their files."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from augment.train.evaluation import Evaluation
from terrabalance.files import atomic_write

LOSSES = "losses.csv"
EVALUATIONS = "looks.csv"  # the name that earlier versions gave it
_LOSSES = ("step", "images_seen", "loss", "learning_rate", "grad_norm")
_EVALUATIONS = tuple(each.name for each in fields(Evaluation))


@dataclass
class History:
    """What a training has done so far.

    Attributes:
        losses: rows of step, images seen, loss, learning rate, and gradient norm.
        elapsed_s: seconds until the last checkpoint.
    """

    losses: list[list[float]] = field(default_factory=list)
    elapsed_s: float = 0.0


def write_losses(path: Path, rows: Sequence[Sequence[float]]) -> None:
    """Write losses as CSV: step, images_seen, loss, learning_rate, grad_norm."""
    _write(path, _LOSSES, [[int(step), int(seen), *rest] for step, seen, *rest in rows])


def write_evaluations(path: Path, evaluations: Sequence[Evaluation]) -> None:
    """Write evaluations as CSV, with the fields of `Evaluation` as columns."""
    _write(path, _EVALUATIONS, [list(asdict(each).values()) for each in evaluations])


def _write(path: Path, header: Sequence[str], rows: Sequence[Sequence[float]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([x if isinstance(x, int) else f"{x:.6g}" for x in row] for row in rows)
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())
