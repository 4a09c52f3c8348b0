"""What is decided of bands for a data set as a whole: alpha, gaps, and files unlike the others."""

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from terrabalance.rasters.raster import holds_bytes

_log = logging.getLogger(__name__)

_NAMED = 3  # odd files in the log


def settle_alpha(
    frame: pd.DataFrame,
    alpha: Sequence[str],
    invalid_as_band: np.ndarray,
    wanted: Literal["auto", "drop", "keep"],
) -> pd.DataFrame:
    """Decide whether the band that files call alpha is data, once for all files; say so.

    Args:
        frame: of a manifest, whose `bands` and `invalid` are those without alpha.
        alpha: what a row's alpha band is by its content, `mask` or `data`; "" for none.
        invalid_as_band: (N,) shares of samples without data where alpha is a band.
        wanted: see `ScanConfig.alpha`.
    """
    found = np.array(alpha)
    marked = found != ""
    if not marked.any():
        return frame
    n_data, n_marked = int((found == "data").sum()), int(marked.sum())
    is_band = wanted == "keep" or (wanted == "auto" and 2 * n_data > n_marked)
    _log.log(
        logging.WARNING if n_data else logging.INFO,
        "%d of %d images have a band that they call alpha, which holds data in %d of them and a "
        "mask in %d. It is %s (scan.alpha=%s)", n_marked, len(frame), n_data, n_marked - n_data,
        "used as a band" if is_band else "used as a mask and is no band",
        wanted,
    )  # fmt: skip
    if not is_band:
        return frame
    frame = frame.copy()
    frame.loc[marked, "bands"] += 1
    frame.loc[marked, "invalid"] = invalid_as_band[marked]
    return frame


def leave_out_gaps(frame: pd.DataFrame, most: float) -> pd.DataFrame:
    """Set the status of images with status ok that lack more than the share `most` of their data.

    It becomes `no data`.
    """
    frame = frame.copy()
    lacking = frame.index[(frame["status"] == "ok") & (frame["invalid"] > most)]
    frame.loc[lacking, "status"] = "no data"
    frame.loc[lacking, "detail"] = [
        f"{share:.0%} of it holds no data, the most is {most:.0%} (scan.max_invalid)"
        for share in frame.loc[lacking, "invalid"]
    ]
    return frame


def leave_out_odd(frame: pd.DataFrame, most: float) -> pd.DataFrame:
    """Set the status of a few images with other bands than the others to `other bands`.

    Grey and colour pictures of 8 bit count as one kind, as both can be read as RGB. Floats and
    whole numbers are two, as their units differ: reflectance is 0.3 in the one and 3,000 in the
    other. Where more than the share `most` is odd, none is left out.
    """
    usable = frame[frame["status"] == "ok"]
    kinds = [_kind(*row) for row in zip(usable["bands"], usable["mode"], strict=True)]
    usual = Counter(kinds).most_common(1)[0][0] if kinds else ""
    odd = usable.index[[kind != usual for kind in kinds]]
    if not 0 < len(odd) <= most * len(usable):
        _say_where_units_may_differ(usable)
        return frame
    frame = frame.copy()
    of = dict(zip(usable.index, kinds, strict=True))
    frame.loc[odd, "status"] = "other bands"
    frame.loc[odd, "detail"] = [f"{of[row]}, where the others have {usual}" for row in odd]
    named = ", ".join(frame.loc[odd[:_NAMED], "path"])
    _log.warning("left out for their other bands: %d, such as %s", len(odd), named)
    return frame


def tell_scalings(frame: pd.DataFrame) -> None:
    """Say once where images with status ok declare different scales or offsets."""
    scalings = frame[frame["status"] == "ok"]["scaling"]
    if scalings.nunique() > 1:
        counts = scalings.replace("", "none").value_counts().to_dict()
        _log.warning("images declare different scalings, and are converted to one: %s", counts)


def _kind(n_bands: int, mode: str) -> str:
    if not holds_bytes(mode):
        return f"{n_bands} bands of {'floats' if _is_float(mode) else 'more than 8 bit'}"
    return "1 or 3 bands of 8 bit" if n_bands in (1, 3) else f"{n_bands} bands of 8 bit"


def _say_where_units_may_differ(usable: pd.DataFrame) -> None:
    floats = [p for p, mode in zip(usable["path"], usable["mode"], strict=True) if _is_float(mode)]
    n_whole = sum(not (holds_bytes(mode) or _is_float(mode)) for mode in usable["mode"])
    if floats and n_whole:
        _log.warning(
            "%d images hold floats and %d whole numbers, and are used as if of one unit. Where "
            "they are not, convert the ones to the unit of the others: %s",
            len(floats), n_whole, ", ".join(floats[:_NAMED]),
        )  # fmt: skip


def _is_float(mode: str) -> bool:
    return mode.startswith("float")
