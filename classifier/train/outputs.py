"""The logits of a trial on one split, as a file, and the predictions that follow from them."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.special import softmax

from terrabalance.errors import BadInput
from terrabalance.tables import read_table, write_table

_log = logging.getLogger(__name__)
_INPUTS = b"terrabalance.inputs"


@dataclass(frozen=True)
class Outputs:
    """The logits of a network on the images of one split.

    Attributes:
        classes: names, in label order.
        paths: N paths relative to the manifest's root.
        truth: (N,) labels.
        logits: (N, classes) float32.
    """

    classes: list[str]
    paths: list[str]
    truth: np.ndarray
    logits: np.ndarray

    def predictions(self) -> pd.DataFrame:
        """Return one row an image: path, class, predicted, confidence in [0, 1]."""
        names = np.array(self.classes, object)
        found = self.logits.argmax(axis=1) if len(self.logits) else np.empty(0, int)
        return pd.DataFrame({
            "path": self.paths, "class": names[self.truth], "predicted": names[found],
            "confidence": softmax(self.logits, axis=1).max(axis=1) if len(found) else found,
        })  # fmt: skip


def write_outputs(path: Path, outputs: Outputs, inputs: str) -> None:
    """Write `outputs` as Parquet, atomically, with the hash of what they follow from."""
    names = np.array(outputs.classes, object)
    table = pa.table({
        "path": outputs.paths,
        "class": pa.array(names[outputs.truth], pa.string()),
        "logits": pa.array(list(outputs.logits), pa.list_(pa.float32())),
    })  # fmt: skip
    write_table(path, table, {_INPUTS: inputs.encode()})


def read_outputs(path: Path, classes: list[str], inputs: str) -> Outputs | None:
    """Read what `write_outputs` wrote; None where there is no file, a damaged one or another's."""
    if not path.is_file():
        return None
    try:
        table, facts = read_table(path)
    except BadInput as error:  # it costs one prediction
        _log.warning("predicted again: %s", error)
        return None
    if facts.get(_INPUTS) != inputs.encode():
        return None
    labels = {name: label for label, name in enumerate(classes)}
    rows = table.to_pydict()
    logits = np.array(rows["logits"], np.float32).reshape(-1, len(classes))
    truth = np.array([labels[name] for name in rows["class"]], int)
    return Outputs(classes, rows["path"], truth, logits)
