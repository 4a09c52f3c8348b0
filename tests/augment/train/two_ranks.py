"""A training over two processes on the CPU: work for a test to strike, also as a script."""

import multiprocessing
import sys
from pathlib import Path

import numpy as np
import torch

from augment.catalogue.hashes import Sketches
from augment.config import TrainingConfig
from augment.network.config import GeneratorConfig
from augment.network.unlabelled import UnlabelledRecord
from augment.train.data import HeldOut, TrainingData, Unlabelled
from augment.train.launch import CallParent
from augment.train.objective import diffusion_loss
from augment.train.process_group import DistributedProcessGroup
from augment.train.spec import TrainingSpec
from augment.train.training import _train_as_rank, train_generator
from terrabalance.progress import Progress, silent

CPU = torch.device("cpu")
NETWORK = GeneratorConfig(image_size=8, dim=8, dim_mults=(1,), timesteps=4)
# Five images are three for one process and two for the other.
LOOP = TrainingConfig(
    steps=12, batch_size=5, accumulate=2, evaluations=2, memorizing=9.0, checkpoint_every=4,
    preview_every=6, precision="fp32",
)  # fmt: skip
OF_MORE = UnlabelledRecord(
    folder="more", source=None, licence=None, n_listed=4, n_learned=4, n_labelled=8,
    near_held_out=None, left_out={},
)  # fmt: skip


def spec(dropout: float = 0.0, **training: object) -> TrainingSpec:
    network = NETWORK.model_copy(update={"dropout": dropout})
    return TrainingSpec("Pond", network, LOOP.model_copy(update=training), seed=1)


def train(folder: Path, made: TrainingSpec, n: int = 2, on_progress: Progress = silent) -> Path:
    """Train a generator over `n` processes, also on images without labels, evaluated on others."""
    rng = np.random.default_rng(0)
    images, unseen = (rng.integers(0, 256, (n, 3, 8, 8), np.uint8) for n in (12, 24))
    held_out = HeldOut(unseen, np.zeros(24, np.int64), lambda x: x.mean((2, 3)) / 255, "colours")
    unlabelled = Unlabelled(4, Sketches.room_for(4), OF_MORE)
    data = TrainingData(images, held_out=held_out, unlabelled=unlabelled)
    return train_generator(data, made, folder, [CPU] * n, on_progress)


def short_of_memory(
    group: DistributedProcessGroup, call_parent: CallParent, *arguments: object
) -> None:
    """Be a rank, of which the second one has no room for three images and for two either."""
    import augment.train.stepper

    def limited(diffusion: object, images: torch.Tensor, *others: object) -> torch.Tensor:
        if len(images) > 1 and not group.is_main:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return diffusion_loss(diffusion, images, *others)

    augment.train.stepper.diffusion_loss = limited
    _train_as_rank(group, call_parent, *arguments)


def tell(done: int, total: int, message: str = "") -> None:
    """Print who trains."""
    sys.stdout.write(" ".join(str(child.pid) for child in multiprocessing.active_children()))
    sys.stdout.write("\n")
    sys.stdout.flush()


if __name__ == "__main__":
    torch.set_num_threads(1)
    train(Path(sys.argv[1]), spec(steps=4000, evaluations=0), on_progress=tell)
