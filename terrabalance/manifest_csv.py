"""`manifest.csv`, the twin of a manifest for people and other programs."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from terrabalance.files import atomic_write

_ROWS_AT_ONCE = 2**15  # as text; all rows of a large manifest would take several times its memory


def write_twin(frame: pd.DataFrame, path: Path) -> None:
    """Write the rows of a manifest as CSV, atomically."""
    with atomic_write(path) as file:
        file.writelines(_blocks(frame))


def is_twin(frame: pd.DataFrame, path: Path) -> bool:
    """Return whether a file is, byte for byte, what `write_twin` writes of these rows.

    Raises:
        OSError: there is no such file, or it cannot be read.
    """
    with path.open("rb") as file:
        return all(file.read(len(block)) == block for block in _blocks(frame)) and not file.read(1)


def _blocks(frame: pd.DataFrame) -> Iterator[bytes]:
    for start in range(0, max(len(frame), 1), _ROWS_AT_ONCE):
        some = frame.iloc[start : start + _ROWS_AT_ONCE]
        yield some.to_csv(index=False, header=start == 0, lineterminator="\n").encode()
