"""A repair whose files are there, some or all."""

import numpy as np
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from terrabalance.rasters.decode import decode

from .repairs import mask_of, run


def test_the_same_command_again_makes_what_is_missing_and_leaves_what_was_retouched(
    tmp_path, photo, generator, caplog
):
    arguments = [photo, "--mask", mask_of(tmp_path / "mask.png", 10, 30), "--generator", generator]
    arguments += ["--count", 2, "--out", tmp_path / "a.png"]
    assert run(*arguments).exit_code == 0 and not caplog.text
    first, second = tmp_path / "a_0.png", tmp_path / "a_1.png"
    lost = decode(second).pixels
    second.unlink()
    with Image.open(first) as image:  # with its marks, as an editor keeps them
        text = PngInfo()
        for key, value in image.text.items():
            text.add_text(key, value)
        ImageOps.invert(image).save(first, pnginfo=text)
    retouched = first.read_bytes()
    assert run(*arguments).exit_code == 0
    assert first.read_bytes() == retouched and f"{first}: is there already" in caplog.text
    assert np.abs(decode(second).pixels.astype(int) - lost).max() <= 1  # rounding
    assert str(second) not in caplog.text
