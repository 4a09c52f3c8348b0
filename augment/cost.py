"""Estimate what a plan will cost from a few steps measured on the device at hand."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from augment.generator import GeneratorConfig, build_diffusion
from augment.plan import ClassJob
from augment.recipe import Recipe, TrainingConfig
from augment.sampling import SamplingConfig, draw_batch
from augment.training import Training
from terrabalance.device import describe_device


def estimate_cost(
    jobs: list[ClassJob],
    generator: GeneratorConfig,
    training: TrainingConfig,
    sampling: SamplingConfig,
    device: torch.device,
) -> dict[str, Any]:
    """Measure a training step and a sampling call, and extrapolate to the whole plan.

    Returns:
        Seconds for one optimizer step, for one synthetic image, and in all for `jobs`.
    """
    step_s = _time_optimizer_step(generator, training, device)
    image_s = _time_image(generator, sampling, device)
    filled = [job for job in jobs if job.n_needed]
    return {
        "device": describe_device(device),
        "step_s": step_s,
        "image_s": image_s,
        "train_s": step_s * training.steps * len(filled),
        "sample_s": image_s * sum(job.n_needed for job in filled),
    }


def _time_image(
    generator: GeneratorConfig, sampling: SamplingConfig, device: torch.device
) -> float:
    diffusion = build_diffusion(generator).to(device, memory_format=torch.channels_last).eval()
    n_calls = generator.timesteps if sampling.sampler == "ancestral" else sampling.steps
    n_images = 1 if generator.image_size > 64 and device.type == "cpu" else sampling.batch_size
    few = sampling.model_copy(update={"sampler": "ddim", "steps": 2})
    times = []
    for _ in range(2):  # the first pass also pays for set-up
        began = time.perf_counter()
        draw_batch(diffusion, list(range(n_images)), few, device)
        times.append(time.perf_counter() - began)
    return float(np.min(times)) / 2 * n_calls / n_images


def _time_optimizer_step(
    generator: GeneratorConfig, config: TrainingConfig, device: torch.device
) -> float:
    """Return the seconds of one optimizer step, measured on noise after a warm-up step.

    Where a step of two images takes over a second, the full batch is extrapolated from it.
    """
    small = config.model_copy(update={"batch_size": min(2, config.batch_size), "accumulate": 1})
    small_s = _time_step(generator, small, device)
    if small_s > 1:
        return small_s * config.batch_size / small.batch_size * config.accumulate
    one = config.model_copy(update={"accumulate": 1})
    return _time_step(generator, one, device) * config.accumulate


def _time_step(generator: GeneratorConfig, config: TrainingConfig, device: torch.device) -> float:
    side = generator.image_size
    noise = np.random.default_rng(0).integers(0, 256, (4, 3, side, side), np.uint8)
    training = Training(noise, Recipe("cost", generator, config, seed=0), Path(), device)
    times = []
    for _ in range(3):
        began = time.perf_counter()
        training.train_step()[0].item()  # waits for the device
        times.append(time.perf_counter() - began)
    return min(times[1:])
