"""TIFF by tifffile: where the bands lie, pictures of reduced size, and what has no one reading."""

from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from raster_files.by_tifffile import CHUNKY, PLANAR, TILES, case_of, last, one_or_last
from raster_files.case import Case
from raster_files.scenes import mask_band, scene


def cases() -> Iterator[Case]:
    """All of this module."""
    yield from _unless_told_otherwise()
    yield from _bands_by_axes()
    yield from _pages()
    yield from _reduced_pictures()
    yield from _refused()


def _unless_told_otherwise() -> Iterator[Case]:
    """`imwrite(path, array)` alone: the shape decides what becomes of it."""
    for dtype, count in product(("uint8", "uint16", "float32"), (1, 2, 3, 4, 5, 13)):
        bands = scene(count, dtype)
        alpha = 3 if count == 4 else None  # which tifffile takes for RGB with alpha
        yield case_of(f"{dtype}x{count}-first", bands, {}, values=bands, alpha=alpha)
        stored = one_or_last(bands)
        yield case_of(f"{dtype}x{count}-last", stored, {}, values=bands, alpha=alpha)
    tall = scene(13, "uint16").repeat(3, axis=1)
    yield case_of("60x23x13-last", last(tall), {}, values=tall)
    for count, layout in product((4, 5), (CHUNKY, PLANAR)):
        bands = np.concatenate([scene(3, "uint16"), mask_band("uint16"), scene(1, "uint16")])
        bands = bands[:count]
        options = {**layout, "photometric": "rgb"}
        options["extrasamples"] = ["unassalpha", "unspecified"][: count - 3]
        chunky = layout is CHUNKY
        name = f"rgb-alpha-x{count}-{'chunky' if chunky else 'planar'}"
        yield case_of(name, last(bands) if chunky else bands, options, values=bands, alpha=3)


def _bands_by_axes() -> Iterator[Case]:
    """Where the file names its axes they decide, also against the sizes."""
    for count, dtype in product((2, 5, 13, 30), ("uint8", "uint16", "float32")):
        bands = scene(count, dtype)
        for axes, stored in {"CYX": bands, "YXC": last(bands), "SYX": bands}.items():
            options = {"metadata": {"axes": axes}, "photometric": "minisblack"}
            if axes == "SYX":
                options["planarconfig"] = "separate"
            yield case_of(f"{dtype}x{count}-axes-{axes}", stored, options, values=bands)
        ome = {"ome": True, "metadata": {"axes": "CYX"}, "photometric": "minisblack"}
        yield case_of(f"{dtype}x{count}-ome", bands, ome)
        imagej = {"imagej": True, "metadata": {"axes": "CYX"}}
        yield case_of(f"{dtype}x{count}-imagej", bands, imagej)


def _write_pages(path: Path, *, pages: list[np.ndarray], **options: Any) -> None:
    with tifffile.TiffWriter(path) as file:
        for page in pages:
            file.write(page, contiguous=False, **options)


def _pages() -> Iterator[Case]:
    """Pages of one sample are the bands."""
    for dtype, count, codec, own in product(
        ("uint8", "uint16", "float32"), (2, 5, 13), (None, "zlib"), (True, False)
    ):
        bands = scene(count, dtype)
        # With tifffile's own metadata each page is a series of its own, without it one of all.
        options = {"photometric": "minisblack", "compression": codec}
        write = partial(
            _write_pages, pages=list(bands), **options, **({} if own else {"metadata": None})
        )
        name = f"{dtype}x{count}-pages-{codec or 'none'}{'-series' * own}"
        yield Case(f"tifffile-{name}.tif", write, bands)


def _write_pyramid(path: Path, *, stored: np.ndarray, inside: bool, **options: Any) -> None:
    """The picture, and one of half the size as its SubIFD (`inside`) or as a page after it."""
    chunky = options.get("planarconfig") == "contig" and stored.ndim == 3
    half = stored[::2, ::2] if chunky or stored.ndim == 2 else stored[:, ::2, ::2]
    with tifffile.TiffWriter(path) as file:
        file.write(stored, subifds=1 if inside else None, **options)
        file.write(half, subfiletype=1, **options)


def _reduced_pictures() -> Iterator[Case]:
    for dtype, layout, inside in product(
        ("uint8", "int8", "uint16", "float32"), (CHUNKY, PLANAR), (True, False)
    ):
        bands = scene(5, dtype)
        chunky = layout is CHUNKY
        options = {"stored": last(bands) if chunky else bands, "inside": inside, **layout}
        name = f"{dtype}x5-{'chunky' if chunky else 'planar'}-{'subifd' if inside else 'page'}"
        write = partial(_write_pyramid, **options, compression="zlib", **TILES)
        yield Case(f"tifffile-overview-{name}.tif", write, bands)
    for inside, photometric in product((True, False), ("minisblack", "miniswhite")):
        grey = scene(1, "uint8")
        shown = grey if photometric == "minisblack" else 255 - grey
        write = partial(_write_pyramid, stored=grey[0], inside=inside, photometric=photometric)
        name = f"{photometric}-{'subifd' if inside else 'page'}"
        yield Case(f"tifffile-overview-{name}.tif", write, shown)


def _refused() -> Iterator[Case]:
    """What has no one reading is refused by a sentence that names the axes or the kind."""
    cube = scene(23, "uint16")  # 23 x 20 x 23: the first axis or the last
    yield case_of("ambiguous-axes", cube, {"photometric": "minisblack"}, refusal="axes QYX")
    several = np.stack([last(scene(3, "uint8"))] * 2)
    yield case_of("two-rgb-pictures", several, {"photometric": "rgb"}, refusal="pictures")
    stack = np.stack([scene(5, "uint16")] * 2)
    yield case_of("two-planar-pictures", stack, PLANAR, refusal="pictures")
    axes = {"metadata": {"axes": "TCYX"}, "photometric": "minisblack"}
    yield case_of("time-and-bands", stack, axes, refusal="TCYX")
    for dtype in ("complex64", "complex128"):
        slant = scene(2, "float32").astype(dtype)
        yield case_of(dtype, slant, {"photometric": "minisblack"}, refusal="complex")
    lab = {"photometric": "cielab"}
    yield case_of("cielab", last(scene(3, "uint8")), lab, refusal="CIELAB")
    volume = {"volumetric": True, "tile": (16, 16, 16), "photometric": "minisblack"}
    yield case_of("volume", scene(5, "uint8"), volume, refusal="volume")
    for photometric in ("cfa", "linear_raw"):
        stored = scene(1, "uint16")[0] if photometric == "cfa" else last(scene(3, "uint16"))
        refusal = photometric.upper()
        yield case_of(photometric, stored, {"photometric": photometric}, refusal=refusal)
    inks = {"photometric": "separated", "planarconfig": "contig"}
    yield case_of("cmyk-uint16", last(scene(4, "uint16")), inks, refusal="inks")
    inks["extrasamples"] = ["unassalpha"]
    yield case_of("cmyk-alpha", last(scene(5, "uint8")), inks, refusal="inks")
    rgb = last(scene(3, "uint8"))
    write = partial(_write_pages, pages=[rgb, rgb[::4, ::4]], photometric="rgb")
    yield Case("tifffile-thumbnail-without-a-word.tif", write, refusal="pictures")
