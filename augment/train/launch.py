"""Start the processes of a training over several devices, serve them, and end them together.

The process that starts them computes nothing. It holds the locks and whatever else is its own (who
listens to the progress, the network that judges), lends that to the main rank, and sees at once
when a rank dies: a process group in which one is missing would wait, on GPUs for ever.
"""

import logging
import os
import signal
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from logging.handlers import QueueHandler
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

import torch

from augment.train.process_group import Ranks, TooMany
from terrabalance.device import threads_of_each
from terrabalance.errors import ProcessLost, TerrabalanceError

_GRACE_S = 3.0  # for the others to say what they know, once one has failed


class Ask(Protocol):
    """Called as `ask(name, *arguments)`: gives the answer of the process that started the ranks."""

    def __call__(self, name: str, *arguments: Any) -> Any:
        """Wait for the answer."""


@dataclass(frozen=True)
class _Post:
    """Where a rank works: its place, the devices of all, how they meet, and its CPU threads."""

    place: int
    devices: Sequence[torch.device]
    meeting: Path
    n_threads: int


def together(
    work: Callable[..., None],
    devices: Sequence[torch.device],
    answers: Mapping[str, Callable[..., Any]],
    title: str,
    *arguments: Any,
) -> None:
    """Do `work(crew, ask, *arguments)` in a process on each device; return when all are done.

    When one fails or dies, or an answer raises, the others are killed; when this process dies, they
    end by themselves. None outlives this call.

    Args:
        work: a function of a module, as the processes are new ones (they are spawned).
        devices: one for each process, the main rank's first.
        answers: what a rank may ask for by name; done here, in the caller's thread.
        title: of the training, for people.
        arguments: of `work`. Tensors have to be in shared memory already, or are put there.

    Raises:
        TerrabalanceError: what a rank raised.
        TooMany: likewise.
        ProcessLost: a rank was killed.
        RuntimeError: a rank failed otherwise; with its trace.
    """
    n_threads = threads_of_each(len(devices))
    with tempfile.TemporaryDirectory(prefix="terrabalance-") as folder, ExitStack() as stack:
        ranks = []
        for place in range(len(devices)):
            post = _Post(place, devices, Path(folder) / "meeting", n_threads)
            ranks.append(stack.enter_context(_Rank(title, post, work, arguments)))
        _serve(ranks, answers)


class _Rank:
    """A process of the training, seen from the one that started it; killed at the end."""

    def __init__(
        self, title: str, post: _Post, work: Callable[..., None], arguments: tuple[Any, ...]
    ) -> None:
        self.name = f"process {post.place + 1} of {len(post.devices)} that train {title}"
        # A forked process could not use CUDA if this one has.
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=_be_rank, args=(post, theirs, work, arguments), name=self.name
        )
        self.error: Exception | None = None
        self.process.start()
        theirs.close()  # so that its end closes the pipe

    def __enter__(self) -> "_Rank":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.join()
        self.process.close()
        self.pipe.close()

    def next(self) -> tuple[str, Any] | None:
        """Return what it says next; None once it says no more."""
        try:
            said: tuple[str, Any] = self.pipe.recv()
        except (EOFError, OSError):  # also when it died in the middle of a word
            return None
        if said[0] == "failed":
            self.error = said[1]
        return said

    def last_words(self) -> None:
        """Take in what it still says of how it failed."""
        while self.pipe.poll() and self.next() is not None:
            pass


def _serve(ranks: Sequence[_Rank], answers: Mapping[str, Callable[..., Any]]) -> None:
    """Answer, and pass on what they log, until all have ended or one has failed."""
    left = {rank.pipe: rank for rank in ranks}
    while left:
        for pipe in connection.wait(list(left)):
            assert isinstance(pipe, Connection)
            rank = left[pipe]
            match rank.next():
                case "ask", (name, arguments):
                    pipe.send(answers[name](*arguments))
                case "log", record:
                    logging.getLogger(record.name).handle(record)
                case "failed", _:
                    raise _reason(ranks)
                case None:
                    del left[pipe]
                    rank.process.join()
                    if rank.process.exitcode:
                        raise _reason(ranks)


def _reason(ranks: Sequence[_Rank]) -> Exception:
    """Return why they failed: the first to be noticed may only have lost one that failed before."""
    deadline = time.monotonic() + _GRACE_S
    for rank in ranks:
        rank.process.join(max(0.0, deadline - time.monotonic()))
        rank.last_words()
    for rank in ranks:
        if isinstance(rank.error, TerrabalanceError | TooMany):
            return rank.error
    for rank in ranks:
        if (code := rank.process.exitcode) is not None and code < 0:
            return ProcessLost(
                f"{rank.name}: killed by {signal.Signals(-code).name}, which is also how a system "
                "short of memory ends one. Give the same command again to go on from the last "
                "checkpoint."
            )
    told = [rank.error for rank in ranks if rank.error]
    return told[0] if told else ProcessLost(f"{ranks[0].name}: ended without a word")


def _be_rank(
    post: _Post, pipe: Connection, work: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    """Do the work as one of the ranks, in a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ["OMP_NUM_THREADS"] = str(post.n_threads)  # accelerate sets its own without
    torch.set_num_threads(post.n_threads)
    # All say the same, so one of them is enough.
    logging.getLogger().addHandler(_Told(pipe) if post.place == 0 else logging.NullHandler())
    logging.getLogger().setLevel(logging.INFO)
    try:
        crew = Ranks(post.place, post.devices, post.meeting)
        work(crew, _asking(pipe), *arguments)
        crew.leave()
    except BaseException as error:
        known = isinstance(error, TerrabalanceError | TooMany)
        told = error if known else RuntimeError(f"a rank failed\n{traceback.format_exc()}")
        with suppress(OSError):  # nobody listens any more
            pipe.send(("failed", told))
        os._exit(1)  # not by way of the process group, which would wait for the others


def _asking(pipe: Connection) -> Ask:
    def ask(name: str, *arguments: Any) -> Any:
        pipe.send(("ask", (name, arguments)))
        return pipe.recv()

    return ask


class _Told(QueueHandler):
    """Has the process that started the ranks handle what the main one logs."""

    def __init__(self, pipe: Connection) -> None:
        super().__init__(pipe)  # type: ignore[arg-type]
        self._pipe = pipe

    def enqueue(self, record: logging.LogRecord) -> None:
        """Send a record that `QueueHandler` has made fit for it."""
        self._pipe.send(("log", record))


def _end_with_parent() -> None:
    """End this process, whatever it waits for, as soon as the one that started it has ended."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
