"""Fewer real images: what they are worth, for a rate to exchange synthetic images at."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from classifier.arms.part import Part

if TYPE_CHECKING:
    import pandas as pd


class Halved(Part):
    """Train on half of the real images of every class that has synthetic ones; else of every class.

    What that loses is what a doubling was worth, see `classifier.compare.exchange`.
    """

    name = "halved"
    label = "Half of the real"
    does = "half of the real images of the filled classes"
    halves = True

    def kept_rows(self, real: pd.DataFrame, train: pd.DataFrame) -> pd.DataFrame:
        """Return half of the images of each of these classes, rounded up, in the order of `real`.

        Which, is as good as drawn, by their content; near-duplicates of each other stay together as
        far as halves allow, as a second one is worth little.
        """
        from terrabalance.contents import contents

        filled = set(train.loc[train["source"] == "synthetic", "class"]) or set(real["class"])
        content = contents(real)
        alone = real["group"] < 0
        first = content.groupby(real["group"]).transform("min").where(~alone, content)
        drawn = real.assign(first=first, content=content).sort_values(["first", "content", "path"])
        place = drawn.groupby("class").cumcount()
        size = drawn.groupby("class")["path"].transform("size")
        kept = (place < (size / 2).map(math.ceil)) | ~drawn["class"].isin(filled)
        return real[kept.reindex(real.index)]
