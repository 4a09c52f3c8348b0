"""A few of many, spread evenly: chosen neither by quality nor by chance."""

import numpy as np


def evenly(count: int, most: int) -> np.ndarray:
    """Return at most `most` of the places 0 to `count` - 1, the first and the last among them.

    Args:
        count: how many there are; 0 gives none.
        most: how many are wanted, from 1; of one the first is taken.

    Returns:
        (min(count, most),) int64, in rising order, none twice.
    """
    places: np.ndarray = np.linspace(0, count - 1, min(count, most)).round()
    return places.astype(np.int64)
