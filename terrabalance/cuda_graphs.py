"""Repeat work on a GPU without queueing each of its kernels again (CUDA graphs).

A network of small layers is thousands of kernels. To queue one takes the host longer than many of
them take the GPU, so the GPU waits. Recorded once, all of them are queued by one call.
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
    """A function of tensors that is recorded for each shape of its arguments, and then replayed.

    The first call of a shape runs unrecorded, so that libraries choose their kernels. The second
    is recorded, and that and all later ones are replayed. Other tensors that the function reads, as
    weights, have to stay where they are in memory. So have those that it changes, as gradients. It
    must not wait for the device. Random numbers are drawn anew from torch's generator of the
    device. Gradients and inference mode have to be on or off as in the first call of a shape. Where
    recording fails, all calls run unrecorded; torch before 2.13 does not clean up after a failed
    recording and may raise an error of its own.

    Args:
        work: takes tensors on `device`, and returns one.
        device: nothing is recorded on devices other than CUDA.

    Attributes:
        is_on: whether calls are recorded.
    """

    def __init__(self, work: Callable[..., Tensor], device: torch.device) -> None:
        self._work, self._device = work, device
        self._records: dict[tuple[object, ...], _Record | None] = {}
        self.is_on = device.type == "cuda"

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Call the function, or replay it."""
        shape = tuple((each.shape, each.dtype) for each in inputs)
        record = self._records.get(shape)
        if record is None and shape in self._records and self._may_record():
            record = self._records[shape] = self._record(inputs)
        if record is None:
            self._records[shape] = None
            return self._work(*inputs)
        for place, given in zip(record.inputs, inputs, strict=True):
            place.copy_(given)
        record.graph.replay()
        return record.result.clone()

    def forget(self) -> None:
        """Free the memory that recordings hold between calls; shapes are recorded anew."""
        self._records.clear()

    def _may_record(self) -> bool:
        return self.is_on

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


class RecordedGradients(Replay):
    """A function that adds the gradients of some images to those of an optimizer step.

    Args:
        work: takes tensors on `device`, adds gradients, and returns a loss.
        device: nothing is recorded on devices other than CUDA.
    """

    def __init__(self, work: Callable[..., Tensor], device: torch.device) -> None:
        super().__init__(work, device)
        self._in_first_step = False

    def begin_step(self) -> None:
        """Begin an optimizer step. The first step runs unrecorded from its start to its end.

        What the optimizer allocates at the end of the first step could not have the memory that a
        recording holds.
        """
        self._in_first_step = not self._records

    def clear(self, zero_grad: Callable[[bool], None]) -> None:
        """Clear the gradients; recorded work adds to them, so their memory has to stay."""
        zero_grad(not self.is_on)  # whether to set them to None

    def restart(self) -> None:
        """Forget all recordings, and record again even if that failed before."""
        self.forget()
        self.is_on = self._device.type == "cuda"

    def _may_record(self) -> bool:
        return self.is_on and not self._in_first_step


@cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    """Return the stream to record on: torch's own stays on the first GPU that recorded."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


class Replayed(nn.Module):
    """A network for sampling, whose calls are recorded and replayed.

    Args:
        network: of (B, C, H, W) images and (B,) timesteps.
        device: of the network.
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
            pass  # retried outside: the error holds the tensors of the failed call
        self._call.forget()  # recordings of other shapes hold memory
        return self._call(images, times)
