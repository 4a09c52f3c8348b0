"""Training throughput against upstream's `Trainer`: same network, same batch, same images.

    python benchmarks/training_speed.py docs/benchmarks/training_speed.md

The two alternate in one process, so that both see the same machine; the median of several rounds
is told, as images a second and as a ratio. Upstream runs as its `Trainer` does by default (fp32);
ours in the precision that it chooses by itself. Set-up and the first steps are not counted.
"""

import argparse
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from denoising_diffusion_pytorch import Trainer

from augment.generator import GeneratorConfig, build_diffusion
from augment.loop import Training
from augment.recipe import Recipe, TrainingConfig
from terrabalance.device import describe_device, pick_device
from terrabalance.files import write_text
from terrabalance.images import write_png

BATCH, N_IMAGES, WARM_UP, ROUNDS = 16, 128, 3, 5


def pictures(side_px: int) -> np.ndarray:
    """Return (N, 3, S, S) uint8 noise: throughput does not depend on what is in the images."""
    return np.random.default_rng(0).integers(0, 256, (N_IMAGES, 3, side_px, side_px), np.uint8)


def ours(config: GeneratorConfig, images: np.ndarray, folder: Path) -> Callable[[int], None]:
    """Return a function that takes some steps of our loop and waits for the device."""
    recipe = Recipe("speed", config, TrainingConfig(batch_size=BATCH), seed=0)
    training = Training(images, recipe, folder, pick_device("auto"))

    def steps(n: int) -> None:
        losses = [training.stepper.advance()[0] for _ in range(n)]
        torch.stack(losses).tolist()

    return steps


def upstreams(config: GeneratorConfig, images: np.ndarray, folder: Path) -> Callable[[int], None]:
    """Return a function that takes some steps of upstream's loop."""
    for index, image in enumerate(images):
        write_png(folder / "images" / f"{index}.png", image)
    trainer = Trainer(
        build_diffusion(config), str(folder / "images"), train_batch_size=BATCH,
        gradient_accumulate_every=1, train_num_steps=0, calculate_fid=False,
        save_and_sample_every=10**9, results_folder=str(folder / "results"),
    )  # fmt: skip

    def steps(n: int) -> None:
        trainer.train_num_steps += n
        trainer.train()

    return steps


def rates(config: GeneratorConfig, steps: int) -> tuple[float, float]:
    """Return images a second of ours and of upstream's, the medians of alternating rounds."""
    images, measured = pictures(config.image_size), []
    with tempfile.TemporaryDirectory() as folder:
        loops = [make(config, images, Path(folder)) for make in (ours, upstreams)]
        for loop in loops:
            loop(WARM_UP)
        for _ in range(ROUNDS):
            for loop in loops:
                began = time.perf_counter()
                loop(steps)
                measured.append(BATCH * steps / (time.perf_counter() - began))
    return float(np.median(measured[::2])), float(np.median(measured[1::2]))


def main() -> None:
    """Measure every size and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--sides", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--steps", type=int, default=10, help="a round")
    given = parser.parse_args()
    device = describe_device(pick_device("auto"))
    lines = [
        "# Training throughput", "",
        f"U-Net of dim 32 (1, 2, 4), batches of {BATCH}, on {device}; "
        f"torch {torch.__version__}, Python {platform.python_version()}. Images a second, median "
        f"of {ROUNDS} alternating rounds of {given.steps} steps (`benchmarks/training_speed.py`).",
        "", "| Side, px | upstream's `Trainer` | terrabalance | ratio |", "|---|---|---|---|",
    ]  # fmt: skip
    for side in given.sides:
        config = GeneratorConfig(image_size=side, dim=32, dim_mults=(1, 2, 4))
        mine, theirs = rates(config, given.steps)
        lines.append(f"| {side} | {theirs:.1f} | {mine:.1f} | {mine / theirs:.2f} |")
        print(lines[-1], flush=True)
    write_text(given.out, "\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
