"""Build a balanced dataset of folders from real images and accepted synthetic ones.

The manifest and a dataset card lie beside the folders (`augment.dataset.layout`). Validation and
test hold real images only; every check of that rule is here.
"""

import logging
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock

from augment.dataset.beside import TABLE, mark_of, mark_remedy
from augment.dataset.card import dataset_card
from augment.dataset.croissant import CROISSANT, croissant
from augment.dataset.layout import CLASS_MAP, class_map, dataset_rows, lacking
from augment.dataset.openings import openings_of
from augment.dataset.placing import place, record_of_placed
from augment.dataset.replacing import (
    carry,
    foreign_files,
    place_of,
    refuse_read_only,
    swap,
    undo_half_a_swap,
)
from terrabalance.contents import contents
from terrabalance.errors import BadInput
from terrabalance.files import fingerprint, sha256_of, write_plain_json, write_text
from terrabalance.finished import DONE, damaged_files, mark_done
from terrabalance.manifest import Manifest, read_manifest, write_manifest
from terrabalance.progress import Progress, silent
from terrabalance.wording import listed

_log = logging.getLogger(__name__)
_STAGE = "terrabalance.assemble"
_FORMAT = 3  # raise it when the layout changes, so that older folders are built again
_PEOPLES = ("manifest.csv", "README.md")  # which people may edit
_IDENTITY = ["path", "class", "split", "sha256"]


def assemble(
    catalogue: Manifest,
    synthetic: Sequence[Manifest],
    folder: Path,
    about: Mapping[str, object],
    on_progress: Progress = silent,
) -> Manifest:
    """Build the balanced dataset in `folder`; the folder is whole or absent.

    Real images are hard-linked where the file system allows it, else copied. Only rows with
    status ok in train, val, test or oracle are taken. With the same rows and the same `about` as
    in the folder that is there, nothing is done; a dataset that this function made earlier is
    replaced. Files that others have put into its folder stay there. A folder that is a link is
    followed.

    Args:
        catalogue: the real images, all splits.
        synthetic: accepted synthetic images, split train only.
        folder: where the dataset goes.
        about: facts for the dataset card, see `augment.dataset.card.dataset_card`; values that JSON
            can hold, the same from run to run (no times of day), as they are part of the key.
        on_progress: counts files.

    Returns:
        The manifest of the dataset, root `folder`; also written as Parquet and CSV.

    Raises:
        BadInput: a synthetic row outside train or not marked synthetic, a catalogue row that is
            not real, a synthetic class without a real training image, a file that is gone, a
            folder that something else made, or in it a file of others in the dataset's way.
    """
    _refuse_leaks(catalogue, synthetic)
    key = dataset_key(catalogue, synthetic, about)
    if not is_assembled(folder, key):
        target = place_of(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f".{target.name}.lock")):  # two runs may have one name
            undo_half_a_swap(target)
            if not is_assembled(target, key):
                _tell_changed(target, key)
                _assemble(catalogue, synthetic, target, about, key, on_progress)
    return read_manifest(folder)


def _assemble(
    catalogue: Manifest,
    synthetic: Sequence[Manifest],
    folder: Path,
    about: Mapping[str, object],
    key: str,
    on_progress: Progress,
) -> None:
    refuse_read_only(folder)
    _refuse_foreign(folder, [part.root for part in (catalogue, *synthetic)])
    rows = dataset_rows(catalogue, synthetic)
    foreign_files(folder, rows["path"])  # refused before there is work to lose
    aside = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        _build(aside, rows, folder, about, key, on_progress)
        carry(foreign_files(folder, rows["path"]), folder, aside)
        swap(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _build(
    aside: Path,
    rows: pd.DataFrame,
    folder: Path,
    about: Mapping[str, object],
    key: str,
    on_progress: Progress,
) -> None:
    frame = _fill(aside, rows, on_progress)
    made = Manifest(aside, frame)
    write_manifest(made, aside)
    write_text(aside / CLASS_MAP, class_map(frame["class"]))
    openings = openings_of(made)
    write_text(aside / "README.md", dataset_card(made, about, openings))
    write_plain_json(aside / CROISSANT, croissant(made, about, openings))
    files = [aside / name for name in ("manifest.parquet", CLASS_MAP, CROISSANT)]
    for split, missing in lacking(frame).items():
        _log.warning(
            "%s: split %s has no image of %s. Load it by the lines of README.md: loaders that "
            "number the folders of each split by themselves give wrong labels there.",
            folder, split, ", ".join(missing),
        )  # fmt: skip
    mark_done(aside, {"stage": _STAGE, "fingerprint": key, **_counts(frame)}, files)


def _refuse_leaks(catalogue: Manifest, synthetic: Sequence[Manifest]) -> None:
    """Raise before anything is written if a generated image could be validated or tested on."""
    if (wrong := catalogue.frame.query("source != 'real'")).shape[0]:
        raise BadInput(
            f"{catalogue.root}: {len(wrong)} images of the catalogue are not real, "
            f"e.g. {wrong['path'].iloc[0]!r}. Scan a folder of real images only."
        )
    trained = set(catalogue.usable("train")["class"])
    for part in synthetic:
        wrong = part.frame.query("split != 'train' or source != 'synthetic'")
        if len(wrong):
            row = wrong.iloc[0]
            raise BadInput(
                f"{part.root}: {len(wrong)} generated images are not of split 'train' and source "
                f"'synthetic', e.g. {row['path']!r} of {row['split']!r}, {row['source']!r}. "
                "Validation and test hold real images only; draw these images again."
            )
        if unknown := sorted(set(part.classes()) - trained):
            raise BadInput(
                f"{part.root}: generated images of {listed(unknown)}, which has no real training "
                f"image in {catalogue.root}. Use the catalogue that the generator was trained on."
            )


def _identity(manifest: Manifest) -> str:
    rows = manifest.frame[manifest.frame["status"] == "ok"].sort_values("path")
    return str(rows.assign(sha256=contents(rows))[_IDENTITY].to_csv(index=False))


def dataset_key(
    catalogue: Manifest, synthetic: Sequence[Manifest], about: Mapping[str, object]
) -> str:
    """Return the hash of all that decides a dataset; the arguments are those of `assemble`."""
    return fingerprint(_FORMAT, about, *map(_identity, (catalogue, *synthetic)))


def is_assembled(folder: Path, key: str) -> bool:
    """Return whether the dataset of that key is there, with every file as it was assembled.

    Files are hashed once in a process. What is damaged can be made again.
    """
    return _is_of(folder, key) and not _changed(folder)


def _is_of(folder: Path, key: str) -> bool:
    record = mark_of(folder) or {}
    return (record.get("stage"), record.get("fingerprint")) == (_STAGE, key)


def _changed(folder: Path) -> list[str]:
    """Return names of files of a dataset that are gone, damaged or changed."""
    changed = damaged_files(folder) or [n for n in _PEOPLES if not (folder / n).is_file()]
    if not changed:
        manifest = read_manifest(folder)
        changed = [path.name for path in manifest.changed(manifest.frame)]
    return changed


def _tell_changed(folder: Path, key: str) -> None:
    if _is_of(folder, key) and (changed := _changed(folder)):
        _log.warning("%s: %s gone, damaged or changed: assembled again", folder, changed[0])


def _refuse_foreign(folder: Path, roots: Iterable[Path]) -> None:
    """Refuse to replace what this stage did not make, or a folder that holds its own inputs."""
    if any(root.resolve().is_relative_to(folder.resolve()) for root in roots):
        raise BadInput(f"{folder} holds images to be assembled. Name another folder.")
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    mark = mark_of(folder) if folder.is_dir() else None
    if mark is None and (folder / CLASS_MAP).is_file() and (folder / TABLE).is_file():
        raise BadInput(
            f"{folder / DONE}: gone, and nothing else says that this dataset may be replaced. "
            f"{mark_remedy(folder)}"
        )
    if (mark or {}).get("stage") != _STAGE:
        raise BadInput(
            f"{folder} exists and was not made by this stage. Move it away or name another folder."
        )


def _fill(folder: Path, rows: pd.DataFrame, on_progress: Progress) -> pd.DataFrame:
    columns = (rows[name] for name in ("path", "origin", "sha256", "beside", "source"))
    anew: dict[int, tuple[int, str]] = {}  # size and checksum of what is no copy, by row
    records = []
    for index, (path, origin, *row) in enumerate(zip(*columns, strict=True)):
        target = folder / path
        written = place(Path(origin), target, *row)
        records.append(record_of_placed(target))
        if written:
            anew[index] = target.stat().st_size, sha256_of(target)
        on_progress(index + 1, len(rows), "assembling")
    rows = rows.drop(columns="origin").assign(beside=records)
    if anew:
        rows.loc[list(anew), ["bytes", "sha256"]] = list(map(list, anew.values()))
    return rows


def _counts(frame: pd.DataFrame) -> dict[str, Any]:
    sizes = frame.groupby(["split", "class", "source"]).size()
    rows = [
        {"split": split, "class": label, "source": source, "count": int(count)}
        for (split, label, source), count in sizes.items()
    ]
    return {"images": len(frame), "counts": rows}
