"""Choose the device and the precision that is safe on it, move data to it, ask for its memory."""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from terrabalance.errors import BadInput
from terrabalance.precision import faster_on_cpu

# The rest is for weights and activations, which are what a batch is limited by.
_SHARE_FOR_DATA = 1 / 8


def threads_of_each(n_processes: int) -> int:
    """Return the CPU threads of each of some processes, which together have those of one."""
    return max(1, torch.get_num_threads() // n_processes)


def pick_device(name: str = "auto") -> torch.device:
    """Return the device asked for by a `DeviceName`, of several the first.

    `auto` takes cuda, then mps, then cpu.

    Raises:
        BadInput: the device is not there, or unknown.
    """
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
        **{f"cuda:{number}": True for number in range(torch.cuda.device_count())},
    }
    name = name.partition(",")[0]
    if name == "auto":
        return torch.device(next(kind for kind, found in there.items() if found))
    if not there.get(name):
        raise BadInput(f"device {name!r} is not available here. Use --device auto.")
    return torch.device(name)


def supports_bf16(device: torch.device) -> bool:
    """Return whether bf16 autocast is both safe and fast on `device`.

    bf16 has the exponent range of float32, so it does not overflow as fp16 did in the tutorial
    (losses of NaN). Of CPUs few are faster in it: that is timed, see `terrabalance.precision`.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu" or not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return False
    return faster_on_cpu() == "bf16"


def precision_on(device: torch.device, wanted: str) -> str:
    """Return `bf16` or `fp32` for a wanted `auto`, `bf16` or `fp32`."""
    if wanted != "auto":
        return wanted
    return "bf16" if supports_bf16(device) else "fp32"


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Return the context in which a network runs in `bf16` or in `fp32`."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def describe_device(device: torch.device) -> str:
    """Name the device for people: the GPU's model, or the number of CPU threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{device.type}, {threads} thread{'' if threads == 1 else 's'}"


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor from the CPU to `device` without letting the host wait for the device.

    From ordinary (pageable) memory a copy to a GPU may first wait for all that the GPU has to do;
    from pinned memory it queues up like a kernel.
    """
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def has_room_for_data(n_bytes: int, device: torch.device) -> bool:
    """Return whether training data of `n_bytes` should lie on `device` for the whole of a training.

    On a GPU it may take an eighth of the memory that is free now: 5,000 images of 256 px and 8
    bit in 8 GB. Elsewhere the device's memory is the host's, where the data is already.
    """
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return n_bytes <= free * _SHARE_FOR_DATA


@contextmanager
def tuned_convolutions() -> Iterator[None]:
    """Let cuDNN time its algorithms for every shape and keep the fastest; undone at the end.

    The shapes of a training never change. Which algorithm wins may differ between two runs, and
    with it the rounding.
    """
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def forget_peak_memory(device: torch.device) -> None:
    """Let `peak_memory` count from here on, on a GPU; a process's own peak stays."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> dict[str, int]:
    """Return the most bytes that this process has held: on the host, and of tensors on a GPU.

    Keys are `host` (resident memory) and, on CUDA, `cuda` (without the driver's own and what the
    allocator keeps in reserve).
    """
    unit = 1 if sys.platform == "darwin" else 1024
    peak = {"host": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}
    if device.type == "cuda":
        peak["cuda"] = torch.cuda.max_memory_allocated(device)
    return peak
