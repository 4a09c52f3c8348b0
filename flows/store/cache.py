"""What lies below `data/` and may be used again: list it, and remove what nothing uses.

`flows.store.paths` notes what each run uses. A run counts as long as its report or its dataset is
there.
"""

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from filelock import FileLock, Timeout

from terrabalance.errors import BadInput
from terrabalance.files import read_record
from terrabalance.finished import DONE
from terrabalance.tables import read_table

OnUnread = Callable[[OSError], object]  # gets why a folder or file cannot be read
Kind = Literal["catalogues", "generators", "synthetic", "classifiers", "extracted"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_ASIDE = ".pruned-"
_OURS = re.compile(r".+-[0-9a-f]{12}")  # what ends otherwise is people's, or was kept for them
_NO_RESULT = {"features"}  # of the classifiers' frozen mode: quickly made again, of no one run
_DAY_S = 24 * 3600
# A run may be just about to note what it made, or be at work without a new file for a while.
_QUIET_S = {True: 600, False: _DAY_S}
_NO_NEWS = {"config.json", "timings.json", ".timings.lock"}  # of a run that made nothing yet


@dataclass(frozen=True)
class Result:
    """One folder that runs find again."""

    kind: Kind
    path: Path
    n_bytes: int
    changed: float  # seconds since 1970, of the newest file
    finished: bool
    used_by: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """Return what a machine reads."""
        return {
            "kind": self.kind, "name": self.path.name, "bytes": self.n_bytes,
            "changed": self.changed, "finished": self.finished, "used_by": list(self.used_by),
        }  # fmt: skip


def _refuse(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # what is made at this moment comes and goes
        raise error


def results(workdir: Path, on_unread: OnUnread = _refuse) -> list[Result]:
    """Return all results below `workdir`/data, by kind and name.

    Args:
        workdir: holds `data/` and `reports/`.
        on_unread: is told what cannot be read, and the rest is returned; by default that is an
            error, as who removes results has to know all that use them.

    Raises:
        BadInput: what says which results a run uses is damaged.
        OSError: as of `on_unread`.
    """
    uses, found = _uses(workdir, on_unread), []
    for kind in KINDS:
        for folder in _folders(workdir / "data" / kind, on_unread):
            if _OURS.fullmatch(folder.name):
                with _telling(on_unread):
                    found.append(_look_at(kind, folder, uses.get(f"{kind}/{folder.name}", [])))
    return found


@contextmanager
def _telling(on_unread: OnUnread) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        on_unread(error)


def unexplained(workdir: Path) -> list[str]:
    """Return the runs of which is not known what they use: made by an older version, or copied."""
    uses = _folders(workdir / "data" / "uses")
    known = {folder.name for folder in uses if any(folder.glob("*.json"))}
    return sorted(run for run in _runs(workdir) - known if _has_made(workdir, run))


def _has_made(workdir: Path, run: str) -> bool:
    """Return whether a run's folders hold more than what a refused run leaves."""
    report = workdir / "reports" / run
    left = {path.name for path in report.iterdir()} if report.is_dir() else set()
    return not left <= _NO_NEWS or (workdir / "data" / "datasets" / run).is_dir()


def prunable(
    found: list[Result], kinds: tuple[Kind, ...] = KINDS, older_than_days: float = 0
) -> list[Result]:
    """Return the results that no run uses and no process makes."""
    now = time.time()
    return [
        result
        for result in found
        if result.kind in kinds
        and not result.used_by
        and not _is_reviewed(result.path)  # decisions by eye are made by no command
        and now - result.changed > max(older_than_days * _DAY_S, _quiet_s(result))
        and not _is_locked(result.path)
    ]


def _is_reviewed(folder: Path) -> bool:
    """Return whether people decided on images, also where their file was lost since."""
    from augment.screen.reviews import REVIEWS, n_counted  # with pandas: a list needs none

    if (folder / REVIEWS).exists():
        return True
    try:
        return n_counted(folder) > 0
    except BadInput:  # who knows
        return True


def _quiet_s(result: Result) -> float:
    # Whoever scans an unpacked archive has noted nothing yet, and may take hours.
    return _QUIET_S[result.finished and result.kind != "extracted"]


def prune(wanted: list[Result]) -> list[Result]:
    """Remove results; return those that are gone. What a process makes by now stays.

    Killed at any moment, this leaves no folder that looks finished and is not.
    """
    for parent in {result.path.parent for result in wanted}:
        for left in parent.glob(f"{_ASIDE}*"):  # by a prune that was killed
            shutil.rmtree(left)
    return [result for result in wanted if _remove(result.path)]


def _remove(folder: Path) -> bool:
    try:
        with ExitStack() as held:
            for lock in _locks(folder):
                held.enter_context(FileLock(lock, blocking=False))
            (folder / DONE).unlink(missing_ok=True)
            aside = folder.rename(folder.with_name(f"{_ASIDE}{folder.name}"))
    except Timeout:
        return False
    shutil.rmtree(aside)
    return True


def _locks(folder: Path) -> list[Path]:
    """Return the lock files of a result that are there; a process that makes it holds one."""
    beside = (f"{folder.name}.lock", f".{folder.name}.lock")
    candidates = [*(folder.with_name(name) for name in beside), *folder.glob(".*.lock")]
    return [path for path in candidates if path.is_file()]


def _is_locked(folder: Path) -> bool:
    try:
        for lock in _locks(folder):
            with FileLock(lock, blocking=False):
                pass
    except Timeout:
        return True
    return False


def _look_at(kind: Kind, folder: Path, used_by: list[str]) -> Result:
    files = [path.stat() for path in _files_below(folder) if path.is_file()]
    changed = max((stat.st_mtime for stat in files), default=folder.stat().st_mtime)
    if (
        kind == "extracted"
    ):  # unpacked aside, so whole or absent; its files have the archive's times
        finished, changed = True, folder.stat().st_mtime
    else:
        finished = (folder / DONE).is_file()
    n_bytes = sum(stat.st_size for stat in files)
    return Result(kind, folder, n_bytes, changed, finished, tuple(sorted(used_by)))


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield all files; a folder that cannot be read is an error, which `rglob` keeps to itself."""
    for parent, _, names in os.walk(folder, onerror=_refuse):
        yield from (Path(parent, name) for name in names)


def _uses(workdir: Path, on_unread: OnUnread) -> dict[str, list[str]]:
    """Return the runs that use each result, by `kind/name`."""
    uses: dict[str, list[str]] = {}
    for run in _runs(workdir, on_unread):
        noted: set[str] = set()
        with _telling(on_unread):
            files = _files_below(workdir / "data" / "uses" / run)
            notes = [file for file in files if file.suffix == ".json"]
            noted = {read_record(note, {"result": str})["result"] for note in notes}
        for one in sorted(noted):
            with _telling(on_unread):
                if base := _start_of(workdir / "data" / one):
                    noted.add(base)
        with _telling(on_unread):
            noted |= _generators_of(workdir / "data" / "datasets" / run)
        for result in noted:
            uses.setdefault(result, []).append(run)
    return uses


def _start_of(generator: Path) -> str | None:
    """Return the base that a generator came from, also where the run's note of it was lost."""
    card = generator / "card.json"
    start = read_record(card).get("start") if card.is_file() else None
    return f"generators/{start}" if isinstance(start, str) else None


def _generators_of(dataset: Path) -> set[str]:
    """Return what drew a dataset's images, also where its run uses others by now."""
    manifest = dataset / "manifest.parquet"
    if not manifest.is_file():
        return set()
    table, _ = read_table(manifest)
    names = table["generator"].unique().to_pylist() if "generator" in table.column_names else []
    return {f"generators/{name}" for name in names if name}


def _runs(workdir: Path, on_unread: OnUnread = _refuse) -> set[str]:
    """Return the runs whose report or dataset is there."""
    places = (workdir / "reports", workdir / "data" / "datasets")
    return {folder.name for place in places for folder in _folders(place, on_unread)}


def _folders(place: Path, on_unread: OnUnread = _refuse) -> list[Path]:
    with _telling(on_unread):
        if place.is_dir():
            return sorted(
                path
                for path in place.iterdir()
                if path.is_dir() and not path.is_symlink()
                if path.name not in _NO_RESULT and not path.name.startswith(".")
            )
    return []
