"""A training step in bf16 and in float32 on this CPU, and on CPUs with fewer instructions.

    python benchmarks/precision.py > docs/benchmarks/precision.md

Each row is a process whose oneDNN uses no more than the named instructions (ONEDNN_MAX_CPU_ISA).
Steps of both precisions alternate; the best of each counts. `before` is what precision=auto took
up to FORMAT 9: bf16 wherever oneDNN has it.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from augment.train.spec import TrainingSpec
from augment.train.stepper import Stepper
from flows.settings.config import RunConfig
from terrabalance.precision import faster, measure

ROUNDS, SET_UP = 6, 2
INSTRUCTIONS = {
    "all of this CPU": "ALL",
    "AVX-512, with VNNI": "AVX512_CORE_VNNI",
    "plain AVX-512": "AVX512_CORE",
    "AVX2": "AVX2",
}


def main() -> None:
    """Print a table, or, as a child, the measures of one row."""
    if sys.argv[1:] == ["row"]:
        print(json.dumps(measures()))
        return
    side = RunConfig(data=Path("data"), preset="cpu").generator.image_size
    print(
        "# bf16 or float32 on a CPU\n\n"
        f"Training step of the preset `cpu`'s generator ({side} px, 16 images), {model()}, "
        f"{torch.get_num_threads()} thread(s), torch\n{torch.__version__}, by "
        "`benchmarks/precision.py`. Without AVX512-BF16 or AMX bf16 is emulated. `auto`\n"
        "times a few convolutions once a machine and takes bf16 where it is a tenth faster.\n\n"
        "| instructions | fp32 | bf16 | bf16 / fp32 | before | auto now | step now / before |\n"
        "|---|---|---|---|---|---|---|"
    )
    for name, isa in INSTRUCTIONS.items():
        print(f"| {name} | {row(isa)} |", flush=True)


def row(isa: str) -> str:
    """Measure in a process of its own; return the cells of a row."""
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": isa}
    child = subprocess.run(
        [sys.executable, __file__, "row"], env=environment, check=True, capture_output=True
    )
    found = json.loads(child.stdout)
    step, before, now = found["step"], found["before"], found["now"]
    return (
        f"{step['fp32']:.0f} ms | {step['bf16']:.0f} ms | {step['bf16'] / step['fp32']:.2f} | "
        f"{before} | {now} | {step[now] / step[before]:.2f}"
    )


def measures() -> dict[str, object]:
    """Return milliseconds of a step in either precision, and what is chosen."""
    native = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    now = faster(measure()) if native else "fp32"
    return {"step": steps(), "before": "bf16" if native else "fp32", "now": now}


def steps() -> dict[str, float]:
    """Return the best milliseconds of a step of the preset `cpu`, by precision."""
    config = RunConfig(data=Path("data"), preset="cpu")
    side = config.generator.image_size
    images = np.random.default_rng(0).integers(0, 256, (32, 3, side, side), np.uint8)
    labels = np.zeros(len(images), np.int64)
    spec = TrainingSpec("Pond", config.generator, config.training, seed=0)
    cpu = torch.device("cpu")
    steppers = {name: Stepper(images, labels, spec, cpu, name) for name in ("fp32", "bf16")}
    times: dict[str, list[float]] = {name: [] for name in steppers}
    for _ in range(SET_UP + ROUNDS):
        for name, stepper in steppers.items():
            began = time.perf_counter()
            stepper.advance()[0].item()
            times[name].append((time.perf_counter() - began) * 1e3)
    return {name: min(found[SET_UP:]) for name, found in times.items()}


def model() -> str:
    """Return what the CPU calls itself."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))


if __name__ == "__main__":
    main()
