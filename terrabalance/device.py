"""Choose the device and the precision that is safe on it."""

from typing import Literal

import torch

from terrabalance.errors import BadInput

DeviceName = Literal["auto", "cpu", "cuda", "mps"]


def pick_device(name: str = "auto") -> torch.device:
    """Return the device asked for by a `DeviceName`; `auto` takes cuda, then mps, then cpu.

    Raises:
        BadInput: the device is not there, or unknown.
    """
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(kind for kind, found in there.items() if found))
    if not there.get(name):
        raise BadInput(f"device {name!r} is not available here. Use --device auto.")
    return torch.device(name)


def supports_bf16(device: torch.device) -> bool:
    """Say whether bf16 autocast is both safe and fast on `device`.

    bf16 has the exponent range of float32, so it does not overflow as fp16 did in the tutorial
    (losses of NaN). On CPUs without AVX512-BF16 or AMX it is emulated and slower than float32.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def describe_device(device: torch.device) -> str:
    """Name the device for people: the GPU's model, or the number of CPU threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {torch.get_num_threads()} threads"
