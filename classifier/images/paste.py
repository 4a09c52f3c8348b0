"""CutMix within a class (after Yun et al. 2019): a square of one image inside another image.

Labels stay, as both images are of one class. The generator may also draw new surroundings for part
of a real image (`sampling.keep`); this does the same without a generator, and so is its rival.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from terrabalance.seeds import generator_for
from terrabalance.symmetry import apply_symmetry, keep_shape, random_symmetries

_SIDE = 0.6  # of the square, as a share of the image's
_CHANCE = 0.5  # of a training image to be pasted


def pasted(pixels: Tensor, around: Tensor, places: Tensor) -> Tensor:
    """Keep a square of each image, and take the rest from another.

    Args:
        pixels: (N, C, H, W).
        around: likewise.
        places: (N, 2) in [0, 1], vertical and horizontal position of the square.
    """
    inside = []
    for axis, side in enumerate(pixels.shape[-2:]):
        first = places[:, axis : axis + 1] * (1 - _SIDE) * side
        at = torch.arange(side, device=pixels.device) + 0.5
        inside.append((at >= first) & (at < first + _SIDE * side))
    square = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return torch.where(square, pixels, around)


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
