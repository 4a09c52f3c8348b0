"""CutMix within a class (after Yun et al. 2019): a square of an image, another one around it.

Labels stay, as both are of one class. It is what remains of drawing around a part of a real image
where nothing is drawn, and so the rival of `sampling.keep`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from terrabalance.seeds import generator_for
from terrabalance.symmetry import apply_symmetry, keep_shape, random_symmetries

_SIDE = 0.6  # of the square, as a share of the image's
_CHANCE = 0.5  # that a training image is pasted at all


def pasted(pixels: Tensor, around: Tensor, places: Tensor) -> Tensor:
    """Keep a square of each image, and take the rest from another.

    Args:
        pixels: (N, C, H, W).
        around: likewise.
        places: (N, 2) in [0, 1], where the square lies, down and across.
    """
    inside = []
    for axis, side in enumerate(pixels.shape[-2:]):
        first = places[:, axis : axis + 1] * (1 - _SIDE) * side
        at = torch.arange(side, device=pixels.device) + 0.5
        inside.append((at >= first) & (at < first + _SIDE * side))
    square = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return torch.where(square, pixels, around)


class Peers:
    """Who else is of an image's group.

    Args:
        groups: (N,) int64, of all images.
    """

    def __init__(self, groups: Tensor) -> None:
        self._order, counts = groups.argsort(stable=True), groups.bincount()
        self._count, self._first = counts[groups], (counts.cumsum(0) - counts)[groups]
        self._place = self._order.argsort() - self._first

    def of(self, chosen: Tensor, draws: torch.Generator) -> Tensor:
        """Return another image of the group for each, at random; the image itself if it is alone.

        Args:
            chosen: (B,) images.
            draws: on the CPU.
        """
        count = self._count[chosen]
        others = (count - 1).clamp_min(1)
        step = 1 + (torch.rand(len(chosen), generator=draws) * others).long()
        return self._order[self._first[chosen] + (self._place[chosen] + step) % count]


def pasted_at_random(
    pixels: Tensor, peers: Peers, chosen: Tensor, draws: torch.Generator
) -> Tensor:
    """Paste some of the chosen images onto others of their group, turned at random.

    Args:
        pixels: (N, C, H, W) of a part.
        peers: among them.
        chosen: (B,) places in them.
        draws: on the CPU, as all of these.

    Returns:
        (B, C, H, W).
    """
    partner = peers.of(chosen, draws)
    turns = keep_shape(*pixels.shape[-2:])
    around = random_symmetries(pixels[partner], draws, turns)
    mixed = pasted(pixels[chosen], around, torch.rand(len(chosen), 2, generator=draws))
    some = torch.rand(len(chosen), generator=draws) < _CHANCE
    return torch.where(some[:, None, None, None], mixed, pixels[chosen])


def pasted_by_name(pixels: Tensor, names: Sequence[str], view: int) -> Tensor:
    """Paste every image of a class onto another of them, by its name and the view alone.

    One that is alone is pasted onto itself.

    Args:
        pixels: (N, C, H, W), all of one class.
        names: N, of the images.
        view: another one gives another surrounding and place.
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
