"""Results between this machine and the store that `--workdir s3://...` names.

`config.workdir` is then this machine's working copy. Result folders lie in the store under the
paths that they have here, each with a listing beside it:

    data/generators/<class>-<key>/...            files as here; done.json is written last
    data/generators/<class>-<key>.files.json     path -> SHA-256; a folder counts by it alone
    data/generators/<class>-<key>.unfinished/    files by SHA-256 and their listing, to go on from

No folder that comes from the store is used before it is whole and has the listed hashes, and
nothing is written outside the folder asked for. Without a store all functions here do nothing.
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from filelock import FileLock

from classifier.study.ledger import add_openings
from flows.settings.config import RunConfig
from flows.store.listings import (
    Known,
    Listing,
    as_bytes,
    fetch_folder,
    hashes_of,
    known_as,
    look_at,
    read_listing,
)
from flows.store.remote import Remote
from flows.store.unfinished import drop_unfinished, fetch_unfinished, publishing
from terrabalance.files import atomic_write, parse_json, read_json, sha256_of, write_json
from terrabalance.finished import DONE, done
from terrabalance.progress import Progress

_log = logging.getLogger(__name__)
_SYNCED = ".synced"  # folder of the working copy: what was last alike here and in the store


def exchange(config: RunConfig, folder: Path, changes: bool = False) -> None:
    """Fetch a result that another machine has finished, and publish one that this one has.

    What is here and in the store already costs no request. Where two machines made the same
    result, the one that was published first counts, and replaces the other.

    Args:
        config: of the run.
        folder: of the result, below `config.workdir`.
        changes: whether other machines may have added to it after it was done.

    Raises:
        BadInput: the store cannot be used.
        StoreUnreachable: it does not answer or is full; what is here is kept.
    """
    if config.storage is None:
        return
    name = _name(config, folder)
    with _lock_of(config, name):
        before = _read_note(config, name)
        here = look_at(folder, before) if done(folder) is not None else {}
        if here and here == before and not changes:
            return
        after = _exchange(Remote(config.storage), name, folder, here, before)
        if after:
            write_json(_note(config, name), after)
        else:
            _note(config, name).unlink(missing_ok=True)


def _exchange(remote: Remote, name: str, folder: Path, here: Known, before: Known) -> Known:
    """Make a result alike here and there; return its files then, {} where no machine has it.

    Args:
        remote: the store.
        name: of the result there.
        folder: of the result here.
        here: what this machine has; {} if it is not finished.
        before: what was last alike.
    """
    theirs = read_listing(remote, f"{name}.files.json")
    ours = _with_lost(hashes_of(here), hashes_of(before))
    if here and ours != hashes_of(here) and ours == hashes_of(before):
        here, ours = {}, {}  # all that happened here is that files were lost: fetched again
    behind = not here or not before or ours == hashes_of(before)
    fetch = bool(theirs) and theirs != ours and behind
    if fetch and _fetch(remote, name, theirs, folder):
        return known_as(folder, theirs)
    if fetch or not before:
        theirs = {}  # broken, or never looked at: everything is uploaded
    elif theirs not in ({}, ours, hashes_of(before)):
        _log.warning("%s: changed here and on another machine; this one's counts", name)
    if ours and ours != theirs:
        _publish(remote, name, folder, ours, theirs)
    return here


def _with_lost(ours: Listing, before: Listing) -> Listing:
    """Add what is missing here though the result was not made anew: it stays in the store.

    A cache cleaner deletes files of the working copy; that must not delete them for everybody.
    """
    if not ours or ours.get(DONE) != before.get(DONE):
        return ours
    return before | ours


def peek(config: RunConfig, folder: Path, file: str) -> bytes | None:
    """Read one file of a result that is finished elsewhere, without fetching all of it.

    Raises:
        BadInput, StoreUnreachable: as of `exchange`.
    """
    if config.storage is None:
        return None
    name, remote = _name(config, folder), Remote(config.storage)
    listed, data = read_listing(remote, f"{name}.files.json").get(file), None
    if listed is not None:
        data = remote.read(f"{name}/{file}")
    return data if data is not None and sha256(data).hexdigest() == listed else None


def is_shared(config: RunConfig, folder: Path) -> bool:
    """Return whether the store has a finished result as it is here; True without a store."""
    if config.storage is None:
        return True
    before = _read_note(config, _name(config, folder))
    return done(folder) is not None and look_at(folder, before) == before


@contextmanager
def sharing(config: RunConfig, folder: Path, on_progress: Progress) -> Iterator[Progress]:
    """Resume from the newest checkpoint of any machine; publish this one's, and the result.

    Yields the listener that the training reports to: it uploads checkpoints as they come. An upload
    that fails is logged and stops no training.

    Raises:
        BadInput: the store cannot be used.
        StoreUnreachable: at the beginning, or at the end when the result is kept here.
    """
    if config.storage is None:
        yield on_progress
        return
    exchange(config, folder)
    name, remote = _name(config, folder), Remote(config.storage)
    if done(folder) is None:
        with _lock_of(config, name):
            fetch_unfinished(remote, name, folder)
        on_progress = publishing(remote, name, folder, on_progress)
    yield on_progress
    exchange(config, folder)
    drop_unfinished(remote, name)


@contextmanager
def adding(config: RunConfig, folders: Iterable[Path], ledger: Path | None) -> Iterator[None]:
    """Have finished results and a ledger as they are in the store; publish what the block adds.

    Args:
        config: of the run.
        folders: of results that the block adds files to.
        ledger: a file of counts that every machine adds to; None: there is none.

    Raises:
        BadInput, StoreUnreachable: as of `exchange`.
    """
    folders = list(folders)
    for folder in folders:
        exchange(config, folder, changes=True)
    if ledger is not None:
        _merge_ledger(config, ledger)
    yield
    for folder in folders:
        exchange(config, folder)
    if ledger is not None:
        _merge_ledger(config, ledger)
        publish_files(config, [ledger])


def _merge_ledger(config: RunConfig, path: Path) -> None:
    """Add to the ledger what other machines have noted in theirs."""
    if config.storage is None:
        return
    data = Remote(config.storage).read(_name(config, path))
    if data is not None:
        add_openings(path, parse_json(data, f"{config.storage}: {path.name}"))


def fetch_file(config: RunConfig, path: Path) -> None:
    """Fetch a single file where the store has another one; what only this machine has, stays.

    Raises:
        BadInput, StoreUnreachable: as of `exchange`.
    """
    if config.storage is None:
        return
    name = _name(config, path)
    if path.is_file() and _read_note(config, name).get(path.name, [""])[0] != sha256_of(path):
        return
    data = Remote(config.storage).read(name)
    if data is not None:
        with atomic_write(path) as file:
            file.write(data)
        write_json(_note(config, name), known_as(path.parent, {path.name: sha256_of(path)}))


def publish_files(config: RunConfig, paths: Iterable[Path]) -> None:
    """Publish single files, less hidden ones, that are not in the store as they are here.

    Raises:
        BadInput, StoreUnreachable: as of `exchange`.
    """
    if config.storage is None:
        return
    for path in paths:
        if path.name.startswith("."):
            continue
        name, listing = _name(config, path), {path.name: sha256_of(path)}
        if hashes_of(_read_note(config, name)) != listing:
            Remote(config.storage).put({name: path})
            write_json(_note(config, name), known_as(path.parent, listing))


def withdraw_files(config: RunConfig, paths: Iterable[Path]) -> None:
    """Delete single files in the store, of which the run has no more.

    Raises:
        BadInput, StoreUnreachable: as of `exchange`.
    """
    if config.storage is None:
        return
    names = [_name(config, path) for path in paths]
    Remote(config.storage).delete(names)
    for name in names:
        _note(config, name).unlink(missing_ok=True)


def _fetch(remote: Remote, name: str, listing: Listing, folder: Path) -> bool:
    names = {path: f"{name}/{path}" for path in listing}
    return DONE in listing and fetch_folder(remote, names, listing, folder)


def _publish(remote: Remote, name: str, folder: Path, ours: Listing, theirs: Listing) -> None:
    """Upload what is new; as long as anything is replaced, the folder does not count as done."""
    if any(ours.get(path) != sha256 for path, sha256 in theirs.items()):
        remote.delete([f"{name}.files.json", f"{name}/{DONE}"])
    new = [path for path in ours if path != DONE and theirs.get(path) != ours[path]]
    remote.put({f"{name}/{path}": folder / path for path in new})
    remote.write(f"{name}.files.json", as_bytes(ours))
    remote.put({f"{name}/{DONE}": folder / DONE})
    remote.delete([f"{name}/{path}" for path in theirs if path not in ours])


def _name(config: RunConfig, path: Path) -> str:
    return path.relative_to(config.workdir).as_posix()


def _lock_of(config: RunConfig, name: str) -> FileLock:
    """Keep two processes of one machine from fetching or publishing the same thing at once."""
    lock = _note(config, name).with_suffix(".lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(lock)


def _note(config: RunConfig, name: str) -> Path:
    return config.workdir / _SYNCED / f"{name}.json"


def _read_note(config: RunConfig, name: str) -> Known:
    path = _note(config, name)
    known: Known = read_json(path) if path.is_file() else {}
    return known
