"""Who works on which device: a GPU of this machine, and a slot of those that all machines share."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from filelock import FileLock, Timeout

from terrabalance.device import pick_device
from terrabalance.errors import BadInput
from terrabalance.files import slug

if TYPE_CHECKING:
    from flows.config import RunConfig

# The server takes no shorter one. For so long does a slot stay taken whose holder was killed.
LEASE_S = 60
_LOOK_AGAIN_S = 0.5


def devices_here(name: str) -> list[str]:
    """Return the devices of this machine that `name` means: every GPU, or the one other device.

    Raises:
        BadInput: the device is not there.
    """
    device = pick_device(name)
    if device.type == "cuda" and device.index is None:
        return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return [str(device)]


@contextmanager
def on_device(config: "RunConfig") -> Iterator["RunConfig"]:
    """Yield the settings with a device of this machine that is ours inside the block.

    A GPU is held against every other process of this login, of this run or not, up to
    `execution.per_device` at once; the kernel frees it when its holder dies. With
    `execution.slots` a slot of that name is held too. Waits for both.

    Raises:
        BadInput: the device is not there, or the Prefect server knows no such limit.
    """
    gpus = {
        name: _uuid(name) for name in devices_here(config.device_here) if name.startswith("cuda")
    }
    with _slot(config.execution.slots):
        if not gpus:
            yield config
            return
        with free_one(gpus, config.execution.per_device) as device:
            yield config.model_copy(update={"device": device})


@contextmanager
def free_one(devices: dict[str, str], at_once: int, folder: Path | None = None) -> Iterator[str]:
    """Hold a device that is free, the least used first; wait where none is.

    Args:
        devices: their names here -> names that are the same in every process.
        at_once: how many may hold one device.
        folder: of the lock files; None: one of this login in the machine's temporary folder.
    """
    folder = folder or Path(tempfile.gettempdir()) / f"terrabalance-{os.getuid()}"
    folder.mkdir(parents=True, exist_ok=True)
    places = [
        (device, FileLock(folder / f"{slug(name)}-{place}.lock"))
        for place in range(at_once)
        for device, name in devices.items()
    ]
    device, lock = _first_free(places)
    try:
        yield device
    finally:
        lock.release()


def _first_free(places: list[tuple[str, FileLock]]) -> tuple[str, FileLock]:
    while True:
        for device, lock in places:
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            return device, lock
        time.sleep(_LOOK_AGAIN_S)


def _uuid(device: str) -> str:
    """Name a GPU as all processes do, whatever CUDA_VISIBLE_DEVICES shows them."""
    return str(torch.cuda.get_device_properties(device).uuid)


@contextmanager
def _slot(name: str | None) -> Iterator[None]:
    """Hold a slot of a global concurrency limit of the Prefect server; None: hold none.

    The slot is a lease that its holder renews, so that of a killed one it comes back by itself. A
    server that is away for a while does not end the work.
    """
    if name is None:
        yield
        return
    from prefect.client.orchestration import get_client
    from prefect.concurrency.sync import concurrency
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        try:
            client.read_global_concurrency_limit_by_name(name)
        except ObjectNotFound as error:
            raise BadInput(
                f"execution.slots: the Prefect server has no global concurrency limit {name!r}. "
                f"Create it: prefect gcl create {name} --limit <number of devices>"
            ) from error
    with concurrency(name, lease_duration=LEASE_S, raise_on_lease_renewal_failure=False):
        yield
