"""Who works on which device: a GPU of this machine, and a slot of those that all machines share."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from filelock import FileLock, Timeout

from terrabalance.device import pick_device
from terrabalance.errors import BadInput
from terrabalance.files import slug

if TYPE_CHECKING:
    from flows.settings.config import RunConfig

# The server takes no shorter one. For so long does a slot stay taken whose holder was killed.
LEASE_S = 60
_LOOK_AGAIN_S = 0.5


def devices_here(name: str) -> list[str]:
    """Return the devices of this machine that `name` means: every GPU, those named, or the other.

    Raises:
        BadInput: a device is not there.
    """
    if "," in name:
        return [str(pick_device(each)) for each in name.split(",")]
    device = pick_device(name)
    if device.type == "cuda" and device.index is None:
        return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return [str(device)]


def devices_of_class(config: "RunConfig") -> list[torch.device]:
    """Return the devices that train a class together: as many as `execution.devices_per_class`.

    On the CPU it is the same one so many times, for a process each.

    Raises:
        BadInput: this machine has fewer GPUs.
    """
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
def on_devices(config: "RunConfig", n: int = 1) -> Iterator["RunConfig"]:
    """Yield the settings with `n` devices of this machine that are ours inside the block.

    A GPU is held against every other process of this login, of this run or not, up to
    `execution.per_device` at once; the kernel frees it when its holder dies. With
    `execution.slots` as many slots of that name are held too. Waits for both.

    Raises:
        BadInput: the devices are not there, or the Prefect server knows no such limit or one that
            is too low.
    """
    gpus = {
        name: _uuid(name) for name in devices_here(config.device_here) if name.startswith("cuda")
    }
    if n > 1:
        devices_of_class(config)  # says so where there are too few, instead of waiting for them
    with _slots(config.execution.slots, n):
        if not gpus:
            yield config
            return
        here = config.execution.model_copy(update={"runner": "local"})  # so that `device` counts
        with holding(gpus, n, config.execution.per_device) as devices:
            yield config.model_copy(update={"device": ",".join(devices), "execution": here})


@contextmanager
def holding(
    devices: dict[str, str], n: int, at_once: int, folder: Path | None = None
) -> Iterator[list[str]]:
    """Hold `n` devices that are free, the least used first; wait where they are not.

    Args:
        devices: their names here -> names that are the same in every process.
        n: how many; at most as many as there are.
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
    # Who needs several keeps those that are free until there are enough. Two doing so at once
    # could wait for each other for ever.
    collecting = FileLock(folder / "collecting.lock") if n > 1 else nullcontext()
    with ExitStack() as held:
        with collecting:
            ours = _collect(places, n, held)
        yield ours


def _collect(places: list[tuple[str, FileLock]], n: int, held: ExitStack) -> list[str]:
    ours: list[str] = []
    while True:
        for device, lock in places:
            if device not in ours and _is_free(lock):
                held.callback(lock.release)
                ours.append(device)
            if len(ours) == n:
                return ours
        time.sleep(_LOOK_AGAIN_S)


def _is_free(lock: FileLock) -> bool:
    """Say whether the lock could be had, and then is held."""
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    return True


def _uuid(device: str) -> str:
    """Name a GPU as all processes do, whatever CUDA_VISIBLE_DEVICES shows them."""
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
