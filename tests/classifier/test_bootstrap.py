import numpy as np
import pytest

from classifier.bootstrap import judge


def test_no_interval_goes_beyond_what_is_possible():
    per_seed = np.array([[-0.95, -0.01], [0.95, 0.01]])  # of two, Student's t widens 6.5 times
    found = judge(np.tile(per_seed, (50, 1)), per_seed)
    assert (found.low[0], found.high[0]) == (-1, 1)
    assert found.high[1] == pytest.approx(0.065, abs=0.001)
