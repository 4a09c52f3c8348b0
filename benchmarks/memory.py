"""How much memory each preset takes: measured on a GPU where there is one, else estimated.

    python benchmarks/memory.py docs/benchmarks/memory.md

The estimate runs the real loop on tensors that have shapes and no contents (FakeTensorMode) while
torch's MemTracker adds up what is alive: a whole optimizer step with its averages, and network
calls of sampling. It first tests itself against a real step on the CPU.
"""

import argparse
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
from denoising_diffusion_pytorch import GaussianDiffusion
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker
from torch.overrides import TorchFunctionMode
from torch.profiler import ProfilerActivity, profile

from augment.generator import GeneratorConfig, build_diffusion
from augment.recipe import Recipe, TrainingConfig
from augment.solvers import SamplingConfig, trajectory
from augment.stepper import Stepper
from flows.config import RunConfig
from flows.presets import PRESETS
from flows.training import MOST_BASE_IMAGES
from terrabalance.device import describe_device, peak_memory, pick_device
from terrabalance.files import write_text

CPU, GIB = torch.device("cpu"), 2**30


@dataclass(frozen=True)
class Load:
    """What decides the memory of a preset."""

    preset: str
    generator: GeneratorConfig
    training: TrainingConfig
    sampling: SamplingConfig
    precision: str


class AsOnCuda(TorchFunctionMode):
    """Autocast of the CPU keeps softmax and norms in bf16; give them CUDA's float32."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run `func`, on floats where CUDA's autocast would."""
        kwargs = kwargs or {}
        if torch.is_autocast_enabled("cpu"):
            if func in (torch.Tensor.softmax, torch.softmax, F.softmax):
                return func(args[0].float(), *args[1:], **kwargs)
            if func is F.normalize:
                norm = torch.linalg.vector_norm(
                    args[0], 2, kwargs["dim"], keepdim=True, dtype=torch.float32
                )
                return args[0] / norm.clamp_min(1e-12).expand_as(args[0])
        return func(*args, **kwargs)


@contextmanager
def pretended() -> Iterator[None]:
    """Tensors without contents, of the dtypes that they have on CUDA."""
    stay = patch.object(nn.Module, "to", lambda module, *_, **__: module)  # fails on fake weights
    with stay, FakeTensorMode(allow_non_fake_inputs=True), AsOnCuda():
        yield


def stepper_of(load: Load, device: torch.device) -> Stepper:
    """Return a training of a few blank images that has taken its first step."""
    side = load.generator.image_size
    blank, labels = np.zeros((4, 3, side, side), np.uint8), np.zeros(4, np.int64)
    loop = load.training.model_copy(update={"compile": "off"})
    recipe = Recipe("memory", load.generator, loop, seed=0)
    stepper = Stepper(blank, labels, recipe, device, load.precision)
    stepper.advance()  # Adam's state comes with it
    return stepper


def state_bytes(stepper: Stepper) -> int:
    """Return the bytes of weights, average and Adam's state."""
    modules = (stepper.network, stepper.average.network)
    tensors = [p for module in modules for p in module.parameters()]
    tensors += [t for state in stepper.optimizer.state.values() for t in state.values()]
    return sum(tensor.nbytes for tensor in tensors)


def tracked(work: Callable[[], Any], *external: Any) -> int:
    """Return the peak bytes of pretended work, with what was there before."""
    tracker = MemTracker()
    tracker.track_external(*external)
    with tracker:
        work()
    return int(tracker.get_tracker_snapshot("peak")[CPU]["Total"])


@torch.no_grad()
def draw(load: Load, diffusion: GaussianDiffusion, device: torch.device) -> None:
    """Make the first network call of drawing a batch; each holds as much as the next."""
    side = load.generator.image_size
    shape = (load.sampling.batch_size, diffusion.channels, side, side)
    every = load.sampling.model_copy(update={"sampler": "ancestral"})
    images = trajectory(diffusion, lambda: torch.randn(shape, device=device), every)
    next(images), next(images)


def estimate(load: Load) -> tuple[int, int]:
    """Return the peak bytes of a training step and of sampling a batch."""
    with pretended():
        # MemTracker follows one forward pass: the last, which finds gradients of those before it.
        once = load.training.model_copy(update={"accumulate": 1})
        stepper = stepper_of(replace(load, training=once), CPU)
        if load.training.accumulate > 1:
            for parameter in stepper.network.parameters():
                parameter.grad = torch.zeros_like(parameter)
        held = (stepper.network, stepper.average.network, stepper.optimizer)
        training = tracked(stepper.advance, *held)
    with pretended():
        diffusion = build_diffusion(load.generator).eval()
        return training, tracked(lambda: draw(load, diffusion, CPU), diffusion)


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


def saved_bytes(config: GeneratorConfig, device: str) -> int:
    """Return what a forward pass in bf16 keeps for the backward pass, on tensors of a device."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage.nbytes()
        return tensor

    side = config.image_size
    torch.set_autocast_enabled(device, True)  # `autocast` refuses cuda where there is none
    torch.set_autocast_dtype(device, torch.bfloat16)
    try:
        with pretended(), torch.device(device):
            network = build_diffusion(config).model
            with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
                predicted = network(torch.empty(2, 3, side, side), torch.empty(2))
            return sum(kept.values()) + predicted.nbytes
    finally:
        torch.set_autocast_enabled(device, False)
        torch.clear_autocast_cache()


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
    images = MOST_BASE_IMAGES * 3 * load.generator.image_size**2
    network = build_diffusion(load.generator).model
    checkpoint = 4 * sum(p.nbytes for p in network.parameters())  # weights, average, two moments
    return own + images + checkpoint


def row(load: Load, peaks: tuple[int, int], host: int) -> str:
    """Return a line of the table."""
    training, drawing = (f"{peak / GIB:.1f}" for peak in peaks)
    return (
        f"| `{load.preset}` | {load.generator.image_size} | {load.training.batch_size} | "
        f"{load.precision} | {training} | {load.sampling.batch_size} | {drawing} | "
        f"{host / GIB:.1f} |"
    )


def method() -> list[str]:
    """Say how the estimate is made and how far it can be trusted, after testing it."""
    small = GeneratorConfig(image_size=64)
    load = Load("", small, TrainingConfig(batch_size=4, accumulate=2), SamplingConfig(), "fp32")
    estimated, profiled = estimate(load)[0], profiled_step(load)
    on_cpu, on_cuda = saved_bytes(small, "cpu"), saved_bytes(small, "cuda")
    return [
        "**Estimated, not measured on a GPU.** A whole optimizer step (weights, gradients, "
        "activations, Adam's state, the average) and a network call of sampling are run on tensors "
        "without contents, and what is alive is added up. Come on top: the driver's context "
        "(about 0.5 GiB), cuDNN's workspaces, what the allocator loses to fragments, and the "
        "training images where they take no more than an eighth of the free memory. "
        "`torch.compile` is not traced.", "",
        f"Test of the method at 64 px in fp32: {estimated / 2**20:,.1f} MiB estimated, "
        f"{profiled / 2**20:,.1f} MiB seen by torch's profiler in a real step on the CPU. In bf16 "
        f"the forward pass keeps {on_cpu / 2**20:,.1f} MiB for the backward pass in the estimate "
        f"and {on_cuda / 2**20:,.1f} MiB by CUDA's own autocast rules.",
    ]  # fmt: skip


def main() -> None:
    """Go through the presets and write the table."""
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
        "| Preset | Side, px | Images at once | Precision | Training | Drawn at once | Drawing "
        "| Host |", "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for load in loads():
        peaks = measure(load, device) if measured else estimate(load)
        lines.append(row(load, peaks, host_bytes(load, own)))
        print(lines[-1], flush=True)
    lines += [
        "", "Cards without bf16 (before Ampere) train in fp32. `tutorial, cut` is the same "
        "training where its batches of 10 do not fit: parts of 5, 3 or 2, whose gradients add up "
        "to the same step.", "",
    ]  # fmt: skip
    write_text(out, "\n".join(lines))


if __name__ == "__main__":
    main()
