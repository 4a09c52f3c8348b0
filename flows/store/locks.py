"""One process at a time where several may want to make the same result."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from terrabalance.progress import Progress


@contextmanager
def locked(path: Path, waiting: str, on_progress: Progress) -> Iterator[None]:
    """Hold a lock file, which the kernel frees when its holder dies.

    Where the block fails and the folder was made for the lock, both go again: a command that is
    refused leaves nothing.

    Args:
        path: of the lock file; missing parent folders are made.
        waiting: reported where another process holds the lock.
        on_progress: takes the report.
    """
    missing = [parent for parent in path.parents if not parent.exists()]
    lock = FileLock(path)
    while not lock.is_locked:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # another process has removed the folder: once more
            _acquire(lock, waiting, on_progress)
    try:
        yield
    except BaseException:
        _remove(path, missing)
        raise
    finally:
        lock.release()


def _acquire(lock: FileLock, waiting: str, on_progress: Progress) -> None:
    try:
        lock.acquire(blocking=False)
    except Timeout:
        on_progress(0, 1, waiting)
        lock.acquire()


def _remove(lock: Path, folders: list[Path]) -> None:
    """Remove a lock file that is held, and folders, as far as they are empty."""
    if lock.parent not in folders:
        return
    lock.unlink(missing_ok=True)  # a process that waits for it makes another one (filelock 4)
    with suppress(OSError):  # something else is in it
        for folder in folders:
            folder.rmdir()
