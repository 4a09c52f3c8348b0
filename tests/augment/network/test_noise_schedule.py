import math
from contextlib import nullcontext

import pytest
import torch
from denoising_diffusion_pytorch.denoising_diffusion_pytorch import (
    cosine_beta_schedule,
    linear_beta_schedule,
    sigmoid_beta_schedule,
)
from pydantic import ValidationError

from augment.network.config import GeneratorConfig
from augment.network.generator import build_diffusion

SMALL = GeneratorConfig(image_size=16, dim=8, dim_mults=(1, 2))
UPSTREAM = {
    "sigmoid": sigmoid_beta_schedule,
    "cosine": cosine_beta_schedule,
    "linear": linear_beta_schedule,
}


def diffusion_of(**settings: object):
    return build_diffusion(SMALL.model_copy(update=settings))


@pytest.mark.parametrize("schedule", UPSTREAM)
@pytest.mark.parametrize("base_size", [4, 64])
def test_log_snr_is_shifted_by_twice_the_log_of_base_over_side(schedule, base_size):
    unshifted = torch.logit((1 - UPSTREAM[schedule](1000)).cumprod(0))
    shifted = diffusion_of(beta_schedule=schedule, noise_schedule_base_size=base_size)
    signal, noise = shifted.sqrt_alphas_cumprod, shifted.sqrt_one_minus_alphas_cumprod
    log_snr = 2 * (signal.double() / noise.double()).log()
    wanted = unshifted + 2 * math.log(base_size / 16)
    torch.testing.assert_close(log_snr, wanted, atol=2e-4, rtol=0)


@pytest.mark.parametrize("objective", ["pred_v", "pred_noise", "pred_x0"])
@pytest.mark.parametrize("min_snr", [True, False])
def test_what_follows_from_the_schedule_is_derived_as_upstream_does(objective, min_snr):
    settings = {"objective": objective, "min_snr": min_snr}
    upstream = dict(diffusion_of(**settings).named_buffers())
    ours = dict(
        diffusion_of(**settings, noise_schedule_base_size=16).named_buffers()
    )  # shifted by 0
    for name, values in upstream.items():
        torch.testing.assert_close(ours[name], values, atol=1e-6, rtol=2e-4)
        assert ours[name].dtype == values.dtype


def test_loss_weights_follow_the_shift():
    shifted = diffusion_of(noise_schedule_base_size=4, min_snr=True)
    snr = shifted.alphas_cumprod / (1 - shifted.alphas_cumprod)
    torch.testing.assert_close(shifted.loss_weight, snr.clamp(max=5) / (snr + 1))


@pytest.mark.parametrize("timesteps", [2, 19, 20, 21, 1000])
@pytest.mark.parametrize("schedule", UPSTREAM)
def test_a_schedule_that_leaves_no_signal_is_refused(schedule, timesteps):
    leaves_some = bool((UPSTREAM[schedule](timesteps) < 1).all())
    assert leaves_some == (schedule != "linear" or timesteps > 20)
    with nullcontext() if leaves_some else pytest.raises(ValidationError, match="timesteps to 21"):
        GeneratorConfig(beta_schedule=schedule, timesteps=timesteps)
