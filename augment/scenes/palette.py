"""Colours of the seasons; display values in [0, 1] before light and haze."""

from dataclasses import dataclass

from augment.scenes.ground import Colour


@dataclass(frozen=True)
class Season:
    """Colours that change together over the year."""

    grass: Colour
    trees: tuple[Colour, ...]
    crops: tuple[Colour, ...]
    soil: Colour


SUMMER = Season(
    grass=(0.40, 0.50, 0.26),
    trees=((0.17, 0.32, 0.14), (0.22, 0.37, 0.16), (0.14, 0.28, 0.15)),
    crops=((0.36, 0.52, 0.22), (0.55, 0.60, 0.27), (0.72, 0.65, 0.38), (0.28, 0.42, 0.20)),
    soil=(0.56, 0.46, 0.34),
)
SPRING = Season(
    grass=(0.45, 0.58, 0.29),
    trees=((0.27, 0.43, 0.18), (0.33, 0.48, 0.22), (0.19, 0.34, 0.17)),
    crops=((0.42, 0.61, 0.25), (0.80, 0.76, 0.25), (0.48, 0.38, 0.28), (0.36, 0.52, 0.26)),
    soil=(0.46, 0.36, 0.27),
)
AUTUMN = Season(
    grass=(0.48, 0.48, 0.28),
    trees=((0.46, 0.32, 0.13), (0.38, 0.35, 0.15), (0.55, 0.38, 0.16), (0.24, 0.32, 0.15)),
    crops=((0.52, 0.42, 0.30), (0.62, 0.53, 0.35), (0.42, 0.46, 0.24), (0.38, 0.29, 0.21)),
    soil=(0.44, 0.34, 0.25),
)
DRY = Season(
    grass=(0.63, 0.56, 0.37),
    trees=((0.28, 0.34, 0.20), (0.33, 0.38, 0.23), (0.24, 0.31, 0.19)),
    crops=((0.72, 0.62, 0.42), (0.64, 0.53, 0.36), (0.46, 0.50, 0.28), (0.78, 0.70, 0.50)),
    soil=(0.66, 0.54, 0.40),
)
SEASONS = (SUMMER, SPRING, AUTUMN, DRY)

ASPHALT: Colour = (0.45, 0.45, 0.46)
CONCRETE: Colour = (0.68, 0.66, 0.62)
GRAVEL: Colour = (0.60, 0.56, 0.50)
SAND: Colour = (0.86, 0.77, 0.60)
FOAM: Colour = (0.95, 0.97, 0.97)
ROOFS: tuple[Colour, ...] = (
    (0.66, 0.36, 0.27), (0.56, 0.32, 0.26), (0.52, 0.50, 0.49), (0.40, 0.39, 0.41),
    (0.72, 0.66, 0.58), (0.80, 0.79, 0.77), (0.47, 0.36, 0.30),
)  # fmt: skip
TANKS: tuple[Colour, ...] = (
    (0.93, 0.93, 0.91), (0.86, 0.87, 0.87), (0.78, 0.74, 0.66), (0.66, 0.46, 0.36),
    (0.62, 0.70, 0.66), (0.55, 0.57, 0.60),
)  # fmt: skip
SEA: tuple[tuple[Colour, Colour], ...] = (  # shallow, deep
    ((0.42, 0.70, 0.68), (0.10, 0.33, 0.48)),
    ((0.50, 0.62, 0.56), (0.24, 0.38, 0.42)),
    ((0.36, 0.58, 0.66), (0.09, 0.22, 0.36)),
)
FRESH: tuple[Colour, ...] = (
    (0.26, 0.34, 0.28), (0.40, 0.40, 0.29), (0.20, 0.32, 0.38), (0.31, 0.43, 0.44),
)  # fmt: skip
