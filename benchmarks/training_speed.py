"""Training throughput against upstream's `Trainer`: same batch, same images.

    python benchmarks/training_speed.py docs/benchmarks --profile
    python benchmarks/training_speed.py OUT --sides 64 128 256     # on a GPU

The two alternate in one process, so that both see the same machine; the median of several rounds
is told, as images a second and as a ratio. Upstream runs as its `Trainer` does by default (fp32);
ours in the precision that it chooses by itself, with the same network, and with the same on patches
of pixels. Set-up and the first steps are not counted.

Beside it stands the floor: the FLOPs of the network, forward and backward, over the best rate that
any of its own convolutions, or a large matrix product, reached forward in the same run. A loop that
computes this network by these libraries would be that fast if all of it ran at that rate.
"""

import argparse
import platform
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from charts import OURS, UPSTREAM, chart, save
from torch._C._autograd import DeviceType
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode
from upstream import upstream_trainer

from augment.config import TrainingConfig
from augment.network.config import GeneratorConfig
from augment.network.generator import build_diffusion
from augment.train.data import TrainingData
from augment.train.loop import TrainingLoop
from augment.train.spec import TrainingSpec
from terrabalance.device import describe_device, pick_device
from terrabalance.files import write_text
from terrabalance.images import write_png
from terrabalance.sizes import height_width

BATCH, N_IMAGES, WARM_UP, ROUNDS, N_OPERATORS = 16, 128, 3, 5, 10
MATRIX_SIDE = {"cpu": 2048, "cuda": 8192}


def pictures(side_px: int) -> np.ndarray:
    """Return (N, 3, S, S) uint8 noise: throughput does not depend on what is in the images."""
    return np.random.default_rng(0).integers(0, 256, (N_IMAGES, 3, side_px, side_px), np.uint8)


def network_of(side_px: int, device: torch.device, patch: int = 1) -> GeneratorConfig:
    """Return the network to measure: a small one on a CPU, the tutorial's on a GPU."""
    small = {"dim": 32, "dim_mults": (1, 2, 4)} if device.type == "cpu" else {}
    return GeneratorConfig(image_size=side_px, patch=patch, **small)


def training_of(config: GeneratorConfig, images: np.ndarray, folder: Path) -> TrainingLoop:
    """Return our training."""
    spec = TrainingSpec("speed", config, TrainingConfig(batch_size=BATCH), seed=0)
    return TrainingLoop(TrainingData(images), spec, folder, pick_device("auto"))


def take(training: TrainingLoop, n: int) -> None:
    """Take some steps of our loop and wait for the device."""
    losses = [training.stepper.advance()[0] for _ in range(n)]
    torch.stack(losses).tolist()


def upstreams(config: GeneratorConfig, images: np.ndarray, folder: Path) -> Callable[[int], None]:
    """Return a function that takes some steps of upstream's loop."""
    for index, image in enumerate(images):
        write_png(folder / "images" / f"{index}.png", image)
    trainer = upstream_trainer(config, folder / "images", folder / "results", BATCH, steps=0)

    def steps(n: int) -> None:
        trainer.train_num_steps += n
        trainer.train()

    return steps


def rates(training: TrainingLoop, theirs: Callable[[int], None], steps: int) -> tuple[float, float]:
    """Return images a second of ours and of upstream's, the medians of alternating rounds."""
    measured: list[float] = []
    loops = (partial(take, training), theirs)
    for loop in loops:
        loop(WARM_UP)
    for _ in range(ROUNDS):
        for loop in loops:
            began = time.perf_counter()
            loop(steps)
            measured.append(BATCH * steps / (time.perf_counter() - began))
    return float(np.median(measured[::2])), float(np.median(measured[1::2]))


def flops_an_image(config: GeneratorConfig) -> int:
    """Return the FLOPs of a forward and backward pass of one image; two a multiply-add."""
    sides = height_width(config.image_size)
    with FakeTensorMode():  # counts shapes, computes nothing
        network = build_diffusion(config).model
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(1, 3, *sides), torch.zeros(1, dtype=torch.long)).sum().backward()
    return int(counter.get_total_flops())


def best_rate(config: GeneratorConfig, device: torch.device, precision: str) -> tuple[float, str]:
    """Return the FLOPs a second of the fastest operation, and its name."""
    dtype = {"bf16": torch.bfloat16, "fp32": torch.float32}[precision]
    side = MATRIX_SIDE[device.type]
    left, right = torch.randn(2, side, side, device=device, dtype=dtype)
    found = [(2 * side**3 / shortest(lambda: left @ right), "a large matrix product")]
    for width_in, width_out, kernel, height, width in sorted(convolutions(config)):
        images = torch.randn(BATCH, width_in, height, width, device=device, dtype=dtype)
        images = images.to(memory_format=torch.channels_last)
        weight = torch.randn(width_out, width_in, kernel, kernel, device=device, dtype=dtype)
        weight = weight.to(memory_format=torch.channels_last)
        seconds = shortest(partial(functional.conv2d, images, weight, padding=kernel // 2))
        flops = 2 * images.numel() * width_out * kernel**2
        name = f"{kernel} x {kernel}, {width_in} to {width_out} channels at {height} px"
        found.append((flops / seconds, name))
    return max(found)


def convolutions(config: GeneratorConfig) -> set[tuple[int, int, int, int, int]]:
    """Return channels in and out, kernel, height and width of the network's convolutions."""
    shapes, network = set(), build_diffusion(config).model

    def look(layer: torch.nn.Conv2d, given: tuple[torch.Tensor], _: object) -> None:
        size = layer.in_channels, layer.out_channels, layer.kernel_size[0]
        shapes.add((*size, *given[0].shape[-2:]))

    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(look)
    with torch.inference_mode():
        sides = height_width(config.image_size)
        network(torch.zeros(1, 3, *sides), torch.zeros(1, dtype=torch.long))
    return shapes


def shortest(work: Callable[[], torch.Tensor]) -> float:
    """Return the seconds of the fastest of several calls."""
    times = []
    for _ in range(WARM_UP + 3 * ROUNDS):
        began = time.perf_counter()
        work().flatten()[0].item()  # waits for the device
        times.append(time.perf_counter() - began)
    return min(times)


def operators(training: TrainingLoop, steps: int) -> list[str]:
    """Return a table of the operators (on a GPU: kernels) that take most of the time of a step."""
    on_gpu = training.device.type == "cuda"
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * on_gpu
    with profile(activities=activities) as record:
        take(training, steps)
    kind = DeviceType.CUDA if on_gpu else DeviceType.CPU
    events = [event for event in record.key_averages() if event.device_type == kind]
    spent = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    events.sort(key=lambda event: getattr(event, spent), reverse=True)
    total = sum(getattr(event, spent) for event in events)
    lines = ["| Operator | share of the time | calls a step |", "|---|---|---|"]
    for event in events[:N_OPERATORS]:
        share = getattr(event, spent) / total
        lines.append(f"| `{event.key[:60]}` | {share:.0%} | {event.count / steps:.0f} |")
    return lines


def bars(measured: dict[tuple[int, int], tuple[float, float, float]], path: Path) -> None:
    """Draw images a second of upstream, ours and the floor, by the side of images and patches."""
    figure, all_axes = chart(len(measured), 3.2 * len(measured))
    for axes, ((side, patch), values) in zip(all_axes, measured.items(), strict=True):
        names = ("upstream", "terrabalance", "floor")
        axes.bar(names, values, color=[UPSTREAM, OURS, "#d0d7de"])
        axes.set(title=f"{side} px, patches of {patch}", ylabel="images a second, training")
    save(figure, path)


def compare(
    side: int, patch: int, given: argparse.Namespace, device: torch.device
) -> tuple[tuple[float, float, float], str, list[str]]:
    """Return the rates and the row of one network, and its profile where that is asked for."""
    config = network_of(side, device, patch)
    with tempfile.TemporaryDirectory() as folder:
        images = pictures(side)
        training = training_of(config, images, Path(folder))
        theirs = upstreams(config, images, Path(folder))
        mine, upstream = rates(training, theirs, given.steps)
        profiled = operators(training, given.steps) if given.profile else []
    flops = flops_an_image(config)
    rate, fastest = best_rate(config, device, training.precision)
    floor = rate / flops
    row = (
        f"| {side} | {patch} | {upstream:.1f} | {mine:.1f} | {mine / upstream:.2f} "
        f"| {flops / 1e9:.1f} | {floor:.1f} | {mine / floor:.0%} "
        f"| {fastest}, {rate / 1e12:.2f} TFLOP/s |"
    )
    return (upstream, mine, floor), row, profiled


def main() -> None:
    """Measure every size and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--sides", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--patches", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--steps", type=int, default=10, help="a round")
    parser.add_argument("--profile", action="store_true", help="of our loop, of the last network")
    given = parser.parse_args()
    device = pick_device("auto")
    small = network_of(given.sides[0], device)
    lines = [
        "# Training throughput", "",
        f"U-Net of dim {small.dim} {small.dim_mults}, batches of {BATCH}, on "
        f"{describe_device(device)}; torch {torch.__version__}, Python "
        f"{platform.python_version()}. Images a second, median of {ROUNDS} alternating rounds of "
        f"{given.steps} steps (`benchmarks/training_speed.py`). The floor is the network's FLOPs "
        "over the best rate that one of its convolutions, or a large matrix product, reached "
        "forward in the same run and precision. Upstream's network has no patches.", "",
        "| Side, px | patch | upstream's `Trainer` | terrabalance | ratio | GFLOP an image | floor "
        "| share of the floor | fastest operation |", "|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    profiled: list[str] = []
    measured = {}
    for side, patch in product(given.sides, given.patches):
        measured[side, patch], row, profiled = compare(side, patch, given, device)
        lines.append(row)
        print(row, flush=True)
    if profiled:
        lines += ["", f"Where a step of terrabalance at {side} px, patches of {patch}, goes:", ""]
    bars(measured, given.out / "training_speed.png")
    picture = ["", "![Images a second](training_speed.png)", ""]
    write_text(given.out / "training_speed.md", "\n".join([*lines, *profiled, *picture]))


if __name__ == "__main__":
    main()
