"""Do jobs on this machine: in this process, or in a process a device."""

import multiprocessing
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner

from flows.orchestrate.artifacts import listen
from flows.orchestrate.job import Job
from flows.orchestrate.job_states import (
    ATTEMPTS,
    LOOK_EVERY_S,
    final_state,
    one_server,
    reasons,
)
from flows.settings.config import RunConfig
from flows.store.devices import devices_here, devices_of_class
from flows.store.held_out import leave_untold, told
from terrabalance.children import end_with_parent
from terrabalance.device import threads_of_each


def run(config: RunConfig, jobs: Sequence[Job], what: str) -> dict[str, str]:
    """Do jobs on as many devices as this machine has; return label -> reason of those that failed.

    Raises:
        BadInput: the machine has fewer devices than a job needs.
    """
    if pool_size(config, jobs[0].n_devices) == 1:
        return in_turn(jobs)
    return in_processes(config, jobs, what)


def pool_size(config: RunConfig, n_devices: int) -> int:
    """Return how many jobs this machine does at once, each on so many devices.

    Raises:
        BadInput: it has fewer.
    """
    if n_devices > 1:
        devices_of_class(config)  # says so where they are too few
    # The CPU is one device, however many processes are on it.
    at_once = max(1, len(devices_here(config.device)) // n_devices)
    return at_once * config.execution.per_device


def in_turn(jobs: Sequence[Job]) -> dict[str, str]:
    """Do one after the other in this process; return label -> reason of those that failed."""
    states = {job.label: job.task(**job.parameters, return_state=True) for job in jobs}
    return reasons(states)


def in_processes(config: RunConfig, jobs: Sequence[Job], what: str) -> dict[str, str]:
    """Do as many at once as fit on this machine; return label -> reason of those that failed.

    A job that is killed takes no other one with it, and is begun again behind the others. When
    this process is interrupted, all end at once: the next run goes on from their checkpoints.
    """
    size = min(pool_size(config, jobs[0].n_devices), len(jobs))
    threads = threads_of_each(size)
    left, report, attempts = list(jobs), listen(what), Counter[str]()
    states: dict[str, State[Any]] = {}
    with one_server(), ExitStack() as stack, _ending_children():
        slots = [stack.enter_context(_Slot(threads)) for _ in range(size)]
        while left or any(slot.job for slot in slots):
            for slot in slots:
                if slot.job and (state := slot.state()) is not None:
                    job = slot.clear(state)
                    attempts[job.label] += 1
                    if state.is_crashed() and attempts[job.label] < ATTEMPTS:
                        left.append(job)
                        continue
                    states[job.label] = state
                    report(len(states), len(jobs))
                if slot.job is None and left:
                    slot.begin(left.pop(0))
            time.sleep(LOOK_EVERY_S)
    return reasons(states)


@contextmanager
def _ending_children() -> Iterator[None]:
    """Kill the processes that were started in the block where it is left by an exception.

    A pool would wait until they have done their job, for hours.
    """
    others = set(multiprocessing.active_children())
    try:
        yield
    except BaseException:
        for child in set(multiprocessing.active_children()) - others:
            child.kill()
        raise


@contextmanager
def _children_without_interrupts() -> Iterator[None]:
    """Block SIGINT in processes that are started in the block: a terminal sends it to all."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # a child begins with it
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin_process(threads: int, warned_of: frozenset[str]) -> None:
    end_with_parent()  # else it does its job to the end, and then waits for another one for ever
    torch.set_num_threads(threads)
    leave_untold(warned_of)


class _Slot:
    """A process that does one job after the other, and is replaced when it dies."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._stack = ExitStack()
        self._pool: TaskRunner[Any] | None = None
        self._future: PrefectFuture[Any] | None = None
        self.job: Job | None = None

    def __enter__(self) -> "_Slot":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def begin(self, job: Job) -> None:
        """Start a job in the process, in a new one if there is none."""
        if self._pool is None:
            # A pool that has lost its process is broken as a whole: so each has but one.
            given = (self._threads, told())
            pool = ProcessPoolTaskRunner(1, initializer=_begin_process, initargs=given)
            self._pool = self._stack.enter_context(pool)
        with _children_without_interrupts():
            self.job, self._future = job, self._pool.submit(job.task, job.parameters)

    def state(self) -> State[Any] | None:
        """Return the final state of the job, None before."""
        assert self._future is not None
        return final_state(self._future)

    def clear(self, state: State[Any]) -> Job:
        """Return the job and be free; after a crash, without a process."""
        assert self.job is not None
        done, self.job = self.job, None
        if state.is_crashed():
            self._stack.close()
            self._pool = None
        return done
