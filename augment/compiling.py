"""Compile the network of a training that is long enough to repay it (torch.compile)."""

import torch
from torch import nn

from augment.recipe import Recipe
from terrabalance.images import height_width

# An estimate, as no GPU was at hand: compiling takes about 90 s and saves a fifth of a step, so it
# is repaid after some eight minutes, in which 100 TFLOP/s train the U-Net of dim 64 on this many
# pixels (11 MFLOP each): a million images of 64 px, or 60,000 of 256 px.
_REPAID_AFTER_PIXELS = 4e9


def is_worth_compiling(recipe: Recipe, device: torch.device) -> bool:
    """Say whether the network of a training on `device` is to be compiled.

    On a CPU never of itself: there it took 70 s and then saved 3 % of a step.
    """
    training, (height, width) = recipe.training, height_width(recipe.generator.image_size)
    if training.compile != "auto":
        return training.compile == "on"
    pixels = training.steps * training.batch_size * training.accumulate * height * width
    return device.type == "cuda" and pixels >= _REPAID_AFTER_PIXELS


def compile_network(network: nn.Module, backend: str = "inductor") -> None:
    """Have a network compiled at its next call, in place: the names of its weights stay.

    For one shape of the batch, as that is what a training has; the labels of its classes are an
    input of the compiled graph and not a constant in it. CUDA graphs stay off: they reuse the
    memory of gradients, which `training.accumulate` still adds to.
    """
    torch._dynamo.reset()  # each class is another network, and Dynamo gives up after eight
    network.compile(backend=backend, dynamic=False)


def stop_compiling(network: nn.Module) -> None:
    """Let a network run uncompiled again."""
    network._compiled_call_impl = None
