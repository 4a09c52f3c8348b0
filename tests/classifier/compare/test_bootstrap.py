import numpy as np
import pytest

from classifier.compare.bootstrap import Resampling, estimate, holm


def test_no_interval_goes_beyond_what_is_possible():
    per_seed = np.array([[-0.95, -0.01], [0.95, 0.01]])  # of two, Student's t widens 6.5 times
    found = estimate(np.tile(per_seed, (50, 1)), per_seed, np.full(2, np.inf))
    assert (found.low[0], found.high[0]) == (-1, 1)
    assert found.high[1] == pytest.approx(0.065, abs=0.001)


def test_few_images_widen_an_interval_though_all_seeds_agree():
    draws = np.random.default_rng(0).normal(0.2, 0.05, (2000, 2))
    found = estimate(draws, np.full((3, 2), 0.2), np.array([np.inf, 4.0]))
    widths = found.high - found.low
    assert widths[1] / widths[0] == pytest.approx(2.776 / 1.960, rel=0.05)  # t of four degrees
    assert found.p_value[1] > found.p_value[0]


def test_the_spread_of_the_bootstrap_is_that_of_a_proportion():
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1], 400)
    after = np.where(rng.random(800) < 0.8, truth, 1 - truth)
    resampling = Resampling(truth, 2, 1)
    draws = resampling.draws(*(resampling.scores(each[None]) for each in (truth, after)))
    assert draws[:, 0].std() == pytest.approx(np.sqrt(0.8 * 0.2 / 800), rel=0.1)


def test_holm_stops_at_the_first_that_fails():
    assert holm(np.array([0.03, 0.001, 0.02])).tolist() == [True, True, True]
    assert holm(np.array([0.04, 0.001, 0.03])).tolist() == [False, True, False]
