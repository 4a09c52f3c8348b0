import numpy as np
import pytest

from classifier.compare.bootstrap import judge


def test_no_interval_goes_beyond_what_is_possible():
    per_seed = np.array([[-0.95, -0.01], [0.95, 0.01]])  # of two, Student's t widens 6.5 times
    found = judge(np.tile(per_seed, (50, 1)), per_seed, np.full(2, np.inf))
    assert (found.low[0], found.high[0]) == (-1, 1)
    assert found.high[1] == pytest.approx(0.065, abs=0.001)


def test_few_images_widen_an_interval_though_all_seeds_agree():
    draws = np.random.default_rng(0).normal(0.2, 0.05, (2000, 2))
    found = judge(draws, np.full((3, 2), 0.2), np.array([np.inf, 4.0]))
    widths = found.high - found.low
    assert widths[1] / widths[0] == pytest.approx(2.776 / 1.960, rel=0.05)  # t of four degrees
    assert found.p_value[1] > found.p_value[0]
