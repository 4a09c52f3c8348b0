import torch

from classifier.images.augmentation import augment
from terrabalance.seeds import generator_for


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
