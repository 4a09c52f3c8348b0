"""Sketches of pictures in a file, so that near copies are found where the pictures are not."""

from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from augment.catalogue.hashes import N_SYMMETRIES, THUMBNAIL_PX, Sketches
from terrabalance.errors import BadInput
from terrabalance.files import atomic_write

_SHAPES: dict[str, tuple[tuple[int, ...], type]] = {
    "hashes": ((N_SYMMETRIES,), np.uint64),
    "ranges": ((2,), np.float64),
    "thumbnails": ((THUMBNAIL_PX, THUMBNAIL_PX), np.uint8),
}  # fmt: skip


def write_sketches(path: Path, sketches: Sketches) -> None:
    """Write the sketches of N pictures, 340 bytes each, in their order."""
    content = save({
        "hashes": np.ascontiguousarray(sketches.hashes),
        "ranges": np.ascontiguousarray(sketches.ranges),
        "thumbnails": sketches.thumbnails[sketches.at],
    })  # fmt: skip
    with atomic_write(path) as file:
        file.write(content)


def read_sketches(path: Path) -> Sketches:
    """Read what `write_sketches` wrote; the file may come from strangers.

    Raises:
        BadInput: it is damaged, or none of ours.
    """
    try:
        found = load(path.read_bytes())
        count = len(found["hashes"])
        for name, (shape, dtype) in _SHAPES.items():
            if found[name].shape != (count, *shape) or found[name].dtype != dtype:
                raise KeyError(name)
    except (OSError, SafetensorError, KeyError, TypeError) as error:
        raise BadInput(
            f"{path}: holds no sketches of pictures that can be used ({error}). Restore it from a "
            "copy."
        ) from error
    return Sketches(found["hashes"], found["ranges"], found["thumbnails"], np.arange(count))
