"""Any number of bands, any depth, any shape: each trains and draws what its data look like."""

import numpy as np
import pytest
import tifffile
import torch

from augment.config import SamplingConfig, TrainingConfig
from augment.network.card import read_bands
from augment.network.config import GeneratorConfig
from augment.sample.request import SamplingRequest
from augment.sample.sampling import sample_class
from augment.train.data import TrainingData
from augment.train.spec import TrainingSpec
from augment.train.training import train_generator
from terrabalance.bands import Bands, measure_bands
from terrabalance.images import read_patches, write_image
from terrabalance.manifest import read_manifest
from terrabalance.marks import is_marked_synthetic
from terrabalance.rasters.decode import decode
from terrabalance.rasters.raster import Raster

SPANS = {"uint8": (20, 240), "uint16": (200, 9000), "float32": (-22.0, -3.0)}


def images_of(count: int, dtype: str, shape: tuple[int, int], n: int = 6) -> np.ndarray:
    """(n, count, *shape): flat images, each band at its own height, a little noise on it."""
    rng, (low, high) = np.random.default_rng(count), SPANS[dtype]
    heights = low + (high - low) * np.linspace(0.2, 0.8, count)[:, None, None]
    noise = rng.normal(0, 0.05 * (high - low), (n, count, *shape))
    return (heights + noise).clip(low, high).astype(dtype)


def write_all(folder, images: np.ndarray, axis: str) -> list:
    for index, image in enumerate(images):
        planar = "separate" if axis == "first" else "contig"
        stored = image if axis == "first" else image.transpose(1, 2, 0)
        stored, planar = (image[0], None) if len(image) == 1 else (stored, planar)
        tifffile.imwrite(
            folder / f"{index}.tif", stored, photometric="minisblack", planarconfig=planar
        )
    return sorted(folder.glob("*.tif"))


def train_and_draw(tmp_path, patches: np.ndarray, bands: Bands, device, size) -> np.ndarray:
    """Return (8, C, H, W) drawn images in the unit of the data."""
    network = GeneratorConfig(image_size=size, dim=16, dim_mults=(1,), timesteps=20)
    loop = TrainingConfig(steps=100, batch_size=6, learning_rate=4e-3, ema_decay=0.9)
    spec = TrainingSpec("Pond", network, loop, seed=0, bands=bands)
    generator = train_generator(TrainingData(patches), spec, tmp_path / "Pond-1", [device])
    assert read_bands(generator) == bands
    few = SamplingConfig(steps=10, batch_size=8)
    request = SamplingRequest(generator, "Pond", 8, few, 0, tmp_path / "drawn", device, "r")
    folder = sample_class(request)
    manifest = read_manifest(folder)
    paths = manifest.paths(manifest.usable())
    assert all(is_marked_synthetic(path) for path in paths) and (folder / "strip.png").is_file()
    assert set(manifest.frame["bands"]) == {bands.count}
    return np.stack([decode(path).pixels for path in paths])


@pytest.mark.parametrize(
    "count, dtype, axis, size",
    [
        (13, "uint16", "first", 8),
        (2, "float32", "first", 8),
        (4, "uint8", "last", (8, 12)),
    ],
)
def test_six_images_of_any_kind_are_learned(tmp_path, cpu, count, dtype, axis, size):
    shape = (size, size) if isinstance(size, int) else size
    images = images_of(count, dtype, shape)
    (tmp_path / "real").mkdir()
    paths = write_all(tmp_path / "real", images, axis)
    bands = measure_bands([decode(path) for path in paths])
    drawn = train_and_draw(tmp_path, read_patches(paths, size, bands), bands, cpu, size)
    assert drawn.dtype == dtype and drawn.shape == (8, count, *shape)
    low, high = SPANS[dtype]
    assert drawn.min() >= low - 0.01 * (high - low) or dtype == "uint8"
    difference = np.abs(drawn.mean((0, 2, 3)) - images.mean((0, 2, 3))) / (high - low)
    assert difference.max() < 0.12, difference.round(2)


def test_the_tutorials_proportions_of_40_by_56_px_train_and_draw(tmp_path, cpu):
    images = images_of(3, "uint8", (40, 56))
    network = GeneratorConfig(image_size=(40, 56), dim=8, dim_mults=(1, 2, 4, 8), timesteps=20)
    loop = TrainingConfig(steps=3, batch_size=2)
    bands = measure_bands([Raster(image, "") for image in images])
    spec = TrainingSpec("Pond", network, loop, 0, bands=bands)
    folder = train_generator(TrainingData(images), spec, tmp_path / "g", [cpu])
    few = SamplingConfig(steps=3, batch_size=2)
    drawn = sample_class(SamplingRequest(folder, "Pond", 2, few, 0, tmp_path / "drawn", cpu, "r"))
    assert decode(drawn / "000001.png").pixels.shape == (3, 40, 56)


def test_attention_over_too_many_positions_is_refused_with_what_to_change():
    with pytest.raises(ValueError, match=r"leaves 262,144 positions .* Add levels to dim_mults"):
        GeneratorConfig(image_size=1024, dim_mults=(1, 2))
    assert GeneratorConfig(image_size=1024, dim_mults=(1, 2, 4)).image_size == 1024


def test_a_side_that_cannot_be_halved_names_the_nearest_that_can():
    with pytest.raises(ValueError, match=r"image_size 42 cannot be halved 3 times; .* 40 and 48"):
        GeneratorConfig(image_size=(56, 42), dim_mults=(1, 2, 4, 8))


def test_only_turns_that_keep_the_shape_are_drawn(cpu):
    from augment.train.stepper import Stepper

    wide = np.zeros((2, 3, 8, 16), np.uint8)
    wide[..., :2, :2] = 255  # a white corner
    network = GeneratorConfig(image_size=(8, 16), dim=8, dim_mults=(1, 2), timesteps=10)
    spec = TrainingSpec("Pond", network, TrainingConfig(batch_size=8), seed=0)
    stepper = Stepper(wide, np.zeros(2, np.int64), spec, cpu, "fp32")
    images = torch.cat([stepper.batches[index].images for index in range(8)])
    corners = images[:, 0, ::7, ::15]
    assert (corners.flatten(1) > 0).sum(1).eq(1).all()
    assert (corners > 0).any(0).all(), "all four corners come up"


def test_drawn_images_are_scanned_as_synthetic(tmp_path):
    from augment.catalogue.config import ScanConfig
    from augment.catalogue.scan import scan
    from augment.catalogue.sources import open_source

    images = images_of(5, "uint16", (16, 16), n=2)
    bands = measure_bands([Raster(image, "") for image in images])
    home = tmp_path / "data" / "Pond"
    home.mkdir(parents=True)
    tifffile.imwrite(home / "real.tif", images[0], photometric="minisblack",
                     planarconfig="separate")  # fmt: skip
    marks = {"terrabalance:synthetic": "true"}
    shares = [bands.shares(plane, band) for band, plane in enumerate(images[1])]
    write_image(home / "drawn.tif", bands.levels_of(np.stack(shares)), bands, marks)
    frame = scan(open_source(tmp_path / "data", tmp_path / "x", None), ScanConfig()).frame
    assert dict(zip(frame["path"], frame["status"], strict=True)) == {
        "Pond/drawn.tif": "synthetic",
        "Pond/real.tif": "ok",
    }
