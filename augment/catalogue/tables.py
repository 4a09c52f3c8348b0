"""A CSV that lists images as a data source."""

import csv
import logging
import os
import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import IO

from augment.catalogue.beside import side_files_in, with_files_beside
from augment.catalogue.entries import Entry, Given, Source, natural_key, refuse
from augment.catalogue.folders import folders_in
from augment.catalogue.parts import split_name
from terrabalance.class_names import one_form
from terrabalance.errors import BadInput
from terrabalance.files import inside
from terrabalance.manifest import USED
from terrabalance.wording import in_short, shown

_log = logging.getLogger(__name__)

_NAMED = 4  # words in a message
_PROBED = 200  # listed paths that are looked for to find the folder that they are relative to
_LONGEST_LINE = 2**20  # characters
_LONGEST_CLASS = 255  # characters: as long as a folder's name may be
_ESCAPED = 0xDC00  # is added to a byte that is no UTF-8, as Python reads it
_NO_TEXT = re.compile("[\udc80-\udcff]")
_OTHER_MARKS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_ABSOLUTE = re.compile(r"/|[A-Za-z]:[\\/]")
_USUAL = {"path": "", "class": "", "split": "", "source": "real", "group": ""}
_NEEDED = ("path", "class")
# What R, pandas and databases write for a value that is missing; pandas.factorize, clusterings and
# our own manifest.csv write -1.
_MISSING = frozenset({"NA", "N/A", "NaN", "nan", "NULL", "None", "null", "-1"})
_Row = tuple[int, Entry]  # with the number of the line that it ends on


def read_table(table: Path, images: Path | None) -> Source:
    """List the images of a CSV: columns path, class and, where wanted, split, source and group.

    Args:
        table: the CSV.
        images: folder that the paths are relative to; None: the CSV's, or one in it.

    Raises:
        BadInput: it is no such CSV, or lists files that cannot be used; all are named at once.
    """
    rows = list(_rows(table))
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
        problems.append(str(error))
    refuse(where, problems)
    _tell_set_aside(table, rows)
    entries = sorted(
        _without_missing_groups(table, rows), key=lambda entry: natural_key(entry.path)
    )
    entries = with_files_beside(root, entries, side_files_in(root, entries))
    return Source(root, entries, Given(table, "csv"))


def _tell_set_aside(table: Path, rows: list[_Row]) -> None:
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


def _without_missing_groups(table: Path, rows: list[_Row]) -> Iterator[Entry]:
    """Yield the entries, in no group where a word stands for none; warn of these words."""
    words = Counter(entry.group for _, entry in rows if entry.group in _MISSING)
    if words:
        _log.warning(
            "%s: in the column group, %s is taken as no group (%d images). If it is a scene's "
            "name, change it", table, ", ".join(map(shown, sorted(words))), words.total(),
        )  # fmt: skip
    for _, entry in rows:
        yield replace(entry, group="") if entry.group in words else entry


def _rows(table: Path) -> Iterator[_Row]:
    """Yield what each line lists, stripped, "" where empty."""
    # Bytes that are no UTF-8 are let through here, as Python would not say on which line they are.
    with table.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        lines, begins = csv.reader(_lines(table, file), strict=True), 1
        try:
            places = _places(table, next(lines, []))
            begins = lines.line_num + 1
            for fields in lines:
                if fields:
                    yield lines.line_num, _entry(table, lines.line_num, fields, places)
                begins = lines.line_num + 1
        except csv.Error as error:
            raise BadInput(f"{table}: line {begins}: {_why_no_row(error)}") from error


def _why_no_row(error: csv.Error) -> str:
    """Return what is wrong with a row, in other words than Python's, and what to do."""
    said = str(error)
    if "field larger" in said:
        return (
            f"a field that begins here has more than {csv.field_size_limit()} characters. If a "
            "double quote opens it and none closes it, close it; else shorten it."
        )
    if "unexpected end" in said:
        return "a double quote opens a field here, and none closes it. Close it, or remove it."
    return (
        f"the double quotes of what begins here are wrong ({said}). Write two for each one inside "
        "of a field."
    )


def _lines(table: Path, file: IO[str]) -> Iterator[str]:
    number = 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE:
            raise BadInput(
                f"{table}: line {number} has more than {_LONGEST_LINE} characters: not a CSV that "
                "lists images. Check the file."
            )
        if found := _NO_TEXT.search(line):
            raise BadInput(
                f"{table}: line {number} is not in UTF-8: character {found.start() + 1} is the "
                f"byte 0x{ord(found[0]) - _ESCAPED:02x}. The file is in another encoding: save it "
                "as UTF-8 (in a spreadsheet, as 'CSV UTF-8')."
            )
        yield line


def _places(table: Path, first: Sequence[str]) -> dict[str, int]:
    """Return where in a line each known column is, from the first line."""
    names = [name.strip().lower() for name in first]
    if lacking := [name for name in _NEEDED if name not in names]:
        raise BadInput(f"{table}: {_why_lacking(lacking, names)}")
    if twice := [name for name in _USUAL if names.count(name) > 1]:
        raise BadInput(f"{table}: its first line names {twice} twice. Rename one of them.")
    places = {name: names.index(name) for name in _USUAL if name in names}
    for name in names:
        if name not in places and (meant := get_close_matches(name, set(_USUAL) - set(places), 1)):
            _log.warning(
                "%s: the column %s is not read. If it is meant so, rename it to %s",
                table, shown(name), meant[0],
            )  # fmt: skip
    return places | {"": len(names)}


def _why_lacking(lacking: list[str], names: list[str]) -> str:
    if not any(names):
        return "its first line is empty. It must name path, class and, if wanted, split and group."
    whole = ",".join(names)
    for mark, called in _OTHER_MARKS.items():
        if set(_NEEDED) <= {name.strip(' "') for name in whole.split(mark)}:
            return f"its fields are parted by {called}. Save it with commas between them."
    return (
        f"lacks the columns {lacking}; it has {shown(', '.join(names))}. Its first line must name "
        "path, class and, if wanted, split and group."
    )


def _entry(table: Path, line: int, fields: Sequence[str], places: dict[str, int]) -> Entry:
    if any(field.strip() for field in fields[places[""] :]):
        raise BadInput(
            f"{table}: line {line} has {len(fields)} fields, the first line {places['']}. Put "
            "fields that hold a comma in double quotes."
        )
    texts = {
        name: fields[places[name]].strip() if places.get(name, len(fields)) < len(fields) else usual
        for name, usual in _USUAL.items()
    }
    path = posixpath.normpath(texts["path"]) if texts["path"] else ""
    split, source = split_name(texts["split"]), texts["source"].lower()
    return Entry(path, one_form(texts["class"]), split, source, one_form(texts["group"]))


def _bad_rows(rows: list[_Row]) -> dict[int, str]:
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


def _missing(root: Path, rows: list[_Row]) -> list[str]:
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
