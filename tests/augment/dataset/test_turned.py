"""Orientation from the header alone, compared with what Pillow makes of the whole image."""

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from augment.dataset.turned import is_turned

_XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description '
    'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="{}"/></x:xmpmeta>'
)


def is_changed_by_pillow(path) -> bool:
    with Image.open(path) as image:
        turned = ImageOps.exif_transpose(image)
        return not np.array_equal(np.asarray(turned), np.asarray(image))


@pytest.mark.parametrize("where", ["exif", "xmp", "software", "nowhere"])
@pytest.mark.parametrize("orientation", [0, 1, 3, 6, 9])
def test_a_png_is_turned_where_pillow_turns_it(tmp_path, where, orientation):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8))
    exif, text = Image.Exif(), PngImagePlugin.PngInfo()
    exif[274] = orientation
    if where == "xmp":
        text.add_itxt("XML:com.adobe.xmp", _XMP.format(orientation))
    if where == "software":
        text.add_text("Software", "a scanner")
    more = {"exif": exif} if where == "exif" else {}
    image.save(tmp_path / "a.png", pnginfo=text, **more)
    assert is_turned(tmp_path / "a.png") == is_changed_by_pillow(tmp_path / "a.png")


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n\xff", b"II*\0", b"no image"])
def test_what_cannot_be_read_counts_as_upright(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    assert not is_turned(tmp_path / "a.png")
    assert not is_turned(tmp_path / "gone.png")
