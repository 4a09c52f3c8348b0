"""A CSV that lists images as a data source."""

import logging
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from augment.catalogue.beside import side_files_in, with_files_beside
from augment.catalogue.entries import Entry, Given, Source, natural_key, refuse
from augment.catalogue.folders import folders_in
from augment.catalogue.table_rows import Row, read_rows
from terrabalance.errors import BadInput
from terrabalance.files import inside
from terrabalance.manifest import USED
from terrabalance.wording import in_short, shown

_log = logging.getLogger(__name__)

_NAMED = 4  # words in a message
_PROBED = 200  # listed paths that are looked for to find the folder that they are relative to
_LONGEST_CLASS = 255  # characters: as long as a folder's name may be
_ABSOLUTE = re.compile(r"/|[A-Za-z]:[\\/]")
# What R, pandas and databases write for a value that is missing; pandas.factorize, clusterings and
# our own manifest.csv write -1.
_MISSING = frozenset({"NA", "N/A", "NaN", "nan", "NULL", "None", "null", "-1"})


def read_table(table: Path, images: Path | None) -> Source:
    """List the images of a CSV: columns path, class and, where wanted, split, source and group.

    Args:
        table: the CSV.
        images: folder that the paths are relative to; None: the CSV's, or one in it.

    Raises:
        BadInput: it is no such CSV, or lists files that cannot be used; all are named at once.
    """
    rows = read_rows(table)
    if not rows:
        raise BadInput(f"{table}: lists no images.")
    bad = _bad_rows(rows)
    good = [row for row in rows if row[0] not in bad]
    problems = [f"line {line}: {problem}" for line, problem in bad.items()]
    where = str(table)
    try:
        root = _image_root(table, images, [entry.path for _, entry in good])
        if missing := _missing(root, good):
            problems += missing
            where += f" (paths relative to {root}; --images FOLDER names another folder)"
    except BadInput as error:
        if not problems:
            raise
        problems.append(str(error).rstrip("."))
    refuse(where, problems)
    _tell_set_aside(table, rows)
    entries = sorted(
        _without_missing_groups(table, rows), key=lambda entry: natural_key(entry.path)
    )
    entries = with_files_beside(root, entries, side_files_in(root, entries))
    return Source(root, entries, Given(table, "csv"))


def _tell_set_aside(table: Path, rows: list[Row]) -> None:
    """Warn of words in the column split that name no part: they may be misspelt."""
    known = {"", *USED}
    words = Counter(entry.split for _, entry in rows if entry.split not in known)
    if not words:
        return
    named = in_short([f"{shown(word)} ({n})" for word, n in words.most_common()], _NAMED)
    _log.warning(
        "%s: in the column split, %s are neither train, val nor test, and their images are set "
        "aside", table, named,
    )  # fmt: skip


def _without_missing_groups(table: Path, rows: list[Row]) -> Iterator[Entry]:
    """Yield the entries, in no group where a word stands for none; warn of these words."""
    words = Counter(entry.group for _, entry in rows if entry.group in _MISSING)
    if words:
        _log.warning(
            "%s: in the column group, %s is taken as no group (%d images). If it is a scene's "
            "name, change it", table, ", ".join(map(shown, sorted(words))), words.total(),
        )  # fmt: skip
    for _, entry in rows:
        yield replace(entry, group="") if entry.group in words else entry


def _bad_rows(rows: list[Row]) -> dict[int, str]:
    """Return what is wrong with each line that cannot be used, whatever is on the disk."""
    bad: dict[int, str] = {}
    first: dict[str, int] = {}
    for line, entry in rows:
        path = entry.path
        if "\0" in "".join((path, entry.class_name, entry.split, entry.source, entry.group)):
            bad[line] = "holds a NUL, as no text does"
        elif not path:
            bad[line] = "no path"
        elif _ABSOLUTE.match(path):
            bad[line] = f"{shown(path)} is an absolute path; list what follows the images' folder"
        elif path.split("/")[0] in ("..", "."):
            bad[line] = f"{shown(path)} leaves the folder of the images"
        elif not entry.class_name:
            bad[line] = f"{shown(path)} has no class"
        elif len(entry.class_name) > _LONGEST_CLASS:
            bad[line] = (
                f"{shown(path)} has a class of {len(entry.class_name):,} characters; "
                f"{_LONGEST_CLASS} are the most"
            )
        elif entry.source not in ("real", "synthetic"):
            bad[line] = f"source {shown(entry.source)} is neither real nor synthetic"
        elif entry.source == "synthetic" and not entry.split:
            bad[line] = (
                f"{shown(path)} is synthetic and of no split. With synthetic images, the column "
                "split says train for these, and train, val or test for real ones"
            )
        elif entry.source == "synthetic" and entry.split != "train":
            bad[line] = f"{shown(path)} is synthetic and of split {shown(entry.split)}, not train"
        elif path in first:
            bad[line] = f"{shown(path)} is on line {first[path]} already"
        first.setdefault(path, line)
    return bad


def _image_root(table: Path, images: Path | None, paths: list[str]) -> Path:
    """Return the folder that the paths are relative to: `images`, the CSV's, or one below it."""
    if images is not None:
        if not images.is_dir():
            raise BadInput(f"--images {images}: no such folder. Check the path.")
        return images
    home = table.parent
    if _holds_any(home, paths):
        return home
    found = [home / name for name in folders_in(home) if _holds_any(home / name, paths)]
    if len(found) == 1:
        return found[0]
    where = f"in each of {[str(folder) for folder in found]}" if found else f"in or below {home}"
    first = f" such as {shown(paths[0])}{_turned(paths[0])}" if paths else ""
    how = "more than one folder has" if found else "no folder has"
    raise BadInput(
        f"{table}: {how} the listed images{first} ({where}). Give the folder that the paths are "
        "relative to with --images."
    )


def _turned(path: str) -> str:
    return " (write / between folders)" if "\\" in path else ""


def _holds_any(folder: Path, paths: list[str]) -> bool:
    return any(_is_file(folder / path) for path in paths[:_PROBED])


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113  # `Path.is_file` raises of a name that is too long


def _missing(root: Path, rows: list[Row]) -> list[str]:
    """Return what is wrong with each row whose file is not below `root`."""
    problems = []
    for line, entry in rows:
        try:
            if not _is_file(inside(root, entry.path)):
                what = f"is not there, or no file{_turned(entry.path)}"
                problems.append(f"line {line}: {shown(entry.path)} {what}")
        except BadInput as error:
            problems.append(f"line {line}: {error}")
    return problems
