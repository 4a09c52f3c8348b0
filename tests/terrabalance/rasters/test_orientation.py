"""An orientation of another kind than EXIF's short number costs no sound image."""

import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from augment.catalogue.look import look_at
from terrabalance.rasters.decode import decode

BYTE, ASCII, SHORT, LONG, UNDEFINED, FLOAT = 1, 2, 3, 4, 7, 11


def exif(kind: int, count: int, value: bytes) -> bytes:
    """Return EXIF with an orientation alone."""
    entry = struct.pack("<HHHI4sI", 1, 274, kind, count, value.ljust(4, b"\0"), 0)
    return b"Exif\0\0II*\0\x08\0\0\0" + entry


def size_of(path: Path) -> tuple[int, int]:
    look = look_at(path, path.read_bytes())
    assert decode(path).pixels.shape[1:] == (look.height_px, look.width_px)
    return look.width_px, look.height_px


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize(
    "stored",
    [
        exif(BYTE, 1, b"\6"),
        exif(ASCII, 2, b"6\0"),
        exif(UNDEFINED, 1, b"\6"),
        exif(FLOAT, 1, struct.pack("<f", float("nan"))),
        exif(FLOAT, 1, struct.pack("<f", float("inf"))),
        exif(SHORT, 1, b"\0\0"),
        exif(SHORT, 1, b"\x09\0"),
        exif(SHORT, 1, b"\6\0"),
        exif(LONG, 1, b"\6"),
    ],
)
def test_an_orientation_turns_a_picture_where_it_does_in_a_viewer(tmp_path, suffix, stored):
    path = tmp_path / f"a.{suffix}"
    Image.new("RGB", (24, 20)).save(path, exif=stored)
    with Image.open(path) as image:
        assert size_of(path) == ImageOps.exif_transpose(image).size


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_damaged_exif_leaves_a_picture_as_it_is(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.new("RGB", (24, 20)).save(path, exif=b"Exif\0\0no EXIF at all")
    assert size_of(path) == (24, 20)


@pytest.mark.parametrize("kind, count, value", [("B", 1, 6), ("s", 0, b"6"), ("H", 2, (6, 6))])
def test_a_tiff_with_an_orientation_that_is_no_number_is_read_as_it_is(
    tmp_path, kind, count, value
):
    pixels = np.zeros((20, 24), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, extratags=[(274, kind, count, value, True)])
    assert size_of(tmp_path / "a.tif") == (24, 20)
