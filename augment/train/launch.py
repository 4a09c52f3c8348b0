"""Start the ranks of a training over several devices, serve their calls, and end them together.

The parent process computes nothing. It holds the locks, the progress listener and the feature
network, which the main rank calls through a pipe. It notices at once when a rank dies: a process
group in which one is missing would wait, on GPUs for ever.
"""

import logging
import os
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from logging.handlers import QueueHandler
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

import torch

from augment.train.process_group import DistributedProcessGroup, MicroBatchTooLarge
from terrabalance.children import end_with_parent
from terrabalance.device import threads_of_each
from terrabalance.errors import ProcessLost, TerrabalanceError

_GRACE_S = 30.0  # for the others to report their errors, once one has failed for no known reason


class CallParent(Protocol):
    """Called as `call_parent(name, *arguments)`; calls a function in the parent process."""

    def __call__(self, name: str, *arguments: Any) -> Any:
        """Return the result of the function."""


@dataclass(frozen=True)
class _Placement:
    """Rank of a process, devices of all ranks, their rendezvous, and CPU threads of each."""

    rank: int
    devices: Sequence[torch.device]
    rendezvous: Path
    n_threads: int


def run_ranks(
    work: Callable[..., None],
    devices: Sequence[torch.device],
    functions: Mapping[str, Callable[..., Any]],
    title: str,
    *arguments: Any,
) -> None:
    """Run `work(group, call_parent, *arguments)` in a process on each device, to their end.

    When one fails or dies, or a function raises, the others are killed; when this process dies,
    they end by themselves. None outlives this call.

    Args:
        work: a function of a module whose import does not begin to use CUDA.
        devices: one for each process, the main rank's first.
        functions: what ranks may call by name; they run here, in the caller's thread.
        title: of the training, for messages.
        arguments: of `work`. Tensors are moved to shared memory.

    Raises:
        TerrabalanceError: what a rank raised.
        MicroBatchTooLarge: likewise.
        ProcessLost: a rank was killed.
        RuntimeError: a rank failed otherwise; with its trace.
    """
    n_threads = threads_of_each(len(devices))
    with tempfile.TemporaryDirectory(prefix="terrabalance-") as folder, ExitStack() as stack:
        ranks = []
        for rank in range(len(devices)):
            placement = _Placement(rank, devices, Path(folder) / "rendezvous", n_threads)
            ranks.append(stack.enter_context(_Rank(title, placement, work, arguments)))
        _serve(ranks, functions)


class _Rank:
    """A process of the training, seen from its parent; killed at the end."""

    def __init__(
        self,
        title: str,
        placement: _Placement,
        work: Callable[..., None],
        arguments: tuple[Any, ...],
    ) -> None:
        n_ranks = len(placement.devices)
        self.name = f"process {placement.rank + 1} of {n_ranks} that train {title}"
        # A fork of this process could not use CUDA if this one has. The server that forks has
        # imported what the work needs and computed nothing, so the next ranks begin at once.
        context = get_context("forkserver")
        context.set_forkserver_preload([work.__module__])
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=_be_rank, args=(placement, theirs, work, arguments), name=self.name
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
        """Return its next message; None once it sends no more."""
        try:
            message: tuple[str, Any] = self.pipe.recv()
        except (EOFError, OSError):  # also when it died in the middle of a message
            return None
        if message[0] == "failed":
            self.error = message[1]
        return message

    def drain(self) -> None:
        """Read the messages that are left, with its error if it has sent one."""
        while self.pipe.poll() and self.next() is not None:
            pass


def _serve(ranks: Sequence[_Rank], functions: Mapping[str, Callable[..., Any]]) -> None:
    """Serve the calls and the log records of ranks until all have ended or one has failed."""
    left = {rank.pipe: rank for rank in ranks}
    while left:
        for pipe in connection.wait(list(left)):
            assert isinstance(pipe, Connection)
            rank = left[pipe]
            match rank.next():
                case "call", (name, arguments):
                    result = functions[name](*arguments)
                    with suppress(BrokenPipeError):  # it has died: that is what comes next
                        pipe.send(result)
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
    """Return why ranks failed: the first one noticed may only have lost one that failed before."""
    deadline = time.monotonic() + _GRACE_S
    while True:
        running = [rank.process.sentinel for rank in ranks if rank.process.is_alive()]
        for rank in ranks:
            rank.drain()
        if (cause := _known_cause(ranks)) is not None:
            return cause
        left_s = deadline - time.monotonic()
        if not running or left_s <= 0:
            break
        connection.wait(running, left_s)
    errors = [rank.error for rank in ranks if rank.error]
    return errors[0] if errors else ProcessLost(f"{ranks[0].name}: ended without an error")


def _known_cause(ranks: Sequence[_Rank]) -> Exception | None:
    """Return the error of a rank that is no consequence of another's end, if there is one."""
    for rank in ranks:
        if isinstance(rank.error, TerrabalanceError | MicroBatchTooLarge):
            return rank.error
    for rank in ranks:
        if (code := rank.process.exitcode) is not None and code < 0:
            return ProcessLost(
                f"{rank.name}: killed by {signal.Signals(-code).name}, which is also how a system "
                "short of memory ends one. Give the same command again to go on from the last "
                "checkpoint."
            )
    return None


def _be_rank(
    placement: _Placement, pipe: Connection, work: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    """Do the work of one rank, in a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started it
    end_with_parent()
    os.environ["OMP_NUM_THREADS"] = str(placement.n_threads)  # accelerate sets its own without
    torch.set_num_threads(placement.n_threads)
    # All ranks log the same, so the main rank's records are enough.
    is_main = placement.rank == 0
    logging.getLogger().addHandler(_ToParent(pipe) if is_main else logging.NullHandler())
    logging.getLogger().setLevel(logging.INFO)
    try:
        group = DistributedProcessGroup(placement.rank, placement.devices, placement.rendezvous)
        work(group, _caller(pipe), *arguments)
        group.close()
    except BaseException as error:
        known = isinstance(error, TerrabalanceError | MicroBatchTooLarge)
        reason = error if known else RuntimeError(f"a rank failed\n{traceback.format_exc()}")
        with suppress(OSError):  # the parent is gone
            pipe.send(("failed", reason))
        os._exit(1)  # not by way of the process group, which would wait for the others


def _caller(pipe: Connection) -> CallParent:
    def call_parent(name: str, *arguments: Any) -> Any:
        pipe.send(("call", (name, arguments)))
        return pipe.recv()

    return call_parent


class _ToParent(QueueHandler):
    """Sends log records to the parent process, which handles them."""

    def __init__(self, pipe: Connection) -> None:
        super().__init__(pipe)  # type: ignore[arg-type]
        self._pipe = pipe

    def enqueue(self, record: logging.LogRecord) -> None:
        """Send a record that `QueueHandler` has prepared for pickling."""
        self._pipe.send(("log", record))
