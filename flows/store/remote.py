"""Files at an fsspec address (s3://, gs://, az://): whole in, whole out, errors in one line."""

import errno
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import fsspec

from flows.settings.addresses import mirror_of
from terrabalance.errors import BadInput, StoreUnreachable, TerrabalanceError

R = TypeVar("R")
T = TypeVar("T")
_log = logging.getLogger(__name__)
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az"}
_WAITS_S = (1.0, 5.0)  # before another try; the drivers try again by themselves too
_AT_ONCE = 64  # files in flight
_OF_THIS_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


class Remote:
    """The files below an address, each named by its path there with `/` in between.

    What may pass is tried again. All methods raise:
        BadInput: the driver is missing, or the store knows no such bucket or refuses the keys.
        StoreUnreachable: it does not answer, or cannot do what it is asked for (it may be full).
    """

    def __init__(self, address: str) -> None:
        self._address = address
        # A listing may be older than what another machine has just written.
        self._fs, self._root = self._try(
            partial(fsspec.url_to_fs, address, use_listings_cache=False)
        )

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes, or None where there is none."""
        try:
            found: bytes = self._try(partial(self._fs.cat_file, self._path(name)))
        except FileNotFoundError:
            return None
        return found

    def write(self, name: str, data: bytes) -> None:
        """Write a file as a whole."""
        self._writing(partial(self._fs.pipe_file, self._path(name), data))

    def put(self, files: Mapping[str, Path]) -> None:
        """Upload files by the names that they get."""
        for names in _portions(list(files)):
            local, there = [str(files[name]) for name in names], [self._path(n) for n in names]
            self._writing(partial(self._fs.put, local, there))

    def get(self, files: Mapping[Path, str]) -> None:
        """Download to each path the file of that name; the caller checks what has come.

        Raises:
            FileNotFoundError: one is not there.
        """
        for paths in _portions(list(files)):
            there, local = [self._path(files[p]) for p in paths], [str(path) for path in paths]
            self._try(partial(self._fs.get, there, local))

    def delete(self, names: Sequence[str]) -> None:
        """Delete files; one that is not there is no error."""
        for name in names:
            try:
                self._try(partial(self._fs.rm_file, self._path(name)))
            except FileNotFoundError:
                continue

    def names(self, folder: str) -> set[str]:
        """Return the names of the files right in a folder, less the folder's."""
        try:
            found = self._try(partial(self._fs.find, self._path(folder), maxdepth=1))
        except FileNotFoundError:
            return set()
        return {str(path).rsplit("/", 1)[-1] for path in found}

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _writing(self, work: Callable[[], R]) -> R:
        try:
            return self._try(work)
        except FileNotFoundError as error:
            raise BadInput(
                f"{self._address}: cannot be written ({error}). Make the bucket first."
            ) from error

    def _try(self, work: Callable[[], R]) -> R:
        for wait_s in (*_WAITS_S, None):
            try:
                return work()
            except FileNotFoundError:
                raise
            except Exception as error:  # each driver raises kinds of its own
                if isinstance(error, OSError) and error.errno in _OF_THIS_MACHINE:
                    raise
                explained = self._explained(error)
                if wait_s is None or isinstance(explained, BadInput):
                    raise explained from error
                _log.warning("%s; trying again in %g s", explained, wait_s)
                time.sleep(wait_s)
        raise AssertionError  # the last try returns or raises

    def _explained(self, error: Exception) -> TerrabalanceError:
        """Return a driver's error as what a user can act on."""
        protocol = self._address.split("://")[0]
        reason = str(error).rstrip(".") or type(error).__name__
        if isinstance(error, ImportError):
            extra = _EXTRAS.get(protocol)
            how = f"Install it: pip install 'terrabalance[{extra}]'." if extra else "Install it."
            return BadInput(f"{self._address}: the driver for {protocol}:// is missing. {how}")
        if isinstance(error, PermissionError) or "Credential" in type(error).__name__:
            return BadInput(
                f"{self._address}: access is refused ({reason}). Give this machine credentials as "
                "the driver wants them, for S3 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
            )
        if isinstance(error, ValueError | NotImplementedError):
            return BadInput(f"{self._address}: cannot be used as --workdir ({reason}).")
        return StoreUnreachable(
            f"{self._address}: {reason}. What was made so far is kept in "
            f"{mirror_of(self._address)}; run again when the store answers."
        )


def _portions(files: list[T]) -> list[list[T]]:
    return [files[first : first + _AT_ONCE] for first in range(0, len(files), _AT_ONCE)]
