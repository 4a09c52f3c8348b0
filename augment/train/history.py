"""What happened during a training, as files."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from augment.train.evaluation import Look
from terrabalance.files import atomic_write

_LOSSES = ("step", "images_seen", "loss", "learning_rate", "grad_norm")
_LOOKS = tuple(field.name for field in fields(Look))


def write_losses(path: Path, rows: Sequence[Sequence[float]]) -> None:
    """Write the loss history as CSV: step, images_seen, loss, learning_rate, grad_norm."""
    _write(path, _LOSSES, [[int(step), int(seen), *rest] for step, seen, *rest in rows])


def write_looks(path: Path, looks: Sequence[Look]) -> None:
    """Write what was seen at each look as CSV, with the fields of `Look` as columns."""
    _write(path, _LOOKS, [list(asdict(look).values()) for look in looks])


def _write(path: Path, header: Sequence[str], rows: Sequence[Sequence[float]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([x if isinstance(x, int) else f"{x:.6g}" for x in row] for row in rows)
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())
