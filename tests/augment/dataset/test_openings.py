"""What the card foretells of other libraries is what they do, on every layout that we write."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import rasterio
from PIL import Image

from augment.dataset.openings import Opening, openings_of, section
from terrabalance.dataset import TerraBalanceDataset
from terrabalance.manifest import Manifest, frame_of, write_manifest
from terrabalance.rasters.decode import decode
from terrabalance.rasters.raster import Layout
from terrabalance.rasters.writing import stored_like, write_tiff

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
RANGES = {"uint8": (0, 256), "uint16": (0, 65536), "int16": (-32768, 32768), "float32": (-1e4, 1e4)}
LAYOUTS = {
    "grey": Layout(False, 1, (0,)), "grey-planar": Layout(True, 1, (0,)), "pages": Layout(False, 1),
    "rgb": Layout(False, 2, (0,)), "rgb-planar": Layout(True, 2, (0,)),
    "rgb-alpha": Layout(False, 2, (2,)), "rgb-alpha-planar": Layout(True, 2, (2,)),
}  # fmt: skip


@dataclass(frozen=True)
class Variant:
    """A file, the values that were written, and what is foretold of it."""

    path: Path
    values: np.ndarray
    foretold: Opening


def layout_of(name: str, count: int) -> Layout | None:
    """The layout of that name for so many bands; None where it has none."""
    base = LAYOUTS[name]
    n_more = count - (3 if base.photometric == 2 else 1)
    if n_more < len(base.extrasamples) - (name in ("grey", "grey-planar", "rgb", "rgb-planar")):
        return None
    extras = (*base.extrasamples, *(0,) * n_more)[:n_more]
    return Layout(base.planar, base.photometric, () if name == "pages" else extras)


@pytest.fixture(scope="module")
def variants(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Variant]:
    """Files of 1 to 13 bands, every depth and layout, as <root>/train/<variant>/a.tif."""
    root, rows, written = tmp_path_factory.mktemp("set"), [], {}
    draw = np.random.default_rng(0)
    for dtype, (low, high) in RANGES.items():
        for count in range(1, 14):
            values = draw.uniform(low, high, (count, 15, 14)).astype(dtype)
            for name in LAYOUTS:
                layout = layout_of(name, count)
                if layout is None or (count == 1 and name != "grey"):
                    continue
                variant = f"{dtype}-{count}-{name}"
                path = root / "train" / variant / "a.tif"
                path.parent.mkdir(parents=True)
                with path.open("wb") as file:
                    write_tiff(file, values, stored_like(layout, count), "{}", [])
                rows.append({"path": f"train/{variant}/a.tif", "class": variant, "split": "train",
                             "source": "real", "status": "ok", "bands": count,
                             "mode": variant})  # fmt: skip
                written[variant] = (path, values)
    manifest = Manifest(root, frame_of(rows))
    write_manifest(manifest, root)
    found = {}
    for row, (variant, (path, values)) in zip(rows, written.items(), strict=True):
        (foretold,) = openings_of(Manifest(root, frame_of([row])))
        found[variant] = Variant(path, values, foretold)
    return found


def seen(read: Callable[[], Any], values: np.ndarray) -> str:
    """What a library made of a file, in the card's words."""
    try:
        found = np.asarray(read())
    except Exception:
        return "refused"
    found = found[None] if found.ndim == 2 else np.moveaxis(found, -1, 0)
    count = len(values)
    if found.shape == values.shape and (found == values).all():
        return "all values"
    if found.shape[1:] != values.shape[1:]:
        return "other values"
    if len(found) == 3 and (found == values[0]).all():
        return "all values" if count == 1 else f"the first of {count} bands"
    if len(found) < count and (found == values[: len(found)]).all():
        n_seen = "the first" if len(found) == 1 else f"the first {len(found)}"
        return f"{n_seen} of {count} bands"
    return "other values, of 8 bit" if found.dtype == np.uint8 != values.dtype else "other values"


def disagreeing(
    variants: dict[str, Variant], read: Callable[[Variant], Any], of: str
) -> dict[str, tuple[str, str]]:
    wrong = {}
    for name, each in variants.items():
        told, saw = getattr(each.foretold, of), seen(lambda each=each: read(each), each.values)
        either = {"other values", "other values, of 8 bit", "refused"}
        if saw not in (either if told == "other values or refused" else {told}):
            wrong[name] = (told, saw)
    return wrong


def test_there_are_files_of_every_depth_and_number_of_bands(variants):
    assert len(variants) > 280
    assert {each.foretold.rasterio for each in variants.values()} > {"all values"}


def test_torchvision_reads_what_is_foretold(variants):
    from torchvision.datasets import ImageFolder

    root = next(iter(variants.values())).path.parents[1]
    data = ImageFolder(root)
    at = {Path(path): index for index, (path, _) in enumerate(data.samples)}
    read = lambda each: data[at[each.path]][0]  # noqa: E731
    assert disagreeing(variants, read, "torchvision") == {}


def test_timm_reads_what_is_foretold_and_replaces_what_it_refuses(variants, caplog):
    from timm.data import add_img_extensions, create_dataset

    add_img_extensions((".tif",))
    root = next(iter(variants.values())).path.parents[2]
    data = create_dataset("", root=str(root), split="train")
    at = {Path(data.filename(index, absolute=True)): index for index in range(len(data))}

    def read(each: Variant) -> Any:
        image, label = data[at[each.path]]
        if label != data.reader.class_to_idx[each.path.parent.name]:
            raise ValueError("another image in its place")
        return image

    with caplog.at_level(logging.ERROR):
        assert disagreeing(variants, read, "torchvision") == {}


def test_hugging_face_reads_what_is_foretold(variants, tmp_path):
    datasets = pytest.importorskip("datasets")
    root = next(iter(variants.values())).path.parents[2]
    data = datasets.load_dataset("imagefolder", data_dir=str(root), cache_dir=str(tmp_path))
    rows = data["train"].cast_column("image", datasets.Image(decode=False))
    at = {Path(row["image"]["path"]): index for index, row in enumerate(rows)}
    read = lambda each: data["train"][at[each.path]]["image"]  # noqa: E731
    assert disagreeing(variants, read, "hugging_face") == {}


def test_opencv_reads_what_is_foretold(variants):
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

    def read(each: Variant) -> np.ndarray:
        image = cv2.imread(str(each.path), cv2.IMREAD_UNCHANGED)
        if image is None:
            raise ValueError("refused")
        if image.ndim == 3 and image.shape[2] in (3, 4):
            image = image[..., [2, 1, 0, 3][: image.shape[2]]]
        return image

    assert disagreeing(variants, read, "opencv") == {}


def test_gdal_reads_what_is_foretold(variants):
    def read(each: Variant) -> np.ndarray:
        with rasterio.open(each.path) as file:
            return np.moveaxis(file.read(), 0, -1)

    assert disagreeing(variants, read, "rasterio") == {}


def test_our_own_dataset_reads_all_values_of_all_bands(variants):
    root = next(iter(variants.values())).path.parents[2]
    data = TerraBalanceDataset(root, "train")
    for index, name in enumerate(data.rows["class"]):
        np.testing.assert_array_equal(data[index][0], variants[name].values)


def test_nothing_is_tabled_where_all_is_read_by_all(variants):
    plain = [variants["uint8-3-rgb"].foretold, variants["uint8-1-grey"].foretold]
    assert section(plain) == (
        "Each of these libraries reads all values as they are in the files.\n"
    )


def test_what_was_not_tried_with_opencv_is_not_foretold(tmp_path):
    path = tmp_path / "a.tif"
    with rasterio.open(path, "w", driver="GTiff", count=3, height=8, width=8, dtype="uint8",
                       compress="webp", webp_lossless=True, photometric="rgb") as file:  # fmt: skip
        file.write(np.arange(192, dtype=np.uint8).reshape(3, 8, 8))
    row = {"path": "a.tif", "class": "a", "split": "train", "source": "real", "status": "ok",
           "bands": 3}  # fmt: skip
    (told,) = openings_of(Manifest(tmp_path, frame_of([row])))
    assert (told.torchvision, told.opencv, told.rasterio) == ("refused", "not tried", "all values")


def test_the_card_tables_what_is_lost(variants):
    said = section([variants["uint8-4-rgb-alpha"].foretold, variants["int16-13-grey"].foretold])
    assert (
        "| `.tif`, 4 bands of uint8 | the first 3 of 4 bands | all values | other values | "
        "all values |" in said
    )
    assert "| `.tif`, 13 bands of int16 | refused | refused | refused | all values |" in said
    assert "timm takes the next image" in said


def test_rows_that_are_read_differently_are_told_apart_by_how_the_values_are_stored(variants):
    pixel, band = (variants[f"uint16-13-{name}"].foretold for name in ("grey", "grey-planar"))
    said = section([pixel, band, replace(pixel, source="synthetic")])
    assert "| `.tif`, 13 bands of uint16, pixel by pixel | refused |" in said
    assert "| `.tif`, 13 bands of uint16, band by band | other values, of 8 bit |" in said
    assert "synthetic" not in said


def test_each_row_of_the_table_has_a_name_of_its_own(variants):
    said = section([variant.foretold for variant in variants.values()])
    names = [line.split("|")[1] for line in said.splitlines() if line.startswith("| `")]
    assert len(names) == len(set(names)) > 52  # 13 counts of 4 types


def test_synthetic_images_that_open_in_another_mode_are_called_out(variants):
    real = variants["uint8-4-rgb-alpha"].foretold
    made = replace(variants["uint8-4-grey-planar"].foretold, source="synthetic")
    assert "**Pillow opens synthetic images as `L`, and real ones as `RGBA`.**" in section(
        [real, made]
    )
    assert "**Pillow" not in section([real, replace(real, source="synthetic")])


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_libraries_that_do_not_turn_an_image_by_its_exif_are_foretold_to_read_other_values(
    tmp_path, suffix, orientation
):
    path, exif = tmp_path / f"a.{suffix}", Image.Exif()
    exif[274] = orientation
    # One colour in each block of a JPEG, of which all decoders make the same.
    colours = np.random.default_rng(0).integers(0, 256, (3, 2, 3), np.uint8)
    image = Image.fromarray(colours.repeat(16, axis=0).repeat(16, axis=1))
    more = {"webp": {"lossless": True}, "jpg": {"subsampling": 0}}.get(suffix, {})
    image.save(path, exif=exif, **more)
    foretold, values = foretold_of(path, 3), decode(path).pixels
    bgr = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    with rasterio.open(path) as file:
        assert foretold.rasterio == seen(lambda: np.moveaxis(file.read(), 0, -1), values)
    assert foretold.opencv in ("not tried", seen(lambda: bgr[..., ::-1], values))
    assert ("EXIF" in foretold.kind) == (orientation != 1)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_one_turned_image_among_many_is_found(tmp_path, suffix):
    rows = []
    for at in range(30):
        exif, path = Image.Exif(), tmp_path / f"{at:02d}.{suffix}"
        exif[274] = 6 if at == 4 else 1
        Image.new("RGB", (9, 6), (at, 9, 9)).save(path, exif=exif)
        rows.append({"path": path.name, "class": "Pond", "split": "train", "source": "real",
                     "status": "ok", "bands": 3, "mode": "RGB"})  # fmt: skip
    found = openings_of(Manifest(tmp_path, frame_of(rows)))
    assert sorted("turned by its EXIF" in each.kind for each in found) == [False, True]
    # GDAL turns no image; Pillow, so torchvision, turns TIFF alone.
    assert {each.rasterio for each in found} == {"all values", "other values"}
    assert ("other values" in {each.torchvision for each in found}) == (suffix != "tif")


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_of_a_palette_gdal_is_foretold_to_read_other_values(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    colours = np.random.default_rng(0).integers(0, 256, (9, 14, 3), np.uint8)
    Image.fromarray(colours).quantize(16).save(path)
    with rasterio.open(path) as file:
        saw = seen(lambda: file.read(1), decode(path).pixels)
    assert foretold_of(path, 3).rasterio == saw == "other values"


def foretold_of(path: Path, count: int) -> Opening:
    row = {"path": path.name, "class": "Pond", "split": "train", "source": "real", "status": "ok",
           "bands": count}  # fmt: skip
    (foretold,) = openings_of(Manifest(path.parent, frame_of([row])))
    return foretold
