"""Which images a dataset holds, and where they lie in it.

`train|val|test/<class>/<image>` is the layout of folders that torchvision, timm and Hugging Face
read; `oracle` lies beside these where the data has that split. Each of them numbers the classes in
its own way: with `class_map.txt` and `augment.dataset.loading` all have those of `class_folders`.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from augment.dataset.placing import placed_suffix
from terrabalance.files import fingerprint, slug
from terrabalance.manifest import SPLITS, USED, Manifest, join_frames

CLASS_MAP = "class_map.txt"
_BLOCK = 2**15  # rows
_PREFIX = "synthetic_"


def dataset_rows(catalogue: Manifest, synthetic: Sequence[Manifest]) -> pd.DataFrame:
    """Return the rows of the dataset: `path` is the new one, `origin` the full path of its file."""
    parts = []
    for manifest in (catalogue, *synthetic):
        rows = manifest.usable()
        rows = rows[rows["split"].isin(USED)].reset_index(drop=True)
        parts.append(rows.assign(origin=_origins(manifest, rows)))
    rows = join_frames(parts)
    return rows.assign(path=_file_names(rows))


def _origins(manifest: Manifest, rows: pd.DataFrame) -> list[str]:
    """Return the full path of each row: as text, of which a million take a third of the memory."""
    blocks = (rows.iloc[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK))
    return [str(path) for block in blocks for path in manifest.paths(block)]


def class_folders(classes: Iterable[str]) -> dict[str, str]:
    """Return the folder of each class, in label order: the class names, sorted.

    That is the order of our classifiers. The order of the folders' names may be another one, as a
    name that is no safe folder changes. Folders differ also where case does not count.
    """
    folders: dict[str, str] = {}
    taken: set[str] = set()
    for name in sorted(set(classes)):
        folder = slug(name)
        if folder.lower() in taken:
            folder = f"{folder}-{fingerprint(name, length=8)}"
        folders[name] = folder
        taken.add(folder.lower())
    return folders


def class_map(classes: Iterable[str]) -> str:
    """Return the text of `class_map.txt`: a class folder a line, in label order.

    timm's option `class_map` reads it.
    """
    return "".join(f"{folder}\n" for folder in class_folders(classes).values())


def lacking(rows: pd.DataFrame) -> dict[str, list[str]]:
    """Return the classes, sorted, that a part of the dataset has no image of, by part.

    A part without any image is not one of the dataset's.
    """
    classes = set(rows["class"])
    present = {split: set(rows.loc[rows["split"] == split, "class"]) for split in SPLITS}
    gaps = {split: sorted(classes - there) for split, there in present.items() if there}
    return {split: missing for split, missing in gaps.items() if missing}


def _file_names(rows: pd.DataFrame) -> list[str]:
    """Return a safe path for each row, unique also where case does not count."""
    folders = class_folders(rows["class"])
    taken: set[str] = set()
    drawn: dict[str, int] = {}
    names = []
    columns = (rows[name] for name in ("path", "class", "split", "source", "origin", "beside"))
    for path, label, split, source, origin, beside in zip(*columns, strict=True):
        home = f"{split}/{folders[label]}/"
        if source == "synthetic":
            index = drawn[label] = drawn.get(label, -1) + 1
            stem = f"{_PREFIX}{folders[label]}_{index:06d}"
        else:
            stem = _real_stem(Path(path).stem)
        suffix = placed_suffix(Path(origin), beside)
        if f"{home}{stem}{suffix}".lower() in taken:
            stem = f"{stem}_{fingerprint(path, length=10)}"
        names.append(f"{home}{stem}{suffix}")
        taken.add(names[-1].lower())
    return names


def _real_stem(stem: str) -> str:
    """Return a safe name that never looks like that of a synthetic image."""
    safe = slug(stem)
    return f"real_{safe}" if safe.lower().startswith(_PREFIX) else safe
