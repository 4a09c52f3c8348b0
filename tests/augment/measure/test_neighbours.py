import numpy as np
import pytest
import torch

import augment.measure.neighbours
from augment.measure.neighbours import COPY_RATIO, copy_ratio, nearest_other, nearest_real
from terrabalance.errors import BadInput
from terrabalance.symmetry import N_SYMMETRIES, apply_symmetry


def noise(n: int, seed: int = 0, side: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 3, side, side), dtype=np.uint8)


def turned(images: np.ndarray, which: int) -> np.ndarray:
    return apply_symmetry(torch.from_numpy(images), which).numpy().copy()


@pytest.mark.parametrize("which", range(N_SYMMETRIES))
def test_a_copy_is_found_at_distance_zero_however_it_is_turned(which: int):
    real = noise(12)
    found = nearest_real(turned(real[[7, 2]], which), real, k=2)
    assert found.index[:, 0].tolist() == [7, 2]
    assert found.distance[:, 0].tolist() == [0, 0]
    assert (copy_ratio(found) == 0).all()


@pytest.mark.parametrize("which", range(N_SYMMETRIES))
def test_the_symmetry_turns_the_real_image_onto_the_copy(which: int):
    real = noise(5)
    copies = turned(real, which)
    found = nearest_real(copies, real)
    for copy, at, back in zip(copies, found.index[:, 0], found.symmetry[:, 0], strict=True):
        assert (turned(real[at], int(back)) == copy).all()


def test_distances_equal_those_of_a_plain_loop():
    synthetic, real = noise(4, seed=1), noise(6, seed=2)
    ways = [turned(real, which) for which in range(N_SYMMETRIES)]
    for row, image in enumerate(synthetic):
        gaps = [((image.astype(float) - w) ** 2).mean(axis=(1, 2, 3)) ** 0.5 for w in ways]
        expected = np.sort(np.min(gaps, axis=0))[:3]
        np.testing.assert_allclose(nearest_real(synthetic, real, k=3).distance[row], expected)


def test_an_image_is_never_its_own_neighbour_but_its_stored_twin_is():
    real = noise(6)
    assert (nearest_other(real).distance > 0).all()
    twins = nearest_other(np.concatenate([real, turned(real[:1], 5)]))
    assert twins.distance[0, 0] == 0
    assert twins.index[0, 0] == 6


def test_the_result_does_not_depend_on_the_chunks(monkeypatch: pytest.MonkeyPatch):
    real = noise(9)
    whole = nearest_other(real, k=2)
    monkeypatch.setattr(augment.measure.neighbours, "_CHUNK_BYTES", 1)
    parts = nearest_other(real, k=2)
    assert (whole.index == parts.index).all()
    np.testing.assert_allclose(whole.distance, parts.distance)


def test_new_images_are_not_taken_for_copies_and_noisy_copies_are():
    real = noise(20)
    assert (copy_ratio(nearest_real(noise(20, seed=3), real, k=2)) > COPY_RATIO).all()
    shaken = np.clip(
        real.astype(int) + np.random.default_rng(4).integers(-9, 10, real.shape), 0, 255
    )
    assert (copy_ratio(nearest_real(shaken.astype(np.uint8), real, k=2)) < COPY_RATIO).all()


def test_no_synthetic_images_give_no_neighbours():
    assert nearest_real(noise(0), noise(3), k=2).distance.shape == (0, 2)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(BadInput, match="same size"):
        nearest_real(noise(2), noise(2, side=16))
    with pytest.raises(BadInput, match="1 real images, 2 are needed"):
        nearest_other(noise(1))
    with pytest.raises(BadInput, match="k=2"):
        copy_ratio(nearest_real(noise(2), noise(3)))
