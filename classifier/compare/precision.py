"""Say that the classifiers of a comparison were not all computed in one precision."""

from collections.abc import Mapping


def mixed_precision(trainings: Mapping[str, int]) -> str:
    """Return a sentence with the way out; empty where all were computed in one precision.

    Args:
        trainings: how many, by precision in words.
    """
    if len(trainings) < 2:
        return ""
    counts = ", ".join(f"{words}: {n}" for words, n in trainings.items())
    return (
        f"Not all trainings were computed in one precision ({counts}), so a part of the "
        "differences may be rounding. To train all in one, give the command again with "
        "--set classifier.precision=fp32."
    )
