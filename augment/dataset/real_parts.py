"""What synthetic images hold of real ones: said to people in the card, and to machines."""

from collections.abc import Mapping

import pandas as pd


def of_real_images(rows: pd.DataFrame, about: Mapping[str, object]) -> str:
    """Return what each synthetic image holds of a real one; "" for nothing.

    Args:
        rows: of the dataset's manifest.
        about: as of the card; of `sampling`, `keep` and `strength` are read.

    Returns:
        What follows "each", e.g. "keeps a part of a real training image of its class".
    """
    if not (rows["source"] == "synthetic").any():
        return ""
    sampling = about.get("sampling")
    keep, strength = 0.0, 1.0
    if isinstance(sampling, Mapping):
        keep, strength = sampling.get("keep", keep), sampling.get("strength", strength)
    parts = []
    if keep > 0:
        parts.append(
            f"keeps a part of a real training image of its class, {keep:.0%} as wide and high"
        )
    if strength < 1:
        parts.append(
            f"starts from a real training image of its class, noised to {strength:.0%} of the way"
        )
    return " and ".join(parts)
