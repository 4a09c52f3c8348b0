"""What validation may choose of an arm: of every arm equally many settings, the usual one first.

An arm that is tried in more ways than another one wins by that alone. So each has one thing of its
own that is tried, or two together, and `classifier.tries` says at how many values.
"""

from dataclasses import dataclass

from classifier.arms import ARMS, Knob

MOST_TRIES = 6
_STRENGTHS = (1.0, 0.75, 1.25, 0.5, 1.5, 0.25)
_SHARES = (1.0, 0.0, 0.5, 0.25, 0.75, 0.1)


@dataclass(frozen=True)
class Setting:
    """How an arm is trained and read, as far as it is not the same for all of them.

    Attributes:
        share: of the synthetic images, in [0, 1]; with 0 the arm is trained as its `without`.
        strength: of what the arm does about rare classes; 1 makes up for their numbers.
        rate: times `classifier.learning_rate`.
        weight: of a synthetic image in the loss, where it is weighted; a real one has 1.
    """

    share: float = 1.0
    strength: float = 1.0
    rate: float = 1.0
    weight: float = 0.5

    def __str__(self) -> str:
        parts = []
        if self.share != USUAL.share:
            some = f"{100 * self.share:.0f} %" if self.share else "none"
            parts.append(f"{some} of the synthetic images")
        if self.strength != USUAL.strength:
            parts.append(f"strength {self.strength:g}")
        if self.rate != USUAL.rate:
            parts.append(f"{self.rate:g} times the learning rate")
        if self.weight != USUAL.weight:
            parts.append(f"weight {self.weight:g}")
        return ", ".join(parts)


USUAL = Setting()
_LADDERS: dict[Knob, tuple[Setting, ...]] = {
    "rate": tuple(Setting(rate=rate) for rate in (1.0, 0.5, 2.0, 0.25, 4.0, 0.125)),
    "strength": tuple(Setting(strength=strength) for strength in _STRENGTHS),
    "share": tuple(Setting(share=share) for share in _SHARES),
    "weight": (
        USUAL,
        Setting(share=0.0),
        *(Setting(weight=weight) for weight in (0.25, 0.75, 0.1, 0.9)),
    ),
    "share and strength": (
        *(Setting(share=share) for share in _SHARES[:4]),
        Setting(share=0.5, strength=0.75),
        Setting(share=0.25, strength=0.75),
    ),
}
assert all(len(ladder) == MOST_TRIES for ladder in _LADDERS.values())


def settings_of(arm: str, tries: int) -> tuple[Setting, ...]:
    """Return the first `tries` settings of an arm; alone, the first is the arm as it is meant."""
    return _LADDERS[ARMS[arm].tunes][:tries]
