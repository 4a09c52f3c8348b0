"""What a screening rule is: a name, a meaning, a score, and what is special about its limit."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # the rules' names and meanings are read without loading torch
    from augment.screen.measurements import ClassReference, Measurements

Scores = dict[str, np.ndarray]  # rule -> (N,) float
Limits = dict[str, float]  # rule -> the highest score that is accepted; a rule without one accepts


@dataclass(frozen=True)
class Rule:
    """What all rules have.

    Attributes:
        name: of the rule's score in the manifest and of its limit; never changed.
        meaning: why an image is refused, after "Refused: "; kept in the manifest.
    """

    name: str
    meaning: str


@dataclass(frozen=True)
class ImageRule(Rule):
    """A rule that scores each image by itself; real validation images set its limit.

    Attributes:
        score: returns (N,) scores, higher is worse.
        share: how many times as many real images as any other rule this rule may refuse.
        training_limit: returns the limit from the training images of a class alone, for use where
            there are too few validation images; None: the rule then has no limit.
    """

    score: Callable[["Measurements"], np.ndarray]
    share: float = 1.0
    training_limit: Callable[["ClassReference"], float] | None = None


@dataclass(frozen=True)
class SequenceRule(Rule):
    """A rule that compares each synthetic image with those drawn before it, with a fixed limit.

    Attributes:
        score: returns (N,) scores, higher is worse, from the images in the order of drawing, the
            limits of the class, and (N,) bool, which images the rules before this one accept.
        limit: the highest score that is accepted.
    """

    score: Callable[["Measurements", Limits, np.ndarray], np.ndarray]
    limit: float
