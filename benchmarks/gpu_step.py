"""What recording steps (CUDA graphs) and fusing norms (Triton) are worth on a GPU.

    python benchmarks/gpu_step.py

Steps of the U-Net of dim 64 at 64 px in bf16, batches of 128, and images drawn by it with guidance,
on random images. The first steps, in which cuDNN tries its kernels, are not counted. That neither
changes what is learned: tests marked `gpu`.

On an H200, torch 2.11, by a forerunner of this script on the images of AID-LT; images a second and
ms of a step (of which the host was busy):

    as PyTorch does it        1,117   114.6 (114.6)    1
    recorded                  1,994    64.2  (56.8)    1.8 times
    fused                     1,488    86.0  (86.0)    1.3
    recorded and fused        3,603    35.5  (33.2)    3.2

Batches of 256: 4,128. Memory of a step, before and after: 8.0 and 5.2 GiB. 88 images by 32 calls of
the network: 0.64 s, recorded 0.31 s. Weights after eight steps were the same bit by bit, recorded
or not.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from training_speed import pictures, take

import augment.network.layers
from augment.config import SamplingConfig, TrainingConfig
from augment.network.conditioning import Guided
from augment.network.config import GeneratorConfig
from augment.network.fused import fuses
from augment.network.generator import InBf16, build_diffusion
from augment.sample.batch import draw_batch
from augment.train.data import TrainingData
from augment.train.loop import TrainingLoop
from augment.train.spec import TrainingSpec
from terrabalance.cuda_graphs import Replayed
from terrabalance.device import describe_device, peak_memory, pick_device

CLASSES = ("one", "two")
WARM_UP, DRAWN, SAMPLING = 6, 88, SamplingConfig(steps=16)


def training_of(config: GeneratorConfig, batch: int, folder: Path) -> TrainingLoop:
    """Return a training on a GPU that has taken no step."""
    images = pictures(config.image_size)
    spec = TrainingSpec("", config, TrainingConfig(batch_size=batch), seed=0, classes=CLASSES)
    data = TrainingData(images, np.arange(len(images)) % len(CLASSES))
    return TrainingLoop(data, spec, folder, pick_device("cuda"))


def step(training: TrainingLoop, n: int) -> tuple[float, float]:
    """Return the seconds of a step, and those in which the host was busy with it."""
    take(training, WARM_UP)
    began = time.perf_counter()
    losses = [training.stepper.advance()[0] for _ in range(n)]
    queued = time.perf_counter()
    torch.stack(losses).tolist()  # waits for the device
    return (time.perf_counter() - began) / n, (queued - began) / n


def drawing(config: GeneratorConfig, wrap: Callable[[torch.nn.Module], torch.nn.Module]) -> float:
    """Return the seconds of drawing DRAWN images."""
    device = pick_device("cuda")
    diffusion = build_diffusion(config, len(CLASSES)).to(device, memory_format=torch.channels_last)
    diffusion.model = wrap(InBf16(Guided(diffusion.model, 0, 1.5)).to(device))
    diffusion.eval().requires_grad_(False)
    for _ in range(2):
        began = time.perf_counter()
        draw_batch(diffusion, range(DRAWN), SAMPLING, device)  # the images come back to the host
        seconds = time.perf_counter() - began
    return seconds


def main() -> None:
    """Measure all four, and both ways of drawing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=30)
    given = parser.parse_args()
    config, device = GeneratorConfig(image_size=64, dropout=0.1), pick_device("cuda")
    print(describe_device(device), torch.__version__)
    for name, records, fuse in (
        ("as PyTorch does it", False, False), ("recorded", True, False),
        ("fused", False, True), ("recorded and fused", True, True),
    ):  # fmt: skip
        augment.network.layers.fuses = fuses if fuse else lambda _: False
        torch.cuda.reset_peak_memory_stats(device)
        with tempfile.TemporaryDirectory() as folder:
            training = training_of(config, given.batch, Path(folder))
            training.stepper.gradients.is_on = records
            all_s, host_s = step(training, given.steps)
        print(
            f"{name:22} {given.batch / all_s:6.0f} images/s, {1000 * all_s:.1f} ms a step "
            f"({1000 * host_s:.1f} the host), {peak_memory(device)['cuda'] / 2**30:.1f} GiB",
            flush=True,
        )
        del training
    for name, wrap in (("as it is", lambda network: network),
                       ("recorded", lambda network: Replayed(network, device))):  # fmt: skip
        print(f"drawing, {name}: {drawing(config, wrap):.2f} s", flush=True)


if __name__ == "__main__":
    main()
