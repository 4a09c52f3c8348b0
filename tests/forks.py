"""Work in processes that are started quickly, and killed."""

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

from waiting import eventually

from terrabalance.files import sha256_of


def fork(work: Callable[..., object], *arguments: str) -> BaseProcess:
    """Start work in a fork of a process that has imported everything and computed nothing."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        [
            "augment.train.training",
            "augment.train.evaluation",
            "augment.sample.sampling",
            "classifier.train.training",
        ]
    )
    process = context.Process(target=work, args=arguments)
    process.start()
    return process


def run_to_the_end(work: Callable[[str], None], folder: Path) -> None:
    process = fork(work, str(folder))
    process.join()
    assert process.exitcode == 0


def kill_once_there(work: Callable[[str], None], folder: Path, pattern: str, n_files: int) -> None:
    """Start the work and SIGKILL it as soon as `n_files` files match `pattern`."""
    process = fork(work, str(folder))
    eventually(lambda: len(list(folder.glob(pattern))) >= n_files, "work to kill", every_s=0.01)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL, "the work ended before it could be killed"
    assert not list(folder.rglob("done.json"))


def assert_same_files(left: Path, right: Path, pattern: str) -> None:
    names = sorted(path.relative_to(left) for path in left.glob(pattern))
    assert names == sorted(path.relative_to(right) for path in right.glob(pattern)) != []
    for name in names:
        assert sha256_of(left / name) == sha256_of(right / name), name
