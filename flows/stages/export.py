"""Export a trained classifier of a comparison as a folder that other programs load; no torch."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classifier.export.choice import Chosen, choose_from, read_comparison
from flows.settings.addresses import local_folder
from flows.settings.config import RunConfig
from flows.stages.compared_images import tell_changed
from flows.store import paths
from flows.store.begun import places_of
from flows.store.sync import exchange, fetch_file
from terrabalance.aside import aside_of, swap
from terrabalance.errors import BadInput, NotReady
from terrabalance.files import inside
from terrabalance.finished import DONE, damaged_files, done, refuse_damaged
from terrabalance.wording import listed

_COMPARISON = "comparison.json"
_AGAIN = (
    "Give `terrabalance compare`, or of a run `terrabalance classify`, again as it was: what is "
    "trained is found again."
)


@dataclass(frozen=True)
class Wanted:
    """What is to be exported.

    Attributes:
        report: folder of a comparison's report, or its name below `reports/` of the workdir.
        arm: None: the one that the comparison recommends.
        seed: None: see `classifier.export.choice.choose_from`.
        out: folder to write; None: `exports/<report>-<arm>` below the workdir.
        workdir: folder or address; None: that of the report's folder, or the current folder.
    """

    report: str
    arm: str | None = None
    seed: int | None = None
    out: Path | None = None
    workdir: str | None = None


def export(wanted: Wanted) -> tuple[Path, Chosen]:
    """Write a trained classifier as a folder with model.safetensors, config.json and README.md.

    The folder appears whole. One that an export has written is replaced, unless it was changed.
    Images that have changed since the comparison are told.

    Returns:
        The folder, and what is in it.

    Raises:
        BadInput: no such report, arm or seed, a classifier that cannot be exported, or a folder to
            write that is not an export's.
        NotReady: the report has no comparison, or what was trained is gone.
        StoreUnreachable: it may be in the store, which does not answer.
    """
    report, config = _report(wanted)
    path = report / _COMPARISON
    record = read_comparison(path, _AGAIN)
    chosen = choose_from(record, path, wanted.arm, wanted.seed)
    trained = _trained(config, chosen)
    out = Path(os.path.realpath(wanted.out or _usual_place(config, report.name, chosen, wanted)))
    _refuse_foreign(out)
    tell_changed(config, record)
    _write(out, trained, chosen, record, report.name)
    return out, chosen


def _report(wanted: Wanted) -> tuple[Path, RunConfig]:
    """Return the folder of the report, and the settings that say where results live."""
    given = Path(wanted.report)
    if (given / _COMPARISON).is_file():
        given = given.resolve()
        return given, places_of(given.name, wanted.workdir or str(given.parents[1]))
    config = places_of(given.name, wanted.workdir)
    folder = local_folder(wanted.workdir) / "reports" / given.name
    fetch_file(config, folder / _COMPARISON)
    if not (folder / _COMPARISON).is_file():
        _refuse_report(given, folder)
    return folder, config


def _refuse_report(given: Path, folder: Path) -> None:
    for there in (given, folder):
        if there.is_dir():
            raise NotReady(
                f"{there}: holds no comparison. `terrabalance classify DATA` makes that of a run, "
                "`terrabalance compare DATA` one of any dataset."
            )
    known = sorted(path.parent.name for path in folder.parent.glob(f"*/{_COMPARISON}"))
    of_them = f"those with a comparison are {listed(known)}" if known else "none has a comparison"
    raise BadInput(
        f"{str(given)!r}: neither a folder, nor a report in {folder.parent}: {of_them}. Give the "
        "folder, or the name with --workdir."
    )


def _trained(config: RunConfig, chosen: Chosen) -> Path:
    folder = inside(paths.classifiers_folder(config), chosen.folder)
    exchange(config, folder)
    if done(folder) is None:
        raise NotReady(
            f"{folder}: the classifier of arm {chosen.arm}, seed {chosen.seed}, is not there (any "
            "more). Give --workdir as for the comparison; if the folder was deleted, give the "
            "command of the comparison again, which trains what is missing."
        )
    refuse_damaged(folder, "the classifier")
    return folder


def _usual_place(config: RunConfig, report: str, chosen: Chosen, wanted: Wanted) -> Path:
    seed = "" if wanted.seed is None else f"-seed{chosen.seed}"
    # An address's working copy is a cache, which no one looks into.
    root = config.workdir if config.storage is None else Path()
    return root / "exports" / f"{report}-{chosen.arm}{seed}"


def _refuse_foreign(out: Path) -> None:
    """Refuse to replace what no export has written, or what was changed since.

    Raises:
        BadInput: so it is.
    """
    another = "Give another folder as --out, or move this one away."
    if out.exists() and not out.is_dir():
        raise BadInput(f"{out}: is a file. {another}")
    there = {path.name for path in out.iterdir()} if out.is_dir() else set()
    if not there:
        return
    mark = done(out) if DONE in there else None
    if mark is None or "export" not in mark:
        raise BadInput(f"{out}: is there, and no export of terrabalance. {another}")
    if foreign := sorted(there - {DONE, *mark["files"]}):
        raise BadInput(f"{out}: also holds {listed(foreign)}, which no export wrote. {another}")
    if changed := damaged_files(out):
        raise BadInput(f"{out / changed[0]}: gone or changed since it was exported. {another}")


def _write(out: Path, trained: Path, chosen: Chosen, record: dict[str, Any], name: str) -> None:
    from classifier.export.files import write_export

    aside = aside_of(out, "part")
    aside.mkdir(parents=True)
    try:
        write_export(aside, trained, chosen, record, name)
        swap(aside, out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
