"""Results on synthetic images that a run has no more: kept, and not taken for its own."""

import logging

from flows.settings.config import RunConfig
from flows.store import paths
from flows.store.locks import locked
from flows.store.result import Files, find
from flows.store.sync import publish_files, withdraw_files
from terrabalance.files import sha256_of
from terrabalance.progress import Progress

FIDELITY = "fidelity.json"
_log = logging.getLogger(__name__)


def set_aside_comparison(config: RunConfig, on_progress: Progress) -> None:
    """Rename the files of a comparison, which is of images that the run has no more.

    What reads `comparison.json` finds none, as in a run that never compared. What took hours, and
    has opened the test part, stays beside it under a name of its content.

    Args:
        config: of the run.
        on_progress: takes the reason for waiting.

    Raises:
        StoreUnreachable: it may be in the store, which does not answer.
    """
    place = paths.report_folder(config) / "comparison.json"
    comparison = Files(what="the comparison", place=place, beside=("predictions.csv",))
    _set_aside(config, comparison, on_progress)


def set_aside_fidelity(config: RunConfig, on_progress: Progress) -> None:
    """Rename the measures of images that the run has no more; args and errors as for those."""
    place = paths.report_folder(config) / FIDELITY
    _set_aside(config, Files(what="the measures", place=place), on_progress)


def _set_aside(config: RunConfig, result: Files, on_progress: Progress) -> None:
    if not find(config, result):  # another machine may have made it
        return
    place, waiting = result.place, f"another process makes {result.what}, waiting for it"
    with locked(result.lock, waiting, on_progress):
        if not place.is_file():  # another process was first
            return
        mark = sha256_of(place)[:12]
        files = [*(place.with_name(name) for name in result.beside), place]
        former = [path.with_name(f"{path.stem}-{mark}{path.suffix}") for path in files]
        for path, aside in zip(files, former, strict=True):  # killed, it is found again by the last
            if path.is_file():
                path.rename(aside)
        publish_files(config, [path for path in former if path.is_file()])
        withdraw_files(config, files)
    _log.warning(
        "%s: is of synthetic images that the run has no more, and was set aside as %s",
        place, former[-1].name,
    )  # fmt: skip
