"""One raster file of the matrix, and what reading it must give."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True, eq=False)
class Case:
    """A file and its expectation: what was written into it, or why it cannot be read.

    Attributes:
        name: the file's name; no two cases share one.
        write: writes the file at a path.
        values: (C, H, W) in the type that is expected, where the file can be read.
        valid: bool, (1, H, W) or (C, H, W), False where the file holds no data; None: all valid.
        alpha: place of the band that the file calls alpha.
        tolerance: how far a value may be from the written one; above 0 for lossy codecs only.
        refusal: what the refusal must match; empty where the file can be read.
        needs: modules without which the file cannot be written or, as JPEG 2000, not be read.
    """

    name: str
    write: Callable[[Path], None]
    values: np.ndarray | None = None
    valid: np.ndarray | None = None
    alpha: int | None = None
    tolerance: float = 0
    refusal: str = ""
    needs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert (self.values is None) == bool(self.refusal), self.name
        assert self.values is None or self.values.ndim == 3, self.name
