"""Who takes the steps of a training: one process alone, or several that each take a part.

Several train as one does (synchronous data parallelism): all hold the same weights, each computes
the gradient of its part of every batch, the mean of the gradients is everybody's, and so all take
the same step. Hugging Face's accelerate and torch's `DistributedDataParallel` below it do that.
"""

import os
import socket
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import (
    DistributedDataParallelKwargs,
    broadcast_object_list,
    check_cuda_p2p_ib_support,
)
from torch import Tensor, distributed, nn

from augment.train.batches import Batch

T = TypeVar("T")
# The others wait for the main rank while it judges, draws and saves. Whether one of them has died
# is not asked by waiting: `augment.train.launch` watches them.
_PATIENCE = timedelta(days=7)


class TooMany(Exception):
    """A rank ran out of memory; all are to begin anew with at most `at_once` images at a time."""

    def __init__(self, at_once: int) -> None:
        super().__init__(at_once)
        self.at_once = at_once


class Crew:
    """One process, which takes every step alone.

    Attributes:
        n: processes that train together.
        place: of this one among them, from 0.
    """

    n = 1
    place = 0

    @property
    def is_main(self) -> bool:
        """Whether this process judges, draws, writes and reports."""
        return self.place == 0

    @property
    def stream(self) -> tuple[int, ...]:
        """What to add to the name of a random stream that is to differ from rank to rank."""
        return (self.place,) if self.place else ()

    def part_of(self, batch: Batch) -> Batch:
        """Return the images of a batch that are this process's; parts differ by one at most."""
        if self.n == 1:
            return batch
        return Batch(*(torch.tensor_split(field, self.n)[self.place] for field in batch))

    def share(self, network: nn.Module) -> nn.Module:
        """Return what to call in a network's place, so that its gradients become the mean of all.

        All ranks have to call this at once; their weights become those of the main one.
        """
        return network

    def holding_back(self, shared: nn.Module) -> AbstractContextManager[None]:
        """Within, gradients add up here, and become the mean with the next ones outside."""
        return nullcontext()

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean over the ranks, to all of them."""
        return values

    def told(self, value: T) -> T:
        """Return what the main rank gives, to all of them."""
        return value


class Ranks(Crew):
    """This process among several of this machine, one a device; to be made once in a process.

    Talks by NCCL on GPUs and by gloo, over the loopback interface, on the CPU.

    Args:
        place: of this process.
        devices: of all of them, as the process that started them calls them.
        meeting: file, not there yet, by which they find each other.

    Attributes:
        device: what this one trains on, as it is called here: no other GPU is seen from here.
    """

    def __init__(self, place: int, devices: Sequence[torch.device], meeting: Path) -> None:
        self.n, self.place = len(devices), place
        os.environ |= dict.fromkeys(("RANK", "LOCAL_RANK"), str(place))
        os.environ |= dict.fromkeys(("WORLD_SIZE", "LOCAL_WORLD_SIZE"), str(self.n))
        on_gpu = devices[place].type == "cuda"
        if on_gpu:
            _see_only(devices)
            torch.cuda.set_device(place)
        else:
            os.environ.setdefault("GLOO_SOCKET_IFNAME", _loopback())
        store = distributed.FileStore(str(meeting), self.n)  # type: ignore[attr-defined]
        distributed.init_process_group(
            "nccl" if on_gpu else "gloo",
            store=store,
            rank=place,
            world_size=self.n,
            timeout=_PATIENCE,
        )
        # Of convolutions of one pixel: strides along sides of length 1, which mean nothing.
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
        # Its own mixed precision would be the environment's; ours is `training.precision`.
        views = DistributedDataParallelKwargs(gradient_as_bucket_view=True)
        self._accelerator = Accelerator(
            cpu=not on_gpu, mixed_precision="no", kwargs_handlers=[views]
        )
        self.device = self._accelerator.device if on_gpu else devices[place]

    def share(self, network: nn.Module) -> nn.Module:
        """Wrap the network for data parallelism; one that was wrapped before is let go."""
        self._accelerator.free_memory()
        shared: nn.Module = self._accelerator.prepare_model(network)
        return shared

    def holding_back(self, shared: nn.Module) -> AbstractContextManager[None]:
        """Do not talk to the others within."""
        held: AbstractContextManager[None] = self._accelerator.no_sync(shared)
        return held

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean over the ranks, to all of them."""
        mean: Tensor = self._accelerator.reduce(values, "mean")
        return mean

    def told(self, value: T) -> T:
        """Return what the main rank gives, to all of them."""
        told: T = broadcast_object_list([value])[0]
        return told

    def leave(self) -> None:
        """End the talk; the others may go on alone."""
        self._accelerator.end_training()


def _see_only(devices: Sequence[torch.device]) -> None:
    """Make these GPUs, in this order, all that CUDA shows this process, which has not used it."""
    places, seen = [device.index or 0 for device in devices], os.environ.get("CUDA_VISIBLE_DEVICES")
    names = seen.split(",") if seen else [str(place) for place in range(max(places) + 1)]
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(names[place] for place in places)
    if not check_cuda_p2p_ib_support():  # GeForce RTX 40: accelerate would refuse to go on
        os.environ |= dict.fromkeys(("NCCL_P2P_DISABLE", "NCCL_IB_DISABLE"), "1")


def _loopback() -> str:
    """Return the interface that nobody outside this machine reaches: `lo`, on macOS `lo0`."""
    return next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
