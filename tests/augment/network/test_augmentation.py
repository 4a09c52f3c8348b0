import numpy as np
import pytest
import torch

from augment.config import SamplingConfig, TrainingConfig
from augment.network.augmentation import N_CHANGES, random_augmentation
from augment.network.conditioning import set_augmentation, set_labels
from augment.network.config import GeneratorConfig
from augment.network.generator import build_diffusion, load_generator
from augment.sample.batch import draw_batch
from augment.train.data import TrainingData
from augment.train.spec import TrainingSpec
from augment.train.training import train_generator

DOWN, RIGHT, ZOOM, BRIGHTNESS, CONTRAST = range(N_CHANGES)
TINY = GeneratorConfig(image_size=8, dim=8, dim_mults=(1, 2), timesteps=50)


def augmented(images: torch.Tensor, probability: float = 1.0, seed: int = 0):
    return random_augmentation(images, torch.Generator().manual_seed(seed), probability)


def test_without_augmentation_images_stay_to_the_bit_and_the_network_is_conditioned_on_none():
    images = torch.rand(4, 3, 8, 8)
    same, changes = augmented(images, probability=0.0)
    assert torch.equal(same, images) and torch.equal(changes, torch.zeros(4, N_CHANGES))


@pytest.mark.parametrize("shape", [(6, 1, 16, 16), (6, 3, 40, 56), (6, 13, 24, 16)])
def test_any_number_of_bands_and_any_shape_is_augmented(shape):
    images, changes = augmented(torch.rand(shape) * 2 - 1)
    assert images.shape == shape and images.dtype == torch.float32
    assert changes.shape == (6, N_CHANGES) and bool((changes.abs() <= 2.5).all())


def test_each_change_befalls_the_wanted_share_of_the_images():
    _, changes = augmented(torch.zeros(4000, 1, 64, 64), probability=0.25)
    shares = (changes != 0).float().mean(0)
    # Shifts of less than half a pixel, a tenth of them here, round to none.
    assert torch.allclose(shares[2:], torch.tensor(0.25), atol=0.03)
    assert torch.allclose(shares[:2], torch.tensor(0.225), atol=0.03)


def test_the_changes_returned_are_those_of_the_images():
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    spot = torch.exp(-((x - 24) ** 2 + (y - 40) ** 2) / 18).expand(64, 1, 64, 64)
    images, changes = augmented(spot)
    images = images - images.amin((1, 2, 3), keepdim=True)  # brightness
    mass = images.sum((1, 2, 3))
    scale = 2 ** (0.1 * changes[:, ZOOM])
    down, right = 4 * changes[:, DOWN], 4 * changes[:, RIGHT]  # 64 px / 16
    torch.testing.assert_close(
        (images * y).sum((1, 2, 3)) / mass, 31.5 + scale * 8.5 + down, atol=0.1, rtol=0
    )
    torch.testing.assert_close(
        (images * x).sum((1, 2, 3)) / mass, 31.5 - scale * 7.5 + right, atol=0.1, rtol=0
    )
    torch.testing.assert_close(
        images.amax((1, 2, 3)), 2 ** (0.25 * changes[:, CONTRAST]), atol=0.1, rtol=0
    )


def test_no_border_that_was_not_there_comes_in():
    white = torch.ones(64, 3, 16, 16)
    images, changes = augmented(white)
    flat = 2 ** (0.25 * changes[:, CONTRAST]) + 0.1 * changes[:, BRIGHTNESS]
    torch.testing.assert_close(images, flat.view(-1, 1, 1, 1).expand_as(images))


def test_a_shift_alone_moves_whole_pixels_without_blur():
    images = torch.rand(500, 1, 32, 32)
    moved, changes = augmented(images, probability=0.3)
    only = (changes[:, [ZOOM, BRIGHTNESS, CONTRAST]] == 0).all(1) & (changes[:, DOWN] > 0)
    assert only.sum() > 10
    for image, after, change in zip(images[only], moved[only], changes[only], strict=True):
        down, right = (change[[DOWN, RIGHT]] * 2).round().int().tolist()
        wanted = torch.roll(image, (down, right), dims=(1, 2))[:, 5:-5, 5:-5]
        torch.testing.assert_close(after[:, 5:-5, 5:-5], wanted, atol=1e-4, rtol=0)


def test_the_network_is_conditioned_on_augmentation_in_training_only():
    unet = build_diffusion(TINY, n_classes=2).model
    images, times = torch.zeros(1, 3, 8, 8), torch.tensor([5])
    set_labels(unet, torch.tensor([1]))
    quiet = unet(images, times)
    set_augmentation(unet, torch.ones(1, N_CHANGES))
    conditioned = unet(images, times)
    drawing = unet.eval()(images, times)
    assert not torch.allclose(conditioned, quiet) and torch.equal(drawing, quiet)


def test_what_is_drawn_is_not_augmented(tmp_path, cpu):
    grey = np.full((8, 3, 8, 8), 128, np.uint8)
    network = GeneratorConfig(image_size=8, dim=8, dim_mults=(1,), timesteps=10)
    loop = TrainingConfig(steps=100, batch_size=8, learning_rate=5e-3, augment=1.0)
    spec = TrainingSpec("grey", network, loop, seed=0)
    train_generator(TrainingData(grey), spec, tmp_path, [cpu])
    diffusion = load_generator(tmp_path, "grey", cpu)
    images, _ = draw_batch(diffusion, range(16), SamplingConfig(steps=10), cpu)
    # Training images were made brighter or darker by 13 of 255 levels, drawn ones are not.
    assert images.mean((1, 2, 3)).std() < 5
