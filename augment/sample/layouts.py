"""How the real images of a class are stored, for synthetic ones to be opened alike."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from terrabalance.bands import Bands
from terrabalance.evenly import evenly
from terrabalance.rasters.decode import decode
from terrabalance.rasters.raster import Layout

_MOST = 16  # images that are looked at, evenly over those given


def usual_layout(paths: Sequence[Path], bands: Bands) -> Layout | None:
    """Return the layout that most of the images have; None: most are no TIFFs.

    Only images of as many bands count, an alpha band left out. What a layout says of scale and
    offset is left out as well: that is of `bands`.

    Args:
        paths: of the real training images of a class, in an order that does not change.
        bands: of the images to be written.

    Raises:
        UnreadableImage: a file is damaged.
    """
    rasters = [decode(paths[place]) for place in evenly(len(paths), _MOST)]
    layouts = [
        raster.layout and replace(raster.layout, scaling=None)
        for raster in rasters
        if len(raster.of_bands(bands.count).pixels) == bands.count
    ]
    return Counter(layouts).most_common(1)[0][0] if layouts else None
