"""Look at one file: what the catalogue keeps of it, with as little decoding as that takes."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from augment.catalogue.hashes import SIDE_PX
from augment.catalogue.pictures import grey_picture
from terrabalance.rasters.decode import decode
from terrabalance.rasters.elsewhere import refuse_mask_behind, refuse_mask_beside
from terrabalance.rasters.memory import room_for
from terrabalance.rasters.orientation import upright
from terrabalance.rasters.pictures import opened, orientation_of
from terrabalance.rasters.raster import Footprint, Raster, Scaling

_JPEG = b"\xff\xd8\xff"
_BANDS = {"L": 1, "RGB": 3}


@dataclass(frozen=True, eq=False)
class Look:
    """What is known of an image.

    Attributes:
        height_px, width_px: upright.
        bands: without a band that is called alpha.
        mode: see `Raster.mode`.
        grey: (32, 32) float32, its brightness in its unit.
        invalid: share of its samples without data, with alpha as a mask.
        invalid_as_band: the same, where a band that is called alpha counts as data.
        alpha: what that band is by its content, `mask` or `data`; "" where there is none.
        scaling: as the file declares it.
        footprint: of ground; None where the file does not tell.
    """

    height_px: int
    width_px: int
    bands: int
    mode: str
    grey: np.ndarray
    invalid: float = 0.0
    invalid_as_band: float = 0.0
    alpha: str = ""
    scaling: Scaling | None = None
    footprint: Footprint | None = None


def look_at(path: Path, content: bytes | None) -> Look:
    """Decode an image as far as the catalogue needs it.

    A JPEG is decoded at a reduced size and in grey, which its coding allows.

    Args:
        path: of the file.
        content: its bytes, where they are at hand.

    Raises:
        UnreadableImage: see `terrabalance.rasters.decode.decode`.
    """
    with room_for(path):
        if content is not None and content.startswith(_JPEG):
            look = _look_at_jpeg(path, content)
            if look is not None:
                refuse_mask_beside(path, declares_nodata=False)
                refuse_mask_behind(path, io.BytesIO(content))
                return look
        return _look_at_raster(decode(path))


def compared(raster: Raster) -> Raster:
    """Return what two images are compared by: a mask as alpha is no part of the picture."""
    return raster.without_alpha() if raster.has_mask_as_alpha else raster


def _look_at_jpeg(path: Path, content: bytes) -> Look | None:
    """Look at a JPEG of grey or of colour; None for other modes."""
    with opened(path, content, ("JPEG",)) as image:
        mode, (width, height) = image.mode, image.size
        if mode not in _BANDS:
            return None
        orientation = orientation_of(image)
        image.draft("L", (2 * SIDE_PX, 2 * SIDE_PX))
        grey_image = image if image.mode == "L" else image.convert("L")
        small = grey_image.resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR)
    grey = upright(np.asarray(small, np.float32)[None], orientation)[0]
    if orientation >= 5:  # rows and columns are exchanged
        width, height = height, width
    return Look(height, width, _BANDS[mode], mode, grey)


def _look_at_raster(raster: Raster) -> Look:
    alpha = "" if raster.alpha is None else "mask" if raster.has_mask_as_alpha else "data"
    masked = raster.without_alpha()
    bands, height, width = masked.pixels.shape
    return Look(
        height, width, bands, raster.mode, grey_picture(compared(raster)),
        masked.invalid_share, raster.invalid_share, alpha, raster.scaling, raster.footprint,
    )  # fmt: skip
