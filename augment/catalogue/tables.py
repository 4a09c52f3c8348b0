"""A CSV that lists images as a data source."""

import posixpath
from pathlib import Path

import pandas as pd

from augment.catalogue.entries import Entry, Source, natural_key, refuse
from augment.catalogue.folders import folders_in
from augment.catalogue.parts import split_name
from terrabalance.errors import BadInput
from terrabalance.files import inside

_PROBED = 200  # listed paths that are looked for to find the folder that they are relative to


def read_table(table: Path, images: Path | None) -> Source:
    """List the images of a CSV: columns path, class and, where wanted, split, source and group.

    Args:
        table: the CSV.
        images: folder that the paths are relative to; None: the CSV's, or one in it.

    Raises:
        BadInput: it is no such CSV, or lists files that cannot be used; all are named at once.
    """
    frame = _read_rows(table)
    lines = [f"line {number}" for number in range(2, len(frame) + 2)]
    paths = [posixpath.normpath(path) if path else "" for path in frame["path"]]
    splits = [split_name(split) for split in frame["split"]]
    sources = frame["source"].str.lower()
    entries = list(map(Entry, paths, frame["class"], splits, sources, frame["group"]))
    bad = _bad_rows(entries, lines)
    good = [(line, e) for line, e in zip(lines, entries, strict=True) if line not in bad]
    problems = [f"{line}: {problem}" for line, problem in bad.items()]
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
    return Source(root, sorted(entries, key=lambda entry: natural_key(entry.path)))


def _read_rows(table: Path) -> pd.DataFrame:
    """Return the columns of an `Entry` as stripped text, "" where empty."""
    try:
        frame = pd.read_csv(
            table, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False
        )
    except (ValueError, OSError) as error:  # pandas' parser errors are ValueErrors
        raise BadInput(f"{table}: not a CSV in UTF-8 ({error}).") from error
    frame = frame.rename(columns=lambda name: str(name).strip().lower())
    if lacking := [name for name in ("path", "class") if name not in frame]:
        raise BadInput(
            f"{table}: lacks the columns {lacking}; it has {list(frame)}. "
            "Its first line must name path, class and, if wanted, split and group."
        )
    if frame.empty:
        raise BadInput(f"{table}: lists no images.")
    for name, usual in (("split", ""), ("source", "real"), ("group", "")):
        if name not in frame:
            frame[name] = usual
    wanted = frame[["path", "class", "split", "source", "group"]]
    return wanted.fillna("").apply(lambda column: column.str.strip())


def _bad_rows(entries: list[Entry], lines: list[str]) -> dict[str, str]:
    """Return what is wrong with each line that cannot be used, whatever is on the disk."""
    bad: dict[str, str] = {}
    first: dict[str, str] = {}
    for line, entry in zip(lines, entries, strict=True):
        if not entry.path:
            bad[line] = "no path"
        elif entry.path.startswith("/") or entry.path.split("/")[0] in ("..", "."):
            bad[line] = f"{entry.path!r} leaves the folder of the images"
        elif not entry.class_name:
            bad[line] = f"{entry.path!r} has no class"
        elif entry.source not in ("real", "synthetic"):
            bad[line] = f"source {entry.source!r} is neither real nor synthetic"
        elif entry.source == "synthetic" and entry.split != "train":
            bad[line] = f"{entry.path!r} is synthetic and of split {entry.split!r}, not train"
        elif entry.path in first:
            bad[line] = f"{entry.path!r} is on {first[entry.path]} already"
        first.setdefault(entry.path, line)
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
    first = f" such as {paths[0]!r}" if paths else ""
    how = "more than one folder has" if found else "no folder has"
    raise BadInput(
        f"{table}: {how} the listed images{first} ({where}). Give the folder that the paths are "
        "relative to with --images."
    )


def _holds_any(folder: Path, paths: list[str]) -> bool:
    return any((folder / path).is_file() for path in paths[:_PROBED])


def _missing(root: Path, rows: list[tuple[str, Entry]]) -> list[str]:
    """Return what is wrong with each row whose file is not below `root`."""
    problems = []
    for line, entry in rows:
        try:
            if not inside(root, entry.path).is_file():
                problems.append(f"{line}: {entry.path!r} is not there")
        except BadInput as error:
            problems.append(f"{line}: {error}")
    return problems
