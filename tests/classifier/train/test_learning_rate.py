import pytest

from classifier.train.learning_rate import learning_rate_at

from ..conftest import tiny_config


def test_the_rate_warms_up_to_its_peak_and_falls_to_nothing():
    config = tiny_config(steps=100, learning_rate=0.1)
    rates = [learning_rate_at(step, config) for step in range(100)]
    assert rates[0] == pytest.approx(0.02) and max(rates) == rates[4] == pytest.approx(0.1)
    assert rates[5:] == sorted(rates[5:], reverse=True) and rates[-1] < 1e-3
