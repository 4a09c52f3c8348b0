"""What can be compared: whether a run has classifiers, and which data is a manifest; no torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from augment.screen.statuses import why_none_accepted

NOTHING_FILLED = (
    "This plan fills no class, so nothing is drawn and there is nothing to compare. A "
    "higher --target asks for more images; `terrabalance compare` compares classifiers on "
    "real images alone."
)
ONE_CLASS = "The data has one class, and a classifier needs two: nothing is compared."


def why_nothing_to_compare(records: Sequence[Mapping[str, Any]]) -> str | None:
    """Return that no synthetic image was accepted, why, and what to do; None where one was.

    The classifiers with synthetic images would be those without, trained once more.

    Args:
        records: of the screening of each filled class, see `augment.screen.statuses`.
    """
    if not (why := why_none_accepted(records)):
        return None
    ways = ["Longer training makes better images (training.steps, base.steps)."]
    if any(record["refused"] for record in records):
        ways.append(
            "`terrabalance review` shows the images and can accept them; a lower "
            "screening.refuse_real refuses fewer."
        )
    if not all(record["ended"] for record in records):
        ways.append("`terrabalance run` draws others instead of those that were refused.")
    return (
        f"{why} So the dataset holds real images only, and there is nothing to compare. "
        f"{' '.join(ways)} `terrabalance compare` compares classifiers on real images alone."
    )


def manifest_of(data: Path) -> Path | None:
    """Return the manifest that data is or has, as a dataset; None for data that is scanned."""
    if data.suffix == ".parquet":
        return data
    table = data / "manifest.parquet"
    return table if table.is_file() else None
