"""A PNG with fewer rows than it states is no image, as libpng says."""

import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from raster_files.png import chunk

from terrabalance.errors import UnreadableImage
from terrabalance.rasters.decode import decode


def png(rows: int, bits: int, colour: int, parts: int = 1) -> bytes:
    """Return a PNG of 20 x 24 px in that many rows, its checksums right."""
    samples = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    raw = (b"\0" + bytes(-(-20 * bits * samples // 8))) * rows
    packed = zlib.compress(raw)
    cut = -(-len(packed) // parts)
    data = [packed[start : start + cut] for start in range(0, len(packed), cut)]
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 20, 24, bits, colour, 0, 0, 0))
    body = b"".join(chunk(b"IDAT", each) for each in data)
    return b"\x89PNG\r\n\x1a\n" + head + body + chunk(b"IEND", b"")


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("bits, colour", [(1, 0), (4, 0), (8, 0), (8, 2), (8, 4), (8, 6), (16, 2)])
def test_rows_that_are_missing_are_not_made_up(tmp_path, bits, colour, parts):
    path = tmp_path / "a.png"
    path.write_bytes(png(24, bits, colour, parts))
    assert decode(path).pixels.shape[1:] == imagecodecs.png_decode(path.read_bytes()).shape[:2]
    for rows in (23, 10, 0):
        path.write_bytes(png(rows, bits, colour, parts))
        with pytest.raises(imagecodecs.PngError):
            imagecodecs.png_decode(path.read_bytes())
        with pytest.raises(UnreadableImage):
            decode(path)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (8, 8), (33, 17)])
def test_a_whole_picture_is_read(tmp_path, mode, size):
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    image: Image.Image = Image.fromarray(pixels).convert(mode)
    image.save(tmp_path / "a.png")
    assert decode(tmp_path / "a.png").pixels.shape[1:] == size[::-1]


def test_a_chunk_before_the_header_makes_it_no_png_as_libpng_says(tmp_path):
    content, path = png(24, 8, 2), tmp_path / "a.png"
    path.write_bytes(content[:8] + chunk(b"tEXt", b"a\0b") + content[8:])
    # Its message holds bytes of the file, and is no UTF-8.
    with pytest.raises((imagecodecs.PngError, UnicodeDecodeError)):
        imagecodecs.png_decode(path.read_bytes())
    with pytest.raises(UnreadableImage, match="header"):
        decode(path)
