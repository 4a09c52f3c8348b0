import numpy as np
import pytest
from PIL import Image

from augment.catalogue import near
from augment.catalogue.hashes import Sketches, sketch_of, turn
from augment.catalogue.near import near_duplicate_labels


def sketches_of(hashes, thumbnails=None):
    """Sketches with these hashes, (N,) as they are or (N, 8), and grey thumbnails."""
    sketches = Sketches.room_for(len(hashes))
    far = ~hashes[:, None].repeat(7, axis=1)  # no two of a test's hashes meet there
    sketches.hashes[:] = np.hstack([hashes[:, None], far]) if hashes.ndim == 1 else hashes
    if thumbnails is not None:
        sketches.thumbnails[:] = thumbnails
    sketches.ranges[:] = 0, 255
    return sketches


def near_hashes(rng, n_families, n_each, bits):
    """Hashes in families, whose members differ from the first in a few random bits."""
    base = rng.integers(0, 2**64, n_families, dtype=np.uint64).repeat(n_each)
    for _ in range(bits):
        flip = np.uint64(1) << rng.integers(0, 64, len(base), dtype=np.uint64)
        base = np.where(rng.random(len(base)) < 0.5, base ^ flip, base)
    return rng.permutation(base)


def brute_force(hashes, max_bits):
    """Labels of (N, 8) hashes, of which the first is compared with all of another's."""
    parent = list(range(len(hashes)))

    def find(node):
        while parent[node] != node:
            node = parent[node]
        return node

    for i, one in enumerate(hashes.tolist()):
        for j, other in enumerate(hashes.tolist()):
            if i != j and any((one[0] ^ each).bit_count() <= max_bits for each in other):
                parent[find(i)] = find(j)
    return np.array([find(i) for i in range(len(hashes))])


def same_partition(one, other):
    return np.array_equal(one[:, None] == one, other[:, None] == other)


@pytest.mark.parametrize("few", [10, 1000])  # by neighbourhoods, and all pairs
@pytest.mark.parametrize("max_bits", [0, 2, 4, 6, 8])
def test_groups_equal_those_of_brute_force(max_bits, few, monkeypatch):
    monkeypatch.setattr(near, "_FEW", few)
    monkeypatch.setattr(near, "_COLUMNS", 64)
    monkeypatch.setattr(near, "_PAIRS", 7)
    rng = np.random.default_rng(max_bits)
    hashes = near_hashes(rng, 60, 5, 5)
    others = near_hashes(rng, 300, 7, 0).reshape(300, 7)
    others[rng.random(others.shape) < 0.02] ^= np.uint64(1)
    every = np.hstack([hashes[:, None], others])
    every[:60:3, 5] = hashes[60:120:3]  # some are another one, turned
    labels, wanted = (
        near_duplicate_labels(sketches_of(every), max_bits),
        brute_force(every, max_bits),
    )
    assert same_partition(labels, wanted)
    assert 1 < len(np.unique(wanted)) < len(hashes)


def test_flat_pictures_that_share_a_hash_but_not_their_grey_form_no_chain():
    levels = np.linspace(20, 230, 100).round().astype(np.uint8)
    thumbnails = np.broadcast_to(levels[:, None, None], (100, 16, 16))
    labels = near_duplicate_labels(sketches_of(np.zeros(100, np.uint64), thumbnails), 4)
    assert len(np.unique(labels)) == 100


def test_faint_noise_on_the_same_grey_is_not_the_same_picture():
    noise = np.random.default_rng(0).normal(120, 3, (200, 16, 16)).round().astype(np.uint8)
    sketches = sketches_of(np.zeros(200, np.uint64), noise)
    assert len(np.unique(near_duplicate_labels(sketches, 4))) == 200


def reflectances(n, noise=0.0):
    """(n, 32, 32) pictures of calm tiles in digital numbers, averaged from 64 px with noise."""
    rng, grain = np.random.default_rng(5), np.random.default_rng(6)
    coarse = rng.normal(0, 40, (n, 9, 9)) + rng.uniform(300, 2500, (n, 1, 1))
    fine = [Image.fromarray(each).resize((64, 64), Image.Resampling.BICUBIC) for each in coarse]
    pixels = np.stack([np.asarray(each) for each in fine]) + grain.normal(0, noise, (n, 64, 64))
    return pixels.round().reshape(n, 32, 2, 32, 2).mean((2, 4))


def labels_of(pictures, max_bits=6):
    sketches = Sketches.room_for(len(pictures))
    for place, picture in enumerate(pictures):
        sketches.put(place, sketch_of(picture))
    return near_duplicate_labels(sketches, max_bits)


def test_different_calm_tiles_of_reflectance_are_not_the_same_picture():
    assert len(np.unique(labels_of(reflectances(600)))) == 600


def test_a_tile_of_reflectance_with_the_noise_of_a_sensor_is_the_same_picture():
    twins = reflectances(60, noise=8)  # digital numbers, one standard deviation
    labels = labels_of(np.concatenate([reflectances(60), twins]))
    assert np.array_equal(labels[:60], labels[60:]) and len(np.unique(labels)) == 60


def test_very_many_equal_pictures_are_one_group_at_once():
    flat, tile = np.full((32, 32), 7.0), reflectances(1)[0]
    labels = labels_of([*[flat] * 3000, *[tile] * 3000, flat + 1])
    assert len(np.unique(labels)) == 3
    assert set(labels[:3000].tolist()) == {labels[0]} and set(labels[3000:-1].tolist()) == {
        labels[3000]
    }


@pytest.mark.parametrize("symmetry", range(8))
def test_a_picture_is_found_under_each_symmetry_and_pairs_are_compared_as_turned(symmetry):
    picture = reflectances(3)
    labels = labels_of([*picture, turn(picture[1], symmetry), turn(-picture[2], symmetry)])
    assert labels[3] == labels[1] and len(np.unique(labels)) == 4
