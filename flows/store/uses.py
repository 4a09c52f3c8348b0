"""That a run exists, and which results it uses: what `terrabalance cache prune` goes by."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flows.settings.config import RunConfig
from flows.store import paths
from flows.store.begun import settings_of
from flows.store.sync import fetch_file, publish_files
from terrabalance.errors import BadInput
from terrabalance.files import read_json, read_record, slug, write_json, write_text
from terrabalance.finished import DONE
from terrabalance.wording import shown

_OF_DATASET = "dataset.key"  # beside the notes: of the settings that the dataset is of
_MOST_TOLD = 3  # settings that differ, in a message
_PLAN, _TIMINGS = "plan.json", "timings.json"  # beside the settings: made again in seconds
_OF_DATA = ("catalogues/", "extracted/")  # results that belong to no run's settings


def begin(config: RunConfig) -> Path:
    """Write the run's settings, unless they are there; return the run's report folder.

    What a run of that name with other settings planned is dropped, as nothing else was made.

    Raises:
        BadInput, StoreUnreachable: as of `is_begun`.
    """
    path = paths.settings_file(config)
    if not is_begun(config):
        if path.exists():
            for name in (_PLAN, _TIMINGS):
                path.with_name(name).unlink(missing_ok=True)
        write_json(path, config.model_dump(mode="json"))
        publish_files(config, [path])
    return path.parent


def claim_dataset(config: RunConfig) -> None:
    """Note whose settings the run's dataset is of, before it is assembled.

    Raises:
        BadInput: the dataset that is there is of other settings; only its run's report is gone.
            Or the note is damaged, so that nothing says whose the dataset is.
    """
    note, dataset = paths.uses_folder(config) / _OF_DATASET, paths.dataset_folder(config)
    known = note.read_bytes().decode(errors="replace") if note.is_file() else None
    if known == config.result_key:
        return
    if known is not None and (dataset / DONE).is_file():
        if re.fullmatch("[0-9a-f]{12}", known) is None:
            raise BadInput(
                f"{note}: damaged, so that nothing says of which settings {dataset} is. If it is "
                "of these, delete the note and give the command again; else give another --name."
            )
        raise BadInput(
            f"{dataset}: is of a run named {config.run_name!r} with other settings, whose "
            f"{paths.settings_file(config)} is gone. Give another --name, or move the dataset away."
        )
    write_text(note, config.result_key)


def is_begun(config: RunConfig) -> bool:
    """Return whether the run's settings are written; write nothing but a fetched copy of them.

    A name belongs to the settings with which more than a plan was made. A command that was refused
    before, or a plan that is to be another one, takes no name.

    Raises:
        BadInput: the run's name belongs to a run with other settings, or the store of an address
            cannot be used.
        StoreUnreachable: the store does not answer.
    """
    path = paths.settings_file(config)
    if not path.exists():
        fetch_file(config, path)
    if not path.exists():
        return False
    if (before := settings_of(path)).result_key == config.result_key:
        return True
    if not _has_made(config):
        return False
    raise BadInput(
        f"a run named {config.run_name!r} with other settings is in {path.parent} "
        f"({_differences(before, config)}). Give them as they were, or another --name, or none "
        "to have one made."
    )


def _has_made(config: RunConfig) -> bool:
    """Return whether a run of this name has more than a plan, or uses what any run has made."""
    if config.storage is not None:  # who knows what lies on other machines
        return True
    settings = paths.settings_file(config)
    beside = {path.name for path in settings.parent.iterdir() if not path.name.startswith(".")}
    if beside - {settings.name, _PLAN, _TIMINGS} or paths.dataset_folder(config).exists():
        return True
    notes = paths.uses_folder(config).glob("*.json")
    used = (read_record(note, {"result": str})["result"] for note in notes)
    return any(
        (config.workdir / "data" / result).exists()
        for result in used
        if not result.startswith(_OF_DATA)
    )


def _differences(before: RunConfig, now: RunConfig) -> str:
    """Say which settings are others, the first of them."""
    told = [
        f"{name} was {shown(was)} and is {shown(wanted)}"
        for name, was, wanted in _pairs(before.deciding, now.deciding)
        if was != wanted
    ]
    more = f", and {len(told) - _MOST_TOLD} more" if len(told) > _MOST_TOLD else ""
    return "; ".join(told[:_MOST_TOLD]) + more


def _pairs(
    before: Mapping[str, Any], now: Mapping[str, Any], section: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    for name, was in before.items():
        if isinstance(was, Mapping):
            yield from _pairs(was, now[name], f"{section}{name}.")
        else:
            yield section + name, was, now[name]


def note_use(config: RunConfig, part: str, result: Path) -> None:
    """Note that a run uses a result, for `terrabalance cache`.

    One file a part, as several processes may make the parts of a run at once. What a run used
    before for the same part, of data that changed since, is forgotten. A result outside of the
    workdir is not noted: nothing there is pruned.
    """
    data = config.workdir / "data"
    if not result.is_relative_to(data):
        return
    path = paths.uses_folder(config) / f"{slug(part)}.json"
    use = {"part": part, "result": result.relative_to(data).as_posix()}
    if not path.is_file() or read_json(path) != use:
        write_json(path, use)
