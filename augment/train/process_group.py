"""The processes of one training: one alone, or several that share every batch.

Several train as one does (synchronous data parallelism): all hold the same weights, each computes
the gradients of its shard of every batch, and all take the same step by the mean of the gradients.
Hugging Face's accelerate does that by torch's `DistributedDataParallel`.
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
# The others wait for the main rank while it evaluates, previews and saves. Nothing times out when
# one of them has died: `augment.train.launch` watches them.
_TIMEOUT = timedelta(days=7)


class MicroBatchTooLarge(Exception):
    """A rank ran out of memory; all begin anew with at most `micro_batch` images at once."""

    def __init__(self, micro_batch: int) -> None:
        super().__init__(micro_batch)
        self.micro_batch = micro_batch


class ProcessGroup:
    """A group of one process, which takes every step alone.

    Attributes:
        size: processes that train together.
        rank: of this process, from 0.
    """

    size = 1
    rank = 0

    @property
    def is_main(self) -> bool:
        """Whether this process evaluates, previews, writes and reports."""
        return self.rank == 0

    @property
    def stream(self) -> tuple[int, ...]:
        """The part of a random stream's name that differs from rank to rank."""
        return (self.rank,) if self.rank else ()

    def shard(self, batch: Batch) -> Batch:
        """Return this rank's images of a batch; shards differ by one image at most."""
        if self.size == 1:
            return batch
        return Batch(*(torch.tensor_split(field, self.size)[self.rank] for field in batch))

    def wrap(self, network: nn.Module) -> nn.Module:
        """Return the network to call instead, whose gradients become the mean over the ranks.

        All ranks have to call this at the same time; their weights become those of the main rank.
        """
        return network

    def no_sync(self, wrapped: nn.Module) -> AbstractContextManager[None]:
        """Return a context in which gradients add up on this rank, to be averaged after it."""
        return nullcontext()

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean over the ranks, on all of them (all-reduce)."""
        return values

    def broadcast(self, value: T) -> T:
        """Return the main rank's value, on all ranks."""
        return value


class DistributedProcessGroup(ProcessGroup):
    """Several processes of this machine, one for each device; to be made once in each process.

    They communicate by NCCL on GPUs and by gloo, over the loopback interface, on the CPU.

    Args:
        rank: of this process.
        devices: of all ranks, by their names in the process that started them.
        rendezvous: path of a file that does not exist yet, by which the processes find each other.

    Attributes:
        device: of this process, by its name here: no other GPU is visible here.
    """

    def __init__(self, rank: int, devices: Sequence[torch.device], rendezvous: Path) -> None:
        self.size, self.rank = len(devices), rank
        os.environ |= dict.fromkeys(("RANK", "LOCAL_RANK"), str(rank))
        os.environ |= dict.fromkeys(("WORLD_SIZE", "LOCAL_WORLD_SIZE"), str(self.size))
        on_gpu = devices[rank].type == "cuda"
        if on_gpu:
            _see_only(devices)
            torch.cuda.set_device(rank)
        else:
            os.environ.setdefault("GLOO_SOCKET_IFNAME", _loopback())
        store = distributed.FileStore(str(rendezvous), self.size)  # type: ignore[attr-defined]
        distributed.init_process_group(
            "nccl" if on_gpu else "gloo",
            store=store,
            rank=rank,
            world_size=self.size,
            timeout=_TIMEOUT,
        )
        # Of convolutions of one pixel: strides along sides of length 1, which mean nothing.
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
        # Its own mixed precision would be the environment's; ours is `training.precision`.
        views = DistributedDataParallelKwargs(gradient_as_bucket_view=True)
        self._accelerator = Accelerator(
            cpu=not on_gpu, mixed_precision="no", kwargs_handlers=[views]
        )
        self.device = self._accelerator.device if on_gpu else devices[rank]

    def wrap(self, network: nn.Module) -> nn.Module:
        """Wrap the network for data parallelism, and release the one that was wrapped before."""
        self._accelerator.free_memory()
        wrapped: nn.Module = self._accelerator.prepare_model(network)
        return wrapped

    def no_sync(self, wrapped: nn.Module) -> AbstractContextManager[None]:
        """Return a context in which no gradients are exchanged."""
        context: AbstractContextManager[None] = self._accelerator.no_sync(wrapped)
        return context

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean over the ranks, on all of them (all-reduce)."""
        mean: Tensor = self._accelerator.reduce(values, "mean")
        return mean

    def broadcast(self, value: T) -> T:
        """Return the main rank's value, on all ranks."""
        received: T = broadcast_object_list([value])[0]
        return received

    def close(self) -> None:
        """Leave the group; the others may go on alone."""
        self._accelerator.end_training()


def _see_only(devices: Sequence[torch.device]) -> None:
    """Make these GPUs, in this order, the only ones visible here; CUDA must not be in use yet."""
    places, seen = [device.index or 0 for device in devices], os.environ.get("CUDA_VISIBLE_DEVICES")
    names = seen.split(",") if seen else [str(place) for place in range(max(places) + 1)]
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(names[place] for place in places)
    if not check_cuda_p2p_ib_support():  # GeForce RTX 40: accelerate would refuse to go on
        os.environ |= dict.fromkeys(("NCCL_P2P_DISABLE", "NCCL_IB_DISABLE"), "1")


def _loopback() -> str:
    """Return the loopback interface: `lo`, on macOS `lo0`."""
    return next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
