import pytest
import torch

from classifier.images.schedule import augment, batch_indices, learning_rate_at
from terrabalance.seeds import generator_for

from ..conftest import tiny_config


def test_every_epoch_shows_every_image_once():
    batches = torch.cat([batch_indices(step, 10, 4, seed=0) for step in range(5)])
    assert sorted(batches[:10].tolist()) == sorted(batches[10:].tolist()) == list(range(10))
    assert batches[:10].tolist() != batches[10:].tolist()


def test_a_batch_may_be_larger_than_the_dataset():
    assert sorted(batch_indices(0, 3, 6, seed=1).tolist()) == [0, 0, 1, 1, 2, 2]


def test_the_rate_warms_up_to_its_peak_and_falls_to_nothing():
    config = tiny_config(steps=100, learning_rate=0.1)
    rates = [learning_rate_at(step, config) for step in range(100)]
    assert rates[0] == pytest.approx(0.02) and max(rates) == rates[4] == pytest.approx(0.1)
    assert rates[5:] == sorted(rates[5:], reverse=True) and rates[-1] < 1e-3


def test_augmentation_is_a_function_of_its_generator_and_keeps_the_range():
    images = torch.rand(6, 3, 16, 16)
    first = augment(images, generator_for("a"), symmetries=True)
    assert torch.equal(first, augment(images, generator_for("a"), symmetries=True))
    assert not torch.equal(first, augment(images, generator_for("b"), symmetries=True))
    assert first.shape == images.shape and images.min() <= first.min() <= first.max() <= 1


def test_crops_alone_keep_the_orientation():
    ramp = torch.linspace(0, 1, 16).expand(5, 3, 16, 16).contiguous()
    out = augment(ramp, generator_for("c"), symmetries=False)
    assert (out.diff(dim=-1) > 0).all() and out.diff(dim=-2).abs().max() < 1e-5
