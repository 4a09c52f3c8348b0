"""CutMix (after Yun et al. 2019): a rectangle of one image inside another image.

Within a class labels stay; between classes they are mixed by the rectangle's share. The generator
may also draw new surroundings for part of a real image (`sampling.keep`); this does the same
without a generator, and so is its rival.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from terrabalance.seeds import generator_for
from terrabalance.symmetry import apply_symmetry, keep_shape, random_symmetries

_SIDE = 0.6  # of the square, as a share of the image's
_CHANCE = 0.5  # of a training image to be pasted


def pasted(pixels: Tensor, around: Tensor, places: Tensor) -> Tensor:
    """Keep a rectangle of each image, of `_SIDE` times its sides, and take the rest from another.

    Args:
        pixels: (N, C, H, W).
        around: likewise.
        places: (N, 2) in [0, 1], vertical and horizontal position of the rectangle.
    """
    return torch.where(_rectangles(pixels, places, _SIDE), pixels, around)


def _rectangles(pixels: Tensor, places: Tensor, sides: Tensor | float) -> Tensor:
    """Return (N, 1, H, W) bool: rectangles within images; sides, (N, 1) or one, are shares."""
    inside = []
    for axis, side in enumerate(pixels.shape[-2:]):
        first = places[:, axis : axis + 1] * (1 - sides) * side
        at = torch.arange(side, device=pixels.device) + 0.5
        inside.append((at >= first) & (at < first + sides * side))
    return inside[0][:, None, :, None] & inside[1][:, None, None, :]


def patched_at_random(
    inputs: Tensor, others: Tensor, chance: float, draws: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Put a rectangle of another image into some, of any area, at the place where it was.

    Args:
        inputs: (N, C, H, W) images, or (N, D) features, which are mixed instead.
        others: likewise, on the same device.
        chance: of each image.
        draws: on the CPU.

    Returns:
        The images or features, and the (N,) float32 share of the other one in each, even from 0 to
        1 where there is any.
    """
    some = torch.rand(len(inputs), generator=draws) < chance
    areas = torch.rand(len(inputs), generator=draws).where(some, torch.zeros(()))
    places = torch.rand(len(inputs), 2, generator=draws).to(inputs.device)
    areas = areas.to(inputs.device)
    if inputs.ndim == 2:
        return inputs.lerp(others, areas[:, None]), areas
    patches = _rectangles(inputs, places, areas.sqrt()[:, None])
    return torch.where(patches, others, inputs), patches.float().mean(dim=(1, 2, 3))


class Peers:
    """The groups of images, to look up the other images of a group.

    Args:
        groups: (N,) int64, the group of each image.
    """

    def __init__(self, groups: Tensor) -> None:
        self._order, counts = groups.argsort(stable=True), groups.bincount()
        self._count, self._first = counts[groups], (counts.cumsum(0) - counts)[groups]
        self._place = self._order.argsort() - self._first

    def of(self, chosen: Tensor, draws: torch.Generator) -> Tensor:
        """Return a random other image of the group for each; the image itself if it is alone.

        Args:
            chosen: (B,) images.
            draws: on the CPU.
        """
        count = self._count[chosen]
        others = (count - 1).clamp_min(1)
        step = 1 + (torch.rand(len(chosen), generator=draws) * others).long()
        return self._order[self._first[chosen] + (self._place[chosen] + step) % count]


def pasted_at_random(
    batch: Tensor, pixels: Tensor, peers: Peers, chosen: Tensor, draws: torch.Generator
) -> Tensor:
    """Paste half of a batch onto other images of their group, turned at random.

    Args:
        batch: (B, C, H, W) levels.
        pixels: (N, C, H, W) levels of all images that may lie around.
        peers: the groups of these N.
        chosen: (B,) places of the batch among them.
        draws: on the CPU, as all of these.

    Returns:
        (B, C, H, W).
    """
    partner = peers.of(chosen, draws)
    turns = keep_shape(*pixels.shape[-2:])
    around = random_symmetries(pixels[partner], draws, turns)
    mixed = pasted(batch, around, torch.rand(len(chosen), 2, generator=draws))
    some = torch.rand(len(chosen), generator=draws) < _CHANCE
    return torch.where(some[:, None, None, None], mixed, batch)


def pasted_by_name(pixels: Tensor, names: Sequence[str], view: int) -> Tensor:
    """Paste every image of a class onto another one, chosen by its name and the view alone.

    A single image is pasted onto itself.

    Args:
        pixels: (N, C, H, W), all of one class.
        names: N, of the images.
        view: number of the view; each has another surrounding and place.
    """
    turns, around, places = keep_shape(*pixels.shape[-2:]), [], []
    for own, name in enumerate(names):
        draws = generator_for("paste", name, view)
        step, turn = (
            int(torch.randint(n, (1,), generator=draws))
            for n in (max(1, len(pixels) - 1), len(turns))
        )
        partner = (own + 1 + step) % len(pixels)
        around.append(apply_symmetry(pixels[partner], turns[turn]))
        places.append(torch.rand(2, generator=draws))
    return pasted(pixels, torch.stack(around), torch.stack(places))
