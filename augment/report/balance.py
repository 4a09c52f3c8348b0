"""The balance report: what the classes had and got, and what the generators drew."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from augment.measure.neighbours import compare_with_real
from augment.report.pictures import Pictures, read_curve, read_looks
from augment.screen.rules import MEANINGS
from augment.screen.statuses import FEW_LIMITS, has_few_limits, screening_record
from terrabalance.bands import Bands
from terrabalance.files import read_json
from terrabalance.images import read_patches
from terrabalance.manifest import Manifest, read_manifest
from terrabalance.markdown import markdown_table
from terrabalance.page import Section, render
from terrabalance.sizes import Size, at_most, describe_size, height_width

_MANY_CLASSES = 8  # above it each class gets fewer and smaller pictures, to keep the page light
_EXAMPLES = 5


def balance_record(
    catalogue: Manifest,
    plan: Mapping[str, Any],
    generators: Mapping[str, Path],
    synthetic: Mapping[str, Path],
    size: Size,
    bands: Bands,
) -> dict[str, Any]:
    """Count, and compare every synthetic image with the real ones that its generator saw.

    Args:
        catalogue: manifest of the real images.
        plan: as in `plan.json`.
        generators: class -> folder of its finished generator.
        synthetic: class -> folder of its synthetic images.
        size: at which images are compared.
        bands: how they are read.

    Returns:
        A record that JSON can hold: `target`, `left_out` (why classes below it are not filled; or
        empty), `side_px`, `resolution`, `before` and `after`
        (images, imbalance ratio, effective number of classes, all of the train part), `classes`
        (largest first), `problems` in the data, and `filled`: for each class of `synthetic` its
        card, its nearest neighbours (distances are root-mean-square, scaled to [0, 255]; None:
        too few images) and the record of its screening (of `augment.screen.statuses`).
    """
    made = {name: len(read_manifest(folder).usable()) for name, folder in synthetic.items()}
    classes = _classes(catalogue, plan, made)
    return {
        "target": dict(plan["target"]),
        "left_out": plan["left_out"],
        "side_px": max(height_width(size)),
        "resolution": describe_size(size),
        "before": _balance([row["n_real"] for row in classes]),
        "after": _balance([row["n_real"] + row["n_synthetic"] for row in classes]),
        "classes": classes,
        "n_images": len(catalogue.frame),
        "problems": _problems(catalogue.frame),
        "filled": [
            {
                "class": row["class"],
                "card": read_json(generators[row["class"]] / "card.json"),
                "neighbours": _neighbours(catalogue, row["class"], synthetic, size, bands),
                "screening": screening_record(synthetic[row["class"]]),
            }
            for row in reversed(classes)
            if row["class"] in synthetic
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
    """List what the scan left out: a row a status, the most frequent first."""
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


def _neighbours(
    catalogue: Manifest,
    class_name: str,
    synthetic: Mapping[str, Path],
    size: Size,
    bands: Bands,
) -> dict[str, Any]:
    real_rows = catalogue.usable("train", class_name)
    made = read_manifest(synthetic[class_name])
    made_rows = made.usable()
    return compare_with_real(
        read_patches(made.paths(made_rows), size, bands),
        read_patches(catalogue.paths(real_rows), size, bands),
        list(made_rows["path"]),
        list(real_rows["path"]),
    )


def balance_table(record: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row a class, largest first, for `classes.csv`.

    Columns: class, n_real, n_synthetic, n_after, n_target, n_val, n_test, minority, capped,
    synthetic_to_real_median, real_to_real_median, copy_share, copy_share_of_real; the last four
    are NaN for a class without synthetic images.
    """
    found = {row["class"]: row["neighbours"] for row in record["filled"]}
    counts = ("n_target", "n_val", "n_test", "minority", "capped")
    near = (
        "synthetic_to_real_median",
        "real_to_real_median",
        "copy_share",
        "copy_share_of_real",
    )
    return pd.DataFrame([
        {
            "class": row["class"],
            "n_real": row["n_real"],
            "n_synthetic": row["n_synthetic"],
            "n_after": row["n_real"] + row["n_synthetic"],
            **{key: row[key] for key in counts},
            **{key: found.get(row["class"], {}).get(key) for key in near},
        }
        for row in record["classes"]
    ])  # fmt: skip


def balance_markdown(record: Mapping[str, Any]) -> str:
    """Return the short version in Markdown: the balance, and a row for each class."""
    before, after = record["before"], record["after"]
    table = markdown_table(
        ["", "before", "after"],
        [
            ["Training images", before["n_images"], after["n_images"]],
            [
                "Imbalance ratio",
                f"{before['imbalance_ratio']:.1f}",
                f"{after['imbalance_ratio']:.1f}",
            ],
            [
                f"Effective classes, of {len(record['classes'])}",
                f"{before['effective_classes']:.1f}",
                f"{after['effective_classes']:.1f}",
            ],
        ],
    )
    classes = markdown_table(
        ["Class", "real", "synthetic", "suspected copies"],
        [
            [row["class"], row["n_real"], row["n_synthetic"], _share(record, row["class"])]
            for row in record["classes"]
        ],
    )
    return f"## Balance\n\n{table}\n{classes}"


def _share(record: Mapping[str, Any], class_name: str) -> str:
    shares = {row["class"]: row["neighbours"]["copy_share"] for row in record["filled"]}
    share = shares.get(class_name)
    return "" if share is None else f"{100 * share:.1f} %"


def _looks(generator: Path, card: Mapping[str, Any]) -> dict[str, Any]:
    chosen = card.get("chosen")
    return read_looks(generator / "looks.csv", chosen["step"]) if chosen else {}


def balance_section(
    record: Mapping[str, Any],
    catalogue: Manifest,
    generators: Mapping[str, Path],
    synthetic: Mapping[str, Path],
    size: Size,
    bands: Bands,
) -> Section:
    """Draw the record, with pictures read from the catalogue and the synthetic folders.

    Args:
        record: of `balance_record`.
        catalogue: manifest of the real images.
        generators: class -> folder of its finished generator, for its curves.
        synthetic: class -> folder of its synthetic images.
        size: at which the classifier sees the images; pictures are at most that large.
        bands: how they are read and shown.
    """
    light = len(record["filled"]) > _MANY_CLASSES
    show = Pictures(catalogue, synthetic, at_most(size, 64 if light else 128), bands, light)
    counts = {row["class"]: row for row in record["classes"]}
    filled = [
        {
            **row,
            "counts": counts[row["class"]],
            "real": show.real(row["class"]),
            "synthetic": show.synthetic(row["class"]),
            "pairs": show.pairs(row["class"], row["neighbours"]["pairs"]),
            "strip": show.strip(row["class"]),
            "refused": show.refused(row["class"]),
            "has_few_limits": row["screening"] and has_few_limits(row["screening"]),
            "curve": read_curve(generators[row["class"]] / "losses.csv"),
            "looks": _looks(generators[row["class"]], row["card"]),
        }
        for row in record["filled"]
    ]
    widest = max(
        max(row["n_real"] + row["n_synthetic"] for row in record["classes"]),
        record["target"]["count"],
    )
    html = render(
        "augment.report",
        "balance.html.j2",
        record=record,
        filled=filled,
        widest=widest,
        n_open=3 if light else len(filled),
        n_val=sum(row["n_val"] for row in record["classes"]),
        meanings=MEANINGS,
        few_limits=FEW_LIMITS,
    )
    return Section("Balance and synthetic images", html, "balance")
