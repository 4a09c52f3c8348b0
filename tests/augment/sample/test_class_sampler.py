from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from augment.config import SamplingConfig
from augment.sample.request import RealImages
from augment.sample.sampling import sample_class
from terrabalance.errors import BadInput
from terrabalance.marks import read_source_type

from .pond_requests import DDIM, pixels, ponds


def test_variations_of_a_class_are_the_same_again(generator, tmp_path):
    reals = np.random.default_rng(1).integers(0, 256, (5, 3, 16, 16), np.uint8)
    config = SamplingConfig(steps=5, batch_size=4, strength=0.5)

    def drawn(n: int) -> list[bytes]:
        folder = tmp_path / str(n)
        return pixels(
            sample_class(
                ponds(generator, n, folder, config),
                RealImages(lambda: reals),
            )
        )

    assert drawn(7)[:3] == drawn(3)


@pytest.fixture
def reals():
    """Soft pictures, unlike what an untrained network draws."""
    noise = np.random.default_rng(2).normal(128, 200, (9, 3, 16, 16))
    return gaussian_filter(noise, (0, 0, 1, 1)).clip(0, 255).astype(np.uint8)


def test_an_image_around_a_part_of_a_real_one_is_a_composite(generator, reals, tmp_path):
    for keep, kind in (
        (0.5, "compositeWithTrainedAlgorithmicMedia"),
        (0, "trainedAlgorithmicMedia"),
    ):
        config = SamplingConfig(steps=5, keep=keep)
        folder = sample_class(
            ponds(generator, 1, tmp_path / str(keep), config), RealImages(lambda: reals)
        )
        assert read_source_type(folder / "000000.png") == kind


def test_the_spectrum_of_real_images_is_matched(generator, reals, tmp_path):
    drawn = {}
    for match in (True, False):
        config = DDIM.model_copy(update={"match_spectrum": match})
        request = ponds(generator, 20, tmp_path / str(match), config)
        drawn[match] = sample_class(request, RealImages(lambda: reals))
    assert (drawn[True] / "spectrum.json").exists() and (drawn[True] / "strip.png").exists()
    assert not (drawn[False] / "spectrum.json").exists()

    def roughness(folder) -> float:
        images = [np.asarray(Image.open(path)) for path in sorted(folder.glob("0*.png"))]
        return float(np.abs(np.diff(np.stack(images).astype(int), axis=2)).mean())

    assert roughness(drawn[True]) < 0.8 * roughness(drawn[False])


def test_what_is_lost_beside_the_images_is_made_again_with_the_first_image(
    generator, reals, tmp_path
):
    request = ponds(generator, 3, tmp_path, DDIM)
    folder = sample_class(request, RealImages(lambda: reals))
    lost = ("strip.png", "spectrum.json", "000000.png")
    before = [(folder / name).read_bytes() for name in lost]
    for name in lost:
        (folder / name).unlink()
    sample_class(request, RealImages(lambda: reals))
    assert [(folder / name).read_bytes() for name in lost] == before


def test_a_filter_that_is_no_record_is_named(generator, reals, tmp_path):
    (tmp_path / "spectrum.json").write_text("[]")
    with pytest.raises(BadInput, match=r"spectrum\.json: "):
        sample_class(ponds(generator, 1, tmp_path, DDIM), RealImages(lambda: reals))


@pytest.mark.parametrize("batch_size", [4, 50])
def test_a_filtered_image_does_not_depend_on_how_many_are_drawn(
    generator, reals, tmp_path, batch_size
):
    config = DDIM.model_copy(update={"batch_size": batch_size, "steps": 2})

    def drawn(n: int, into: str) -> list[bytes]:
        folder = tmp_path / into
        return pixels(
            sample_class(
                ponds(generator, n, folder, config),
                RealImages(lambda: reals),
            )
        )

    at_once = drawn(40, "at once")
    assert drawn(3, "few") == at_once[:3]
    assert drawn(40, "few") == at_once


def test_a_filtered_drawing_goes_on_where_it_was_killed(generator, reals, tmp_path):
    def draw(into: str, listener=lambda *_: None) -> Path:
        folder = tmp_path / into
        return sample_class(
            ponds(generator, 7, folder),
            RealImages(lambda: reals),
            listener,
        )

    def stop(n_done, n_total, _):
        if n_done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw("killed", stop)
    assert len(pixels(tmp_path / "killed")) == 4
    assert pixels(draw("killed")) == pixels(draw("whole"))


def test_real_images_are_not_read_where_nothing_is_to_be_drawn(generator, reals, tmp_path):
    asked = []

    def read() -> np.ndarray:
        asked.append(1)
        return reals

    for n in (3, 3, 2, 4):
        sample_class(ponds(generator, n, tmp_path), RealImages(read))
    assert len(asked) == 2
