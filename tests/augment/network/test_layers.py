import copy

import pytest
import torch
from denoising_diffusion_pytorch import Unet
from denoising_diffusion_pytorch.denoising_diffusion_pytorch import RMSNorm

from augment.network.layers import (
    LeanAttention,
    LeanBlock,
    LeanLinearAttention,
    LeanNorm,
    use_lean_layers,
)

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def upstream_and_lean() -> tuple[Unet, Unet]:
    torch.manual_seed(0)
    upstream = Unet(dim=8, dim_mults=(1, 2))
    with torch.no_grad():
        for module in upstream.modules():
            if isinstance(module, RMSNorm):
                module.g.add_(torch.randn_like(module.g) / 4)  # ones would hide a wrong axis
    ours = copy.deepcopy(upstream)
    use_lean_layers(ours)
    return upstream, ours


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", [(16, 8), (64, 72)])  # attention by plain products, by the kernel
def test_lean_layers_compute_what_upstreams_do(layout, size):
    networks = upstream_and_lean()
    images, times = torch.randn(2, 3, *size), torch.tensor([3, 900])
    outputs = [net.to(memory_format=layout)(images, times) for net in networks]
    torch.testing.assert_close(*outputs, atol=1e-5, rtol=1e-5)
    for output in outputs:
        output.square().mean().backward()
    for left, right in zip(*(net.parameters() for net in networks), strict=True):
        torch.testing.assert_close(left.grad, right.grad, atol=1e-5, rtol=1e-4)


def test_weights_keep_their_names():
    upstream, ours = upstream_and_lean()
    assert list(upstream.state_dict()) == list(ours.state_dict())


def test_pixels_without_any_signal_are_no_division_by_zero():
    _, ours = upstream_and_lean()
    norm = next(module for module in ours.modules() if isinstance(module, LeanNorm))
    assert torch.equal(norm(torch.zeros(1, len(norm.g[0]), 2, 2)), norm.g * torch.zeros(1, 1, 2, 2))


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, on_gpu])])
def test_activations_stay_in_bf16_and_in_their_layout(device):
    _, ours = upstream_and_lean()
    found = []

    def look(_: object, __: object, output: torch.Tensor) -> None:
        found.append((output.dtype, output.is_contiguous(memory_format=torch.channels_last)))

    for module in ours.modules():
        if isinstance(module, LeanNorm | LeanBlock | LeanLinearAttention | LeanAttention):
            module.register_forward_hook(look)
    ours.to(device, memory_format=torch.channels_last)
    images = torch.randn(2, 3, 16, 8).to(device, memory_format=torch.channels_last)
    with torch.autocast(device, torch.bfloat16):
        ours(images, torch.tensor([3, 900], device=device))
    assert len(found) > 20 and set(found) == {(torch.bfloat16, True)}


def test_bf16_is_as_near_to_float32_as_upstreams_bf16():
    torch.manual_seed(1)
    images, times = torch.randn(4, 3, 32, 32), torch.tensor([3, 300, 600, 900])
    errors = []
    for network in upstream_and_lean():
        exact = network(images, times)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = network(images, times).float()
        errors.append(((rounded - exact).square().mean() / exact.var()).sqrt().item())
    assert errors[1] < 1.5 * errors[0] < 0.05, errors
