"""Prefect's embedded server for the command line: it survives Ctrl-C, and is watched."""

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
def children_without_interrupts() -> Iterator[None]:
    """Block SIGINT in processes that are started in the block: a terminal sends it to all."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # a child begins with it
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def embedded_server() -> Iterator[None]:
    """Start Prefect's embedded server, where no other is named, for the flows of the block.

    Ctrl-C in a terminal goes to every process of the command. A server that obeys it is gone before
    the flow can report that it stopped, and Prefect's client then retries for minutes. So the
    server does not get it, and Prefect ends it when the command has ended. If it ends earlier, by
    a signal to all or for want of memory, the command does too. A signal to end counts as Ctrl-C
    here: by itself it would leave the server behind.
    """
    if PREFECT_API_URL.value():
        yield
        return
    server, over = SubprocessASGIServer(), threading.Event()
    with children_without_interrupts():
        server.start()
    if server.server_process is not None:
        watch = threading.Thread(target=_watch, args=(server.server_process, over), daemon=True)
        watch.start()
    ends = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        over.set()
        signal.signal(signal.SIGTERM, ends)


def _watch(process: "subprocess.Popen[bytes]", over: threading.Event) -> None:
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
    os._exit(1)  # the main thread would retry to reach the server for minutes
