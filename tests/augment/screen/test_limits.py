import numpy as np
import pytest

from augment.screen.limits import accepted, limits_key, set_limits, with_fixed
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


def of_classes(sizes: list[int], seed: int) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [{rule: rng.normal(size=n) for rule in LIMITED} for n in sizes]


@pytest.mark.parametrize("sizes", [[1] * 250, [3, 0, 1] * 40, [1] * 80 + [80]])
def test_classes_of_a_few_images_set_the_limits_together(sizes):
    found = set_limits(of_classes(sizes, 0), 0.05)
    unseen = of_classes([20] * len(sizes), 1)
    share = np.mean([~accepted(s, limits) for s, limits in zip(unseen, found, strict=True)])
    assert 0.02 <= share <= 0.08


@pytest.mark.parametrize("sizes", [[1] * 20, [1] * 24, [1, 1], [2, 0]])
def test_of_every_class_one_image_is_enough(sizes):
    found = set_limits(of_classes(sizes, 0), 0.05)
    assert all(np.isfinite(list(limits.values())).all() for limits in found)


@pytest.mark.parametrize(
    ("n_train", "n_val", "as_before"),
    [
        ([9, 9, 9], [30, 5, 5], True),
        ([9, 9, 9], [30, 4, 5], True),  # one small class begins at the first fold, as each did
        ([9, 9, 9], [30, 4, 1], False),
        ([9, 9, 1], [30, 4, 1], True),  # no image of the last is scored
        ([9, 1, 9], [15, 5, 5], True),
        ([9, 1, 9], [14, 5, 5], False),  # 19 are scored, and all 24 counted
        ([9, 9, 9], [7, 4, 1], True),  # so few that training images set the limits
    ],
)
def test_limits_that_were_set_in_another_way_are_not_found_again(n_train, n_val, as_before):
    names = ("Pond", "River", "Bog")
    train, val = (dict(zip(names, counts, strict=True)) for counts in (n_train, n_val))
    assert (limits_key(train, val) == []) == as_before
