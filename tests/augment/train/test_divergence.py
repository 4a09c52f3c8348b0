from augment.train.divergence import is_healthy


def test_a_spike_is_not_taken_for_progress():
    calm = [1.0, 1.2] * 10
    assert is_healthy(1.9, 1.0, calm) and is_healthy(1e9, 1.0, calm[:5])
    assert not is_healthy(6.0, 1.0, calm)
    assert not is_healthy(float("nan"), 1.0, calm) and not is_healthy(1.0, float("inf"), calm)
