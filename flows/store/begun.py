"""A run that has begun, by its report folder or its name, so that its options need not be given."""

from pathlib import Path

from pydantic import ValidationError

from flows.settings.config import RunConfig, build_config
from flows.store import paths
from flows.store.sync import fetch_file
from terrabalance.errors import BadInput
from terrabalance.files import read_record
from terrabalance.wording import unfit

_SETTINGS, _REPORTS = "config.json", "reports"
_NO_DATA = Path("report")  # stands for the data, which nobody reads


def settings_of(path: Path) -> RunConfig:
    """Return the settings that a run was begun with.

    Args:
        path: of `config.json` in its report folder.

    Raises:
        BadInput: it is damaged, or of another version.
    """
    try:
        return RunConfig(**RunConfig.completed(read_record(path)))
    except ValidationError as error:
        raise BadInput(
            f"{path}: settings of another version of terrabalance ({unfit(error)}). Choose another "
            "--name."
        ) from error


def places_of(name: str, workdir: str | None) -> RunConfig:
    """Return settings that say where the results of a report of that name live, and nothing else.

    Raises:
        BadInput: the workdir is an address that cannot be used.
    """
    return build_config(_NO_DATA, None, [], {"name": name, "workdir": workdir})


def begun_run(given: Path, workdir: str | None) -> RunConfig | None:
    """Return the settings of a run that has begun; None: it is no such run.

    Args:
        given: the run's report folder, or its name; a file or folder of that name goes first.
        workdir: folder or address of the run; None: that of its report folder, or the current
            folder. A workdir that was moved is taken where it is now.

    Raises:
        BadInput: as of `settings_of`, or an address that cannot be used.
        StoreUnreachable: the store does not answer.
    """
    folder = given.resolve() if given.exists() else None
    if folder is None and len(given.parts) != 1:
        return None
    if folder and not (folder.parent.name == _REPORTS and (folder / _SETTINGS).is_file()):
        return None
    name = folder.name if folder else given.name
    there = workdir or (str(folder.parents[1]) if folder else None)
    placed = places_of(name, there)
    path = paths.settings_file(placed)
    fetch_file(placed, path)
    if not path.is_file() or (begun := settings_of(path)).run_name != placed.run_name:
        return None
    if workdir is None and begun.storage is not None:  # the folder is in the store's working copy
        return begun
    return begun.model_copy(update={"workdir": placed.workdir, "storage": placed.storage})
