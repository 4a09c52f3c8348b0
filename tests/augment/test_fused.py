import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from augment.fused import fuses, norm_silu

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def test_one_kernel_computes_what_a_dozen_do_forward_and_backward():
    pytest.importorskip("triton")
    program = Path(__file__).with_name("fused_here.py")
    ended = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_a_cpu_keeps_to_pytorchs_kernels():
    assert not fuses(torch.zeros(1, 8, 2, 2))


@pytest.mark.gpu
@on_gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("width", "side"), [(64, 64), (96, 33), (512, 8)])
def test_on_a_gpu_the_kernel_computes_what_pytorch_does(dtype, width, side):
    torch.manual_seed(0)
    features = torch.randn(4, width, side, side, device="cuda", dtype=dtype, requires_grad=True)
    gain, scale, shift = (torch.rand(n, width, 1, 1, device="cuda") for n in (1, 4, 4))
    assert fuses(features)
    wanted = F.normalize(features.float(), dim=1) * gain * width**0.5 * (scale + 1) + shift
    (slope,) = torch.autograd.grad(F.silu(wanted).square().sum(), features)
    found = norm_silu(features, gain, scale, shift)
    (ours,) = torch.autograd.grad(found.float().square().sum(), features)
    near = 1e-5 if dtype == torch.float32 else 2e-2
    torch.testing.assert_close(found.float(), F.silu(wanted), atol=near, rtol=near)
    assert (ours - slope).abs().max() < near * slope.abs().max()
