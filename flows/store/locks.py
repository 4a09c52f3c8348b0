"""One at a time where several processes may want to make the same thing."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from terrabalance.progress import Progress


@contextmanager
def turn(folder: Path, waiting: str, on_progress: Progress) -> Iterator[None]:
    """Hold the lock beside `folder`, which the kernel frees when its holder dies.

    Args:
        folder: what is made under the lock.
        waiting: told to `on_progress` where another process holds it.
        on_progress: who is told.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_name(f"{folder.name}.lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        on_progress(0, 1, waiting)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
