"""Networks whose last layers see fewer pixels than their kernels have."""

import pytest
import torch
from torch import nn

from classifier.network.model import WEIGHTS
from classifier.train.small_inputs import keep_gradients_written
from classifier.train.training import train
from terrabalance.device import autocast

from ..conftest import REAL, experiment_for

CPU = torch.device("cpu")
needs_bf16 = pytest.mark.skipif(
    not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="this CPU does not compute in bf16"
)


def spoil_memory(n_values: int) -> None:
    """Leave NaN in the memory that the next tensors of such a size get."""
    blocks = [torch.full((n_values * (1 + i % 2),), torch.nan) for i in range(12)]
    del blocks


@needs_bf16
@pytest.mark.parametrize(
    ("kernel", "stride", "side"), [(3, 2, 1), (5, 2, 1), (7, 4, 3), (3, 4, 3), (5, 1, 1), (3, 2, 8)]
)
def test_gradients_are_those_of_float32_whatever_was_in_memory(kernel, stride, side):
    torch.manual_seed(0)
    layer = nn.Conv2d(128, 128, kernel, stride, kernel // 2).to(memory_format=torch.channels_last)
    images = torch.randn(8, 128, side, side).contiguous(memory_format=torch.channels_last)
    layer(images).square().sum().backward()
    wanted, layer.weight.grad = layer.weight.grad, None
    keep_gradients_written(layer)
    spoil_memory(layer.weight.numel())
    with autocast(CPU, "bf16"):
        found = layer(images)
    found.float().square().sum().backward()
    # bf16 has 8 bits of a number: the sum of many is off by less than a fiftieth of the largest.
    assert (layer.weight.grad - wanted).abs().max() < wanted.abs().max() / 50


@needs_bf16
def test_a_convolution_that_fits_its_input_stays_in_bf16():
    layer = nn.Conv2d(8, 8, 3, 2, 1)
    keep_gradients_written(layer)
    with autocast(CPU, "bf16"):
        kinds = [layer(torch.randn(1, 8, side, side)).dtype for side in (2, 3)]
    assert kinds == [torch.float32, torch.bfloat16]


@needs_bf16
def test_the_same_seed_gives_the_same_network_with_images_of_sixteen_pixels(
    squares, tmp_path, monkeypatch
):
    monkeypatch.setattr("classifier.train.loop.precision_on", lambda *_: "bf16")
    found = set()
    for name in "abc":
        spoil_memory(512 * 256 * 9)
        changes = {"model": "resnet10t", "image_size": 16, "steps": 2}
        folder = train(experiment_for(squares, tmp_path / name, **changes), REAL)
        found.add((folder / WEIGHTS).read_bytes())
    assert len(found) == 1
