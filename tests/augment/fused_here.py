"""Run Triton's kernels in its interpreter, which needs no GPU but a process of its own."""

import os

os.environ["TRITON_INTERPRET"] = "1"  # before Triton compiles anything

import torch
import torch.nn.functional as F

from augment.fused import norm_silu


def written_out(features, gain, scale, shift, activates):
    """Compute the same with PyTorch's own operators."""
    result = F.normalize(features, dim=1) * gain * features.shape[1] ** 0.5
    if scale is not None:
        result = result * (scale + 1) + shift
    return F.silu(result) if activates else result


def results(function, inputs, activates, weights):
    """Return the output and the gradients of all inputs."""
    for each in inputs:
        each.grad = None
    padded = [*inputs, None, None][:4]
    output = function(*padded, activates)
    (output * weights).sum().backward()
    return [output.detach(), *(each.grad for each in inputs)]


def main():
    """Compare, with and without modulation and activation."""
    torch.manual_seed(0)
    for width, high, wide in ((8, 5, 7), (24, 4, 4), (64, 33, 2)):
        for modulates in (False, True):
            for activates in (False, True):
                features = torch.randn(3, width, high, wide)
                features[0, :, 1, 1] = 0  # without any signal
                inputs = [features, torch.rand(1, width, 1, 1) + 0.5]
                if modulates:
                    inputs += list(torch.randn(2, 3, width, 1, 1))
                inputs = [each.requires_grad_() for each in inputs]
                weights = torch.randn(3, width, high, wide)
                ours = results(norm_silu, inputs, activates, weights)
                theirs = results(written_out, inputs, activates, weights)
                for left, right in zip(ours, theirs, strict=True):
                    # The gradient of the pixel without signal is beyond all measure.
                    seen = right.abs() < 1e6
                    assert left[~seen].numel() <= width
                    torch.testing.assert_close(left[seen], right[seen], atol=2e-5, rtol=1e-4)


if __name__ == "__main__":
    main()
