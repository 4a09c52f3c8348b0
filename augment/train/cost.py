"""Estimate the duration of a plan from a few steps measured on this device."""

import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from augment.config import SamplingConfig, TrainingConfig
from augment.network.config import GeneratorConfig
from augment.network.generator import InBf16, build_diffusion
from augment.sample.batch import draw_batch
from augment.sample.samplers import SAMPLERS
from augment.train.data import TrainingData
from augment.train.ema import LENGTHS
from augment.train.evaluation import CALLS
from augment.train.loop import TrainingLoop
from augment.train.spec import TrainingSpec
from terrabalance.bands import RGB, Bands
from terrabalance.cuda_graphs import Replayed
from terrabalance.device import describe_device, precision_on
from terrabalance.sizes import height_width


def estimate_cost(
    trainings: Sequence[TrainingConfig],
    n_images: int,
    generator: GeneratorConfig,
    sampling: SamplingConfig,
    device: torch.device,
    bands: Bands = RGB,
) -> dict[str, Any]:
    """Measure a training step and a sampling call, and extrapolate to the whole plan.

    Args:
        trainings: settings of every generator to be trained, with the steps of its class.
        n_images: synthetic images in all.
        generator: the network.
        sampling: how the images are drawn.
        device: to measure on.
        bands: of the images.

    Returns:
        `device` in words; `image_s`, `train_s` and `sample_s`: seconds for a synthetic image, for
        all trainings and for all images.
    """
    # Steps of one size are measured once.
    sizes = {(t.batch_size, t.accumulate, t.precision): t for t in trainings}
    step_s = {key: _time_optimizer_step(generator, t, device, bands) for key, t in sizes.items()}
    image_s = evaluated_s = 0.0  # of an image of a class, and of one of an evaluation
    if trainings or n_images:
        precision = precision_on(device, trainings[0].precision if trainings else "auto")
        image_s = evaluated_s = _time_image(generator, sampling, device, bands, precision)
        if device.type == "cuda":
            evaluated_s = _time_image(generator, sampling, device, bands, precision, records=False)
    call_s = evaluated_s / _calls(generator, sampling)
    evaluations = [t.evaluations + len(LENGTHS) for t in trainings if t.evaluations]
    return {
        "device": describe_device(device),
        "image_s": image_s,
        "train_s": sum(call_s * CALLS * n for n in evaluations)
        + sum(step_s[t.batch_size, t.accumulate, t.precision] * t.steps for t in trainings),
        "sample_s": image_s * n_images,
    }


def _time_image(
    generator: GeneratorConfig,
    sampling: SamplingConfig,
    device: torch.device,
    bands: Bands,
    precision: str,
    records: bool = True,
) -> float:
    diffusion = build_diffusion(generator, n_bands=bands.count).eval()
    diffusion = diffusion.to(device, memory_format=torch.channels_last)
    if precision == "bf16":
        diffusion.model = InBf16(diffusion.model)
    if records:
        diffusion.model = Replayed(diffusion.model, device)
    large = max(height_width(generator.image_size)) > 64
    n_images = 1 if large and device.type == "cpu" else sampling.batch_size
    few = sampling.model_copy(update={"sampler": "ddim", "steps": 2})
    times = []
    for _ in range(2):  # the first pass also pays for set-up
        began = time.perf_counter()
        draw_batch(diffusion, list(range(n_images)), few, device)
        times.append(time.perf_counter() - began)
    return float(np.min(times)) / 2 * _calls(generator, sampling) / n_images


def _calls(generator: GeneratorConfig, sampling: SamplingConfig) -> int:
    return SAMPLERS[sampling.sampler].n_calls(sampling.steps, generator.timesteps)


def _time_optimizer_step(
    generator: GeneratorConfig, config: TrainingConfig, device: torch.device, bands: Bands
) -> float:
    """Return the seconds of one optimizer step, measured on noise after a warm-up step.

    Where a step of two images takes over a second, the full batch is extrapolated from it.
    """
    small = config.model_copy(update={"batch_size": min(2, config.batch_size), "accumulate": 1})
    small_s = _time_step(generator, small, device, bands)
    if small_s > 1:
        return small_s * config.batch_size / small.batch_size * config.accumulate
    one = config.model_copy(update={"accumulate": 1})
    return _time_step(generator, one, device, bands) * config.accumulate


def _time_step(
    generator: GeneratorConfig, config: TrainingConfig, device: torch.device, bands: Bands
) -> float:
    shape = (4, bands.count, *height_width(generator.image_size))
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    spec = TrainingSpec("cost", generator, config, seed=0, bands=bands)
    times = []
    with TemporaryDirectory() as empty:  # the current folder might hold checkpoints of others
        loop = TrainingLoop(TrainingData(noise), spec, Path(empty), device)
        for _ in range(3):
            began = time.perf_counter()
            loop.stepper.advance()[0].item()  # waits for the device
            times.append(time.perf_counter() - began)
    return min(times[1:])
