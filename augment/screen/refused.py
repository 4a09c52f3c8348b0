"""Synthetic images that people refused, known again by their content wherever they were copied.

A dataset is what was accepted when it was assembled; decisions go on beside the images of a class.
"""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from augment.screen.reviews import REVIEWS, read_reviews
from terrabalance.errors import BadInput, NotReady
from terrabalance.manifest import read_manifest

_log = logging.getLogger(__name__)
_DATASETS, _SYNTHETIC = "datasets", "synthetic"  # below one folder


def images_beside(dataset: Path) -> list[Path]:
    """Return the folder of all synthetic images beside a dataset, as a run lays them out, if any.

    Args:
        dataset: folder of it.
    """
    home = dataset.resolve().parent
    return [home.with_name(_SYNTHETIC)] if home.name == _DATASETS else []


def refused_since(rows: pd.DataFrame, folders: Iterable[Path]) -> pd.Series:
    """Return why people refused those of the usable synthetic rows that they did.

    The same image may lie in several folders: the last decision on it counts.

    Args:
        rows: of a manifest.
        folders: of synthetic images, which hold one folder a class, there or not.

    Returns:
        A sentence for each such row, by its label; whose decisions are damaged is warned of.
    """
    made = rows.loc[(rows["source"] == "synthetic") & (rows["status"] == "ok"), "sha256"]
    last: dict[str, tuple[str, str]] = {}  # content -> when, and why refused or ""
    homes = {folder.resolve() for folder in folders} if len(made) else set()
    for home in sorted(homes):
        for path in sorted(home.glob(f"*/{REVIEWS}")):
            for content, when, why in _decisions(path.parent):
                last[content] = max(last.get(content, ("", "")), (when, why))
    refused = {content: why for content, (_, why) in last.items() if why and content}
    return made.map(refused).dropna()


def _decisions(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield content, moment and reason (of an accepted image: "") of the decisions in a folder."""
    try:
        reviews, frame = read_reviews(folder), read_manifest(folder).frame
    except (BadInput, NotReady) as error:
        _log.warning("decisions by eye in %s are not looked at: %s", folder, error)
        return
    for path, content in zip(frame["path"], frame["sha256"], strict=True):
        if each := reviews.get(path):
            why = (
                f"refused by {each.get('reviewer', '')} since, see {folder.name}/{REVIEWS}; "
                "assemble the dataset again, or accept the image in `terrabalance review`"
            )
            yield content, each.get("reviewed", ""), why if each["review"] == "refuse" else ""
