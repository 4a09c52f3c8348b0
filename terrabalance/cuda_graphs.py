"""Repeat work on a GPU without queueing each of its kernels again (CUDA graphs).

A network of small layers is thousands of kernels, and to queue one takes the host longer than many
of them take the GPU: the GPU waits. Recorded once, all of them are queued by one call.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn

log = logging.getLogger(__name__)


@dataclass
class _Record:
    graph: torch.cuda.CUDAGraph
    inputs: list[Tensor]
    result: Tensor


class Replay:
    """A function of tensors whose work is recorded for each shape of its arguments.

    The first call of a shape runs as ever, so that libraries choose their kernels; the second is
    recorded, and that and all later ones are replayed. What the function reads beside its arguments
    has to stay where it is in memory, as weights do, and so has what it changes: gradients are
    added to those that are there. It must not wait for the device. Random numbers are drawn anew
    from torch's generator of the device. Gradients and inference mode are to be on or off as they
    were when a shape first came. Where recording fails, everything runs as ever; before torch 2.13,
    which does not clean up after that, there may be an error of its own instead.

    Args:
        work: takes tensors on `device`, and returns one.
        device: on others than CUDA nothing is recorded.

    Attributes:
        is_on: whether work is recorded at all.
        waits: whether that is put off, as long as this is set.
    """

    def __init__(self, work: Callable[..., Tensor], device: torch.device) -> None:
        self._work, self._device = work, device
        self._records: dict[tuple[object, ...], _Record | None] = {}
        self.is_on, self.waits = device.type == "cuda", False

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Do the work."""
        shape = tuple((each.shape, each.dtype) for each in inputs)
        record = self._records.get(shape)
        if record is None and shape in self._records and self.is_on and not self.waits:
            record = self._records[shape] = self._record(inputs)
        if record is None:
            self._records[shape] = None
            return self._work(*inputs)
        for place, given in zip(record.inputs, inputs, strict=True):
            place.copy_(given)
        record.graph.replay()
        return record.result.clone()

    @property
    def is_new(self) -> bool:
        """Whether it has done nothing yet, or has forgotten it."""
        return not self._records

    def forget(self) -> None:
        """Give back the memory that recorded work holds between its calls; it is recorded anew."""
        self._records.clear()

    def _record(self, inputs: tuple[Tensor, ...]) -> _Record | None:
        places, graph = [each.clone() for each in inputs], torch.cuda.CUDAGraph()
        # One pool of memory for all shapes: what is in it between two calls is not needed again.
        pool = next((each.graph.pool() for each in self._records.values() if each), None)
        try:
            with (
                torch.cuda.stream(torch.cuda.current_stream(self._device)),  # restored if it fails
                # Threads of other work on the same GPU may allocate memory meanwhile.
                torch.cuda.graph(graph, pool, _stream(self._device), "thread_local"),
            ):
                result = self._work(*places)
        except RuntimeError as error:
            self.is_on = False
            self.forget()
            log.warning("going on without CUDA graphs (%s)", str(error).strip().splitlines()[0])
            return None
        return _Record(graph, places, result.detach())


@cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    """Return the stream to record on: torch's own is on the GPU that was the first to record."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


class Replayed(nn.Module):
    """A network for drawing, whose calls are replayed.

    Args:
        network: of (B, C, H, W) images and (B,) timesteps.
        device: that it is on.
    """

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        super().__init__()
        self.network = network
        self._call = Replay(network, device)

    def forward(self, images: Tensor, times: Tensor, _: None = None) -> Tensor:
        """Predict, shaped as the images."""
        try:
            return self._call(images, times)
        except torch.OutOfMemoryError:
            pass  # and on outside: the error holds what the failed call has computed
        self._call.forget()  # records of other shapes hold memory
        return self._call(images, times)
