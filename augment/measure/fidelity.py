"""Measure one class's synthetic images against held-out real ones, with a floor and a ceiling."""

from dataclasses import asdict
from typing import Any

import numpy as np

from augment.measure.metrics import (
    N_NEIGHBOURS,
    copying,
    kernel_distance,
    manifold,
)

# With fewer, a neighbourhood of five holds most of the class, and any image lies in one.
FEWEST_MEASURED = 2 * N_NEIGHBOURS


def measure_class(
    generated: np.ndarray, held_out: np.ndarray, train: np.ndarray, others: np.ndarray
) -> dict[str, Any] | None:
    """Measure one class by the features of one network.

    Args:
        generated: (N, D) of the synthetic images.
        held_out: (M, D) of real images that no generator saw.
        train: (T, D) of the real images that the generator was trained on.
        others: (O, D) of real images of other classes.

    Returns:
        `kid` with `floor` (the class's own training images instead of the generated ones: what
        perfect images would score) and `ceiling` (other classes' images instead), each with
        value and standard_error; `manifold`, `copying`, and the counts. None with fewer than
        `FEWEST_MEASURED` images drawn or held out, or hardly any others.
    """
    counts = {
        "n_generated": len(generated), "n_held_out": len(held_out), "n_train": len(train),
        "n_others": len(others),
    }  # fmt: skip
    compared = min(len(generated), len(held_out))
    if compared < FEWEST_MEASURED or min(len(train), len(others)) <= N_NEIGHBOURS:
        return None
    return {
        **counts,
        "kid": asdict(kernel_distance(held_out, generated)),
        "floor": asdict(kernel_distance(held_out, train)),
        "ceiling": asdict(kernel_distance(held_out, others)),
        "manifold": asdict(manifold(held_out, generated)),
        "copying": asdict(copying(train, held_out, generated)),
    }
