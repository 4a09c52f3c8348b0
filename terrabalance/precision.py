"""Whether a CPU computes faster in bf16 than in float32: timed once a machine, and kept.

What a CPU says of itself does not tell. oneDNN takes bf16 wherever there is AVX-512, but without
AVX512-BF16 or AMX it converts back and forth, and a step takes twice as long.
"""

import functools
import hashlib
import logging
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from filelock import FileLock
from torch import nn

from terrabalance.cache import cache_folder
from terrabalance.errors import BadInput
from terrabalance.files import read_json, write_json

log = logging.getLogger(__name__)

_FILE = "precision.json"
# What the speed of either depends on, beside the CPU, torch and the number of threads.
_VARIABLES = (
    "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE",
    "DNNL_DEFAULT_FPMATH_MODE", "ATEN_CPU_CAPABILITY",
)  # fmt: skip
_ROUNDS = 5
_GAIN = 0.9  # bf16 rounds more coarsely: it has to be worth it


def faster(seconds: Mapping[str, Sequence[float]]) -> str:
    """Return `bf16` where its best time is a tenth below that of `fp32`, else `fp32`.

    Args:
        seconds: times of the same work in either, measured in turn. The best counts: other work on
            the machine only ever adds to a time.
    """
    return "bf16" if min(seconds["bf16"]) < _GAIN * min(seconds["fp32"]) else "fp32"


@functools.cache
def faster_on_cpu() -> str:
    """Return `bf16` or `fp32`, whichever this machine's CPU is faster in.

    Measured once and kept in `precision.json` below the cache folder, so that all processes and
    all later runs choose alike. Where nothing can be kept, each process measures for itself.
    """
    key, folder = _machine(), cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{_FILE}.lock"):
            return _kept_or_measured(folder / _FILE, key, measure)
    except OSError as error:
        log.warning("%s: %s, so the faster precision is measured anew", folder, error.strerror)
        return faster(measure())


def _kept_or_measured(path: Path, key: str, measured: Callable[[], dict[str, list[float]]]) -> str:
    kept = _read(path)
    choice = kept.get(key)
    if choice not in ("bf16", "fp32"):
        seconds = measured()
        choice = faster(seconds)
        best = {name: min(times) * 1e3 for name, times in seconds.items()}
        log.info("auto precision on this CPU: %s (ms a step: %s)", choice, best)
        write_json(path, {**kept, key: choice})
    return choice


def _read(path: Path) -> dict[str, str]:
    try:
        kept = read_json(path) if path.is_file() else {}
    except BadInput:  # damaged: what it holds can be measured again
        return {}
    return kept if isinstance(kept, dict) else {}


def _machine() -> str:
    facts = [
        _cpu(), platform.machine(), torch.__version__, torch.get_num_threads(),
        *(os.environ.get(name, "") for name in _VARIABLES),
    ]  # fmt: skip
    return hashlib.blake2b(repr(facts).encode(), digest_size=8).hexdigest()


def _cpu() -> str:
    """Return model and abilities of the CPU; virtual machines name the model vaguely."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    told = {name.strip(): value for name, _, value in (line.partition(":") for line in lines)}
    return "".join(told.get(name, "") for name in ("model name", "flags", "Features"))


def measure() -> dict[str, list[float]]:
    """Return seconds of training steps of a small network of convolutions, in either precision.

    Of the shapes that a generator of 32 px has most of; in turn, so that what else the machine does
    meets both. Torch's generators stay as they are.
    """
    with torch.random.fork_rng(devices=[]):
        layers = [nn.Conv2d(3, 64, 3, padding=1), nn.SiLU()]
        for _ in range(3):
            layers += [nn.Conv2d(64, 64, 3, padding=1), nn.SiLU()]
        network = nn.Sequential(*layers).to(memory_format=torch.channels_last)
        images = torch.randn(8, 3, 32, 32).contiguous(memory_format=torch.channels_last)
        seconds: dict[str, list[float]] = {"fp32": [], "bf16": []}
        for number in range(_ROUNDS + 1):
            for precision, times in seconds.items():
                began = time.perf_counter()
                with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                    loss = network(images).float().square().mean()
                loss.backward()
                if number:  # the first also pays for set-up
                    times.append(time.perf_counter() - began)
        return seconds
