"""More real images instead of synthetic ones: what a perfect generator would be worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classifier.arms.part import Part

if TYPE_CHECKING:
    import pandas as pd

    from terrabalance.manifest import Manifest


class Oracle(Part):
    """Train on the real images of split `oracle` as well."""

    name = "oracle"
    label = "Oracle (more real)"
    does = "those of split oracle"
    adds = "oracle"

    def added_rows(self, manifest: Manifest, share: float) -> list[pd.DataFrame]:
        """Return all real images of split `oracle`.

        Raises:
            BadInput: there are none.
        """
        from terrabalance.errors import BadInput
        from terrabalance.manifest import ORACLE

        extra = manifest.usable(ORACLE)
        extra = extra[extra["source"] == "real"]
        if extra.empty:
            raise BadInput(
                f"{manifest.root}: the arm 'oracle' trains on the real images of split {ORACLE!r}, "
                "and there are none. Leave the arm out, or give such a split."
            )
        return [extra]
