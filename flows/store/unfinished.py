"""Unfinished trainings in the store: any machine resumes from the newest checkpoint.

<name>.unfinished/<SHA-256>      a file
<name>.unfinished/files.json     path -> SHA-256, written last: what it names is whole
"""

import logging
import time
from collections.abc import Iterable
from pathlib import Path

from flows.store.listings import as_bytes, fetch_folder, hashes_of, look_at, read_listing
from flows.store.remote import Remote
from terrabalance.errors import TerrabalanceError
from terrabalance.progress import Progress

_log = logging.getLogger(__name__)
_CHECKPOINTS = "checkpoints/"
_GROWING = "tensorboard/"  # written to all the time while a training goes on
_SHARE = 10  # a training spends a tenth of its time on uploads at most
_PAUSE_S = 30.0  # after an upload that failed


def fetch_unfinished(remote: Remote, name: str, folder: Path) -> None:
    """Fetch a training of another machine that is further than this one's.

    Raises:
        BadInput, StoreUnreachable: as of `Remote`.
    """
    listing = read_listing(remote, _listing_name(name))
    if _newest(listing) > _newest(_checkpoints(folder)):
        names = {path: _object(name, sha256) for path, sha256 in listing.items()}
        fetch_folder(remote, names, listing, folder)


def publishing(remote: Remote, name: str, folder: Path, on_progress: Progress) -> Progress:
    """Return the listener that a training reports to; it uploads new checkpoints.

    An upload that fails is logged and stops no training.
    """
    published, not_before = _newest(_checkpoints(folder)), 0.0

    def report(done: int, total: int, message: str = "") -> None:
        nonlocal published, not_before
        on_progress(done, total, message)
        newest, began = _newest(_checkpoints(folder)), time.monotonic()
        if newest <= published or began < not_before:
            return
        pause_s = 0.0
        try:
            _publish(remote, name, folder)
            published = newest
        except TerrabalanceError as error:  # a night's training is worth more than its copy
            _log.warning("the checkpoint is on this machine alone: %s", error)
            pause_s = _PAUSE_S
        ended = time.monotonic()
        not_before = ended + max(pause_s, _SHARE * (ended - began))

    return report


def drop_unfinished(remote: Remote, name: str) -> None:
    """Delete what a finished training kept in the store to be resumed from.

    Raises:
        BadInput, StoreUnreachable: as of `Remote`.
    """
    if listing := read_listing(remote, _listing_name(name)):
        remote.delete([_listing_name(name)])
        remote.delete([_object(name, sha256) for sha256 in sorted(set(listing.values()))])


def _publish(remote: Remote, name: str, folder: Path) -> None:
    there = read_listing(remote, _listing_name(name))
    files = hashes_of(look_at(folder, {}))
    ours = {path: sha256 for path, sha256 in files.items() if not path.startswith(_GROWING)}
    new = {sha256: path for path, sha256 in ours.items() if sha256 not in there.values()}
    remote.put({_object(name, sha256): folder / path for sha256, path in new.items()})
    remote.write(_listing_name(name), as_bytes(ours))
    old = set(there.values()) - set(ours.values())
    remote.delete([_object(name, sha256) for sha256 in sorted(old)])


def _listing_name(name: str) -> str:
    return _object(name, "files.json")


def _object(name: str, file: str) -> str:
    return f"{name}.unfinished/{file}"


def _newest(paths: Iterable[str]) -> str:
    """Return the newest checkpoint's path; their numbers have leading zeros."""
    return max((path for path in paths if path.startswith(_CHECKPOINTS)), default="")


def _checkpoints(folder: Path) -> list[str]:
    return [f"{_CHECKPOINTS}{path.name}" for path in (folder / _CHECKPOINTS).glob("step_*.pt")]
