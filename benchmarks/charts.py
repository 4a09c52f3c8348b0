"""What the charts of the benchmarks share."""

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from terrabalance.files import atomic_write

UPSTREAM, OURS = "#8c959f", "#1f77b4"


def chart(n_axes: int = 1, width: float = 6.4) -> tuple[Figure, list[Axes]]:
    """Return an empty figure with some axes side by side."""
    figure, axes = plt.subplots(
        1, n_axes, figsize=(width, 3.6), layout="constrained", squeeze=False
    )
    return figure, list(axes[0])


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG."""
    with atomic_write(path) as file:
        figure.savefig(file, dpi=144, format="png")
    plt.close(figure)
