"""TIFF and PNG by OpenCV and scikit-image, as their `imwrite` and `imsave` make them."""

from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from raster_files.case import Case
from raster_files.scenes import DTYPES, gradients, mask_band, numbers_of_bits, scene

_OPENCV, _SCIKIT = ("cv2",), ("skimage",)
_CODECS = {"none": 1, "lzw": 5, "deflate": 8, "packbits": 32773}


def cases() -> Iterator[Case]:
    """All of this module."""
    yield from _opencv_tiff()
    yield from _opencv_pictures()
    yield from _scikit_tiff()
    yield from _scikit_png()


def _write_opencv(path: Path, *, stored: np.ndarray, params: tuple[str | int, ...] = ()) -> None:
    """Write (C, H, W), red first, which OpenCV takes as (H, W, C), blue first."""
    import cv2

    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[len(stored)]
    image = np.ascontiguousarray(stored[order].transpose(1, 2, 0))
    flags = [getattr(cv2, flag) if isinstance(flag, str) else flag for flag in params]
    assert cv2.imwrite(str(path), image[..., 0] if len(stored) == 1 else image, flags)


def _opencv_tiff() -> Iterator[Case]:
    for dtype, count, (codec, number) in product(DTYPES, (1, 3, 4), _CODECS.items()):
        stored = scene(count, dtype)
        params = ("IMWRITE_TIFF_COMPRESSION", number)
        write = partial(_write_opencv, stored=stored, params=params)
        name = f"opencv-{dtype}x{count}-{codec}.tif"
        # OpenCV may mean alpha by a fourth band, but its files do not say so (ExtraSamples).
        yield Case(name, write, stored, needs=_OPENCV)
    for dtype, count, rows in product(("uint8", "uint16"), (1, 3), (1, 7, 20)):
        stored = scene(count, dtype)
        params = ("IMWRITE_TIFF_ROWSPERSTRIP", rows)
        write = partial(_write_opencv, stored=stored, params=params)
        yield Case(f"opencv-{dtype}x{count}-{rows}rows.tif", write, stored, needs=_OPENCV)
    floats = np.abs(scene(3, "float32"))
    params = ("IMWRITE_TIFF_COMPRESSION", 34676)
    write = partial(_write_opencv, stored=floats, params=params)
    yield Case("opencv-logluv.tif", write, refusal="LOGLUV", needs=_OPENCV)
    write = partial(_write_opencv_pages, stored=scene(5, "uint16"))
    yield Case("opencv-uint16x5-pages.tif", write, scene(5, "uint16"), needs=_OPENCV)


def _write_opencv_pages(path: Path, *, stored: np.ndarray) -> None:
    import cv2

    assert cv2.imwritemulti(str(path), list(stored))


def _opencv_pictures() -> Iterator[Case]:
    """PNG, JPEG and WebP."""
    for dtype, count in product(("uint8", "uint16"), (1, 3, 4)):
        stored = scene(count, dtype)
        if count == 4:
            stored[3] = mask_band(dtype)[0]
        write = partial(_write_opencv, stored=stored)
        alpha = 3 if count == 4 else None
        yield Case(f"opencv-{dtype}x{count}.png", write, stored, alpha=alpha, needs=_OPENCV)
    for count in (1, 3):
        stored = gradients(count)
        write = partial(_write_opencv, stored=stored, params=("IMWRITE_JPEG_QUALITY", 95))
        yield Case(f"opencv-x{count}.jpg", write, stored, tolerance=12, needs=_OPENCV)
    lossless = partial(
        _write_opencv, stored=scene(3, "uint8"), params=("IMWRITE_WEBP_QUALITY", 101)
    )
    yield Case("opencv-lossless.webp", lossless, scene(3, "uint8"), needs=_OPENCV)


def _write_scikit(path: Path, *, image: np.ndarray, **options: Any) -> None:
    from skimage.io import imsave

    imsave(path, image, check_contrast=False, **options)


def _scikit_tiff() -> Iterator[Case]:
    dtypes = (*DTYPES, "float16")
    for dtype, count, first in product(dtypes, (1, 3, 4, 5, 13), (True, False)):
        stored = scene(count, dtype)
        image = stored if first else np.ascontiguousarray(stored.transpose(1, 2, 0))
        if count == 1:
            image = stored[0]
        name = f"scikit-{dtype}x{count}-{'first' if first else 'last'}.tif"
        alpha = 3 if count == 4 else None
        yield Case(name, partial(_write_scikit, image=image), stored, alpha=alpha, needs=_SCIKIT)
    truth = numbers_of_bits(1, 1)
    write = partial(_write_scikit, image=truth[0] > 0)
    yield Case("scikit-bool.tif", write, truth * 255, needs=_SCIKIT)
    planes = scene(3, "uint16")
    options = {"photometric": "minisblack", "planarconfig": "separate", "compression": "zlib"}
    write = partial(_write_scikit, image=planes, **options)
    yield Case("scikit-planar.tif", write, planes, needs=_SCIKIT)


def _scikit_png() -> Iterator[Case]:
    for dtype, count in (("uint8", 1), ("uint8", 2), ("uint8", 3), ("uint8", 4), ("uint16", 1)):
        stored = scene(count, dtype)
        image = stored[0] if count == 1 else np.ascontiguousarray(stored.transpose(1, 2, 0))
        alpha = count - 1 if count in (2, 4) else None
        write = partial(_write_scikit, image=image)
        yield Case(f"scikit-{dtype}x{count}.png", write, stored, alpha=alpha, needs=_SCIKIT)
