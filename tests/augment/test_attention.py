import torch
from denoising_diffusion_pytorch import Unet
from denoising_diffusion_pytorch.denoising_diffusion_pytorch import Attention

from augment.attention import FusedAttend, fuse_attention


def test_fused_attention_computes_what_upstreams_does_with_the_same_weights():
    torch.manual_seed(0)
    upstream, ours = Unet(dim=8, dim_mults=(1, 2)), Unet(dim=8, dim_mults=(1, 2))
    fuse_attention(ours)
    ours.load_state_dict(upstream.state_dict())  # strict: the names are the same
    images, times = torch.randn(2, 3, 16, 8), torch.tensor([3, 900])
    outputs = [network(images, times) for network in (upstream, ours)]
    torch.testing.assert_close(*outputs, atol=1e-5, rtol=1e-5)
    for output in outputs:
        output.square().mean().backward()
    for left, right in zip(upstream.parameters(), ours.parameters(), strict=True):
        torch.testing.assert_close(left.grad, right.grad, atol=1e-5, rtol=1e-4)


def test_every_full_attention_is_fused():
    unet = Unet(dim=8, dim_mults=(1, 2))
    fuse_attention(unet)
    full = [module for module in unet.modules() if isinstance(module, Attention)]
    assert len(full) == 3 and all(isinstance(module.attend, FusedAttend) for module in full)
