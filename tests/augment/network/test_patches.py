import pytest
import torch
from pydantic import ValidationError
from torch import nn

from augment.network.config import GeneratorConfig
from augment.network.generator import build_diffusion

SMALL = {"image_size": (16, 24), "dim": 8, "dim_mults": (1, 2)}


def network_of(patch: int, n_bands: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return build_diffusion(GeneratorConfig(**SMALL, patch=patch), n_bands=n_bands).model


@pytest.mark.parametrize(("patch", "n_bands"), [(2, 3), (4, 13)])
def test_patches_move_numbers_and_change_none(patch, n_bands):
    network = network_of(patch, n_bands)
    before, convolution = network.init_conv
    back = network.final_conv[1]
    images = torch.randn(2, n_bands, 16, 24)
    positions = before(images)
    assert positions.shape == (2, n_bands * patch**2, 16 // patch, 24 // patch)
    assert torch.equal(positions.flatten().sort().values, images.flatten().sort().values)
    assert torch.equal(back(positions), images)
    assert convolution.in_channels == n_bands * patch**2
    assert network(images, torch.tensor([3, 500])).shape == images.shape


def test_even_features_give_an_even_image_without_a_mesh_or_a_border():
    last = network_of(2).final_conv[2:]
    image = last(torch.randn(1, 16, 1, 1).expand(1, 16, 8, 12))
    torch.testing.assert_close(image, image[..., :1, :1].expand_as(image))


def test_a_network_without_patches_is_the_one_that_was():
    assert list(network_of(1).state_dict())[-2:] == ["final_conv.weight", "final_conv.bias"]
    assert network_of(1).init_conv.kernel_size == (7, 7)


def test_a_patch_asks_for_a_size_that_can_be_divided_once_more():
    assert GeneratorConfig(**{**SMALL, "image_size": 20}).patch == 1
    with pytest.raises(ValidationError, match="image_size 20 cannot be halved 3 times"):
        GeneratorConfig(**{**SMALL, "image_size": 20}, patch=4)
