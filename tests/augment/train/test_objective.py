import torch

from augment.network.config import GeneratorConfig
from augment.network.generator import build_diffusion
from augment.train.objective import diffusion_loss

TINY = GeneratorConfig(image_size=16, dim=8, dim_mults=(1, 2), timesteps=20)


def test_loss_equals_upstreams_p_losses():
    for objective in ("pred_v", "pred_noise", "pred_x0"):
        config = TINY.model_copy(update={"objective": objective, "min_snr": True})
        diffusion = build_diffusion(config)
        images, noise = torch.rand(4, 3, 16, 16) * 2 - 1, torch.randn(4, 3, 16, 16)
        times = torch.tensor([0, 3, 11, 19])
        ours = diffusion_loss(diffusion, images, times, noise, "l2")
        torch.testing.assert_close(ours, diffusion.p_losses(images, times, noise=noise))


def test_l1_is_the_mean_absolute_error_of_the_tutorial():
    diffusion = build_diffusion(TINY.model_copy(update={"objective": "pred_noise"}))
    images, noise = torch.zeros(2, 3, 16, 16), torch.randn(2, 3, 16, 16)
    times = torch.tensor([5, 5])
    predicted = diffusion.model(diffusion.q_sample(images, times, noise), times)
    ours = diffusion_loss(diffusion, images, times, noise, "l1")
    torch.testing.assert_close(ours, (predicted - noise).abs().mean())
