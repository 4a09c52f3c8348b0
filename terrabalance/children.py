"""Processes that are started and must not outlive the one that started them."""

import os
import threading
from multiprocessing import parent_process


def end_with_parent() -> None:
    """End this process, whatever it does, as soon as the process that started it has ended.

    To be called in a process of `multiprocessing`. Its parent may get SIGKILL, and then ends
    nobody.
    """
    threading.Thread(target=_wait_and_end, daemon=True).start()


def _wait_and_end() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
