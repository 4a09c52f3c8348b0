"""Sizes of images."""

Size = int | tuple[int, int]  # side of a square, or (height, width), in pixels


def height_width(size: Size) -> tuple[int, int]:
    """Return (height, width)."""
    return (size, size) if isinstance(size, int) else size


def at_most(size: Size, side_px: int) -> Size:
    """Shrink a size, keeping its shape, until no side is longer than `side_px`."""
    height, width = height_width(size)
    share = min(1.0, side_px / max(height, width))
    return (max(1, round(height * share)), max(1, round(width * share)))


def describe_size(size: Size) -> str:
    """Name a size for people: `64 px`, `40 x 56 px` (height first)."""
    height, width = height_width(size)
    return f"{height} px" if height == width else f"{height} x {width} px"


def halved(size: Size, n_times: int) -> tuple[int, int]:
    """Return height and width in pixels of an image whose sides are halved so often.

    Raises:
        ValueError: a side is no multiple of that power of two.
    """
    factor = 2**n_times
    for side in height_width(size):
        if side % factor:
            low = max(side // factor, 1) * factor
            raise ValueError(
                f"image_size {side} cannot be halved {n_times} times; "
                f"the nearest sizes that can are {low} and {low + factor}"
            )
    height, width = height_width(size)
    return height // factor, width // factor
