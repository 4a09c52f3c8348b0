"""TIFF by Pillow, of every mode and compression that it writes."""

from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from raster_files.case import Case
from raster_files.scenes import (
    HEIGHT,
    WIDTH,
    cmyk_as_rgb,
    coloured,
    gradients,
    mask_band,
    numbers_of_bits,
    palette,
    scene,
)

_CODECS = ("raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "zstd", "lzma")


def cases() -> Iterator[Case]:
    """All of this module."""
    yield from _eight_bit()
    yield from _deep()
    yield from _bilevel()
    yield from _colours()
    yield from _pages()
    yield from _turned()


def image_of(bands: np.ndarray, mode: str) -> Image.Image:
    """The Pillow image of (C, H, W) bands in the byte order of its mode."""
    return Image.frombytes(mode, (WIDTH, HEIGHT), np.ascontiguousarray(bands.transpose(1, 2, 0)))


def _write(path: Path, *, stored: np.ndarray, mode: str, **options: Any) -> None:
    image_of(stored, mode).save(path, **options)


def pillow_case(name: str, stored: np.ndarray, mode: str, **expected: Any) -> Case:
    """A case `pillow-<name>` that is read as it was stored, but for what is `expected`."""
    options = expected.pop("options", {})
    write = partial(_write, stored=stored, mode=mode, **options)
    return Case(f"pillow-{name}", write, **{"values": stored, **expected})


def _case(name: str, stored: np.ndarray, mode: str, **expected: Any) -> Case:
    return pillow_case(f"{name}.tif", stored, mode, **expected)


def _eight_bit() -> Iterator[Case]:
    alpha = mask_band()
    modes = {
        "L": (scene(1, "uint8"), None),
        "LA": (np.concatenate([scene(1, "uint8"), alpha]), 1),
        "RGB": (scene(3, "uint8"), None),
        "RGBA": (np.concatenate([scene(3, "uint8"), alpha]), 3),
        "RGBX": (scene(4, "uint8"), None),
    }
    for (mode, (stored, place)), codec, big in product(modes.items(), _CODECS, (False, True)):
        options = {"compression": codec, "big_tiff": big}
        name = f"{mode}-{codec}{'-bigtiff' * big}"
        yield _case(name, stored, mode, options=options, alpha=place)
    for mode in ("L", "RGB"):
        jpeg = {"compression": "jpeg", "quality": 95}
        smooth = gradients(len(mode))
        yield _case(f"{mode}-jpeg", smooth, mode, options=jpeg, tolerance=12)
    white = scene(1, "uint8")
    options = {"tiffinfo": {262: 0}}  # PhotometricInterpretation, white is zero
    yield _case("L-white-is-zero", white, "L", options=options, values=white)


def _deep() -> Iterator[Case]:
    """16 and 32 bit: one band each."""
    modes = {"I;16": "uint16", "I;16B": "uint16", "I": "int32", "F": "float32"}
    for (mode, dtype), codec in product(modes.items(), _CODECS):
        stored = scene(1, dtype)
        raw = stored.astype(">u2") if mode == "I;16B" else stored
        options = {"compression": codec}
        yield _case(f"{mode.replace(';', '')}-{codec}", raw, mode, options=options, values=stored)


def _write_bilevel(path: Path, *, stored: np.ndarray, **options: Any) -> None:
    Image.fromarray(stored[0] > 0).save(path, **options)


def _bilevel() -> Iterator[Case]:
    bits = numbers_of_bits(1, 1)
    for codec in (*_CODECS, "group3", "group4", "tiff_ccitt"):
        write = partial(_write_bilevel, stored=bits, compression=codec)
        yield Case(f"pillow-1-{codec}.tif", write, bits * 255)


def _write_palette(path: Path, *, indices: np.ndarray, colours: np.ndarray, **options: Any) -> None:
    image = Image.fromarray(indices[0]).convert("P")
    image.putpalette(colours.tobytes())
    image.save(path, **options)


def _write_palette_alpha(path: Path, *, indices: np.ndarray, colours: np.ndarray) -> None:
    image = Image.fromarray(indices[0]).convert("P")
    image.putpalette(colours.tobytes())
    image.convert("PA").save(path)


def _write_from_rgb(path: Path, *, stored: np.ndarray, mode: str, **options: Any) -> None:
    image_of(stored, "RGB").convert(mode).save(path, **options)


def _colours() -> Iterator[Case]:
    indices, colours = scene(1, "uint8") // 4, palette(64)
    for codec in _CODECS:
        options = {"indices": indices, "colours": colours, "compression": codec}
        write = partial(_write_palette, **options)
        yield Case(f"pillow-P-{codec}.tif", write, coloured(indices, colours))
        inks = scene(4, "uint8")
        options = {"compression": codec}
        yield _case(f"CMYK-{codec}", inks, "CMYK", options=options, values=cmyk_as_rgb(inks))
    write = partial(_write_from_rgb, stored=scene(3, "uint8"), mode="YCbCr")
    # To YCbCr and back each round to whole numbers.
    yield Case("pillow-YCbCr.tif", write, scene(3, "uint8"), tolerance=3)
    write = partial(_write_palette_alpha, indices=indices, colours=colours)
    yield Case("pillow-PA.tif", write, refusal="palette")
    yield _case("LAB", scene(3, "uint8"), "LAB", values=None, refusal="CIELAB")


def _write_pages(path: Path, *, stored: np.ndarray, mode: str, **options: Any) -> None:
    pages = [image_of(page, mode) for page in stored]
    pages[0].save(path, save_all=True, append_images=pages[1:], **options)


def _pages() -> Iterator[Case]:
    for (mode, dtype), count, codec in product(
        {"L": "uint8", "I;16": "uint16", "F": "float32"}.items(), (2, 5), ("raw", "tiff_lzw")
    ):
        bands = scene(count, dtype)
        write = partial(_write_pages, stored=bands[:, None], mode=mode, compression=codec)
        yield Case(f"pillow-{mode.replace(';', '')}x{count}-pages-{codec}.tif", write, bands)
    pictures = np.stack([scene(3, "uint8"), scene(3, "uint8")])
    write = partial(_write_pages, stored=pictures, mode="RGB")
    yield Case("pillow-two-rgb-pictures.tif", write, refusal="pictures")


# How a picture lies in the file, of which the tag Orientation says that it is to be turned.
STORED = {
    1: lambda bands: bands,
    2: lambda bands: bands[:, :, ::-1],
    3: lambda bands: bands[:, ::-1, ::-1],
    4: lambda bands: bands[:, ::-1],
    5: lambda bands: bands.transpose(0, 2, 1),
    6: lambda bands: np.rot90(bands, 1, (1, 2)),  # shown by a turn to the right
    7: lambda bands: bands[:, ::-1, ::-1].transpose(0, 2, 1),
    8: lambda bands: np.rot90(bands, -1, (1, 2)),  # shown by a turn to the left
}


def _write_turned(path: Path, *, stored: np.ndarray, orientation: int) -> None:
    bands = np.ascontiguousarray(STORED[orientation](stored).transpose(1, 2, 0))
    image = Image.fromarray(bands[..., 0] if len(stored) == 1 else bands)
    image.save(path, tiffinfo={274: orientation})


def _turned() -> Iterator[Case]:
    for orientation, count in product(STORED, (1, 3)):
        upright = scene(count, "uint8")
        write = partial(_write_turned, stored=upright, orientation=orientation)
        yield Case(f"pillow-orientation{orientation}-x{count}.tif", write, upright)
