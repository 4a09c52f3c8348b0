"""Cells of a manifest from anywhere: of the right type, and possible for an image.

What our own stages wrote passes. A stranger's table may say anything, and what is wrong in it is
to be told where it is read, not by whatever stumbles over it later.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from terrabalance.errors import BadInput
from terrabalance.rasters.beside import listed_beside
from terrabalance.tables import utf8_of

SOURCES = ("real", "synthetic")
# As `augment.catalogue.scan`, `augment.catalogue.split` and `augment.screen.statuses` set them.
STATUSES = (
    "ok", "not an image", "empty", "truncated", "unreadable", "too small", "no data", "other bands",
    "no class", "synthetic", "duplicate", "label conflict", "near label conflict",
    "leaks into val", "leaks into test", "leaks into oracle", "spare", "refused",
)  # fmt: skip
_ARROW = {"str": pa.large_string(), "int64": pa.int64(), "float64": pa.float64()}
_WORDS = {"source": SOURCES, "status": STATUSES}
_MOST_PX, _MOST_BANDS = 2**31 - 1, 2**16 - 1  # that GDAL and TIFF can name
_RANGES: dict[str, tuple[float, float]] = {
    "width_px": (0, _MOST_PX), "height_px": (0, _MOST_PX), "bands": (0, _MOST_BANDS),
    "bytes": (0, 2**63 - 1), "invalid": (0.0, 1.0), "group": (-1, 2**63 - 1),
    "place": (-1, 2**63 - 1), "seed": (-1, 2**63 - 1),
}  # fmt: skip
_REMEDY = "Correct it where the table was made, or restore the file from a copy."


def checked_frame(table: pa.Table, types: Mapping[str, str], where: Path) -> pd.DataFrame:
    """Return the cells of a manifest's table, all of which were looked at.

    Args:
        table: may come from strangers.
        types: `str`, `int64` or `float64` of each known column.
        where: the file that it was read from.

    Raises:
        BadInput: a known column is of another kind or has empty cells, or a cell can be said of no
            image: text with a NUL or not in UTF-8, no path, a usable image without a class, a
            source or status that there is not, a number out of its range. It names the row, the
            first being 1.
    """
    # In one piece: of a column in several, taking a few rows copies all.
    table = _typed(table, types, where).combine_chunks()
    for name, wrong, what in _doubts(table):
        if (row := pc.index(wrong, True).as_py()) >= 0:
            cell = _shown(table[name][row])
            raise BadInput(f"{where}: row {row + 1}: {name} {cell} {what}. {_REMEDY}")
    try:
        # Without pandas' notes in the file: a stranger's may make a column the index.
        return table.replace_schema_metadata(None).to_pandas(use_threads=False)
    except (pa.ArrowException, ValueError) as error:  # of a column that is none of ours
        raise BadInput(f"{where}: pandas cannot hold its columns ({error}). {_REMEDY}") from error


def _typed(table: pa.Table, types: Mapping[str, str], where: Path) -> pa.Table:
    """Return a table whose known columns have their types, and whose text is UTF-8."""
    for place, name in enumerate(table.column_names):
        if name not in types:
            continue
        try:
            column = table[name].cast(_ARROW[types[name]])
        except pa.ArrowException as error:
            raise BadInput(f"{where}: its column {name} is no {types[name]} ({error})") from error
        if column.null_count:
            raise BadInput(f"{where}: its column {name} has {column.null_count} empty cells")
        table = table.set_column(place, name, column)
    try:
        table.validate(full=True)  # a file may call bytes text that are none
    except pa.ArrowException as error:
        raise BadInput(f"{where}: not all of its text is UTF-8 ({error}). {_REMEDY}") from error
    return table


def _doubts(table: pa.Table) -> Iterator[tuple[str, Any, str]]:
    """Yield a column, which of its cells are wrong, and what is said of one that is."""
    for name in table.column_names:
        # Looked for in all bytes at once: cell by cell it takes longer than to read the table.
        if _is_text(table[name]) and b"\0" in utf8_of(table[name].combine_chunks()):
            yield name, pc.match_substring(table[name], "\0"), "holds a NUL, as no text does"
    yield "path", pc.equal(table["path"], ""), "names no file"
    classless = pc.and_(pc.equal(table["class"], ""), pc.equal(table["status"], "ok"))
    yield "class", classless, "is the class of an image with status ok"
    for name, words in _WORDS.items():
        known = pc.is_in(table[name], value_set=pa.array(words, table[name].type))
        yield name, pc.invert(known), f"is none of {', '.join(words)}"
    # An older manifest lacks it, and of nearly all images it is empty.
    if "beside" in table.column_names and pc.any(pc.not_equal(table["beside"], "")).as_py():
        wrong = [not _is_record(cell) for cell in table["beside"].to_pylist()]
        yield "beside", pa.array(wrong), "is no JSON of names of files and their SHA-256"
    for name, (low, high) in _RANGES.items():
        if name in table.column_names:  # an older manifest lacks some
            # NaN lies in no range.
            inside = pc.and_(pc.greater_equal(table[name], low), pc.less_equal(table[name], high))
            yield name, pc.invert(inside), f"is not from {low} to {high}"


def _is_record(cell: str) -> bool:
    try:
        listed_beside(cell)
    except (ValueError, RecursionError):
        return False
    return True


def _is_text(column: pa.ChunkedArray) -> bool:
    return bool(pa.types.is_string(column.type) or pa.types.is_large_string(column.type))


def _shown(cell: pa.Scalar) -> str:
    """Return a cell for an error: its beginning, what cannot be printed escaped."""
    text = repr(cell.as_py())
    return text if len(text) <= 60 else f"{text[:60]}…"
