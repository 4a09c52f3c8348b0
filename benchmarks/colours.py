"""How far the colours of drawn images are from those of their class."""

import numpy as np


def colour_ratio(
    drawn: np.ndarray, labels: np.ndarray, real: np.ndarray, real_labels: np.ndarray
) -> float:
    """Return how far mean colours are from their class's, over how far those of real images are.

    Args:
        drawn: (N, 3, H, W) levels.
        labels: (N,) int, of their classes, from 0.
        real: (M, 3, H, W) levels.
        real_labels: (M,) int, the same.

    Returns:
        Root mean square distance of mean colours over the same of real images; 1 is as real.
    """
    colours, real_colours = (images.mean((2, 3)) for images in (drawn, real))
    classes = range(real_labels.max() + 1)
    centres = np.stack([real_colours[real_labels == label].mean(0) for label in classes])

    def far(each: np.ndarray, of: np.ndarray) -> float:
        return float(np.square(each - centres[of]).sum(1).mean() ** 0.5)

    return far(colours, labels) / far(real_colours, real_labels)
