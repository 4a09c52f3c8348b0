import numpy as np

from augment.screen.limits import accepted, set_limits, with_fixed
from augment.screen.rules import LIMITED


def scores(seed: int, n: int = 400) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [{rule: rng.normal(size=n) for rule in LIMITED} for _ in range(3)]


def test_limits_refuse_the_share_that_was_asked_for():
    found = set_limits(scores(0), 0.05)
    share = np.mean([~accepted(s, limits) for s, limits in zip(scores(1), found, strict=True)])
    assert 0.02 <= share <= 0.07


def test_off_class_may_refuse_ten_times_as_many_real_images():
    real = scores(0, 4000)
    limits = set_limits(real, 0.05)[0]
    off_class, outlier = (
        np.mean([own[rule] > limits[rule] for own in real]) for rule in ("off_class", "outlier")
    )
    assert 7 <= off_class / outlier <= 13


def test_a_class_that_is_hard_to_recognize_has_a_more_lenient_limit():
    real = scores(0)
    real[1]["off_class"] += 4
    limits = set_limits(real, 0.05)
    assert (real[1]["off_class"] > limits[1]["off_class"]).mean() <= 0.061
    assert limits[1]["off_class"] > limits[0]["off_class"]


def test_a_repeat_is_refused_at_a_fixed_limit():
    assert with_fixed({"copy": 0.9}) == {"repeat": 0.0, "copy": 0.9}
