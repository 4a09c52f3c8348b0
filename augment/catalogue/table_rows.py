"""The rows of a CSV that lists images: what each says, and whether one was cut."""

import csv
import logging
import os
import posixpath
import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from augment.catalogue.entries import Entry
from augment.catalogue.parts import split_name
from terrabalance.class_names import one_form
from terrabalance.errors import BadInput
from terrabalance.wording import shown

Row = tuple[int, Entry]  # with the number of the line that it ends on

_log = logging.getLogger(__name__)

_LONGEST_LINE = 2**20  # characters
_ESCAPED = 0xDC00  # is added to a byte that is no UTF-8, as Python reads it
_NO_TEXT = re.compile("[\udc80-\udcff]")
_OTHER_MARKS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_USUAL = {"path": "", "class": "", "split": "", "source": "real", "group": ""}
_NEEDED = ("path", "class")


def read_rows(table: Path) -> list[Row]:
    """Return what each line of a CSV lists, stripped, "" where empty.

    A line with fewer fields than the first may have been cut, and so may the last one where no line
    break follows it; a manifest's twin that was cut between two lines is shorter than the manifest.

    Raises:
        BadInput: it is no such CSV, or its last line was cut.
    """
    short: list[int] = []
    rows = list(_rows(table, short))
    if rows and not _ends_with_break(table):
        _refuse_cut(table, rows, is_short=short[-1:] == [rows[-1][0]])
    if short:
        _log.warning(
            "%s: %d of %d lines have fewer fields than the first, e.g. line %d; what they lack is "
            "taken as empty. If they were cut, restore the file", table, len(short), len(rows),
            short[0],
        )  # fmt: skip
    _tell_shorter_twin(table, len(rows))
    return rows


def _ends_with_break(table: Path) -> bool:
    with table.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() in (b"\n", b"\r")


def _refuse_cut(table: Path, rows: list[Row], is_short: bool) -> None:
    """Refuse a last line that is short, or where a cell is but the beginning of others'."""
    number, last = rows[-1]
    why = "has fewer fields than the first line" if is_short else ""
    for name in ("class_name", "split", "source", "group"):
        cell, others = getattr(last, name), {getattr(entry, name) for _, entry in rows[:-1]}
        if cell not in others and any(other.startswith(cell) for other in others):
            why = why or f"has {shown(cell)} where others have more"
    if why:
        raise BadInput(
            f"{table}: line {number}, the last, {why}, and no line break follows it: the file "
            "looks cut. Restore it; if it is whole, put a line break at its end."
        )


def _tell_shorter_twin(table: Path, n_rows: int) -> None:
    """Warn where a manifest's twin has fewer rows than the manifest beside it."""
    manifest = table.with_name("manifest.parquet")
    if table.name != "manifest.csv" or not manifest.is_file():
        return
    try:
        n_there = pq.read_metadata(manifest).num_rows
    except (OSError, pa.ArrowException):  # damaged; the CSV needs none
        return
    if n_rows < n_there:
        _log.warning(
            "%s: lists %d images, and %s beside it %d. It is taken as it is; if it was cut, "
            "restore it", table, n_rows, manifest.name, n_there,
        )  # fmt: skip


def _rows(table: Path, short: list[int]) -> Iterator[Row]:
    """Yield what each line lists; add the numbers of those with too few fields to `short`."""
    # Bytes that are no UTF-8 are let through here, as Python would not say on which line they are.
    with table.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        lines, begins = csv.reader(_lines(table, file), strict=True), 1
        try:
            places = _places(table, next(lines, []))
            begins = lines.line_num + 1
            for fields in lines:
                if 0 < len(fields) < places[""]:
                    short.append(lines.line_num)
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
