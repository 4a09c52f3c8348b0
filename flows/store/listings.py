"""Folders by the hashes of their files: listed here, and fetched whole from a store."""

import json
import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from flows.store.remote import Remote
from terrabalance.aside import aside_of, swap
from terrabalance.errors import TerrabalanceError
from terrabalance.files import inside, sha256_of

_log = logging.getLogger(__name__)
Listing = dict[str, str]  # path relative to its folder -> SHA-256
Known = dict[str, list[str | int]]  # path -> SHA-256, size and time of change
_LISTING: TypeAdapter[Listing] = TypeAdapter(
    dict[str, Annotated[str, Field(pattern="^[0-9a-f]{64}$")]]
)


class _Broken(TerrabalanceError):
    """What is in the store is not what its listing says."""


def look_at(folder: Path, known: Known) -> Known:
    """Hash the files of a folder, less hidden ones; those that are as `known` are not read."""
    found: Known = {}
    for file in sorted(folder.rglob("*")):
        path = file.relative_to(folder)
        if any(part.startswith(".") for part in path.parts) or not file.is_file():
            continue
        sha256, *then = known.get(path.as_posix(), [""])
        now = [file.stat().st_size, file.stat().st_mtime_ns]
        found[path.as_posix()] = [sha256 if then == now else sha256_of(file), *now]
    return found


def known_as(folder: Path, listing: Listing) -> Known:
    """Return what `look_at` would of a folder that has just been fetched by its listing."""
    stats = {path: (folder / path).stat() for path in listing}
    return {path: [listing[path], stat.st_size, stat.st_mtime_ns] for path, stat in stats.items()}


def hashes_of(known: Known) -> Listing:
    """Return the hashes alone."""
    return {path: str(row[0]) for path, row in known.items()}


def as_bytes(listing: Listing) -> bytes:
    """Return a listing as it lies in the store."""
    return json.dumps(listing, indent=2).encode()


def read_listing(remote: Remote, name: str) -> Listing:
    """Read a listing; {} where there is none that can be used."""
    try:
        return _LISTING.validate_json(remote.read(name) or b"{}")
    except ValidationError:
        _log.warning("%s: not a listing, and not used", name)
        return {}


def fetch_folder(remote: Remote, names: dict[str, str], listing: Listing, folder: Path) -> bool:
    """Put a folder in place if it is whole in the store; say whether it was.

    Args:
        remote: the store.
        names: path -> name in the store.
        listing: path -> SHA-256.
        folder: to be replaced; one that is a link stays one, as people put large results elsewhere.

    Raises:
        BadInput: a path that leaves the folder, or a store that cannot be used.
        StoreUnreachable: it does not answer.
    """
    folder = Path(os.path.realpath(folder))
    aside = aside_of(folder, "part")
    try:
        targets = {path: inside(aside, path) for path in listing}  # refuses what would leave
        fetch_verified(remote, {targets[p]: (names[p], listing[p]) for p in listing})
        swap(aside, folder)
    except (FileNotFoundError, _Broken) as error:
        _log.warning("%s: not whole in the store, and not used (%s)", folder.name, error)
        return False
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return True


def fetch_verified(remote: Remote, wanted: Mapping[Path, tuple[str, str]]) -> None:
    """Download files that only appear when they have their hashes.

    Args:
        remote: the store.
        wanted: path here -> name there and SHA-256.

    Raises:
        FileNotFoundError: one is not there.
        BadInput, StoreUnreachable: as of `Remote`.
        TerrabalanceError: one has another hash.
    """
    aside = {path: aside_of(path, "part") for path in wanted}
    try:
        remote.get({aside[path]: name for path, (name, _) in wanted.items()})
        for path, (name, sha256) in wanted.items():
            if _settled(aside[path]) != sha256:
                raise _Broken(f"{name}: is not what its hash says. Delete it from the store.")
            aside[path].replace(path)
    finally:
        for path in aside.values():
            path.unlink(missing_ok=True)


def _settled(path: Path) -> str:
    """Return the SHA-256 of a file that a power cut no longer takes away."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return sha256_of(path)
