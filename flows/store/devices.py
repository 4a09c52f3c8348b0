"""Which process works on which device: a GPU of this machine, a slot that all machines share.

torch is imported where a device is asked for, so that what needs none starts in a second.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from flows.settings.config import RunConfig
from terrabalance.errors import BadInput
from terrabalance.files import slug
from terrabalance.progress import Progress, silent

if TYPE_CHECKING:
    import torch

# The shortest that the server accepts. The slot of a killed holder stays taken for so long.
LEASE_S = 60
_LOOK_AGAIN_S = 0.5
_is_holding: ContextVar[bool] = ContextVar("is_holding", default=False)
_waited_s: ContextVar[float] = ContextVar("waited_s", default=0.0)


def devices_here(name: str) -> list[str]:
    """Return the devices of this machine that `name` means: every GPU, those named, or the CPU.

    Raises:
        BadInput: a device is not there.
    """
    import torch

    from terrabalance.device import pick_device

    if "," in name:
        return [str(pick_device(each)) for each in name.split(",")]
    device = pick_device(name)
    if device.type == "cuda" and device.index is None:
        return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return [str(device)]


def devices_of_class(config: RunConfig) -> list["torch.device"]:
    """Return the devices that train a class together: as many as `execution.devices_per_class`.

    On the CPU it is the same one so many times, for a process each.

    Raises:
        BadInput: this machine has fewer GPUs.
    """
    import torch

    n, names = config.execution.devices_per_class, devices_here(config.device_here)
    if names == ["cpu"]:
        names *= n
    if len(names) < n:
        raise BadInput(
            f"execution.devices_per_class={n}: device={config.device_here} is {len(names)} here "
            f"({', '.join(names)}). Lower it, or name more with --device."
        )
    return [torch.device(name) for name in names[:n]]


@contextmanager
def held(
    config: RunConfig, n: int = 1, on_progress: Progress = silent
) -> Iterator[list["torch.device"]]:
    """Yield `n` devices of this machine that are this process's alone inside the block.

    A GPU is held against every other process of this login, of this run or not, up to
    `execution.per_device` at once; the kernel frees it when its holder dies. With
    `execution.slots` as many slots of that name are held too. Waits for both.

    Args:
        config: of the run.
        n: devices; 0: none is needed, and none is looked for.
        on_progress: takes the reason for waiting.

    Raises:
        BadInput: the devices are not there, or the Prefect server has no such limit or one that
            is too low.
    """
    if not n:
        yield []
        return
    import torch

    names = devices_here(config.device_here)
    gpus = {name: _uuid(name) for name in names if name.startswith("cuda")}
    # Names the devices that are too few, instead of waiting for them.
    enough = devices_of_class(config) if n > 1 else [torch.device(names[0])]
    began = time.monotonic()
    with ExitStack() as stack:
        stack.enter_context(_slots(config.execution.slots, n))
        if gpus:
            at_once = config.execution.per_device
            names = stack.enter_context(holding(gpus, n, at_once, on_progress=on_progress))
            enough = [torch.device(name) for name in names]
        _waited_s.set(_waited_s.get() + time.monotonic() - began)
        stack.enter_context(_noted_as_holding())
        yield enough


def waited_s() -> float:
    """Return how long this thread has waited for devices so far, in seconds."""
    return _waited_s.get()


@contextmanager
def _noted_as_holding() -> Iterator[None]:
    before = _is_holding.set(True)
    try:
        yield
    finally:
        _is_holding.reset(before)


def refuse_while_holding(what: str) -> None:
    """Stop a programming error: a process that waits while it holds devices may wait for ever.

    Raises:
        AssertionError: this thread holds devices.
    """
    if _is_holding.get():
        raise AssertionError(f"{what} is asked for while devices are held: make it before")


@contextmanager
def holding(
    devices: dict[str, str],
    n: int,
    at_once: int,
    folder: Path | None = None,
    on_progress: Progress = silent,
) -> Iterator[list[str]]:
    """Hold `n` devices that are free, the least used first; wait where they are not.

    Args:
        devices: their names here -> names that are the same in every process.
        n: how many; at most as many as there are.
        at_once: how many may hold one device.
        folder: of the lock files; None: one of this login in the machine's temporary folder.
        on_progress: takes the reason for waiting.
    """
    folder = folder or Path(tempfile.gettempdir()) / f"terrabalance-{os.getuid()}"
    folder.mkdir(parents=True, exist_ok=True)
    places = [
        (device, FileLock(folder / f"{slug(name)}-{place}.lock"))
        for place in range(at_once)
        for device, name in devices.items()
    ]
    # Who needs several keeps those that are free until there are enough. Two doing so at once
    # could wait for each other for ever.
    collecting = FileLock(folder / "collecting.lock") if n > 1 else nullcontext()
    with ExitStack() as held:
        with collecting:
            ours = _collect(places, n, held, on_progress)
        yield ours


def _collect(
    places: list[tuple[str, FileLock]], n: int, held: ExitStack, on_progress: Progress
) -> list[str]:
    ours: list[str] = []
    while True:
        for device, lock in places:
            if device not in ours and _is_free(lock):
                held.callback(lock.release)
                ours.append(device)
            if len(ours) == n:
                return ours
        on_progress(0, 1, f"waiting for a free GPU of {', '.join(dict(places))}")
        time.sleep(_LOOK_AGAIN_S)


def _is_free(lock: FileLock) -> bool:
    """Return whether the lock could be had; then it is held."""
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    return True


def _uuid(device: str) -> str:
    """Name a GPU as all processes do, whatever CUDA_VISIBLE_DEVICES shows them."""
    import torch

    return str(torch.cuda.get_device_properties(device).uuid)


@contextmanager
def _slots(name: str | None, n: int) -> Iterator[None]:
    """Hold slots of a global concurrency limit of the Prefect server; None: hold none.

    A slot is a lease that its holder renews, so that those of a killed one come back by themselves.
    A server that is away for a while does not end the work.
    """
    if name is None:
        yield
        return
    from prefect.client.orchestration import get_client
    from prefect.concurrency.sync import concurrency
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        try:
            limit = client.read_global_concurrency_limit_by_name(name).limit
        except ObjectNotFound as error:
            raise BadInput(
                f"execution.slots: the Prefect server has no global concurrency limit {name!r}. "
                f"Create it: prefect gcl create {name} --limit <number of devices>"
            ) from error
    if limit < n:
        raise BadInput(
            f"execution.slots: the limit {name!r} has {limit} slots, and a class takes {n} "
            f"(execution.devices_per_class). Raise it: prefect gcl update {name} --limit {n}"
        )
    with concurrency(name, occupy=n, lease_duration=LEASE_S, raise_on_lease_renewal_failure=False):
        yield
