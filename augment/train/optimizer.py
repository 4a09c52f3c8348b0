"""Optimizers of a training: Muon for the kernels of convolutions and Adam for the rest, or Adam.

Muon (https://kellerjordan.github.io/posts/muon/) replaces the averaged gradient of a matrix by the
nearest matrix with orthogonal rows or columns, so that no direction is learned slower than the
others because its gradients are small. Its updates are as large as Adam's usually are (section 2.2
of arXiv:2502.16982), so learning rates mean the same for both.
"""

from collections.abc import Iterable
from typing import Any, cast

import torch
from denoising_diffusion_pytorch import Unet
from torch import Tensor, nn

from augment.config import OptimizerName

_ADAM_BETAS = (0.9, 0.99)  # as upstream's Trainer
_MOMENTUM = 0.95
_ADAM_SIZE = 0.2  # root mean square of Adam's updates, in learning rates
_N_ITERATIONS = 5
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic iteration, as the author of Muon tuned
_FEWEST = 16  # rows and columns: of a smaller matrix Adam learns as well


class Muon(torch.optim.Optimizer):
    """Momentum with orthogonal updates.

    A kernel (O, I, H, W) counts as a matrix of O rows. Those of the same shape are updated
    together.

    Args:
        weights: kernels of convolutions, or matrices.
        lr: learning rate, in root mean square of the updates over 0.2.
        dtype: in which updates are made orthogonal; they are rough in any, so bf16 suffices.
    """

    def __init__(self, weights: Iterable[Tensor], lr: float, dtype: torch.dtype) -> None:
        super().__init__(weights, {"lr": lr})
        self._dtype = dtype
        self._alike: dict[torch.Size, list[Tensor]] = {}
        for weight in self.param_groups[0]["params"]:
            self._alike.setdefault(weight.flatten(1).shape, []).append(weight)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update all weights by their gradients."""
        rate = self.param_groups[0]["lr"]
        for shape, weights in self._alike.items():
            gradients = [cast(Tensor, weight.grad) for weight in weights]
            averages = [self._average_of(weight) for weight in weights]
            torch._foreach_lerp_(averages, gradients, 1 - _MOMENTUM)
            ahead = torch._foreach_lerp(gradients, averages, _MOMENTUM)  # Nesterov's
            matrices = torch.stack([each.flatten(1) for each in ahead])
            updates = orthogonal(matrices.to(self._dtype)).to(weights[0].dtype)
            size = rate * _ADAM_SIZE * max(shape) ** 0.5
            for weight, update in zip(weights, updates, strict=True):
                weight.sub_(update.view_as(weight), alpha=size)

    def _average_of(self, weight: Tensor) -> Tensor:
        state = self.state[weight]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        average: Tensor = state["momentum_buffer"]
        return average


class Optimizers:
    """Several optimizers, each of its own weights, that step as one.

    Attributes:
        members: the optimizers.
    """

    def __init__(self, *members: torch.optim.Optimizer) -> None:
        self.members = members

    def set_learning_rate(self, rate: float) -> None:
        """Set the learning rate of all weights."""
        for member in self.members:
            for group in member.param_groups:
                group["lr"] = rate

    def step(self) -> None:
        """Update all weights by their gradients."""
        for member in self.members:
            member.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear all gradients."""
        for member in self.members:
            member.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {type(member).__name__: member.state_dict() for member in self.members}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go on from what a checkpoint kept."""
        for member in self.members:
            # Where Adam was the only one, earlier versions kept its state alone.
            member.load_state_dict(saved.get(type(member).__name__, saved))


def optimizers_of(unet: Unet, name: OptimizerName, rate: float, bf16: bool) -> Optimizers:
    """Return the optimizers of a U-Net.

    Muon gets the kernels of hidden convolutions. The first and the last convolution, embeddings,
    biases, norms and learned keys are Adam's, as Muon's author recommends; so are the few linear
    layers, of the timestep, which learned no faster with Muon (docs/benchmarks/patches.md).

    Args:
        unet: on its device.
        name: `adam` for all weights, or `muon` as above.
        rate: learning rate.
        bf16: whether the device is fast in bf16.
    """
    kernels = _hidden_kernels(unet) if name == "muon" else []
    theirs = {id(weight) for weight in kernels}
    others = [weight for weight in unet.parameters() if id(weight) not in theirs]
    # Fused is one kernel for each step, not for each tensor.
    adam = torch.optim.Adam(others, lr=rate, betas=_ADAM_BETAS, fused=True)
    if not kernels:
        return Optimizers(adam)
    return Optimizers(Muon(kernels, rate, torch.bfloat16 if bf16 else torch.float32), adam)


def orthogonal(matrices: Tensor) -> Tensor:
    """Return about the nearest matrices with orthogonal rows or columns, whichever are fewer.

    Their singular values are about 0.7 to 1.2, by Newton and Schulz's iteration.

    Args:
        matrices: (N, rows, columns), in the dtype to compute in.
    """
    if matrices.shape[-2] > matrices.shape[-1]:
        return orthogonal(matrices.mT).mT
    a, b, c = _COEFFICIENTS
    found = matrices / matrices.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    for _ in range(_N_ITERATIONS):
        gram = found @ found.mT
        gain = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        found = torch.baddbmm(found, gain, found, beta=a)
    return found


def _hidden_kernels(unet: Unet) -> list[Tensor]:
    ends = {*unet.init_conv.modules(), *unet.final_conv.modules()}
    hidden = [
        module for module in unet.modules() if isinstance(module, nn.Conv2d) and module not in ends
    ]
    return [module.weight for module in hidden if min(module.weight.flatten(1).shape) >= _FEWEST]
