"""Images with files beside them, and files that are cut short or no image at all."""

from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from raster_files import geotiff
from raster_files.by_pillow import image_of
from raster_files.case import Case
from raster_files.scenes import GAP, corner_mask, gradients, scene, with_gap

_STATISTICS = (
    "<PAMDataset><PAMRasterBand band='1'><Metadata>"
    "<MDI key='STATISTICS_MEAN'>1200</MDI></Metadata></PAMRasterBand></PAMDataset>"
)
_DECLARED = (
    "<PAMDataset><PAMRasterBand band='1'><NoDataValue>0</NoDataValue></PAMRasterBand></PAMDataset>"
)
_WORLD = "10\n0\n0\n-10\n500000\n5000000\n"


def cases() -> Iterator[Case]:
    """All of this module."""
    yield from _harmless()
    yield from _no_data_beside()
    yield from _damaged()


def _write_beside(path: Path, *, write: Callable[[Path], None], suffix: str, text: str) -> None:
    write(path)
    path.with_name(f"{path.name}{suffix}").write_text(text)


def _harmless() -> Iterator[Case]:
    """Statistics, world files and overviews beside an image change nothing."""
    grey = scene(1, "uint16")
    tiff = partial(tifffile.imwrite, data=grey[0])
    for suffix, text in {".aux.xml": _STATISTICS, ".ovr": "overviews", ".prj": "PROJCS"}.items():
        write = partial(_write_beside, write=tiff, suffix=suffix, text=text)
        yield Case(f"beside{suffix.replace('.', '-')}.tif", write, grey)
    write = partial(_write_world, stored=grey)
    yield Case("beside-tfw.tif", write, grey)


def _write_world(path: Path, *, stored: np.ndarray) -> None:
    tifffile.imwrite(path, stored[0])
    path.with_suffix(".tfw").write_text(_WORLD)


def _no_data_beside() -> Iterator[Case]:
    """No-data that only the file beside declares would be lost with it: refused, as a mask is."""
    filled, valid = with_gap(scene(1, "uint16"), 0)
    aside = {"suffix": ".aux.xml", "text": _DECLARED}
    write = partial(_write_beside, write=partial(tifffile.imwrite, data=filled[0]), **aside)
    yield Case("no-data-beside.tif", write, refusal=r"\.aux\.xml\b")
    scaled = _DECLARED.replace("NoDataValue", "Scale")
    write = partial(_write_beside, write=write.keywords["write"], suffix=".aux.xml", text=scaled)
    yield Case("scale-beside.tif", write, refusal=r"scale or offset is declared in .*\.aux\.xml\b")
    tag = [(42113, "s", 0, "0", True)]
    tagged = partial(tifffile.imwrite, data=filled[0], extratags=tag)
    write = partial(_write_beside, write=tagged, **aside)
    yield Case("no-data-beside-and-inside.tif", write, filled, valid)
    place = {"crs": None, "transform": None}
    for driver, suffix in (("JPEG", "jpg"), ("PNG", "png")):
        rgb = scene(3, "uint8")
        rgb[GAP] = 0
        write = partial(geotiff.write, stored=rgb, driver=driver, nodata=0, **place)
        expected = {"refusal": r"\.aux\.xml\b"}
        if driver == "PNG":  # which keeps it as a clear colour, inside
            expected = {"values": rgb, "valid": corner_mask()}
        yield Case(f"no-data-by-gdal.{suffix}", write, needs=geotiff.RASTERIO, **expected)
    write = partial(_write_masked_jpeg, stored=gradients(3))
    yield Case("mask-behind.jpg", write, refusal="behind the JPEG", needs=geotiff.RASTERIO)
    write = partial(_write_beside, write=_write_png, suffix=".msk", text="a mask")
    yield Case("mask-beside.png", write, refusal=r"\.msk\b")


def _write_masked_jpeg(path: Path, *, stored: np.ndarray) -> None:
    """A JPEG by GDAL of a picture with a mask, which it appends."""
    from rasterio.shutil import copy

    masked = path.with_suffix(".tif")
    geotiff.write(masked, stored=stored, mask=corner_mask())
    copy(masked, path, driver="JPEG")


def _write_png(path: Path) -> None:
    path.write_bytes(_picture("PNG"))


def _picture(form: str) -> bytes:
    file = BytesIO()
    image_of(scene(3, "uint8"), "RGB").save(file, form)
    return file.getvalue()


def _tiff(**options: object) -> bytes:
    file = BytesIO()
    tifffile.imwrite(
        file, scene(3, "uint16"), photometric="rgb", planarconfig="separate", **options
    )
    return file.getvalue()


def _write_bytes(path: Path, *, make: Callable[[], bytes], share: float) -> None:
    data = make()
    path.write_bytes(data[: int(len(data) * share)])


def _damaged() -> Iterator[Case]:
    """What is cut short is refused, not filled up."""
    makers: dict[str, tuple[str, Callable[[], bytes]]] = {
        "jpeg": ("jpg", partial(_picture, "JPEG")),
        "png": ("png", partial(_picture, "PNG")),
        "webp": ("webp", partial(_picture, "WEBP")),
        "tiff": ("tif", _tiff),
        "tiff-deflate": ("tif", partial(_tiff, compression="zlib")),
        "tiff-tiles": ("tif", partial(_tiff, compression="lzw", tile=(16, 16))),
        "deep-png": ("png", _deep_png),
    }
    for (name, (suffix, make)), share in (
        (item, share) for item in makers.items() for share in (0.1, 0.6, 0.97)
    ):
        write = partial(_write_bytes, make=make, share=share)
        yield Case(f"cut-{name}-{share:.0%}.{suffix}".replace("%", ""), write, refusal=".")
    for suffix in ("tif", "png", "jpg", "webp"):
        write = partial(_write_bytes, make=bytes, share=1)
        yield Case(f"empty.{suffix}", write, refusal=".")
        write = partial(_write_bytes, make=partial(bytes, 2000), share=1)
        yield Case(f"zeros.{suffix}", write, refusal=".")
        write = partial(_write_bytes, make=partial(_text, suffix), share=1)
        yield Case(f"page.{suffix}", write, refusal=".")


def _deep_png() -> bytes:
    file = BytesIO()
    Image.fromarray(scene(1, "uint16")[0]).save(file, "PNG")
    return file.getvalue()


def _text(suffix: str) -> bytes:
    return f"<html><body>404: no such {suffix}</body></html>".encode()
