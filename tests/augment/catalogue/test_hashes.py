import imagehash
import numpy as np
import pytest
from PIL import Image, ImageOps

from augment.catalogue.hashes import N_SYMMETRIES, Sketches, sketch_of, turn


def texture(seed: int) -> np.ndarray:
    """(32, 32) float32 in [0, 255], smooth and unlike that of any other seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 9), dtype=np.uint8)
    grey = Image.fromarray(coarse).resize((32, 32), Image.Resampling.BICUBIC)
    return np.asarray(grey, np.float32)


@pytest.mark.parametrize("seed", range(5))
def test_the_hash_of_a_picture_as_it_is_is_that_of_imagehash(seed):
    picture = texture(seed)
    theirs = imagehash.phash(Image.fromarray(picture.astype(np.uint8)))
    assert sketch_of(picture).phash == str(theirs)


def test_one_sketch_has_the_hashes_of_the_picture_under_each_symmetry():
    picture = texture(7)
    hashes = sketch_of(picture).hashes
    for symmetry in range(N_SYMMETRIES):
        assert sketch_of(turn(picture, symmetry)).hashes[0] == hashes[symmetry]


def test_the_eight_symmetries_are_the_turns_and_mirrors_of_the_square():
    picture = texture(1)
    image = Image.fromarray(picture)
    turns = [image.rotate(90 * quarter) for quarter in range(4)]
    wanted = {
        np.asarray(each).tobytes() for turn in turns for each in (turn, ImageOps.mirror(turn))
    }
    ours = {turn(picture, symmetry).tobytes() for symmetry in range(N_SYMMETRIES)}
    assert len(ours) == N_SYMMETRIES and ours == wanted
    assert np.array_equal(turn(picture, 0), picture)


@pytest.mark.parametrize("gain, offset", [(40.0, 0.0), (1e-4, -0.1), (257.0, 1e5)])
def test_the_unit_of_a_picture_does_not_change_its_hashes(gain, offset):
    picture = texture(3)
    assert np.array_equal(sketch_of(picture * gain + offset).hashes, sketch_of(picture).hashes)


def test_a_ramp_and_a_flat_picture_have_a_hash_that_rounding_does_not_decide():
    ramp = np.linspace(0, 0.3, 32)[None].repeat(32, axis=0)
    assert sketch_of(ramp.T).hashes[0] == sketch_of(ramp).hashes[4]
    flat = np.full((32, 32), 0.1)
    assert len(set(sketch_of(flat).hashes.tolist())) == 1
    assert sketch_of(flat).thumbnail.max() == 0


def test_thumbnails_are_kept_in_the_unit_of_the_pictures():
    sketches = Sketches.room_for(3)
    for place, gain in enumerate((1, 0.001, 40)):
        sketches.put(place, sketch_of(texture(place) * gain))
    for place, gain in ((2, 40), (0, 1)):
        wanted = texture(place).reshape(16, 2, 16, 2).mean((1, 3)) * gain
        shown = sketches.values(np.array([place]))[0]
        assert np.abs(shown - wanted).max() <= np.ptp(wanted) / 255 * 0.51
    assert np.array_equal(sketches.take(np.array([2])).hashes[0], sketches.hashes[2])
