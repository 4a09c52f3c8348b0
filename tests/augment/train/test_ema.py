import numpy as np
import pytest
import torch
from torch import nn

from augment.train.ema import PowerAverage, WeightAverage, exponent
from augment.train.snapshots import Snapshots


class Number(nn.Module):
    """A network of one weight."""

    def __init__(self, value: float = 0.0) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor([value]))


def averages(values: np.ndarray, lengths: list[float]) -> dict[float, list[float]]:
    """Average a weight that takes one value a step, with each length."""
    network, found = Number(), {}
    for length in lengths:
        average = PowerAverage(network, length)
        found[length] = []
        for step, value in enumerate(values, 1):
            network.value.data.fill_(value)
            average.update(network, step)
            found[length].append(average.network.value.item())
    return found


def test_the_exponents_are_the_papers():
    assert exponent(0.05) == pytest.approx(16.97, abs=0.01)
    assert exponent(0.10) == pytest.approx(6.94, abs=0.01)


@pytest.mark.parametrize("length", [0.05, 0.1, 0.2])
def test_an_average_is_as_long_as_its_name_says(length):
    n_steps, weights = 400, []
    for step in (100, 200, 300, 400):  # the share that each of four values has
        values = np.zeros(n_steps)
        values[step - 100 : step] = 1
        weights.append(averages(values, [length])[length][-1])
    gamma = exponent(length)
    profile = np.diff((np.arange(0, 401, 100) / 400) ** (gamma + 1))
    assert weights == pytest.approx(profile.tolist(), abs=0.02)
    assert sum(weights) == pytest.approx(1, abs=1e-5)


def test_the_random_weights_of_the_beginning_are_forgotten():
    assert averages(np.array([5.0]), [0.1])[0.1] == [5.0]


def test_snapshots_give_back_each_average_of_each_step(tmp_path):
    snapshots, network = Snapshots(tmp_path), Number()
    for step in (100, 200):
        values = [Number(float(step + place)) for place in range(3)]
        snapshots.keep(step, [PowerAverage(value, 0.1) for value in values])
    for step, place in ((200, 0), (100, 2), (200, 1)):
        snapshots.load(step, place, network)
        assert network.value.item() == step + place
    snapshots.drop()
    assert not list(tmp_path.iterdir())


def test_average_follows_the_definition():
    network = torch.nn.Linear(2, 1)
    average = WeightAverage(network, decay=0.9)
    start = network.weight.detach().clone()
    with torch.no_grad():
        network.weight += 1
    average.update(network, step=1)  # warm-up decay (1 + 1) / (10 + 1)
    torch.testing.assert_close(average.network.weight, start + (1 - 2 / 11))
    average.update(network, step=10_000)  # 0.9 from here on
    torch.testing.assert_close(average.network.weight, start + 1 - 0.9 * 2 / 11)
