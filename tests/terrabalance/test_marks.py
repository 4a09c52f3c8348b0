import json
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
from PIL import Image

from terrabalance.bands import RGB, measure_bands
from terrabalance.errors import UnreadableImage
from terrabalance.images import write_image, write_png
from terrabalance.marks import (
    GENERATOR_KEY,
    KEPT_KEY,
    REPAIRED_KEY,
    SYNTHETIC_KEY,
    generator_in,
    is_marked_synthetic,
    lost_marks,
    read_marks,
    read_source_type,
)
from terrabalance.rasters.decode import decode
from terrabalance.rasters.raster import Raster

MARKS = {SYNTHETIC_KEY: "true", "terrabalance:class": "Täler <b>&amp;"}


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 16, 16), np.uint8)


def deep(tmp_path, text):
    values = np.random.default_rng(0).integers(0, 4000, (5, 16, 16), np.uint16)
    bands = measure_bands([Raster(values, "")])
    shares = [bands.shares(plane, band) for band, plane in enumerate(values)]
    write_image(tmp_path / "a.tif", bands.levels_of(np.stack(shares)), bands, text)
    return tmp_path / "a.tif"


def test_a_synthetic_png_says_so_in_text_and_in_xmp(tmp_path, picture):
    write_image(tmp_path / "a.png", picture, RGB, MARKS)
    assert read_marks(tmp_path / "a.png") == MARKS
    assert read_source_type(tmp_path / "a.png") == "trainedAlgorithmicMedia"
    assert lost_marks(tmp_path / "a.png") == []
    assert (decode(tmp_path / "a.png").pixels == picture).all()


def test_the_xmp_is_well_formed_and_of_the_namespace_that_iptc_gives(tmp_path, picture):
    write_image(tmp_path / "a.png", picture, RGB, MARKS)
    with Image.open(tmp_path / "a.png") as image:
        packet = ElementTree.fromstring(image.info["XML:com.adobe.xmp"].strip("\ufeff"))
    found = packet.find(".//{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType")
    assert found.text.endswith("/digitalsourcetype/trainedAlgorithmicMedia")


def test_a_synthetic_tiff_says_so_in_text_and_in_xmp(tmp_path):
    path = deep(tmp_path, MARKS)
    assert read_marks(path) == MARKS and lost_marks(path) == []
    with tifffile.TiffFile(path) as tiff:
        assert b"DigitalSourceType" in bytes(tiff.pages.first.tags[700].value)


@pytest.mark.parametrize("name", ["a.jpg", "a.tif", "a.webp", "a.JPEG", "a.jp2"])
def test_a_png_of_another_name_keeps_its_marks(tmp_path, picture, name):
    write_image(tmp_path / "a.png", picture, RGB, {**MARKS, REPAIRED_KEY: "0.2500"})
    path = (tmp_path / "a.png").rename(tmp_path / name)
    with Image.open(path) as image:
        assert image.format == "PNG" and image.text[SYNTHETIC_KEY] == "true"
    assert is_marked_synthetic(path) and lost_marks(path) == []
    assert read_source_type(path) == "trainedAlgorithmicMedia"


@pytest.mark.parametrize("name", ["b.png", "b.jpg", "b.img"])
def test_a_tiff_of_another_name_keeps_its_marks(tmp_path, name):
    path = deep(tmp_path, MARKS).rename(tmp_path / name)
    assert read_marks(path) == MARKS and lost_marks(path) == []


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "WEBP"])
def test_an_image_without_marks_is_none_by_the_name_of_one_with(tmp_path, picture, kind):
    for name in ("a.png", "a.tif"):
        Image.fromarray(picture.transpose(1, 2, 0)).save(tmp_path / name, format=kind)
        assert not is_marked_synthetic(tmp_path / name)
        assert read_source_type(tmp_path / name) is None


def test_a_repaired_image_is_a_composite_to_other_programs(tmp_path, picture):
    write_png(tmp_path / "a.png", picture, {REPAIRED_KEY: "0.2500"})
    assert read_source_type(tmp_path / "a.png") == "compositeWithTrainedAlgorithmicMedia"
    assert not is_marked_synthetic(tmp_path / "a.png")


def test_a_synthetic_image_around_a_real_part_is_a_composite_to_other_programs(tmp_path, picture):
    write_image(tmp_path / "a.png", picture, RGB, {**MARKS, KEPT_KEY: "0.6"})
    assert read_source_type(tmp_path / "a.png") == "compositeWithTrainedAlgorithmicMedia"
    assert is_marked_synthetic(tmp_path / "a.png") and lost_marks(tmp_path / "a.png") == []


def test_an_image_of_no_model_carries_no_source_type(tmp_path, picture):
    write_png(tmp_path / "a.png", picture, {"Description": "drawn"})
    Image.fromarray(picture[0]).save(tmp_path / "b.jpg")
    tifffile.imwrite(tmp_path / "c.tif", picture[0])
    for name in ("a.png", "b.jpg", "c.tif"):
        assert read_source_type(tmp_path / name) is None
        assert len(lost_marks(tmp_path / name)) == 2


@pytest.mark.parametrize("kept", ["text", "xmp"])
def test_each_lost_mark_is_named(tmp_path, picture, kept):
    write_image(tmp_path / "a.png", picture, RGB, MARKS)
    with Image.open(tmp_path / "a.png") as image:
        image.load()
        xmp = {"XML:com.adobe.xmp": image.info["XML:com.adobe.xmp"]}
    write_png(tmp_path / "b.png", picture, xmp if kept == "xmp" else {"terrabalance:class": "x"})
    lost = lost_marks(tmp_path / "b.png")
    assert (f"text {SYNTHETIC_KEY}" in lost) and ("XMP DigitalSourceType" in lost) == (
        kept == "text"
    )


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    with pytest.raises(UnreadableImage, match=r"a\.png"):
        read_source_type(tmp_path / "a.png")


def test_the_name_of_a_generator_in_a_strangers_file_fits_a_table(tmp_path):
    note = json.dumps({GENERATOR_KEY: "a\0b\ud800c\n" + "x" * 999})
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 8), np.uint8), description=note)
    name = generator_in(read_marks(tmp_path / "a.tif"))
    assert name.startswith("abcxxx") and len(name) < 256 and name.encode()
