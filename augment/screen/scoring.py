"""Score images of one class by the screening rules. Pure arrays."""

from augment.screen.limits import accepted, with_fixed
from augment.screen.measurements import Candidates, ClassReference, Measurements
from augment.screen.rules import IMAGE_RULES, SEQUENCE_RULES
from augment.screen.rules.rule import Limits, Scores
from terrabalance.errors import BadInput


def score_images(candidates: Candidates, of: ClassReference) -> Scores:
    """Score images by every rule that looks at each image by itself.

    Raises:
        BadInput: fewer than two training images.
    """
    return _scores(_measured(candidates, of))


def score_drawn(candidates: Candidates, of: ClassReference, limits: Limits) -> Scores:
    """Score synthetic images, in the order of drawing, by all rules.

    Args:
        candidates: all synthetic images of the class.
        of: the class.
        limits: of the class; a rule that looks at earlier images skips those that are refused.

    Raises:
        BadInput: fewer than two training images.
    """
    measured = _measured(candidates, of)
    found = _scores(measured)
    for rule in SEQUENCE_RULES:
        known = {name: limit for name, limit in with_fixed(limits).items() if name in found}
        found[rule.name] = rule.score(measured, limits, accepted(found, known))
    return found


def _measured(candidates: Candidates, of: ClassReference) -> Measurements:
    if len(of.images) < 2:
        raise BadInput("a class needs two training images to screen its synthetic ones by.")
    return Measurements(candidates, of)


def _scores(measured: Measurements) -> Scores:
    return {rule.name: rule.score(measured) for rule in IMAGE_RULES}
