"""Images that start from a mean colour, by a network whose exact solution is known."""

import numpy as np
import pytest
from torch import Tensor

from augment.config import SamplingConfig
from augment.network.config import GeneratorConfig
from augment.network.generator import build_diffusion
from augment.sample.batch import draw_batch
from augment.sample.class_sampler import ClassSampler
from augment.sample.request import RealImages
from augment.sample.samplers import SAMPLERS, colour_time
from terrabalance.bands import RGB

from .oracles import Oracle
from .pond_requests import ponds

SIDE, SPREAD = 8, 0.3


class FlatOracle(Oracle):
    """For images of one grey each, N(0, SPREAD^2); it is not told which greys a class has."""

    def clean(self, images: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        seen = images.mean((1, 2, 3), keepdim=True)
        gain = alpha * SPREAD**2 / (alpha**2 * SPREAD**2 + sigma**2 / images[0].numel())
        return (gain * seen).expand_as(images)


@pytest.fixture
def diffusion():
    found = build_diffusion(GeneratorConfig(image_size=SIDE, dim=8, dim_mults=(1, 2)))
    found.model = FlatOracle(found.alphas_cumprod)
    return found.eval()


def greys(images: np.ndarray) -> np.ndarray:
    return images.mean((1, 2, 3)) / 127.5 - 1


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_images_get_the_greys_that_follow_from_their_start(diffusion, cpu, sampler):
    config = SamplingConfig(sampler=sampler, steps=50)
    given = np.full((1, 3), 0.4, np.float32)
    from_grey, _ = draw_batch(diffusion, range(200), config, cpu, colours=given)
    from_noise, _ = draw_batch(diffusion, range(200), config, cpu)
    # Gaussian conditioning: how much the mean of all values tells of the grey at that timestep.
    signal = float(diffusion.alphas_cumprod[colour_time(diffusion)])
    told = signal * 3 * SIDE**2 / (1 - signal) * SPREAD**2
    spread = SPREAD / (told + 1) ** 0.5
    expected = 0.4 * (told / (told + 1)) ** (1 if sampler == "ancestral" else 0.5)
    spread *= (2 * told + 1) ** 0.5 / (told + 1) ** 0.5 if sampler == "ancestral" else 1
    assert greys(from_grey).mean() == pytest.approx(expected, abs=0.03)
    assert greys(from_grey).std() == pytest.approx(spread, rel=0.2)
    assert abs(greys(from_noise).mean()) < 0.07
    assert greys(from_noise).std() == pytest.approx(SPREAD, rel=0.2)


def test_at_the_colour_timestep_a_grey_stands_out_and_a_step_later_it_does_not(diffusion):
    time = colour_time(diffusion)
    noise_of_mean = (diffusion.sqrt_one_minus_alphas_cumprod / diffusion.sqrt_alphas_cumprod) / SIDE
    assert float(noise_of_mean[time]) <= 0.2 < float(noise_of_mean[time + 1])


def test_an_image_does_not_depend_on_the_others_of_its_batch(diffusion, cpu):
    colours = np.random.default_rng(0).uniform(-1, 1, (5, 3)).astype(np.float32)
    config = SamplingConfig(steps=5)
    together, _ = draw_batch(diffusion, range(6), config, cpu, colours=colours)
    alone, _ = draw_batch(diffusion, [4], config, cpu, colours=colours)
    assert np.abs(together[4].astype(int) - alone[0]).max() <= 1


def test_a_class_is_drawn_in_its_own_colours(diffusion, tmp_path):
    reals = np.full((4, 3, SIDE, SIDE), 40, np.uint8)  # dark, where the network knows all greys
    far = {}
    for colours in ("class", "noise"):
        config = SamplingConfig(steps=10, colours=colours, match_spectrum=False)
        request = ponds(tmp_path, 32, tmp_path / colours, config)
        images = ClassSampler(diffusion, request, RGB, RealImages(lambda: reals)).images(range(32))
        far[colours] = np.abs(images.mean((1, 2, 3)) - 40).mean()
    assert far["class"] < 0.6 * far["noise"]


def test_images_that_were_drawn_before_are_found_again_under_their_setting():
    assert "colours" not in SamplingConfig(colours="noise").key()
    assert SamplingConfig().key()["colours"] == "class"
