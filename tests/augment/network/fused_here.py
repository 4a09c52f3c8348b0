"""Run Triton's kernels in its interpreter, which needs no GPU but a process of its own."""

import itertools
import os

os.environ["TRITON_INTERPRET"] = "1"  # before Triton compiles anything

import torch

from augment.network import fused
from augment.network.fused import norm_silu
from augment.network.unfused import norm_silu_unfused


def results(function, inputs, activates, weights):
    """Return the output and the gradients of all inputs that are given."""
    given = [each for each in inputs if each is not None]
    output = function(*inputs, activates=activates)
    return [output.detach(), *torch.autograd.grad((output * weights).sum(), given)]


def main():
    """Compare, with and without modulation, bias and activation."""
    torch.manual_seed(0)
    sizes = ((8, 5, 7), (24, 4, 4), (64, 33, 2))
    for size, modulates, shifts, activates in itertools.product(sizes, *[(False, True)] * 3):
        width = size[0]
        features, bias = torch.randn(3, *size), torch.randn(width)
        features[0, :, 1, 1] = -bias if shifts else 0  # without any signal
        modulation = torch.randn(2, 3, width, 1, 1) if modulates else (None, None)
        inputs = [features, torch.rand(1, width, 1, 1) + 0.5, *modulation, bias if shifts else None]
        inputs = [None if each is None else each.clone().requires_grad_() for each in inputs]
        weights = torch.randn(3, *size)
        weights[0, :, 1, 1] = 0  # the gradient of that pixel is beyond all measure
        ours = results(norm_silu, inputs, activates, weights)
        theirs = results(norm_silu_unfused, inputs, activates, weights)
        torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)
    works = fused._works_on.__wrapped__
    assert works("cpu")
    fused.norm_silu_unfused = lambda *given, **how: (
        1.01 * norm_silu_unfused(*given, **how)
    )  # a fault
    assert not works("cpu")


if __name__ == "__main__":
    main()
