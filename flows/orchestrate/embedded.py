"""Prefect's embedded server, as the command line has it: it outlives Ctrl-C, and is missed."""

import multiprocessing
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import PREFECT_API_URL
from rich.console import Console


@contextmanager
def deaf_children() -> Iterator[None]:
    """Let processes that are started in the block not hear Ctrl-C, which a terminal tells all."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # a child begins with it
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def embedded_server() -> Iterator[None]:
    """Start Prefect's embedded server, where no other is named, for the flows of the block.

    Ctrl-C in a terminal goes to every process of the command. A server that heeds it is gone before
    the flow can say that it stopped, and Prefect's client then knocks for minutes: so it does not
    hear it, and Prefect ends it when the command has ended. If it ends earlier, by
    a signal to all or for want of memory, the command does too. A signal to end counts as Ctrl-C
    here: by itself it would leave the server behind.
    """
    if PREFECT_API_URL.value():
        yield
        return
    server, over = SubprocessASGIServer(), threading.Event()
    with deaf_children():
        server.start()
    if server.server_process is not None:
        watch = threading.Thread(target=_miss, args=(server.server_process, over), daemon=True)
        watch.start()
    ends = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        over.set()
        signal.signal(signal.SIGTERM, ends)


def _miss(process: "subprocess.Popen[bytes]", over: threading.Event) -> None:
    process.wait()
    if over.is_set():
        return
    Console(stderr=True).print(
        "Prefect's embedded server has ended, so this stops too. What is made is kept, and the "
        "same command goes on where it was.",
        soft_wrap=True,
    )
    for child in multiprocessing.active_children():
        child.terminate()
    os._exit(1)  # the main thread would knock at the server's door for minutes
