"""What is read through GDAL: JPEG 2000, ENVI, Imagine, NITF, and VRT over images beside it."""

from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from raster_files import geotiff
from raster_files.case import Case
from raster_files.scenes import (
    HEIGHT,
    WIDTH,
    gradients,
    mask_band,
    numbers_of_bits,
    scene,
    with_gap,
)

_NOWHERE: dict[str, Any] = {"crs": None, "transform": None}
_JPEG2000: dict[str, Any] = {"driver": "JP2OpenJPEG", "quality": 100, "reversible": "YES"}


def cases() -> Iterator[Case]:
    """All of this module."""
    yield from _jpeg2000()
    yield from _envi()
    yield from _imagine()
    yield from _nitf()
    yield from _vrt()
    yield from _vrt_refused()


def _case(name: str, stored: np.ndarray, options: dict[str, Any], **expected: Any) -> Case:
    expected = expected if "refusal" in expected else {"values": stored, **expected}
    write = partial(geotiff.write, stored=stored, **options)
    return Case(name, write, needs=geotiff.RASTERIO, **expected)


def _jpeg2000() -> Iterator[Case]:
    """Sentinel-2's own format: 15 bits are stored as 15, and not spread over 16."""
    for bits, count in product((4, 8, 10, 12, 15, 16), (1, 3, 4, 13)):
        stored = numbers_of_bits(count, bits)
        yield _case(f"{bits}bitx{count}.jp2", stored, {"nbits": bits, **_JPEG2000})
    for dtype, suffix in product(("uint8", "uint16", "int16"), ("jp2", "j2k")):
        stored = scene(3, dtype)
        yield _case(f"{dtype}-codestream.{suffix}", stored, {**_JPEG2000, "codec": suffix})
    rgb_alpha = np.concatenate([scene(3, "uint8"), mask_band()])
    meanings = {"meanings": "red green blue alpha"}
    yield _case("rgb-alpha.jp2", rgb_alpha, {**_JPEG2000, **meanings}, alpha=3)
    lossy = {"driver": "JP2OpenJPEG", "quality": 50}
    yield _case("lossy.jp2", gradients(3), lossy, tolerance=12)
    # GDAL declares it in the file beside, for want of a place in the image.
    filled, _ = with_gap(scene(3, "uint16"), 0)
    yield _case("nodata.jp2", filled, {**_JPEG2000, "nodata": 0}, refusal=r"\.aux\.xml\b")


def _envi() -> Iterator[Case]:
    dtypes = ("uint8", "uint16", "int16", "uint32", "int32", "float32", "float64")
    for dtype, order, count in product(dtypes, ("bsq", "bil", "bip"), (1, 5)):
        options = {"driver": "ENVI", "interleave": order}
        yield _case(f"envi-{dtype}x{count}-{order}.dat", scene(count, dtype), options)
    for suffix in ("img", "bsq", "bil", "bip"):
        options = {"driver": "ENVI", "interleave": "bsq" if suffix == "img" else suffix}
        yield _case(f"envi-named.{suffix}", scene(3, "uint16"), options)
    for dtype, fill in (("int16", -9999), ("float32", -9999), ("float32", np.nan), ("uint8", 0)):
        filled, valid = with_gap(scene(3, dtype), fill)
        options = {"driver": "ENVI", "nodata": fill}
        yield _case(f"envi-{dtype}-nodata{fill:g}.dat", filled, options, valid=valid)
    slant = scene(2, "float32").astype("complex64")
    yield _case("envi-complex.dat", slant, {"driver": "ENVI"}, refusal="complex")


def _imagine() -> Iterator[Case]:
    for dtype, compressed in product(("uint8", "int16", "float32"), ("YES", "NO")):
        filled, valid = with_gap(scene(3, dtype), 0)
        options = {"driver": "HFA", "compressed": compressed, "nodata": 0}
        name = f"imagine-{dtype}{'-compressed' * (compressed == 'YES')}.img"
        yield _case(name, filled, options, valid=valid)


def _nitf() -> Iterator[Case]:
    dtypes = ("uint8", "uint16", "int16", "uint32", "int32", "float32", "float64")
    for dtype, count in product(dtypes, (1, 3)):
        options = {"driver": "NITF", **_NOWHERE}
        yield _case(f"nitf-{dtype}x{count}.ntf", scene(count, dtype), options)
    multi = {"driver": "NITF", "irep": "MULTI", **_NOWHERE}
    yield _case("nitf-multi.ntf", scene(5, "uint16"), multi)
    rgb = {"driver": "NITF", "irep": "RGB", **_NOWHERE}
    yield _case("nitf-rgb.nitf", scene(3, "uint8"), rgb)
    blocks = {"driver": "NITF", "blockxsize": 16, "blockysize": 16, **_NOWHERE}
    yield _case("nitf-blocks.ntf", scene(2, "uint16"), blocks)
    slant = scene(1, "float32").astype("complex64")
    yield _case("nitf-complex.ntf", slant, {"driver": "NITF", **_NOWHERE}, refusal="complex")


_GDAL_NAMES = {"uint8": "Byte", "uint16": "UInt16", "int16": "Int16", "float32": "Float32"}


def _write_vrt(
    path: Path,
    *,
    stored: np.ndarray,
    source: str = "",
    nodata: str = "",
    bands: tuple[str, ...] = (),
) -> None:
    """Write a VRT that stacks one GeoTIFF for each band.

    Args:
        path: the VRT; the GeoTIFFs lie beside it.
        stored: (C, H, W).
        source: stands for the file of each band; empty: the GeoTIFF.
        nodata: what each band declares; empty: nothing.
        bands: more XML inside each band; empty: nothing.
    """
    size = f'rasterXSize="{WIDTH}" rasterYSize="{HEIGHT}"'
    lines = [f"<VRTDataset {size}>"]
    for place, plane in enumerate(stored):
        name = f"{path.stem}-{place}.tif"
        geotiff.write(path.with_name(name), stored=plane[None])
        declared = f"<NoDataValue>{nodata}</NoDataValue>" if nodata else ""
        lines.append(
            f'<VRTRasterBand dataType="{_GDAL_NAMES[stored.dtype.name]}" band="{place + 1}">'
            f"{declared}{bands[place] if bands else ''}<SimpleSource>"
            + (source or f'<SourceFilename relativeToVRT="1">{name}</SourceFilename>')
            + "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand>"
        )
    path.write_text("\n".join([*lines, "</VRTDataset>"]))


def _vrt() -> Iterator[Case]:
    for dtype, count in product(_GDAL_NAMES, (1, 3, 5)):
        stored = scene(count, dtype)
        write = partial(_write_vrt, stored=stored)
        yield Case(f"stack-{dtype}x{count}.vrt", write, stored, needs=geotiff.RASTERIO)
        filled, valid = with_gap(stored, 0)
        write = partial(_write_vrt, stored=filled, nodata="0")
        yield Case(
            f"stack-{dtype}x{count}-nodata.vrt", write, filled, valid, needs=geotiff.RASTERIO
        )
    four, meanings = scene(4, "uint8"), ("Red", "Green", "Blue", "Alpha")
    bands = tuple(f"<ColorInterp>{meaning}</ColorInterp>" for meaning in meanings)
    write = partial(_write_vrt, stored=four, bands=bands)
    yield Case("stack-rgb-alpha.vrt", write, four, alpha=3, needs=geotiff.RASTERIO)


def _vrt_refused() -> Iterator[Case]:
    """A VRT is a small programme: it may read images beside it and nothing else."""
    elsewhere = {
        "absolute": '<SourceFilename relativeToVRT="0">/etc/hostname.tif</SourceFilename>',
        "above": '<SourceFilename relativeToVRT="1">../secret.tif</SourceFilename>',
        "server": '<SourceFilename relativeToVRT="0">/vsicurl/http://a.b/c.tif</SourceFilename>',
        "absent": '<SourceFilename relativeToVRT="1">absent.tif</SourceFilename>',
    }
    for name, source in elsewhere.items():
        write = partial(_write_vrt, stored=scene(1, "uint8"), source=source)
        refusal = "own folder" if name != "absent" else r"absent\.tif"
        yield Case(f"source-{name}.vrt", write, refusal=refusal, needs=geotiff.RASTERIO)
    code = "<PixelFunctionType>inv</PixelFunctionType>"
    write = partial(_write_vrt, stored=scene(1, "uint8"), bands=(code,))
    yield Case("pixel-function.vrt", write, refusal="own folder", needs=geotiff.RASTERIO)
