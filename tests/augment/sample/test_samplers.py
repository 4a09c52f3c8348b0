from typing import get_args

import pytest
import torch
from torch import Tensor

from augment.config import KEEPING_SAMPLERS, UNHURRIED_SAMPLERS, SamplerName, SamplingConfig
from augment.network.config import GeneratorConfig
from augment.network.generator import build_diffusion
from augment.network.noise_schedule import signal_of
from augment.sample.samplers import SAMPLERS, even_snr_times, trajectory

from .oracles import Oracle

MEAN, SPREAD = 0.2, 0.15


class GaussianOracle(Oracle):
    """For images of which every pixel is N(MEAN, SPREAD^2)."""

    def clean(self, images: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        gain = alpha * SPREAD**2 / (alpha**2 * SPREAD**2 + sigma**2)
        return MEAN + gain * (images - alpha * MEAN)


NOISE_SCHEDULES = {
    "usual": {},
    "noisier": {"noise_schedule_base_size": 4, "beta_schedule": "cosine"},
    "cleaner": {"noise_schedule_base_size": 32},
}


@pytest.fixture(params=NOISE_SCHEDULES)
def oracle(request):
    config = GeneratorConfig(
        image_size=8, dim=8, dim_mults=(1, 2), **NOISE_SCHEDULES[request.param]
    )
    diffusion = build_diffusion(config)
    diffusion.model = GaussianOracle(diffusion.alphas_cumprod)
    return diffusion.eval()


def draw(diffusion, start: Tensor, **config: object) -> Tensor:
    noises = torch.Generator().manual_seed(1)
    first = iter([start])

    def noise() -> Tensor:
        given = next(first, None)
        return torch.randn(start.shape, generator=noises) if given is None else given

    with torch.inference_mode():
        *_, images = trajectory(diffusion, noise, SamplingConfig(**config))
    return images


def error(diffusion, **config: object) -> float:
    """Root mean squared distance to the exact solution of the probability-flow ODE.

    It ends at the cleanest timestep, from where the network's clean image is the last step.
    """
    start = torch.randn((64, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    signal = diffusion.alphas_cumprod[[0, -1]]
    cleanest, scale = (signal * SPREAD**2 + 1 - signal).sqrt()
    last = signal[0].sqrt() * SPREAD / cleanest
    exact = MEAN + last * SPREAD * (start - signal[1].sqrt() * MEAN) / scale
    return float((draw(diffusion, start, **config) - exact).square().mean().sqrt())


@pytest.mark.parametrize("sampler", ["unipc", "dpm++"])
def test_multistep_solvers_reach_the_exact_solution_in_few_calls(oracle, sampler):
    assert error(oracle, sampler=sampler, steps=20) < 0.02 * SPREAD
    assert error(oracle, sampler=sampler, steps=10) < error(oracle, sampler="ddim", steps=20)
    assert error(oracle, sampler=sampler, steps=40) < 0.02 * SPREAD


@pytest.mark.parametrize("sampler", ["unipc", "dpm++"])
def test_multistep_solvers_step_as_those_of_diffusers(oracle, sampler):
    schedulers = pytest.importorskip("diffusers.schedulers")
    settings = {
        "num_train_timesteps": oracle.num_timesteps,
        "trained_betas": oracle.betas.numpy(),
        "prediction_type": "sample",
    }
    times = even_snr_times(oracle, 8)
    if sampler == "dpm++":
        scheduler = schedulers.DPMSolverMultistepScheduler(**settings)
        scheduler.set_timesteps(timesteps=times)
    else:  # it takes no timesteps of one's own, so they are put into it
        scheduler = schedulers.UniPCMultistepScheduler(**settings)
        scheduler.set_timesteps(8)
        scheduler.timesteps = torch.tensor(times)
        noise_to_signal = (torch.logit(signal_of(oracle))[times] / -2).exp().float()
        scheduler.sigmas = torch.cat([noise_to_signal, torch.zeros(1)])
    start = torch.randn((2, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    images = start
    for time in times:
        clean = oracle.model_predictions(images, torch.full((2,), time), clip_x_start=True)
        images = scheduler.step(clean.pred_x_start, time, images, return_dict=False)[0]
    torch.testing.assert_close(
        draw(oracle, start, sampler=sampler, steps=8), images, atol=1e-4, rtol=1e-4
    )


def test_timesteps_next_to_the_clean_image_can_be_told_apart():
    config = GeneratorConfig(image_size=8, dim=8, dim_mults=(1, 2), noise_schedule_base_size=4096)
    diffusion = build_diffusion(config.model_copy(update={"beta_schedule": "cosine"}))
    assert diffusion.alphas_cumprod[0] == 1  # in float32
    diffusion.model = GaussianOracle(diffusion.alphas_cumprod - 1e-7)
    times = even_snr_times(diffusion, 20)
    assert times == sorted(set(times), reverse=True) and len(times) == 20
    start = torch.randn((2, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    assert draw(diffusion.eval(), start, sampler="unipc").isfinite().all()


def test_every_solver_draws_the_distribution_that_the_model_predicts(oracle):
    start = torch.randn((64, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    for config in (
        {"sampler": "unipc"},
        {"sampler": "dpm++"},
        {"sampler": "ddim", "steps": 400},
        {"sampler": "ddim", "steps": 400, "eta": 1.0},
        {"sampler": "ancestral"},
    ):
        images = draw(oracle, start, **config)
        assert float(images.mean()) == pytest.approx(MEAN, abs=0.01), config
        assert float(images.std()) == pytest.approx(SPREAD, rel=0.05), config


@pytest.mark.parametrize("sampler", ["unipc", "dpm++", "ddim"])
def test_a_sampler_calls_the_network_as_often_as_the_settings_say(oracle, sampler):
    calls = []
    oracle.model.register_forward_hook(lambda *_: calls.append(1))
    draw(oracle, torch.zeros(1, 3, 8, 8), sampler=sampler, steps=7)
    assert len(calls) == 7


@pytest.mark.parametrize("schedule", ["sigmoid", "cosine", "linear"])
@pytest.mark.parametrize("steps", [1, 2, 20, 49, 50])
def test_timesteps_fall_from_the_last_and_are_as_many_as_asked(schedule, steps):
    config = GeneratorConfig(image_size=8, dim=8, dim_mults=(1, 2), timesteps=50)
    diffusion = build_diffusion(config.model_copy(update={"beta_schedule": schedule}))
    times = even_snr_times(diffusion, steps)
    assert times[0] == 49 and len(times) == steps and times[-1] >= 0
    assert times == sorted(set(times), reverse=True)


def test_the_settings_allow_the_samplers_of_the_registry():
    assert get_args(SamplerName) == tuple(SAMPLERS)
    assert tuple(name for name, row in SAMPLERS.items() if row.keeps) == KEEPING_SAMPLERS
    every = tuple(name for name, row in SAMPLERS.items() if row.every_timestep)
    assert every == UNHURRIED_SAMPLERS
