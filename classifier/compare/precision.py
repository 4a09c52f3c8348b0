"""Say that the classifiers of a comparison are not all computed in one precision."""

from collections.abc import Mapping

_WAY_OUT = "To train all in one, give the command again with --set classifier.precision=fp32."


def mixed_precision(trainings: Mapping[str, int]) -> str:
    """Return a sentence with the way out; empty where all were computed in one precision.

    Args:
        trainings: how many, by precision in words.
    """
    if len(trainings) < 2:
        return ""
    return (
        f"Not all trainings were computed in one precision ({_counts(trainings)}), so a part of "
        f"the differences may be rounding. {_WAY_OUT}"
    )


def about_to_mix(ended: Mapping[str, int], to_come: Mapping[str, int]) -> str:
    """Return the same before the trainings that make it so.

    Args:
        ended: how many trainings have, by precision in words.
        to_come: how many are still to be trained on this machine, likewise.
    """
    return (
        f"The trainings that have ended are of another precision ({_counts(ended)}) than those to "
        f"come on this machine ({_counts(to_come)}), so a part of the differences may be rounding. "
        f"{_WAY_OUT}"
    )


def _counts(trainings: Mapping[str, int]) -> str:
    return ", ".join(f"{words}: {n}" for words, n in trainings.items())
