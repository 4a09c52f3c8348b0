"""The settings that validation chooses from: equally many for every arm, the usual one first.

An arm that is tried in more ways than another one wins by that alone. So every arm has a list of
the same length, and `classifier.tries` says how much of it is tried. Which values are on the list
follows from what the parts of the arm tune; an arm that tunes nothing is tried at several learning
rates.

A linear head on frozen features is trained in seconds and has thousands of weights for a class of
ten images, so every setting of it is tried with several penalties of its weights too.
"""

from dataclasses import replace

from classifier.arms.part import Knob
from classifier.arms.registry import arm_of
from classifier.arms.setting import USUAL, Setting

MOST_TRIES = 6
_STRENGTHS = (1.0, 0.75, 1.25, 0.5, 1.5, 0.25)
_SHARES = (1.0, 0.0, 0.5, 0.25, 0.75, 0.1)
_RATES = (1.0, 0.5, 2.0, 0.25, 4.0, 0.125)
_PENALTIES = (0.0, 0.03, 0.1)
_WEIGHTED = (
    USUAL,
    Setting(share=0.0),
    *(Setting(weight=weight) for weight in (0.25, 0.75, 0.1, 0.9)),
)
_LADDERS: dict[frozenset[Knob], tuple[Setting, ...]] = {
    frozenset(): tuple(Setting(rate=rate) for rate in _RATES),
    frozenset({"strength"}): tuple(Setting(strength=strength) for strength in _STRENGTHS),
    frozenset({"share"}): tuple(Setting(share=share) for share in _SHARES),
    frozenset({"weight"}): _WEIGHTED,
    frozenset({"share", "strength"}): (
        *(Setting(share=share) for share in _SHARES[:4]),
        Setting(share=0.5, strength=0.75),
        Setting(share=0.25, strength=0.75),
    ),
    frozenset({"weight", "strength"}): _WEIGHTED,  # the weights alone fill the list
}
assert all(len(ladder) == MOST_TRIES for ladder in _LADDERS.values())


def settings_of(arm: str, tries: int, *, frozen: bool = False) -> tuple[Setting, ...]:
    """Return the settings that an arm is tried with; the first of all is the usual one.

    Args:
        arm: its name.
        tries: how many of its list, from 1 to `MOST_TRIES`; 1: the usual one and no other.
        frozen: whether heads on frozen features are trained, which are tried with each penalty.
    """
    settings = _LADDERS[arm_of(arm).tunes][:tries]
    penalties = _PENALTIES if frozen and tries > 1 else (0.0,)
    return tuple(replace(each, penalty=penalty) for each in settings for penalty in penalties)
