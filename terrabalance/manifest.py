"""The manifest: one row an image, passed from scan to report.

Columns (in this order; a later stage adds rows or columns, none edits another's rows):
    path        relative to the manifest's root, POSIX separators
    class       as the data names it
    split       train, val, test; oracle: real images that only the comparison's arm of that name
                trains on; any other name is set aside and never used; "" where none
    source      real or synthetic
    status      ok, or why the file is left out: one of `terrabalance.manifest_cells.STATUSES`, see
                `augment.catalogue.scan`
    detail      what the status refers to, e.g. the path that it is a duplicate of
    width_px, height_px, bands, mode, bytes   of the file; 0 and "" where unreadable
    invalid     share of its samples that hold no data, in [0, 1]
    scaling     the scale and offset that it declares for each band, as text; "" for none
    sha256      of the bytes, hex
    beside      JSON of name and SHA-256 of the files beside it that decide its pixels, see
                `terrabalance.rasters.beside`; "" where it holds all itself
    phash       64-bit perceptual hash, 16 hex digits; "" where unreadable
    group       id shared by images that must stay in one part (near-duplicates, and what the user
                groups); -1 alone
    place       id shared by images that show one place on the ground; -1 alone or unknown
    generator   what drew a synthetic image, or filled a part of a real one; "" where nothing did
    seed, run   of a synthetic image: its noise seed and run; -1 and "" for a real one
    score_<name>   floats: scores of a synthetic image, any number of such columns; NaN where it
                has none
    review, reviewer, reviewed   of a synthetic image that a person reviewed: accept or refuse,
                by whom, and when (ISO 8601, UTC); "" for any other

The manifest does not know which scores there are: the code that scores images adds the columns.
Where rows with different scores are joined, the scores that a row lacks are NaN.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from terrabalance.contents import changed_file, changed_since
from terrabalance.errors import BadInput, NotReady
from terrabalance.files import inside
from terrabalance.manifest_cells import checked_frame
from terrabalance.manifest_csv import write_twin
from terrabalance.tables import holds_text, read_table, write_table

SPLITS = ("train", "val", "test")
ORACLE = "oracle"
USED = (*SPLITS, ORACLE)  # images of another split are set aside
REPAIRED = "a part of it was filled by a generator, so it only trains"  # a detail
_BEFORE_SCORES: dict[str, str] = {
    "path": "str", "class": "str", "split": "str", "source": "str", "status": "str",
    "detail": "str", "width_px": "int64", "height_px": "int64", "bands": "int64", "mode": "str",
    "bytes": "int64", "invalid": "float64", "scaling": "str", "sha256": "str", "beside": "str",
    "phash": "str", "group": "int64", "place": "int64", "generator": "str", "seed": "int64",
    "run": "str",
}  # fmt: skip
_AFTER_SCORES = {"review": "str", "reviewer": "str", "reviewed": "str"}
# Older manifests lack them.
_ADDED = {
    "invalid": "float64", "scaling": "str", "beside": "str", "place": "int64", **_AFTER_SCORES,
}  # fmt: skip
COLUMNS = _BEFORE_SCORES | _AFTER_SCORES  # of every manifest, with their types
_SCORE = "score_"
_EMPTY = {"str": "", "int64": 0, "float64": 0.0}
_DEFAULTS = {"group": -1, "place": -1, "seed": -1}
_ROOT_KEY = b"terrabalance.root"
READERS = 8  # threads that hash or decode: both let others run
_ROWS_AT_ONCE = 2**12  # of compared files: one that waits for a thread takes a kilobyte


@dataclass(frozen=True, eq=False)
class Manifest:
    """Rows about images below one root folder. They do not change; other rows are another manifest.

    Attributes:
        root: the folder that `frame.path` is relative to.
        frame: the rows, with the columns of this module in their order.
    """

    root: Path
    frame: pd.DataFrame
    # Of each split that was asked for, the places of its rows, and where among them each class is:
    # with ten million rows and a thousand classes, finding them again for every class takes longer
    # than training it, and keeping the rows takes the memory of the frame again.
    _parts: dict[str | None, tuple[np.ndarray, Mapping[str, np.ndarray]]] = field(
        default_factory=dict, init=False, repr=False
    )

    def usable(self, split: str | None = None, class_name: str | None = None) -> pd.DataFrame:
        """Return the rows with status ok, of one split and class where given, by path."""
        if split not in self._parts:
            self._parts[split] = self._usable(split)
        places, of_class = self._parts[split]
        if class_name is not None:
            places = places[of_class.get(class_name, [])]
        return self.frame.iloc[places].reset_index(drop=True)

    def _usable(self, split: str | None) -> tuple[np.ndarray, Mapping[str, np.ndarray]]:
        wanted = self.frame["status"] == "ok"
        if split is not None:
            wanted &= self.frame["split"] == split
        found = self.frame.loc[wanted, ["path", "class"]].assign(place=np.flatnonzero(wanted))
        found = found.sort_values("path")
        return found["place"].to_numpy(), found.groupby("class").indices

    def paths(self, rows: pd.DataFrame) -> list[Path]:
        """Return the full path of each row.

        Raises:
            BadInput: a path that leaves the root.
        """
        return [inside(self.root, path) for path in rows["path"]]

    def unchanged(self, rows: pd.DataFrame) -> list[Path]:
        """Return the full path of each row, after comparing each file with its SHA-256.

        So are the files beside it that decide its pixels. Whatever is made of images follows from
        those of the manifest. A file is hashed once in a process; a row without a hash is not
        compared.

        Raises:
            BadInput: a path that leaves the root, or a file that is gone, damaged or changed since.
        """
        paths = []
        for path, source, changed in self._compared(rows):
            if changed is not None:
                raise changed_since(changed, source, path)
            paths.append(path)
        return paths

    def changed(self, rows: pd.DataFrame) -> list[Path]:
        """Return the full path of each file that is gone, damaged or changed since, or was added.

        Raises:
            BadInput: a path that leaves the root.
        """
        return [changed for *_, changed in self._compared(rows) if changed is not None]

    def _compared(self, rows: pd.DataFrame) -> Iterator[tuple[Path, str, Path | None]]:
        """Yield path, source and what `changed_file` finds of each row, some rows at a time."""
        with ThreadPoolExecutor(READERS) as pool:
            for start in range(0, len(rows), _ROWS_AT_ONCE):
                some = rows.iloc[start : start + _ROWS_AT_ONCE]
                paths = self.paths(some)
                found = pool.map(changed_file, paths, some["sha256"], some["beside"])
                yield from zip(paths, some["source"], found, strict=True)

    def classes(self) -> list[str]:
        """Return the names of all classes with a usable image, sorted."""
        return sorted(self.frame.loc[self.frame["status"] == "ok", "class"].unique())


def frame_of(rows: list[dict[str, object]]) -> pd.DataFrame:
    """Build a manifest frame from dicts; a column that is not given gets its empty value.

    Raises:
        BadInput: a row has a column that the manifest does not know.
    """
    frame = pd.DataFrame(rows)
    scores = [name for name in frame if str(name).startswith(_SCORE)]
    if unknown := sorted(set(frame.columns) - set(COLUMNS) - set(scores)):
        known = [*COLUMNS, f"{_SCORE}<name>"]
        raise BadInput(f"unknown manifest columns {unknown}; known are {known}")
    for name, dtype in COLUMNS.items():
        empty = _empty(name, dtype)
        frame[name] = frame[name].fillna(empty) if name in frame else empty
    return _in_order(frame.astype(COLUMNS | dict.fromkeys(scores, "float64")))


def _empty(name: str, dtype: str) -> object:
    return _DEFAULTS.get(name, _EMPTY[dtype])


def score_column(name: str) -> str:
    """Return the column of the score of that name."""
    return f"{_SCORE}{name}"


def scores_in(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return the scores that a frame has, (N,) floats each, by name, in their order."""
    return {name.removeprefix(_SCORE): frame[name].to_numpy() for name in _score_columns(frame)}


def with_score_columns(frame: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """Return a copy of a frame with these scores first, in this order; NaN where it lacks one."""
    wanted = [score_column(name) for name in names]
    lacking = [column for column in wanted if column not in frame]
    return _in_order(frame.assign(**dict.fromkeys(lacking, np.nan)), wanted)


def join_frames(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of several frames, one below the other; scores that a row lacks are NaN."""
    rows = pd.concat(frames, ignore_index=True)
    return _in_order(rows.astype(dict.fromkeys(_score_columns(rows), "float64")))


def _score_columns(frame: pd.DataFrame) -> list[str]:
    named = (str(name) for name in frame if str(name).startswith(_SCORE))
    return [name for name in named if frame[name].dtype.kind == "f"]


def _in_order(frame: pd.DataFrame, scores: Sequence[str] = ()) -> pd.DataFrame:
    """Return a frame with its columns in the manifest's order, the named scores first of scores.

    What is no column of the manifest comes last.
    """
    all_scores = dict.fromkeys([*scores, *_score_columns(frame)])
    known = [*_BEFORE_SCORES, *all_scores, *_AFTER_SCORES]
    return frame[[*known, *(name for name in frame if name not in known)]]


def write_manifest(manifest: Manifest, folder: Path) -> Path:
    """Write `manifest.parquet` (with the root in its metadata) and its twin `manifest.csv`."""
    root = manifest.root.resolve()
    relative = root.relative_to(folder.resolve()) if root.is_relative_to(folder.resolve()) else root
    table = pa.Table.from_pandas(manifest.frame, preserve_index=False)
    write_twin(manifest.frame, folder / "manifest.csv")
    write_table(folder / "manifest.parquet", table, {_ROOT_KEY: relative.as_posix().encode()})
    return folder / "manifest.parquet"


def read_manifest(path: Path) -> Manifest:
    """Read `manifest.parquet`, or the one in a folder.

    Raises:
        NotReady: there is no such file.
        BadInput: it is damaged or not Parquet, lacks columns, or has cells of another kind or such
            as no image has, see `terrabalance.manifest_cells`.
    """
    path = path / "manifest.parquet" if path.is_dir() else path
    if not path.is_file():
        raise NotReady(
            f"no manifest at {path}. Give the command again that makes its folder: `terrabalance "
            "scan` a catalogue, `terrabalance sample` synthetic images, `terrabalance assemble` a "
            "dataset."
        )
    table, facts = read_table(path)
    missing = [name for name in COLUMNS if name not in {*table.column_names, *_ADDED}]
    if missing:
        raise BadInput(f"{path}: lacks the columns {missing}")
    frame = checked_frame(table, COLUMNS, path)
    for name, dtype in _ADDED.items():
        if name not in frame:
            frame[name] = pd.Series(_empty(name, dtype), frame.index, dtype)
    return Manifest(root=path.parent / _root_in(facts, path), frame=frame)


def records_beside(path: Path) -> dict[str, str]:
    """Return the records of the files beside images that a manifest has, by the images' paths.

    Args:
        path: `manifest.parquet`, or its folder.

    Raises:
        NotReady, BadInput: as of `read_manifest`.
    """
    path = path / "manifest.parquet" if path.is_dir() else path
    if path.is_file() and not holds_text(path, "beside"):
        return {}  # nearly all data: one column is looked at in a tenth of the time
    frame = read_manifest(path).frame
    told = frame[frame["beside"] != ""]
    return dict(zip(told["path"], told["beside"], strict=True))


def _root_in(facts: Mapping[bytes, bytes], path: Path) -> str:
    """Return the root that a manifest's metadata names."""
    root = facts.get(_ROOT_KEY, b".")
    try:
        if b"\0" not in root:
            return root.decode()
    except UnicodeDecodeError:
        pass
    raise BadInput(
        f"{path}: the root folder in its metadata, {root!r}, is no path in UTF-8. Make the table "
        "anew without it, in the folder that its paths are relative to."
    )


def count_by_class(manifest: Manifest, split: str | None = None) -> pd.Series:
    """Count usable images a class, most first, ties by name; index class, name `count`."""
    rows = manifest.usable(split)
    counts = rows.groupby("class").size().reindex(manifest.classes(), fill_value=0)
    ordered = (
        counts.rename("count")
        .reset_index()
        .sort_values(["count", "class"], ascending=[False, True])
    )
    return ordered.set_index("class")["count"]


def even_share(rows: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return at most `most` rows, as even over the classes as they allow, in their order."""
    place_in_class = rows.groupby("class").cumcount().sort_values(kind="stable")
    return rows.loc[place_in_class.index[:most].sort_values()]
