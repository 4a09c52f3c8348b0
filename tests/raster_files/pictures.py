"""JPEG, PNG and WebP by Pillow: colours, losses, and photographs that are to be turned."""

from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from PIL import Image

from raster_files.by_pillow import STORED, image_of, pillow_case
from raster_files.case import Case
from raster_files.scenes import (
    cmyk_as_rgb,
    coloured,
    gradients,
    mask_band,
    numbers_of_bits,
    palette,
    scene,
)

_ORIENTATION = 274


def cases() -> Iterator[Case]:
    """All of this module."""
    yield from _jpeg()
    yield from _png()
    yield from _webp()
    yield from _turned()


def _jpeg() -> Iterator[Case]:
    for count, progressive, optimize in product((1, 3), (False, True), (False, True)):
        options = {"quality": 95, "progressive": progressive, "optimize": optimize}
        name = f"x{count}{'-progressive' * progressive}{'-optimized' * optimize}.jpg"
        mode = "L" if count == 1 else "RGB"
        yield pillow_case(name, gradients(count), mode, options=options, tolerance=12)
    for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
        options = {"quality": 95, "subsampling": subsampling}
        name = f"x3-{subsampling.replace(':', '')}.jpg"
        yield pillow_case(name, gradients(3), "RGB", options=options, tolerance=12)
    options = {"quality": 95, "keep_rgb": True}
    yield pillow_case("x3-kept-as-rgb.jpg", gradients(3), "RGB", options=options, tolerance=12)
    inks = gradients(4)
    options = {"quality": 95}
    shown = cmyk_as_rgb(inks)
    yield pillow_case("cmyk.jpg", inks, "CMYK", options=options, values=shown, tolerance=20)
    write = partial(_write_twelve_bit, stored=numbers_of_bits(1, 12))
    yield Case("imagecodecs-12bit.jpg", write, refusal=".")
    write = partial(_write_mpo, stored=gradients(3))
    yield Case("pillow-preview.jpg", write, gradients(3), tolerance=12)


def _write_twelve_bit(path: Path, *, stored: np.ndarray) -> None:
    path.write_bytes(imagecodecs.jpeg_encode(stored[0], bitspersample=12))


def _write_mpo(path: Path, *, stored: np.ndarray) -> None:
    """A JPEG with a smaller picture after it, as drones write."""
    image = image_of(stored, "RGB")
    preview = image.resize((image.width // 2, image.height // 2))
    options = {"save_all": True, "append_images": [preview], "quality": 95}
    image.save(path, format="MPO", **options)


def _png() -> Iterator[Case]:
    indices, colours = scene(1, "uint8") // 4, palette(64)
    for transparency, valid in ((None, None), (5, indices != 5)):
        options = {} if transparency is None else {"transparency": transparency}
        write = partial(_write_palette, indices=indices, colours=colours, **options)
        name = f"pillow-palette{'-clear' * (valid is not None)}.png"
        yield Case(name, write, coloured(indices, colours), valid)
    for mode, dtype in {"L": "uint8", "RGB": "uint8", "I;16": "uint16"}.items():
        stored = scene(3 if mode == "RGB" else 1, dtype)
        yield pillow_case(f"{mode.replace(';', '')}.png", stored, mode)


def _write_palette(path: Path, *, indices: np.ndarray, colours: np.ndarray, **options: Any) -> None:
    image = Image.fromarray(indices[0]).convert("P")
    image.putpalette(colours.tobytes())
    image.save(path, **options)


def _webp() -> Iterator[Case]:
    lossless = {"lossless": True, "exact": True}
    yield pillow_case("lossless.webp", scene(3, "uint8"), "RGB", options=lossless)
    stored = np.concatenate([scene(3, "uint8"), mask_band()])
    yield pillow_case("lossless-alpha.webp", stored, "RGBA", options=lossless, alpha=3)
    stored = scene(4, "uint8")
    yield pillow_case("lossless-infrared.webp", stored, "RGBA", options=lossless, alpha=3)
    lossy = {"quality": 95}
    yield pillow_case("lossy.webp", gradients(3), "RGB", options=lossy, tolerance=20)
    animated = {**lossless, "save_all": True, "append_images": [image_of(gradients(3), "RGB")]}
    yield pillow_case("animated.webp", scene(3, "uint8"), "RGB", options=animated)


def _write_turned(path: Path, *, stored: np.ndarray, orientation: int, **options: Any) -> None:
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    bands = np.ascontiguousarray(STORED[orientation](stored).transpose(1, 2, 0))
    image = Image.fromarray(bands[..., 0] if len(stored) == 1 else bands)
    image.save(path, exif=exif, **options)


def _turned() -> Iterator[Case]:
    """A photograph is read upright, whatever side its camera was held."""
    kinds: dict[str, tuple[dict[str, Any], float]] = {
        "jpg": ({"quality": 95, "subsampling": "4:4:4"}, 12),
        "png": ({}, 0),
        "webp": ({"lossless": True}, 0),
    }
    for orientation, (suffix, (options, tolerance)) in product(STORED, kinds.items()):
        for count in (1, 3) if suffix != "webp" else (3,):
            upright = gradients(count) if tolerance else scene(count, "uint8")
            write = partial(_write_turned, stored=upright, orientation=orientation, **options)
            name = f"pillow-orientation{orientation}-x{count}.{suffix}"
            yield Case(name, write, upright, tolerance=tolerance)
