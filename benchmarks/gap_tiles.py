"""Tiles that lack a corner, as they are read when their gaps are filled in one way or another."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import rasterio
from scipy.ndimage import distance_transform_edt

from terrabalance.files import slug
from terrabalance.images import read_patches
from terrabalance.seeds import seed_for

TILE_PX, SIDE_PX = 64, 32  # of the tiles, and as they are read
ANGLES = (np.pi / 8, 3 * np.pi / 8)  # of the normal of the line that cuts the corner off
SHARES = (0.05, 0.1)  # of a tile that a gap takes; scan.max_invalid leaves out what lacks more
Filling = Callable[[np.ndarray, np.ndarray], np.ndarray]  # of (3, H, W) uint8 and (H, W) bool


def beyond(angle: float, share: float, side: int) -> np.ndarray:
    """Return by how many pixels each lies beyond a line that cuts off a share; (side, side)."""
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    along = columns * np.cos(angle) + rows * np.sin(angle)
    distances: np.ndarray = along - np.quantile(along, 1 - share)
    return distances


def as_mean(tile: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Fill with the mean of the tile's valid samples."""
    level = tile[:, valid].mean(1).round().astype(np.uint8)
    return np.where(valid, tile, level[:, None, None])


def as_nearest(tile: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Fill with the nearest valid sample."""
    rows, columns = distance_transform_edt(~valid, return_distances=False, return_indices=True)
    return tile[:, rows, columns]


CLEAN, MASKED = "no gaps", "mirrored, no loss there"
# What is in the files, and the no-data value that they declare: what is declared, the reader fills.
ARMS: dict[str, tuple[Filling, int | None]] = {
    CLEAN: (lambda tile, valid: tile, None),
    "left as they are": (np.multiply, None),
    "mean of the image": (as_mean, None),
    "nearest sample": (as_nearest, None),
    "mirrored": (np.multiply, 0),
    MASKED: (np.multiply, 0),
}


def valid_of(index: int) -> np.ndarray:
    """Return which samples of a training tile are data; every other tile is whole."""
    draw = np.random.default_rng(seed_for(0, "gap", index))
    angle, share = draw.uniform(*ANGLES), draw.uniform(*SHARES)
    return (beyond(angle, share, TILE_PX) <= 0) | (index % 2 == 0)


def read_arm(arm: str, tiles: np.ndarray, workdir: Path) -> np.ndarray:
    """Write tiles as GDAL does and read them as training does; (N, 3, 32, 32) uint8."""
    filling, nodata = ARMS[arm]
    folder = workdir / "tiles" / slug(arm)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{index:04d}.tif" for index in range(len(tiles))]
    layout = {"driver": "GTiff", "count": 3, "height": TILE_PX, "width": TILE_PX, "dtype": "uint8"}
    for index, (path, tile) in enumerate(zip(paths, tiles, strict=True)):
        with rasterio.open(path, "w", **layout, nodata=nodata, photometric="rgb") as file:
            file.write(filling(tile, valid_of(index)))
    return read_patches(paths, SIDE_PX)
