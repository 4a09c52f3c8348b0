"""Memory that the threads of a process share while they decode images.

Small images are decoded side by side, large ones one after another, however many threads there are.
"""

import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from terrabalance.errors import UnreadableImage

_SHARED = 2**30  # bytes; an image that needs more is decoded alone


class _Budget:
    """Bytes that threads take and give back, first come, first served."""

    def __init__(self, n_bytes: int) -> None:
        self.n_bytes = self._free = n_bytes
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()

    def take(self, n_bytes: int) -> None:
        """Wait until so many bytes are free, at most all of them."""
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            try:
                self._changed.wait_for(lambda: self._waiting[0] is ticket and self._free >= n_bytes)
                self._free -= n_bytes
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()

    def give_back(self, n_bytes: int) -> None:
        with self._changed:
            self._free += n_bytes
            self._changed.notify_all()


class _Held(threading.local):
    """What the current thread holds of the budget, and within how many blocks."""

    depth = 0
    n_bytes = 0


_held = _Held()
_budget = _Budget(_SHARED)


def _begin_anew() -> None:
    """Forget, in a forked process, what threads hold that it does not have."""
    global _budget, _held
    _budget, _held = _Budget(_SHARED), _Held()


os.register_at_fork(after_in_child=_begin_anew)


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """Read and use an image within the memory that all threads share.

    What `claim_memory` claims within the block is held until the outermost block of the thread
    ends.

    Raises:
        UnreadableImage: memory runs out within the block; it names the file.
    """
    _held.depth += 1
    try:
        yield
    except MemoryError as error:
        raise UnreadableImage(
            f"{path}: memory ran out while it was read. Free some, or cut it into patches."
        ) from error
    finally:
        _held.depth -= 1
        if not _held.depth:
            _hold(0)


def claim_memory(n_bytes: int) -> None:
    """Wait until the image that this thread reads may take so many bytes in all.

    The largest claim of a block counts. Outside of `room_for` nothing is held.
    """
    n_bytes = min(n_bytes, _budget.n_bytes)
    if _held.depth and n_bytes > _held.n_bytes:
        _hold(0)  # nobody waits with bytes in hand, so that none waits for ever
        _budget.take(n_bytes)
        _held.n_bytes = n_bytes


def _hold(n_bytes: int) -> None:
    if _held.n_bytes:
        _budget.give_back(_held.n_bytes)
    _held.n_bytes = n_bytes
