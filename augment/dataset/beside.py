"""Check the files beside the images of a dataset: by their checksums, and by what they say.

What they say is compared with the manifest whether or not there are checksums: without a word,
other labels in one of them would give every loader that reads it other classes.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from augment.dataset.croissant import CROISSANT, class_records
from augment.dataset.layout import CLASS_MAP, class_folders, class_map
from terrabalance.errors import BadInput
from terrabalance.files import read_json, sha256_of
from terrabalance.finished import DONE, done
from terrabalance.manifest import Manifest
from terrabalance.manifest_csv import is_twin
from terrabalance.system_errors import in_words

TABLE, TWIN, CARD = "manifest.parquet", "manifest.csv", "README.md"
HASHED = (TABLE, CLASS_MAP, CROISSANT)  # in `done.json`: people may edit the other two
OWN = frozenset({*HASHED, TWIN, CARD, DONE})  # what a dataset has beside its images
_LABEL = re.compile(r"""\s+['"]?(\d{1,9})['"]?:\s*(.*?)\s*""")

Found = tuple[str, str]  # kind and detail of a problem


def mark_of(folder: Path) -> dict[str, Any] | None:
    """Return the record of an assembled dataset; None where none was assembled in the folder.

    Raises:
        BadInput: its `done.json` is damaged.
    """
    return done(folder, remedy=mark_remedy(folder))


def mark_remedy(folder: Path) -> str:
    """Return what the user does about the `done.json` of a dataset that is damaged or gone."""
    return (
        f"Restore it from a copy, or move the folder {folder} away and run again; files of yours "
        "in it can then be put into the new one."
    )


def problems_beside(manifest: Manifest) -> Iterator[tuple[str, *Found]]:
    """Yield name, kind and detail of what is wrong with the files beside the images.

    Args:
        manifest: of a dataset, or of one class's synthetic images, which has no labels.
    """
    checksums: dict[str, str] = {}
    try:
        read_mark = mark_of if (manifest.root / CLASS_MAP).is_file() else done
        record = read_mark(manifest.root)
        checksums = (record or {}).get("files", {})
        if record is None:
            yield DONE, "missing", "with the checksums of the files beside the images"
    except BadInput as error:
        yield DONE, "changed", str(error)
    except OSError as error:
        yield DONE, "unreadable", in_words(error)
    is_dataset = CLASS_MAP in checksums
    for name in (*HASHED, TWIN, CARD):
        is_needed = name in checksums or name == TWIN or (name == CARD and is_dataset)
        for kind, detail in _problem_of(manifest, name, checksums.get(name), is_needed):
            yield name, kind, detail


def _problem_of(
    manifest: Manifest, name: str, sha256: str | None, is_needed: bool
) -> Iterator[Found]:
    """Yield what is wrong with one file, if anything.

    Args:
        manifest: that it lies beside.
        name: of the file.
        sha256: that it should have; None: that is not known.
        is_needed: whether it is missing where it is not there.
    """
    file = manifest.root / name
    try:
        if not file.is_file():
            if is_needed:
                yield "missing", "made with the dataset, not on the disk"
        elif sha256 is not None and sha256_of(file) != sha256:
            yield "changed", "its bytes are not those that were made"
        elif name in _AGREES and not _AGREES[name](manifest, file):
            yield "changed", f"it does not say what {TABLE} says"
    except BadInput as error:
        yield "changed", str(error)
    except OSError as error:
        yield "unreadable", in_words(error)


def _twin_agrees(manifest: Manifest, file: Path) -> bool:
    # An older manifest lacks columns, which reading it has added.
    written = pq.read_schema(manifest.root / TABLE).names
    return is_twin(manifest.frame[written], file)


def _class_map_agrees(manifest: Manifest, file: Path) -> bool:
    return file.read_bytes() == class_map(manifest.classes()).encode()


def _croissant_agrees(manifest: Manifest, file: Path) -> bool:
    record = read_json(file)
    sets = record.get("recordSet") if isinstance(record, dict) else None
    said = [each for each in sets if _is_of_classes(each)] if isinstance(sets, list) else []
    return [each.get("data") for each in said] == [class_records(manifest.classes())]


def _is_of_classes(record_set: Any) -> bool:
    return isinstance(record_set, dict) and record_set.get("@id") == "classes"


def _card_agrees(manifest: Manifest, file: Path) -> bool:
    """Return whether the card's names of labels, if it has any, are the class folders in order.

    Raises:
        BadInput: it is no text.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"it is no text in UTF-8 ({error})") from error
    if "\0" in text:
        raise BadInput("it holds a NUL, and so is no text")
    front, matter, _ = text.removeprefix("---\n").partition("\n---\n")
    if not matter or not text.startswith("---\n") or "class_label:" not in front:
        return True  # written anew by a person: it gives no labels
    _, _, after = front.partition("class_label:")
    return _names_in(after.splitlines()) == list(class_folders(manifest.classes()).values())


def _names_in(lines: Sequence[str]) -> list[str]:
    """Return the names below `names:` in YAML, in the order of their numbers from 0."""
    found: dict[int, str] = {}
    for line in lines:
        if label := _LABEL.fullmatch(line):
            found[int(label[1])] = _unquoted(label[2])
        elif found:
            break  # the end of the list
    return [found[label] for label in sorted(found)] if set(found) == set(range(len(found))) else []


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(text)) if text.startswith('"') else text.strip("'")
    except ValueError:
        return text


_AGREES: dict[str, Callable[[Manifest, Path], bool]] = {
    TWIN: _twin_agrees,
    CLASS_MAP: _class_map_agrees,
    CROISSANT: _croissant_agrees,
    CARD: _card_agrees,
}
