import numpy as np
import pytest

from augment.measure.metrics import copying, kernel_distance, manifold
from terrabalance.errors import BadInput


def cloud(n: int, seed: int, shift: float = 0.0, scale: float = 1.0, width: int = 16):
    return shift + scale * np.random.default_rng(seed).normal(size=(n, width))


def test_kernel_distance_of_one_distribution_is_zero_on_average():
    values = [kernel_distance(cloud(30, s), cloud(40, 1000 + s)).value for s in range(200)]
    spread = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 3 * spread


def test_the_standard_error_is_the_spread_over_samples():
    found = [kernel_distance(cloud(40, s), cloud(50, 1000 + s, shift=0.3)) for s in range(200)]
    spread = np.std([one.value for one in found])
    assert np.mean([one.standard_error for one in found]) == pytest.approx(spread, rel=0.2)


def test_kernel_distance_equals_its_definition():
    real, made = cloud(5, 0), cloud(4, 1, shift=1)

    def k(x, y):
        return (x @ y / 16 + 1) ** 3

    within = sum(k(x, y) for i, x in enumerate(real) for j, y in enumerate(real) if i != j) / 20
    made_within = sum(k(x, y) for i, x in enumerate(made) for j, y in enumerate(made) if i != j)
    between = sum(k(x, y) for x in real for y in made) / 20
    expected = within + made_within / 12 - 2 * between
    assert kernel_distance(real, made).value == pytest.approx(expected)


def test_the_jackknife_equals_leaving_out_one_image_at_a_time():
    real, made = cloud(6, 0), cloud(5, 1, shift=0.5)
    less_real = [kernel_distance(np.delete(real, i, 0), made).value for i in range(6)]
    less_made = [kernel_distance(real, np.delete(made, i, 0)).value for i in range(5)]
    expected = np.sqrt(5 * np.var(less_real) + 4 * np.var(less_made))
    assert kernel_distance(real, made).standard_error == pytest.approx(expected)


def test_one_distribution_covers_itself_and_a_collapsed_one_does_not():
    same = manifold(cloud(300, 0), cloud(300, 1))
    assert same.coverage > 0.9 and same.density == pytest.approx(1, abs=0.15)
    one_mode = manifold(cloud(300, 0), cloud(300, 1, scale=0.01))
    assert one_mode.coverage < 0.3 and one_mode.recall < 0.1 and one_mode.precision == 1
    far = manifold(cloud(300, 0), cloud(300, 1, shift=50))
    assert (far.precision, far.recall, far.density, far.coverage) == (0, 0, 0, 0)


def test_copies_are_nearer_to_the_training_set_than_new_images():
    train, held_out = cloud(20, 0), cloud(60, 1)
    new = copying(train, held_out, cloud(200, 2))
    assert abs(new.value - 0.5) < 3 * new.standard_error
    copies = train[np.arange(200) % 20] + cloud(200, 3, scale=0.1)
    assert copying(train, held_out, copies).value == 1


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(BadInput, match="2 images, at least 3"):
        kernel_distance(cloud(2, 0), cloud(9, 1))
    with pytest.raises(BadInput, match="5 images, at least 6"):
        manifold(cloud(5, 0), cloud(9, 1))
    with pytest.raises(BadInput, match=r"\(9, 16\) and \(9, 8\)"):
        copying(cloud(9, 0), cloud(9, 1), cloud(9, 2, width=8))
