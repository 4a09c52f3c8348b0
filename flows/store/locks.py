"""One process at a time where several may want to make the same result."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from terrabalance.progress import Progress


@contextmanager
def locked(path: Path, waiting: str, on_progress: Progress) -> Iterator[None]:
    """Hold a lock file, which the kernel frees when its holder dies.

    Args:
        path: of the lock file; missing parent folders are made.
        waiting: reported where another process holds the lock.
        on_progress: takes the report.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        on_progress(0, 1, waiting)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
