"""The record of the balance report: what the classes had and got, and what was drawn for them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from augment.measure.neighbours import compare_with_real
from augment.network.unlabelled import unlabelled_in
from augment.screen.statuses import screening_record
from terrabalance.bands import Bands
from terrabalance.files import read_record
from terrabalance.images import read_patches
from terrabalance.manifest import Manifest, read_manifest
from terrabalance.sizes import Size, describe_size, height_width

_EXAMPLES = 5  # files that are named of each problem in the data


@dataclass(frozen=True)
class BalanceInputs:
    """What the stages left that the balance report is made from.

    Attributes:
        catalogue: manifest of the real images.
        generators: class -> folder of its finished generator.
        synthetic: class -> folder of its synthetic images.
        size: at which the classifier sees the images, and at which they are compared.
        bands: how images are read and shown.
    """

    catalogue: Manifest
    generators: Mapping[str, Path]
    synthetic: Mapping[str, Path]
    size: Size
    bands: Bands


def balance_record(
    inputs: BalanceInputs, plan: Mapping[str, Any], why_not_compared: str | None = None
) -> dict[str, Any]:
    """Count images, and compare each synthetic one with the real ones that its generator saw.

    Args:
        inputs: of the report.
        plan: as in `plan.json`.
        why_not_compared: why there are no classifiers to compare, in a sentence; None: there are.

    Returns:
        A record that JSON can hold: `target`, `left_out` (why classes below it are not filled, or
        ""), `side_px`, `resolution`, `before` and `after` (images, imbalance ratio, effective
        number of classes, all of the train part), `classes` (largest first), `problems` in the
        data, `why_not_compared`, `unlabelled` (sentences about images without labels that the base
        learned, or None), and `filled`: for each class that images were drawn for its card,
        its nearest neighbours (distances are root-mean-square, scaled to [0, 255]; None: too few
        images) and the record of its screening (of `augment.screen.statuses`). Where none of its
        images was accepted, its `n_synthetic` in `classes` is 0.
    """
    catalogue, synthetic = inputs.catalogue, inputs.synthetic
    made = {name: len(read_manifest(folder).usable()) for name, folder in synthetic.items()}
    classes = _classes(catalogue, plan, made)
    filled = [row["class"] for row in reversed(classes) if row["class"] in synthetic]
    cards = {name: read_record(inputs.generators[name] / "card.json") for name in filled}
    # All start from one base.
    unlabelled = next(filter(None, map(unlabelled_in, cards.values())), None)
    return {
        "target": dict(plan["target"]),
        "left_out": plan["left_out"],
        "why_not_compared": why_not_compared,
        "unlabelled": unlabelled and unlabelled.in_words(),
        "side_px": max(height_width(inputs.size)),
        "resolution": describe_size(inputs.size),
        "before": _balance([row["n_real"] for row in classes]),
        "after": _balance([row["n_real"] + row["n_synthetic"] for row in classes]),
        "classes": classes,
        "n_images": len(catalogue.frame),
        "problems": _problems(catalogue.frame),
        "filled": [
            {
                "class": name,
                "card": cards[name],
                "neighbours": _neighbours(inputs, name),
                "screening": screening_record(synthetic[name]),
            }
            for name in filled
        ],
    }


def _classes(
    catalogue: Manifest, plan: Mapping[str, Any], made: Mapping[str, int]
) -> list[dict[str, Any]]:
    counts = catalogue.usable().groupby(["class", "split"]).size()
    rows = [
        {
            "class": row["class"],
            "n_real": row["n_train"],
            "n_synthetic": made.get(row["class"], 0),
            "n_val": int(counts.get((row["class"], "val"), 0)),
            "n_test": int(counts.get((row["class"], "test"), 0)),
            "n_target": row["n_target"],
            "minority": row["minority"],
            "capped": row["capped"],
        }
        for row in plan["classes"]
    ]
    return sorted(rows, key=lambda row: (-row["n_real"], row["class"]))


def _balance(counts: Sequence[int]) -> dict[str, float]:
    """Summarize class sizes; the effective number of classes is exp(entropy of the shares)."""
    shares = [count / sum(counts) for count in counts if count > 0]
    return {
        "n_images": sum(counts),
        "imbalance_ratio": round(max(counts) / max(1, min(counts)), 3),
        "effective_classes": round(math.exp(-sum(p * math.log(p) for p in shares)), 3),
    }


def _problems(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return what the scan left out: a row a status, the most frequent first."""
    wrong = frame[frame["status"] != "ok"]
    return [
        {
            "status": str(status),
            "count": int(count),
            "examples": [
                {"path": str(path), "detail": str(detail)}
                for path, detail in wrong.loc[wrong["status"] == status, ["path", "detail"]]
                .head(_EXAMPLES)
                .itertuples(index=False)
            ],
        }
        for status, count in wrong["status"].value_counts().items()
    ]


def _neighbours(inputs: BalanceInputs, class_name: str) -> dict[str, Any]:
    real, made = inputs.catalogue, read_manifest(inputs.synthetic[class_name])
    real_rows, made_rows = real.usable("train", class_name), made.usable()
    return compare_with_real(
        read_patches(made.unchanged(made_rows), inputs.size, inputs.bands),
        read_patches(real.unchanged(real_rows), inputs.size, inputs.bands),
        list(made_rows["path"]),
        list(real_rows["path"]),
    )
