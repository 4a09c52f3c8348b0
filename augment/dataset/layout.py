"""Which images a dataset holds, and where they lie in it.

`train|val|test/<class>/<image>` is the layout that torchvision, timm and Hugging Face read without
help; `oracle` lies beside these where the data has that split.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from terrabalance.files import fingerprint, slug
from terrabalance.manifest import ORACLE, SPLITS, Manifest, join_frames

_PREFIX = "synthetic_"


def dataset_rows(catalogue: Manifest, synthetic: Sequence[Manifest]) -> pd.DataFrame:
    """Return the rows of the dataset: `path` is the new one, `origin` the full path of its file."""
    parts = []
    for manifest in (catalogue, *synthetic):
        rows = manifest.usable()
        rows = rows[rows["split"].isin((*SPLITS, ORACLE))].reset_index(drop=True)
        # Resolved, because a hard link to a symbolic link is one that breaks when moved.
        parts.append(rows.assign(origin=[path.resolve() for path in manifest.paths(rows)]))
    rows = join_frames(parts)
    return rows.assign(path=_file_names(rows))


def _file_names(rows: pd.DataFrame) -> list[str]:
    """Return a safe path for each row, unique also where case does not count, extension kept."""
    taken: set[str] = set()
    drawn: dict[str, int] = {}
    names = []
    for path, label, split, source in zip(
        rows["path"], rows["class"], rows["split"], rows["source"], strict=True
    ):
        home = f"{split}/{slug(label)}/"
        file = Path(path)
        if source == "synthetic":
            index = drawn[label] = drawn.get(label, -1) + 1
            stem = f"{_PREFIX}{slug(label)}_{index:06d}"
        else:
            stem = _real_stem(file.stem)
        if f"{home}{stem}{file.suffix}".lower() in taken:
            stem = f"{stem}_{fingerprint(path, length=10)}"
        names.append(f"{home}{stem}{file.suffix}")
        taken.add(names[-1].lower())
    return names


def _real_stem(stem: str) -> str:
    """Return a safe name that never looks like that of a synthetic image."""
    safe = slug(stem)
    return f"real_{safe}" if safe.lower().startswith(_PREFIX) else safe
