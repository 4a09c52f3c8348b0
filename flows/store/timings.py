"""How long each stage of a run took, in `reports/<run>/timings.json`."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

from flows.settings.config import RunConfig
from flows.store.devices import waited_s
from flows.store.sync import fetch_file, publish_files
from flows.store.uses import begin, is_begun
from terrabalance.errors import StoreUnreachable
from terrabalance.files import checked, read_record, write_json

_log = logging.getLogger(__name__)
R = TypeVar("R")
_TIMINGS = "timings.json"


def timed(config: RunConfig, stage: str, work: Callable[[], R]) -> R:
    """Do a stage's work; add its wall-clock seconds to `reports/<run>/timings.json`.

    Waiting for devices does not count. A stage that failed or was stopped by Ctrl-C and went on
    adds up; of one that was killed only the last part counts. One that had nothing to do adds next
    to nothing. A run that is refused before it has a catalogue leaves nothing.
    """
    began, finished = time.monotonic() - waited_s(), False
    try:
        result = work()
        finished = True
        return result
    finally:
        if finished or is_begun(config):
            _record(config, stage, time.monotonic() - waited_s() - began)


def read_timings(folder: Path) -> dict[str, float]:
    """Return the seconds of each stage of the run whose report folder this is; none yet: {}.

    Raises:
        BadInput: the file is damaged or none of ours.
    """
    path = folder / _TIMINGS
    timings = read_record(path) if path.exists() else {}
    # JSON of a whole number is an int, where a stage took such.
    seconds = {stage: float(s) if type(s) is int else s for stage, s in timings.items()}
    return checked(seconds, path, dict.fromkeys(seconds, float))


def _record(config: RunConfig, stage: str, seconds: float) -> None:
    path = begin(config) / _TIMINGS
    try:
        _add_timing(config, path, stage, seconds)
    except StoreUnreachable as error:  # not worth the result, nor the error on its way
        _log.warning("%s: not shared (%s)", path, error)


def _add_timing(config: RunConfig, path: Path, stage: str, seconds: float) -> None:
    with FileLock(path.with_name(".timings.lock")):  # classes may end at the same moment
        fetch_file(config, path)
        timings = read_timings(path.parent)
        timings[stage] = round(timings.get(stage, 0.0) + seconds, 1)
        write_json(path, timings)
        publish_files(config, [path])
