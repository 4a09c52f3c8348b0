import numpy as np
import pytest
import torch
from torch.multiprocessing.reductions import StorageWeakRef

from augment.config import SamplingConfig
from augment.network.generator import build_diffusion
from augment.sample.batch import draw_batch
from augment.sample.samplers import SAMPLERS, trajectory
from terrabalance.seeds import generator_of, seed_torch
from terrabalance.symmetry import apply_symmetry

from .pond_requests import DDIM, TINY


def as_uint8(unit: torch.Tensor) -> np.ndarray:
    return (unit * 255).round().to(torch.uint8).numpy()


def test_ddim_equals_upstream_from_the_same_noise(diffusion, cpu):
    ours, _ = draw_batch(diffusion, [7], DDIM, cpu)
    noise = torch.randn((3, 16, 16), generator=generator_of(7))
    reference = build_diffusion(TINY)
    reference.load_state_dict(diffusion.state_dict())
    reference.sampling_timesteps = 5
    seed_torch(7)  # upstream draws its noise from the global state: the same numbers
    torch.testing.assert_close(torch.randn(1, 3, 16, 16)[0], noise)
    seed_torch(7)
    theirs = as_uint8(reference.eval().ddim_sample((1, 3, 16, 16)))
    assert np.abs(ours.astype(int) - theirs).max() <= 1  # rounding of a float on the edge


def test_ancestral_equals_upstream_from_the_same_noise(diffusion, cpu):
    ours, _ = draw_batch(diffusion, [7], SamplingConfig(sampler="ancestral"), cpu)
    seed_torch(7)
    theirs = as_uint8(diffusion.p_sample_loop((1, 3, 16, 16)).clamp(0, 1))
    assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_an_image_is_the_same_however_the_batches_fall(diffusion, cpu):
    seeds = list(range(8))
    for config in (DDIM, DDIM.model_copy(update={"eta": 1.0}), SamplingConfig(sampler="ancestral")):
        together, _ = draw_batch(diffusion, seeds, config, cpu)
        apart = [draw_batch(diffusion, part, config, cpu)[0] for part in (seeds[:3], seeds[3:])]
        difference = np.abs(together.astype(int) - np.concatenate(apart).astype(int))
        assert difference.max() <= 1


def test_seeds_that_agree_in_their_low_bits_draw_other_images(diffusion, cpu):
    drawn, _ = draw_batch(diffusion, [7, 7 + 2**32, 7 + 2**62], DDIM, cpu)
    again, _ = draw_batch(diffusion, [7 + 2**62], DDIM, cpu)
    apart = [np.abs(drawn[i].astype(int) - drawn[j]).mean() for i, j in ((0, 1), (0, 2), (1, 2))]
    assert min(apart) > 5 and np.abs(drawn[2].astype(int) - again[0]).max() <= 1


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_strip_costs_no_more_memory_than_its_frames(diffusion, cpu, monkeypatch, sampler):
    batches: list[StorageWeakRef] = []

    def watched(*arguments):
        for images in trajectory(*arguments):
            batches.append(StorageWeakRef(images.untyped_storage()))
            yield images
            assert sum(not batch.expired() for batch in batches) <= 4

    monkeypatch.setattr("augment.sample.batch.trajectory", watched)
    config = SamplingConfig(sampler=sampler, steps=12)
    _, strip = draw_batch(diffusion, [1, 2], config, cpu, frames=3)
    assert len(batches) == (21 if sampler == "ancestral" else 13) and len(strip) == 3


def test_strip_goes_from_noise_to_the_first_image(diffusion, cpu):
    images, strip = draw_batch(diffusion, [1, 2], DDIM, cpu, frames=4)
    assert strip.shape == (4, 3, 16, 16)
    assert np.array_equal(strip[-1], images[0])


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_variation_stays_the_nearer_to_its_real_image_the_weaker_it_is(diffusion, cpu, sampler):
    reals = np.random.default_rng(1).integers(0, 256, (5, 3, 16, 16), np.uint8)
    ways = np.concatenate(
        [apply_symmetry(torch.from_numpy(reals), which).numpy() for which in range(8)]
    ).astype(int)

    def distances(strength: float) -> np.ndarray:
        config = SamplingConfig(sampler=sampler, steps=20, strength=strength)
        drawn, _ = draw_batch(diffusion, range(12), config, cpu, starts=reals)
        return np.abs(drawn[:, None].astype(int) - ways).mean((2, 3, 4)).min(1)

    assert distances(0.05).max() < 30 < 45 < distances(0.9).mean()


def test_a_square_of_a_real_image_is_kept_and_the_rest_is_drawn(diffusion, cpu):
    reals = np.random.default_rng(1).integers(0, 256, (1, 3, 16, 16), np.uint8)
    ways = [apply_symmetry(torch.from_numpy(reals[0]), k).numpy().astype(int) for k in range(8)]
    config = SamplingConfig(steps=20, keep=0.75)
    drawn, _ = draw_batch(diffusion, range(6), config, cpu, starts=reals)
    again, _ = draw_batch(diffusion, range(6), config, cpu, starts=reals)
    assert (drawn == again).all()
    for image in drawn.astype(int):
        same = min(ways, key=lambda way: np.abs(image - way).mean())
        equal = (np.abs(image - same).max(0) <= 2).mean()
        assert 0.2 < equal < 0.65  # of 0.56 with its borders
