"""Where the images come from: a folder of class folders, an archive of one, or a CSV."""

import logging
import os
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from augment.catalogue.archives import extract, is_archive
from terrabalance.errors import BadInput
from terrabalance.files import inside
from terrabalance.images import EXTENSIONS

_log = logging.getLogger(__name__)

_SHOWN = 10  # problems in one message
_PROBED = 200  # listed paths that are looked for to find the folder that they are relative to
_SPLIT_NAMES = {
    "train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test",
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One listed file.

    Attributes:
        path: relative to the source's root, POSIX separators.
        class_name: "" for a file that lies in no class folder.
        split: train, val or test; another name is set aside; "" where the data gives none.
        source: real, or synthetic where a CSV says so.
    """

    path: str
    class_name: str
    split: str = ""
    source: str = "real"


@dataclass(frozen=True)
class Source:
    """Files below one root, in natural order of their paths."""

    root: Path
    entries: list[Entry] = field(default_factory=list)


def natural_key(path: str) -> tuple[list[tuple[int, int, str]], str]:
    """Return a sort key that puts `pond_9` before `pond_10`."""
    parts = re.split(r"(\d+)", path)
    return [(1, int(p), "") if p.isdecimal() else (0, 0, p) for p in parts], path


def split_name(name: str) -> str:
    """Return train, val or test for their usual spellings; any other name as it is."""
    return _SPLIT_NAMES.get(name.strip().lower(), name.strip())


def open_source(data: Path, extract_to: Path, images: Path | None = None) -> Source:
    """List the images of a folder, an archive (unpacked below `extract_to`) or a CSV.

    `images` is the folder that a CSV's paths are relative to, where it is not the CSV's own
    folder or a subfolder of it.

    Raises:
        BadInput: as of `check_source`; it has no classes, or cannot be trusted.
    """
    check_source(data, images)
    if data.is_dir():
        return _list_folder(data)
    if is_archive(data):
        return _list_folder(_descend(extract(data, extract_to)))
    return _read_table(data, images)


def check_source(data: Path, images: Path | None = None) -> None:
    """Make sure that something of a kind that can be opened is there, without opening it.

    Raises:
        BadInput: nothing is there, it is of another kind, or `images` is given without a CSV.
    """
    table = data.suffix.lower() == ".csv"
    if images is not None and not table:
        raise BadInput(f"--images goes with a CSV only, and {data} is none. Leave it out.")
    if not data.exists():
        raise BadInput(f"{data}: no such file or folder. Check the path.")
    if not (data.is_dir() or table or is_archive(data)):
        raise BadInput(
            f"{data}: not a folder, a zip, a tar (.tar, .tar.gz, .tar.xz, .tar.bz2) or a CSV."
        )


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    """Return what is in a folder, less hidden things and macOS's shadow of a zip."""
    with os.scandir(folder) as found:
        return [e for e in found if not e.name.startswith(".") and e.name != "__MACOSX"]


def _folders(folder: Path) -> list[str]:
    return sorted(entry.name for entry in _visible(folder) if entry.is_dir())


def _descend(root: Path) -> Path:
    """Step into the single folder that an archive wraps its class folders in."""
    found = _visible(root)
    if len(found) == 1 and found[0].is_dir() and _folders(root / found[0].name):
        return root / found[0].name
    return root


def _list_folder(root: Path) -> Source:
    tops = _folders(root)
    if not tops:
        raise BadInput(_why_no_classes(root))
    parted = _is_parted(root, tops)
    entries, problems = [], []
    for path in _files(root):
        if not (root / path).exists():
            _log.warning("%s: a link to nothing; skipped", root / path)
        elif re.search("[\ud800-\udfff]", path):  # bytes that are no UTF-8, as Python lists them
            problems.append(f"{path!r}: a name that is not text; rename it")
        else:
            entries.append(_entry_below(path, parted))
    _refuse(str(root), problems)
    # A readme or a licence beside the class folders is no image gone wrong.
    entries = [e for e in entries if e.class_name or Path(e.path).suffix.lower() in EXTENSIONS]
    return Source(root, sorted(entries, key=lambda entry: natural_key(entry.path)))


def _why_no_classes(root: Path) -> str:
    n_images = sum(Path(entry.name).suffix.lower() in EXTENSIONS for entry in _visible(root))
    if not n_images:
        return f"{root}: no subfolders. Put each class in a folder with its name."
    return (
        f"{root}: no subfolders but images ({n_images}). If it is the folder of one class, give "
        "the one above it; else put each class in a folder with its name."
    )


def _is_parted(root: Path, tops: list[str]) -> bool:
    """Say whether the top folders are train, val, test with the classes below them.

    Those names with no folders below are classes: `train` may well be a class of vehicles.
    """
    parts = {_SPLIT_NAMES.get(name.lower()) for name in tops}
    if None in parts or "train" not in parts or len(parts) < 2:
        return False
    return all(_folders(root / name) for name in tops)


def _files(folder: Path, below: str = "") -> Iterator[str]:
    for entry in _visible(folder):
        if not entry.is_dir():
            yield below + entry.name
        elif entry.is_symlink():
            _log.warning("%s: a link to a folder; skipped", entry.path)
        else:
            yield from _files(folder / entry.name, f"{below}{entry.name}/")


def _entry_below(path: str, parted: bool) -> Entry:
    *folders, _ = path.split("/")
    split = split_name(folders.pop(0)) if parted and folders else ""
    return Entry(path, folders[0] if folders else "", split)


def _refuse(where: str, problems: list[str]) -> None:
    """Raise one BadInput for all problems, where there is any."""
    if not problems:
        return
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    raise BadInput(f"{where}: {'; '.join(problems[:_SHOWN])}{more}. Correct these and run again.")


def _read_table(table: Path, images: Path | None) -> Source:
    frame = _read_rows(table)
    lines = [f"line {number}" for number in range(2, len(frame) + 2)]
    paths = [posixpath.normpath(path) if path else "" for path in frame["path"]]
    splits = [split_name(split) for split in frame["split"]]
    entries = list(map(Entry, paths, frame["class"], splits, frame["source"].str.lower()))
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
    _refuse(where, problems)
    return Source(root, sorted(entries, key=lambda entry: natural_key(entry.path)))


def _read_rows(table: Path) -> pd.DataFrame:
    """Return the columns path, class, split and source as stripped text, "" where empty."""
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
            "Its first line must name path, class and, if wanted, split."
        )
    if frame.empty:
        raise BadInput(f"{table}: lists no images.")
    for name, usual in (("split", ""), ("source", "real")):
        if name not in frame:
            frame[name] = usual
    wanted = frame[["path", "class", "split", "source"]]
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
    found = [home / name for name in _folders(home) if _holds_any(home / name, paths)]
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
