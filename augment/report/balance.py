"""The balance part of the report: a page section, a table and Markdown, drawn from its record."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from augment.report.balance_record import BalanceInputs
from augment.report.pictures import Pictures, read_curve, read_evaluations
from augment.screen.rules import MEANINGS
from augment.screen.statuses import FEW_LIMITS, NOT_SCREENED, has_few_limits
from terrabalance.charts import Lines
from terrabalance.markdown import escape_markdown, markdown_table
from terrabalance.page import Section, render
from terrabalance.sizes import at_most

_MANY_CLASSES = 8  # above it each class gets fewer and smaller pictures, to keep the page light


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
    why_not = record["why_not_compared"]
    said = f"**{escape_markdown(why_not)}**\n\n" if why_not else ""
    return f"## Balance\n\n{said}{table}\n{classes}"


def _share(record: Mapping[str, Any], class_name: str) -> str:
    shares = {row["class"]: row["neighbours"]["copy_share"] for row in record["filled"]}
    share = shares.get(class_name)
    return "" if share is None else f"{100 * share:.1f} %"


def not_compared_section(why: str) -> Section:
    """Say in place of a verdict why there are no classifiers to compare."""
    html = render("augment.report", "not_compared.html.j2", why=why)
    return Section("Not compared", html, "not-compared")


def balance_section(record: Mapping[str, Any], inputs: BalanceInputs) -> Section:
    """Draw the record, with pictures read from the catalogue and the synthetic folders.

    Args:
        record: of `balance_record`.
        inputs: of the report; pictures are at most as large as their `size`.
    """
    light = len(record["filled"]) > _MANY_CLASSES
    size = at_most(inputs.size, 64 if light else 128)
    show = Pictures(inputs.catalogue, inputs.synthetic, size, inputs.bands, light)
    counts = {row["class"]: row for row in record["classes"]}
    filled = [
        {
            **row,
            "counts": counts[row["class"]],
            **show.of_class(row["class"], row["neighbours"]["pairs"]),
            "has_few_limits": row["screening"] and has_few_limits(row["screening"]),
            "curve": read_curve(inputs.generators[row["class"]] / "losses.csv"),
            "evaluations": _evaluations(inputs.generators[row["class"]], row["card"]),
        }
        for row in record["filled"]
    ]
    widest = max(row["n_real"] + row["n_synthetic"] for row in record["classes"])
    html = render(
        "augment.report",
        "balance.html.j2",
        record=record,
        filled=filled,
        widest=max(widest, record["target"]["count"]),
        n_open=3 if light else len(filled),
        n_val=sum(row["n_val"] for row in record["classes"]),
        meanings=MEANINGS,
        few_limits=FEW_LIMITS,
        not_screened=NOT_SCREENED,
    )
    return Section("Balance and synthetic images", html, "balance")


def _evaluations(generator: Path, card: Mapping[str, Any]) -> dict[str, Lines | None]:
    """Lay out the held-out evaluations of a generator that was chosen by them; else nothing."""
    chosen = card.get("chosen")
    return read_evaluations(generator / "looks.csv", chosen["step"]) if chosen else {}
