"""Whether a manifest from elsewhere states the truth about its images."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from augment.catalogue.entries import refuse
from augment.catalogue.look import look_at
from terrabalance.errors import UnreadableImage
from terrabalance.files import is_as_hashed
from terrabalance.finished import done
from terrabalance.manifest import READERS, Manifest
from terrabalance.marks import is_marked_synthetic


def _is_of_a_run(table: Path) -> bool:
    """Return whether a manifest is a finished result's own: it is of a scan, and believed."""
    ours = (done(table.parent) or {}).get("files", {}).get(table.name)
    return ours is not None and is_as_hashed(table, ours)


def refuse_untrue(table: Path, manifest: Manifest) -> None:
    """Refuse sizes that images do not have, and synthetic images that are listed as real.

    By the first it is decided what all images are reduced to, by the second what is tested on. A
    finished result's own manifest is believed.

    Args:
        table: the manifest's file.
        manifest: as read from it.

    Raises:
        BadInput: it names up to ten rows that are not true, or whose images cannot be read.
    """
    if _is_of_a_run(table):
        return
    rows = manifest.usable()
    names = ("path", "source", "height_px", "width_px")
    facts = zip(manifest.unchanged(rows), *(rows[name] for name in names), strict=True)
    with ThreadPoolExecutor(READERS) as pool:
        found = pool.map(lambda fact: list(_problems(*fact)), facts)
        refuse(table, [problem for problems in found for problem in problems])


def _problems(path: Path, name: str, source: str, height_px: int, width_px: int) -> Iterator[str]:
    try:
        if source == "real" and is_marked_synthetic(path):
            yield f"{name} is listed as real, and marked as synthetic by what made it"
        if min(height_px, width_px) < 1:  # not stated
            return
        look = look_at(path, None)
    except UnreadableImage as error:
        yield str(error)
        return
    if (look.height_px, look.width_px) != (height_px, width_px):
        yield (
            f"{name} is stated to be {width_px} x {height_px} px, and is {look.width_px} x "
            f"{look.height_px} px"
        )
