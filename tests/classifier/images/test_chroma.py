import numpy as np
import pytest
import torch

from classifier.images.chroma import jittered, noise_from, noise_of
from terrabalance.manifest import Manifest

from ..conftest import experiment_for


def images(n: int = 6, bands: int = 3, dtype: type = np.uint8) -> torch.Tensor:
    """Return fields with grain in each band, in the middle of the range, (n, bands, 24, 32)."""
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0.4, 0.6, (n, 1, 6, 8)).repeat(4, 2).repeat(4, 3)
    levels = coarse + rng.normal(0, 0.02, (n, bands, 24, 32))
    return torch.from_numpy((levels * np.iinfo(dtype).max).astype(dtype))


def noise(pixels: torch.Tensor) -> torch.Tensor:
    return noise_from(torch.Generator().manual_seed(1), *pixels.shape[:2])


def planes(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return brightness and differences of bands, as shares of the range."""
    levels = pixels.float() / torch.iinfo(pixels.dtype).max
    return levels.mean(1), levels.diff(dim=1)


@pytest.mark.parametrize(("bands", "dtype"), [(3, np.uint8), (13, np.uint16)])
def test_the_grain_of_colours_changes_and_the_brightness_does_not(bands, dtype):
    before = images(bands=bands, dtype=dtype)
    after = jittered(before, 0.5, noise(before))
    assert after.shape == before.shape and after.dtype == before.dtype
    (bright, grain), (as_bright, other_grain) = planes(before), planes(after)
    assert (as_bright - bright).abs().max() < 1.01 / 255
    assert (other_grain - grain).std() > 0.005
    assert (other_grain.mean((2, 3)) - grain.mean((2, 3))).abs().max() < 1.01 / 255


def test_power_is_multiplied_by_as_much_as_is_asked_for():
    grain = torch.randn(400, 2, 32, 32, generator=torch.Generator().manual_seed(0)) * 0.02
    pixels = torch.stack([0.5 - grain[:, 0], 0.5 + 0 * grain[:, 0], 0.5 + grain[:, 1]], dim=1)
    before = (pixels * 65535).to(torch.uint16)
    after = jittered(before, 0.8, noise(before))
    power = [torch.fft.fft2(planes(each)[1])[..., 5, 5].abs().square() for each in (before, after)]
    assert (power[1] / power[0]).log().std() == pytest.approx(0.8, rel=0.25)


def test_images_of_one_band_stay_as_they_are():
    grey = images(bands=1)
    assert torch.equal(jittered(grey, 1.0, noise(grey)), grey)


def test_an_image_is_changed_by_its_name_alone():
    alone, among = noise_of(["b"], 8, 3), noise_of(["a", "b", "c"], 8, 3)
    assert torch.equal(among[8:16], alone) and not torch.equal(among[:8], alone)


def test_arms_change_alike_and_only_where_there_are_synthetic_images(squares, tmp_path):
    frame = squares.frame
    real = Manifest(squares.root, frame[frame["source"] == "real"])
    assert experiment_for(squares, tmp_path).chroma == 0.5
    assert experiment_for(squares, tmp_path, chroma_jitter=0.0).chroma == 0
    assert experiment_for(real, tmp_path).chroma == 0
