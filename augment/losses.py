"""The loss history of a training as a file."""

import csv
import io
from pathlib import Path

from terrabalance.files import atomic_write

_COLUMNS = ["step", "images_seen", "loss", "learning_rate", "grad_norm"]


def write_losses(path: Path, rows: list[list[float]]) -> None:
    """Write the loss history as CSV: step, images_seen, loss, learning_rate, grad_norm."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for step, seen, loss, rate, norm in rows:
        writer.writerow([int(step), int(seen), f"{loss:.6g}", f"{rate:.6g}", f"{norm:.6g}"])
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())
