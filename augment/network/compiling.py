"""Compile the network of a training (torch.compile)."""

import torch
from torch import nn


def compile_network(network: nn.Module, backend: str = "inductor") -> None:
    """Have a network compiled at its next call, in place: the names of its weights stay.

    For one shape of the batch, as that is what a training has; the labels of its classes are an
    input of the compiled graph and not a constant in it. CUDA graphs stay off: they reuse the
    memory of gradients, which `training.accumulate` still adds to.
    """
    torch._dynamo.reset()  # each class is another network, and Dynamo gives up after eight
    options = _options() if backend == "inductor" else None
    network.compile(backend=backend, dynamic=False, options=options)


def _options() -> dict[str, bool]:
    """Return what Inductor is told, of what this torch knows.

    From torch 2.10 on it may fuse the sums over rows and over columns of a norm's backward pass on
    a GPU, and then gives the gradient of the norm's scale the wrong shape (pytorch#178080; seen
    with 2.11 at 64 px).
    """
    fused = "triton.mix_order_reduction"
    return {fused: False} if fused in torch._inductor.list_options() else {}


def stop_compiling(network: nn.Module) -> None:
    """Let a network run uncompiled again."""
    network._compiled_call_impl = None
