"""What decides the pixels of images that a manifest lists, and whether that is as it was listed."""

from pathlib import Path

import pandas as pd

from terrabalance.errors import BadInput
from terrabalance.files import fingerprint, is_as_hashed
from terrabalance.rasters.beside import changed_beside, listed_beside

_ANEW = (
    "give the images themselves as DATA (a folder, an archive or a CSV): those are scanned anew, a "
    "named catalogue or manifest never is."
)
_OF_SYNTHETIC = (
    "What a run of yours drew is made anew by `terrabalance sample` and `assemble`; of others, "
    "have the manifest made anew without it."
)


def contents(rows: pd.DataFrame) -> pd.Series:
    """Return a text for each row that stands for its pixels: keys of results are made of it.

    It is the SHA-256 of the image, and with files beside it that decide its pixels more than that.
    Names do not count, as images may be renamed.
    """
    told = has_beside(rows)
    if not told.any():
        return rows["sha256"]
    more = [f"+{fingerprint(list(listed_beside(each).values()))}" for each in rows["beside"][told]]
    found = rows["sha256"].copy()
    found[told] = found[told] + more
    return found


def has_beside(rows: pd.DataFrame) -> pd.Series:
    """Return of each row whether files beside its image decide its pixels; bool."""
    return ~rows["beside"].isin(("", "{}"))


def changed_file(path: Path, sha256: str, beside: str) -> Path | None:
    """Return the file of a row that is not as it was listed: the image, or one beside it.

    Args:
        path: of the image.
        sha256: as listed; "" and any content passes.
        beside: the record of the files beside it, see `terrabalance.rasters.beside`.
    """
    is_whole = path.is_file() if sha256 == "" else is_as_hashed(path, sha256)
    return changed_beside(path, beside) if is_whole else path


def changed_since(file: Path, source: str, image: Path | None = None) -> BadInput:
    """Return what is said of a file that is not as the manifest listed it.

    Args:
        file: that `changed_file` returned.
        source: of its row.
        image: of its row, which `file` is or lies beside; None: it is.
    """
    is_there = file.is_file()
    if source == "synthetic":
        how = _OF_SYNTHETIC
    elif is_there:  # a scan goes by size and time, and those of a damaged file may be as before
        how = f"Or, to take it as it is now, `touch` it and {_ANEW}"
    else:  # `touch` would put an empty file there
        how = f"Or, to go on without it, {_ANEW}"
    what = "damaged, or changed since it was listed" if is_there else "gone since it was listed"
    remedy = "Restore it from a copy"
    if image is not None and image != file:
        what = "damaged, changed or added" if is_there else "gone"
        what += f" since {image.name}, whose pixels it decides, was listed"
        remedy += ", or take it away if it is new" * is_there
    return BadInput(f"{file}: {what}. {remedy}. {how}")
