import subprocess
import sys
from pathlib import Path

import pytest
import torch

from augment.network.fused import fuses, norm_silu
from augment.network.unfused import norm_silu_unfused

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def test_one_kernel_computes_what_a_dozen_do_forward_and_backward():
    pytest.importorskip("triton")
    program = Path(__file__).with_name("fused_here.py")
    ended = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "norms are not fused on cpu, which is slower" in ended.stderr  # one was spoiled


def test_a_cpu_keeps_to_pytorchs_kernels():
    assert not fuses(torch.zeros(1, 8, 2, 2))


@pytest.mark.gpu
@on_gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("width", "side"), [(64, 64), (96, 33), (512, 8)])
def test_on_a_gpu_the_kernel_computes_what_pytorch_does(dtype, width, side):
    torch.manual_seed(0)
    features = torch.randn(4, width, side, side, device="cuda", dtype=dtype)
    shapes = [(1, width, 1, 1), (4, width, 1, 1), (4, width, 1, 1), (width,)]
    inputs = [features, *(torch.randn(shape, device="cuda") for shape in shapes)]
    inputs = [each.requires_grad_() for each in inputs]
    assert fuses(features)
    found = []
    for function in (norm_silu, norm_silu_unfused):
        result = function(inputs[0], *inputs[1:]).float()
        found.append([result, *torch.autograd.grad(result.square().sum(), inputs)])
    near = 1e-4 if dtype == torch.float32 else 3e-2
    for ours, theirs in zip(*found, strict=True):
        assert (ours - theirs).abs().max() < near * theirs.abs().max()
