import numpy as np
import pytest

from augment.sample.shrinkage import expected

WIDTH = 12


def classes(spread: float, n: int, n_classes: int = 15) -> tuple[np.ndarray, list[np.ndarray]]:
    """True means of classes that differ by `spread` in half of the directions; n images of each."""
    draw = np.random.default_rng(0)
    means = draw.normal(0, spread, (n_classes, WIDTH)) * (np.arange(WIDTH) < WIDTH // 2)
    return means, [mean + draw.normal(0, 1, (n, WIDTH)) for mean in means]


def errors(spread: float, n: int) -> tuple[float, float]:
    """Squared errors of the estimate and of the plain mean, over classes."""
    means, images = classes(spread, n)
    pairs = [
        (expected(own, images[:c] + images[c + 1 :], own)[0] - mean, own.mean(axis=0) - mean)
        for c, (own, mean) in enumerate(zip(images, means, strict=True))
    ]
    ours, plain = (np.mean([(pair[which] ** 2).sum() for pair in pairs]) for which in (0, 1))
    return float(ours), float(plain)


def test_other_classes_make_the_mean_of_few_images_better():
    ours, plain = errors(0.5, 8)
    assert ours < 0.7 * plain


def test_classes_that_differ_much_keep_their_own_means():
    ours, plain = errors(20.0, 8)
    assert ours < plain


def test_many_images_speak_for_themselves():
    _, images = classes(0.5, 400)
    mean, covariance = expected(images[0] * 2, images[1:], images[0])
    assert np.abs(mean - images[0].mean(axis=0) * 2).max() < 0.1
    assert np.diag(covariance).mean() == pytest.approx(4, rel=0.2)


@pytest.mark.parametrize("n_others", [0, 1, 3])
def test_one_image_gives_an_estimate(n_others):
    _, images = classes(1.0, 6)
    mean, covariance = expected(images[0][:1], images[1 : 1 + n_others], images[5])
    assert np.isfinite(mean).all() and np.linalg.eigvalsh(covariance).min() > 0


def test_measurements_that_never_vary_do_no_harm():
    _, images = classes(1.0, 6)
    flat = [each * (np.arange(WIDTH) > 0) for each in images]
    mean, covariance = expected(flat[0], flat[1:], flat[1])
    assert np.isfinite(mean).all() and np.isfinite(covariance).all() and mean[0] == 0
