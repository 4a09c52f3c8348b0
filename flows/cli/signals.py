"""Signals that ask a command to end, as Ctrl-C does."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDS = (signal.SIGTERM, signal.SIGHUP)  # of a service or a batch system; of a closed terminal


class Stopped(KeyboardInterrupt):
    """A signal asked this command to end."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@contextmanager
def signals_end_it() -> Iterator[None]:
    """Raise `Stopped` in the block at a signal to end, so that all that it began ends well.

    Ctrl-C raises `KeyboardInterrupt` there, also where it ends the process outside of the block. A
    signal that is ignored, as `nohup` has it, stays so.
    """
    command = os.getpid()

    def stop(number: int, _frame: FrameType | None) -> None:
        if os.getpid() == command:
            raise Stopped(number)
        # A forked process, which has inherited this: its parent does the rest.
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    before = {n: signal.getsignal(n) for n in _ENDS if signal.getsignal(n) != signal.SIG_IGN}
    for number in before:
        signal.signal(number, stop)
    if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
        before[signal.SIGINT] = signal.SIG_DFL
        # Python's own: asyncio puts its handler in the place of no other.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def exit_code(stopped: KeyboardInterrupt) -> int:
    """Return 128 and the signal's number, as shells count."""
    return 128 + (stopped.number if isinstance(stopped, Stopped) else signal.SIGINT)
