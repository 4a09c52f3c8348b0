"""A training over two processes on the CPU: work for a test to strike, also as a script."""

import multiprocessing
import sys
from pathlib import Path

import numpy as np
import torch

from augment.config import GeneratorConfig, TrainingConfig
from augment.train.evaluation import HeldOut
from augment.train.launch import Ask
from augment.train.objective import diffusion_loss
from augment.train.process_group import Ranks
from augment.train.spec import Recipe
from augment.train.training import _train_as_rank, train_generator
from terrabalance.progress import Progress, silent

CPU = torch.device("cpu")
NETWORK = GeneratorConfig(image_size=8, dim=8, dim_mults=(1,), timesteps=4)
# Five images are three for one process and two for the other.
LOOP = TrainingConfig(
    steps=12, batch_size=5, accumulate=2, looks=2, memorizing=9.0, checkpoint_every=4,
    preview_every=6, precision="fp32",
)  # fmt: skip


def recipe(dropout: float = 0.0, **training: object) -> Recipe:
    network = NETWORK.model_copy(update={"dropout": dropout})
    return Recipe("Pond", network, LOOP.model_copy(update=training), seed=1)


def train(folder: Path, made: Recipe, n: int = 2, on_progress: Progress = silent) -> Path:
    """Train a generator over `n` processes, judged by held-out images."""
    rng = np.random.default_rng(0)
    images, unseen = (rng.integers(0, 256, (n, 3, 8, 8), np.uint8) for n in (12, 24))
    held_out = HeldOut(unseen, np.zeros(24, np.int64), lambda x: x.mean((2, 3)) / 255, "colours")
    beside = [CPU] * (n - 1)
    return train_generator(images, made, folder, CPU, on_progress, None, held_out, beside)


def short_of_memory(crew: Ranks, ask: Ask, *arguments: object) -> None:
    """Be a rank, of which the second one has no room for three images and for two either."""
    import augment.train.stepper

    def limited(diffusion: object, images: torch.Tensor, *others: object) -> torch.Tensor:
        if len(images) > 1 and not crew.is_main:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return diffusion_loss(diffusion, images, *others)

    augment.train.stepper.diffusion_loss = limited
    _train_as_rank(crew, ask, *arguments)


def tell(done: int, total: int, message: str = "") -> None:
    """Print who trains."""
    sys.stdout.write(" ".join(str(child.pid) for child in multiprocessing.active_children()))
    sys.stdout.write("\n")
    sys.stdout.flush()


if __name__ == "__main__":
    torch.set_num_threads(1)
    train(Path(sys.argv[1]), recipe(steps=4000, looks=0), on_progress=tell)
