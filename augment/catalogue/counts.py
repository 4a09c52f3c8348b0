"""How many images each class has, and how uneven that is."""

from typing import Any

import numpy as np
import pandas as pd

from terrabalance.manifest import SPLITS, Manifest


def class_table(manifest: Manifest) -> pd.DataFrame:
    """Count each class; one row a class, most in train first, ties by name.

    Returns:
        Columns class, train, val, test (usable images), `set aside` (usable, in another part or
        in none), `left out` (status not ok), and `share of train`, a fraction in [0, 1].
    """
    frame = manifest.frame[manifest.frame["class"] != ""]
    usable = frame["status"] == "ok"
    column = frame["split"].where(frame["split"].isin(SPLITS), "set aside")
    column = column.where(usable, "left out")
    columns = [*SPLITS, "set aside", "left out"]
    table = pd.crosstab(frame["class"], column).reindex(columns=columns, fill_value=0)
    table = table.rename_axis(columns=None).reset_index()
    table["share of train"] = table["train"] / max(int(table["train"].sum()), 1)
    return table.sort_values(["train", "class"], ascending=[False, True], ignore_index=True)


def summarize(manifest: Manifest) -> dict[str, Any]:
    """Summarize the counts and the imbalance of train, ready for JSON.

    Returns:
        n_images, n_usable, n_classes; `splits` and `statuses` as {name: count}, most first;
        `imbalance_ratio`, the most over the least train images of a class that has any;
        `effective_classes`, the number of equally large classes that would be as diverse, exp of
        the Shannon entropy of the shares of train (Hill number of order 1, Hill 1973, Ecology
        54:427); `normalized_entropy` in [0, 1], 1 for equal classes; and `classes`, the rows of
        `class_table`. All three measures are 0 where train is empty.
    """
    table, frame = class_table(manifest), manifest.frame
    usable = frame[frame["status"] == "ok"]
    return {
        "n_images": len(frame),
        "n_usable": len(usable),
        "n_classes": len(table),
        "splits": _counted(usable["split"]),
        "statuses": _counted(frame["status"]),
        **_imbalance(table["train"].to_numpy(), len(table)),
        "classes": table.astype(object).to_dict("records"),
    }


def _counted(values: pd.Series) -> dict[str, int]:
    return {str(name): int(count) for name, count in values.value_counts().items()}


def _imbalance(counts: np.ndarray, n_classes: int) -> dict[str, float]:
    present = counts[counts > 0]
    if not len(present):
        return {"imbalance_ratio": 0.0, "effective_classes": 0.0, "normalized_entropy": 0.0}
    shares = present / present.sum()
    entropy = float(-(shares * np.log(shares)).sum())
    return {
        "imbalance_ratio": float(present.max() / present.min()),
        "effective_classes": float(np.exp(entropy)),
        "normalized_entropy": entropy / float(np.log(n_classes)) if n_classes > 1 else 1.0,
    }
