"""Repeat work on a GPU without queueing each of its kernels again (CUDA graphs).

A network of small layers is thousands of kernels, and to queue one takes the host longer than many
of them take the GPU: the GPU waits. Recorded once, all of them are queued by one call.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

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
    from torch's generator of the device. Where recording fails, everything runs as ever.

    Args:
        work: takes tensors on `device`, and returns one.
        device: on others than CUDA nothing is recorded.
    """

    def __init__(self, work: Callable[..., Tensor], device: torch.device) -> None:
        self._work, self._device = work, device
        self._records: dict[tuple[object, ...], _Record | None] = {}
        self.is_on = device.type == "cuda"

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Do the work."""
        shape = tuple((each.shape, each.dtype) for each in inputs)
        record = self._records.get(shape)
        if record is None and self.is_on and shape in self._records:
            record = self._records[shape] = self._record(inputs)
        if record is None:
            self._records[shape] = None
            return self._work(*inputs)
        for place, given in zip(record.inputs, inputs, strict=True):
            place.copy_(given)
        record.graph.replay()
        return record.result.clone()

    def forget(self) -> None:
        """Give back the memory that recorded work holds between its calls; it is recorded anew."""
        self._records.clear()

    def _record(self, inputs: tuple[Tensor, ...]) -> _Record | None:
        places, graph = [each.clone() for each in inputs], torch.cuda.CUDAGraph()
        try:
            # Threads of other work on the same GPU may allocate memory meanwhile.
            with (
                torch.cuda.device(self._device),
                torch.cuda.graph(graph, capture_error_mode="thread_local"),
            ):
                result = self._work(*places)
        except RuntimeError as error:
            self.is_on = False
            self.forget()
            log.warning("going on without CUDA graphs (%s)", str(error).strip().splitlines()[0])
            return None
        return _Record(graph, places, result.detach())


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
        return self._call(images, times)
