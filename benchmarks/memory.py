"""How much memory each preset takes: measured on a GPU where there is one, else estimated.

    python benchmarks/memory.py docs/benchmarks

The estimate runs the real loop on the CPU with two batches of few images, while torch's MemTracker
adds up what is alive: a whole optimizer step with its averages, and a network call of sampling. A
larger batch takes as much more per image. It first tests itself against torch's profiler, and its
straight line against a batch of 32. Autocast of CPU and CUDA choose the same
dtypes for this network (tests/augment/network/test_layers.py).
"""

import argparse
import math
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from charts import OURS, UPSTREAM, chart, save
from denoising_diffusion_pytorch import GaussianDiffusion
from torch import nn
from torch.distributed._tools.mem_tracker import MemTracker
from torch.profiler import ProfilerActivity, profile

from augment.config import SamplingConfig, TrainingConfig
from augment.network.config import GeneratorConfig
from augment.network.generator import build_diffusion
from augment.sample.samplers import trajectory
from augment.train.ema import LENGTHS
from augment.train.spec import TrainingSpec
from augment.train.stepper import Stepper
from flows.settings.config import RunConfig
from flows.settings.presets import PRESETS
from flows.stages.unlabelled import MOST_BASE_IMAGES
from terrabalance.device import autocast, describe_device, peak_memory, pick_device
from terrabalance.files import write_text
from terrabalance.sizes import describe_size, height_width

CPU, GIB = torch.device("cpu"), 2**30
# Pixels at once in what is run for the estimate: with fewer, the peak of a step is that of the
# optimizer, which does not grow with the batch.
_FEW_PIXELS = 4 * 128**2


@dataclass(frozen=True)
class Load:
    """What decides the memory of a preset."""

    preset: str
    generator: GeneratorConfig
    training: TrainingConfig
    sampling: SamplingConfig
    precision: str


def stepper_of(load: Load, device: torch.device) -> Stepper:
    """Return a training of a few blank images that has taken its first step."""
    shape = (4, 3, *height_width(load.generator.image_size))
    blank, labels = np.zeros(shape, np.uint8), np.zeros(4, np.int64)
    spec = TrainingSpec("memory", load.generator, load.training, seed=0)
    stepper = Stepper(blank, labels, spec, device, load.precision)
    stepper.advance()  # Adam's state comes with it
    return stepper


def networks(stepper: Stepper) -> list[nn.Module]:
    """Return the trained network and its averages."""
    return [stepper.network, *(average.network for average in stepper.averages)]


def state_bytes(stepper: Stepper) -> int:
    """Return the bytes of weights, averages and Adam's state."""
    tensors = [p for network in networks(stepper) for p in network.parameters()]
    tensors += [
        each
        for member in stepper.optimizer.members
        for state in member.state.values()
        for each in state.values()
    ]
    return sum(tensor.nbytes for tensor in tensors)


def tracked(work: Callable[[], Any], *external: Any) -> int:
    """Return the peak bytes of work on the CPU, with what was there before."""
    tracker = MemTracker()
    tracker.track_external(*external)
    with tracker:
        work()
    return int(tracker.get_tracker_snapshot("peak")[CPU]["Total"])


@torch.no_grad()
def draw(load: Load, diffusion: GaussianDiffusion, device: torch.device) -> None:
    """Make the first network call of drawing a batch; each holds as much as the next."""
    sides = height_width(load.generator.image_size)
    shape = (load.sampling.batch_size, diffusion.channels, *sides)
    every = load.sampling.model_copy(update={"sampler": "ancestral"})
    images = trajectory(diffusion, lambda: torch.randn(shape, device=device), every)
    with autocast(device, load.precision):
        next(images), next(images)


def trained(load: Load) -> int:
    """Return the peak bytes of an optimizer step."""
    # MemTracker follows one forward pass: the last, which finds gradients of those before it.
    once = load.training.model_copy(update={"accumulate": 1})
    stepper = stepper_of(replace(load, training=once), CPU)
    if load.training.accumulate > 1:
        for parameter in stepper.network.parameters():
            parameter.grad = torch.zeros_like(parameter)
    return tracked(stepper.advance, *networks(stepper), *stepper.optimizer.members)


def drawn(load: Load) -> int:
    """Return the peak bytes of sampling a batch."""
    diffusion = build_diffusion(load.generator).eval()
    return tracked(lambda: draw(load, diffusion, CPU), diffusion)


def with_batch(load: Load, n_images: int) -> Load:
    """Return the load with other batches."""
    size = {"batch_size": n_images}
    training = load.training.model_copy(update=size)
    return replace(load, training=training, sampling=load.sampling.model_copy(update=size))


def estimate(load: Load) -> tuple[int, int]:
    """Return the peak bytes of a training step and of sampling a batch."""
    peaks = []
    at_once = max(2, math.ceil(_FEW_PIXELS / math.prod(height_width(load.generator.image_size))))
    for work, n_images in (
        (trained, load.training.batch_size), (drawn, load.sampling.batch_size)
    ):  # fmt: skip
        few, more = (work(with_batch(load, n)) for n in (at_once, at_once + 1))
        peaks.append(few + (n_images - at_once) * (more - few))
    return peaks[0], peaks[1]


def measure(load: Load, device: torch.device) -> tuple[int, int]:
    """Return the same, measured on CUDA."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    stepper_of(load, device).advance()
    training = torch.cuda.max_memory_allocated(device)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    diffusion = build_diffusion(load.generator).to(device, memory_format=torch.channels_last)
    draw(load, diffusion.eval(), device)
    return training, torch.cuda.max_memory_allocated(device)


def profiled_step(load: Load) -> int:
    """Return the peak bytes of a real training step on the CPU, by torch's profiler."""
    stepper = stepper_of(load, CPU)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        stepper.advance()
    events = record.profiler.kineto_results.events()
    changes = [event.nbytes() for event in events if event.name() == "[memory]"]
    return state_bytes(stepper) + int(np.cumsum(changes).max())


def loads() -> Iterator[Load]:
    """Yield every preset for a GPU, in each precision that a card may choose for it."""
    for preset in PRESETS:
        if preset in ("demo", "cpu"):
            continue
        config = RunConfig(data=Path(), preset=preset)
        trainings = [config.training] + [config.base] * (config.strategy != "scratch")
        training = max(trainings, key=lambda loop: loop.batch_size)
        wanted = training.precision
        for precision in ("bf16", "fp32") if wanted == "auto" else (wanted,):
            yield Load(preset, config.generator, training, config.sampling, precision)
        if preset == "tutorial":  # as `Stepper` cuts it where memory is short
            for part in (5, 3, 2):
                cut = training.model_copy(update={"batch_size": part})
                yield Load(
                    "tutorial, cut", config.generator, cut, config.sampling, training.precision
                )


def host_bytes(load: Load, own: int) -> int:
    """Return the estimated host memory: `own` of the process, images, a checkpoint being read."""
    images = MOST_BASE_IMAGES * 3 * math.prod(height_width(load.generator.image_size))
    network = build_diffusion(load.generator).model
    n_averages = len(LENGTHS) if load.training.ema_decay is None else 1
    n_copies = 1 + n_averages + 2  # weights, averages, Adam's two moments
    checkpoint = n_copies * sum(parameter.nbytes for parameter in network.parameters())
    return own + images + checkpoint


def row(load: Load, peaks: tuple[int, int], host: int) -> str:
    """Return a line of the table."""
    training, drawing = (f"{peak / GIB:.1f}" for peak in peaks)
    size = describe_size(load.generator.image_size)
    return (
        f"| `{load.preset}` | {size} | {load.training.batch_size} | "
        f"{load.precision} | {training} | {load.sampling.batch_size} | {drawing} | "
        f"{host / GIB:.1f} |"
    )


def method() -> list[str]:
    """Say how the estimate is made and how far it can be trusted, after testing it."""
    generator, training = GeneratorConfig(image_size=64), TrainingConfig(batch_size=32)
    load = Load("", generator, training, SamplingConfig(batch_size=32), "fp32")
    line, whole, profiled = (peak / 2**20 for peak in (
        estimate(load)[0], trained(load), profiled_step(load)
    ))  # fmt: skip
    return [
        "**Estimated on a CPU.** A whole optimizer step (weights, gradients, "
        "activations, the optimizers' state, the averages) and a network call of sampling are run "
        "on the CPU with few images at once (as many pixels as four of 128 px, and one image "
        "more), what is alive is added up, and a straight line is drawn to the batch of the "
        "preset. Come on top: the driver's context (about 0.5 "
        "GiB), cuDNN's workspaces, what the allocator loses to fragments, and the training images "
        "where they take no more than an eighth of the free memory.",
        "",
        "Once compared with a GPU: U-Net of dim 64 at 64 px, bf16, batches of 128 "
        "(`benchmarks/aid_lt_gpu.py`): 8.2 GiB by this estimate, 8.0 seen on an H200 "
        "(`torch.cuda.max_memory_allocated`) before norms were fused there, 5.2 since then: "
        "where they are, what is told here is an upper limit.",
        "",
        f"Test of the method with a batch of 32 at 64 px in fp32: {line:,.0f} MiB on the line, "
        f"{whole:,.0f} MiB added up, {profiled:,.0f} MiB seen by torch's profiler.",
    ]


def bars(peaks: list[tuple[Load, tuple[int, int]]], path: Path) -> None:
    """Draw the peaks of training and of drawing beside the memory of common cards."""
    figure, (axes,) = chart(width=8)
    names = [f"{load.preset}\n{load.training.batch_size}, {load.precision}" for load, _ in peaks]
    for place, (label, colour) in enumerate((("training", OURS), ("drawing", UPSTREAM))):
        at = np.arange(len(peaks)) + 0.4 * (place - 0.5)
        axes.bar(at, [pair[place] / GIB for _, pair in peaks], 0.4, label=label, color=colour)
    for card in (8, 24, 80):
        axes.axhline(card, color="black", linewidth=0.6, linestyle=":")
    axes.set_xticks(range(len(peaks)), names, fontsize=7)
    axes.set(ylabel="GiB (lines: 8, 24, 80)", yscale="log")
    axes.legend(frameon=False)
    save(figure, path)


def main() -> None:
    """Go through the presets, write the table, draw the bars."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    out, device = parser.parse_args().out, pick_device("auto")
    measured, own = device.type == "cuda", peak_memory(device)["host"]
    how = [f"Measured on {describe_device(device)} (allocated by torch)."] if measured else method()
    lines = [
        "# Memory of the presets", "", *how, "",
        f"torch {torch.__version__}, Python {platform.python_version()} (`benchmarks/memory.py`). "
        "Peaks in GiB. The host's is an estimate: torch itself, the most images that a base is "
        f"trained on ({MOST_BASE_IMAGES:,}), and a checkpoint being read.", "",
        "| Preset | Images | Images at once | Precision | Training | Drawn at once | Drawing "
        "| Host |", "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    found = []
    for load in loads():
        found.append((load, measure(load, device) if measured else estimate(load)))
        lines.append(row(*found[-1], host_bytes(load, own)))
        print(lines[-1], flush=True)
    bars(found, out / "memory.png")
    lines += [
        "", "Cards without bf16 (before Ampere) train in fp32. `tutorial, cut` is the same "
        "training where its batches of 10 do not fit: parts of 5, 3 or 2, whose gradients add up "
        "to the same step.", "", "![Peaks](memory.png)", "",
    ]  # fmt: skip
    write_text(out / "memory.md", "\n".join(lines))


if __name__ == "__main__":
    main()
