"""Synthetic images are stored as the real ones of their class, so that programs open both alike."""

from dataclasses import replace
from pathlib import Path

import imagehash
import numpy as np
import pytest
import rasterio
import tifffile
import torch
from PIL import Image, UnidentifiedImageError

from augment.config import TrainingConfig
from augment.dataset.assemble import assemble
from augment.sample.layouts import usual_layout
from augment.sample.request import SamplingRequest
from augment.sample.sampling import sample_class
from augment.train.data import TrainingData
from augment.train.spec import TrainingSpec
from augment.train.training import train_generator
from terrabalance.bands import RGB, Bands, measure_bands
from terrabalance.files import sha256_of
from terrabalance.images import read_patch, suffix_for, write_image
from terrabalance.manifest import Manifest, frame_of, read_manifest
from terrabalance.marks import is_marked_synthetic, lost_marks
from terrabalance.rasters.decode import decode
from terrabalance.rasters.raster import Layout, Raster, Scaling

from .pond_requests import DDIM, TINY

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
NAMES = ("red", "green", "blue", "near infrared")


def scene(seed: int, count: int = 4, dtype: str = "uint8") -> np.ndarray:
    draw = np.random.default_rng(seed)
    return draw.integers(1, 255, (count, 16, 16)).astype(dtype)


def gdal_file(path: Path, pixels: np.ndarray, **options: object) -> Path:
    """A GeoTIFF with a place; of four bands of bytes GDAL calls the last alpha."""
    path.parent.mkdir(parents=True, exist_ok=True)
    grid = rasterio.transform.from_origin(500000, 5300000, 10, 10)
    with rasterio.open(
        path, "w", driver="GTiff", count=len(pixels), height=16, width=16, dtype=pixels.dtype,
        crs="EPSG:32633", transform=grid, nodata=0, **options
    ) as file:  # fmt: skip
        file.write(pixels)
        file.descriptions = NAMES[: len(pixels)]
    return path


@pytest.fixture(
    scope="module",
    params=[{}, {"photometric": "rgb"}, {"interleave": "band"}, {"photometric": "minisblack"}],
    ids=["gdal's own", "rgb", "planar", "grey"],
)
def reals(tmp_path_factory, request) -> list[Path]:
    root = tmp_path_factory.mktemp("real")
    return [gdal_file(root / f"{index}.tif", scene(index), **request.param) for index in range(6)]


@pytest.fixture(scope="module")
def infrared(tmp_path_factory) -> Path:
    """A generator of four bands of 8 bit."""
    images = np.stack([scene(index) for index in range(6)])
    bands = measure_bands([Raster(image, "") for image in images])
    loop = TrainingConfig(steps=4, batch_size=4)
    spec = TrainingSpec("Pond", TINY, loop, seed=1, bands=bands)
    folder = tmp_path_factory.mktemp("g") / "Pond-1"
    return train_generator(TrainingData(images), spec, folder, [torch.device("cpu")])


@pytest.fixture
def request_like(infrared, reals, tmp_path) -> SamplingRequest:
    layout = usual_layout(reals, measure_bands([decode(path) for path in reals]))
    cpu = torch.device("cpu")
    return SamplingRequest(infrared, "Pond", 2, DDIM, 0, tmp_path / "made", cpu, "r", layout)


def facts(path: Path) -> dict[str, object]:
    """What GDAL says of a file, beside its values and its place."""
    with rasterio.open(path) as file:
        said = ("count", "dtypes", "interleaving", "colorinterp", "descriptions", "nodata",
                "scales", "offsets", "photometric")  # fmt: skip
        return {name: getattr(file, name) for name in said}


def test_synthetic_images_are_stored_as_the_real_ones_but_without_a_place(request_like, reals):
    path = sample_class(request_like) / "000000.tif"
    assert facts(path) == facts(reals[0])
    with rasterio.open(path) as file:
        assert file.crs is None and file.transform.is_identity
        assert (file.read_masks()[:3] == 255).all(), "none of it is called no data"
    assert is_marked_synthetic(path) and lost_marks(path) == []


def test_image_folder_opens_a_real_infrared_image_and_its_synthetic_neighbour_alike(
    request_like, reals, tmp_path
):
    from torchvision.datasets import ImageFolder

    rows = [
        {"path": path.name, "class": "Pond", "split": "train", "source": "real", "status": "ok",
         "bands": 4, "mode": "uint8x4", "sha256": sha256_of(path), "bytes": path.stat().st_size}
        for path in reals
    ]  # fmt: skip
    made = read_manifest(sample_class(request_like))
    catalogue = Manifest(reals[0].parent, frame_of(rows))
    folder = assemble(catalogue, [made], tmp_path / "set", {}).root
    seen = {"synthetic": set(), "real": set()}
    data = ImageFolder(folder / "train", allow_empty=True)
    for path, _ in data.samples:
        try:
            red, green, _ = np.asarray(data.loader(path)).transpose(2, 0, 1)
            found = "colour" if (red != green).any() else "grey"
        except UnidentifiedImageError:
            found = "refused"
        seen["synthetic" if "synthetic_" in path else "real"].add(found)
    assert seen["synthetic"] == seen["real"] and len(seen["real"]) == 1
    assert "Pillow opens synthetic" not in (folder / "README.md").read_text()


def test_the_same_request_gives_the_same_bytes(request_like, tmp_path):
    first = sample_class(request_like)
    second = sample_class(replace(request_like, folder=tmp_path / "again"))
    files = [sorted(folder.glob("0*.tif")) for folder in (first, second)]
    assert [f.read_bytes() for f in files[0]] == [f.read_bytes() for f in files[1]]


def test_images_of_another_layout_are_drawn_anew(request_like):
    folder = sample_class(replace(request_like, n_images=1))
    assert decode(folder / "000000.tif").layout.names == NAMES
    sample_class(replace(request_like, layout=Layout(True, 1, (0, 0, 0))))
    assert decode(folder / "000000.tif").layout == Layout(True, 1, (0, 0, 0))


def test_the_hash_of_a_deep_image_is_that_of_its_picture(tmp_path):
    """Reflectance of 0 to 5,000, whose brightness is no byte."""
    images = np.stack([scene(index, 2, "uint16") * 20 for index in range(6)])
    bands = measure_bands([Raster(image, "") for image in images])
    levels = np.stack([bands.levels_of(image / 5000) for image in images])
    spec = TrainingSpec("Pond", TINY, TrainingConfig(steps=4, batch_size=4), seed=1, bands=bands)
    cpu = torch.device("cpu")
    generator = train_generator(TrainingData(levels), spec, tmp_path / "Pond-1", [cpu])
    request = SamplingRequest(generator, "Pond", 1, DDIM, 0, tmp_path / "made", cpu, "r")
    row = read_manifest(sample_class(request)).frame.iloc[0]
    grey = decode(tmp_path / "made" / row["path"]).pixels.astype(float)
    low, high = grey.min((1, 2), keepdims=True), grey.max((1, 2), keepdims=True)
    picture = ((grey - low) / (high - low) * (high - low).mean()).mean(0)
    shown = Image.fromarray(picture.astype(np.float32)).resize((32, 32), Image.BILINEAR)
    shares = (np.asarray(shown) - picture.min()) / np.ptp(picture)
    theirs = imagehash.phash(Image.fromarray((shares.clip(0, 1) * 255).round().astype(np.uint8)))
    assert imagehash.hex_to_hash(row["phash"]) - theirs <= 2  # of 64 bits; bytes are rounded


def test_the_usual_layout_is_that_of_most_images(tmp_path):
    bands = measure_bands([Raster(scene(0, dtype="uint16"), "")])
    paths = []
    for index, planar in enumerate(["separate", "contig", "contig"]):
        pixels = scene(index, dtype="uint16")
        stored = pixels if planar == "separate" else np.moveaxis(pixels, 0, -1)
        paths.append(tmp_path / f"{index}.tif")
        tifffile.imwrite(paths[-1], stored, photometric="minisblack", planarconfig=planar)
    assert usual_layout(paths, bands) == Layout(False, 1, (0, 0, 0))
    assert usual_layout(paths[:1], bands).planar


def test_the_images_that_are_looked_at_reach_from_the_first_to_the_last(tmp_path):
    stored = ["separate"] * 11 + ["contig"] * 20
    paths = [tmp_path / f"{index:02}.tif" for index in range(31)]
    for path, planar in zip(paths, stored, strict=True):
        values = scene(1) if planar == "separate" else np.moveaxis(scene(1), 0, -1)
        tifffile.imwrite(path, values, photometric="minisblack", planarconfig=planar)
    assert not usual_layout(paths, measure_bands([decode(paths[0])])).planar


def test_images_of_other_bands_or_formats_have_no_layout_to_follow(tmp_path):
    Image.fromarray(scene(0, 3).transpose(1, 2, 0)).save(tmp_path / "a.png")
    assert usual_layout([tmp_path / "a.png"], RGB) is None
    gdal_file(tmp_path / "b.tif", scene(0, 2))
    assert usual_layout([tmp_path / "b.tif"], RGB) is None
    assert usual_layout([], RGB) is None


def test_three_bands_of_bytes_are_a_png_only_where_the_real_ones_open_in_colour():
    assert suffix_for(RGB) == ".png"
    assert suffix_for(RGB, Layout(True, 2)) == ".png"
    assert suffix_for(RGB, Layout(True, 1, (0, 0))) == ".tif"
    assert suffix_for(replace(RGB, scaling=Scaling((0.1,) * 3, (0.0,) * 3))) == ".tif"


def test_levels_come_back_from_a_file_with_scale_and_offset(tmp_path):
    scaling = Scaling((0.0001,) * 4, (-0.1,) * 4)
    bands = Bands((200.0,) * 4, (2900.0,) * 4, "uint16", (0, 1, 2), scaling)
    levels = np.random.default_rng(0).integers(0, 65536, (4, 16, 16), np.uint16)
    write_image(tmp_path / "a.tif", levels, bands, {}, Layout(False, 2, (0,)))
    assert decode(tmp_path / "a.tif").scaling == scaling
    step = 65535 / 2700  # values are whole numbers
    off = read_patch(tmp_path / "a.tif", 16, bands).astype(int) - levels
    assert np.abs(off).max() <= step
