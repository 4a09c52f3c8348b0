"""Images without labels that a base learns beside those of a run, and what is kept out of them.

They have a manifest of their own, where all are of one class and of the part train. Two statuses
come after the scan: `other bands`, of an image that cannot be read as those of the run are, and
`leaks into test` (`val`, `oracle`), of one that is nearly the same picture as an image which the
run holds out.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from augment.catalogue.archives import extract
from augment.catalogue.config import ScanConfig
from augment.catalogue.entries import Given, Source
from augment.catalogue.folders import list_images
from augment.catalogue.hashes import Sketches
from augment.catalogue.kinds import ARCHIVES, is_archive
from augment.catalogue.left_out import Left, with_statuses
from augment.catalogue.near import near_among
from augment.catalogue.scan import scan_with_sketches
from augment.catalogue.scan_file import sketch_file
from augment.catalogue.sources import check_source
from terrabalance.bands import Bands
from terrabalance.errors import BadInput
from terrabalance.manifest import ORACLE, READERS, Manifest
from terrabalance.progress import Progress, silent
from terrabalance.rasters.raster import holds_bytes

CLASS = "unlabelled"  # of all of them, in their manifest
HELD_OUT = ("test", "val", ORACLE)  # what is told of a picture that is in several


def open_unlabelled(images: Path, extract_to: Path) -> Source:
    """List the images of a folder or an archive, however deep they lie.

    Args:
        images: the folder or the archive.
        extract_to: folder that an archive is unpacked below.

    Raises:
        BadInput: nothing is there, it is of another kind, it holds no images, or it cannot be
            trusted.
    """
    check_source(images)
    if images.is_dir():
        return list_images(images, Given(images), CLASS)
    if not is_archive(images):
        raise BadInput(
            f"{images}: images without labels are a folder, {ARCHIVES}. Give one of these."
        )
    return list_images(extract(images, extract_to), Given(images, "archive"), CLASS)


def scan_unlabelled(
    source: Source,
    config: ScanConfig,
    bands: Bands | None = None,
    held_out: Manifest | None = None,
    on_progress: Progress = silent,
) -> tuple[Manifest, Sketches]:
    """Scan images without labels, and leave out those that a base must not or cannot learn.

    Args:
        source: of `open_unlabelled`.
        config: of the scan; what groups images for a split has no use here.
        bands: in which the run reads its images; None: there is no run.
        held_out: manifest of the run's images, with their parts; None: there is no run.
        on_progress: counts files.

    Returns:
        One row a file, in the order of the source; and the sketches of the rows with status ok, in
        the order of `Manifest.usable`.

    Raises:
        SystemRefused, OSError: as of `augment.catalogue.scan.scan_with_sketches`.
        BadInput: a held-out image has changed since it was listed.
    """
    plain = config.model_copy(update={"group_by": None, "place_distance": None})
    scanned, sketches = scan_with_sketches(source, plain, on_progress)
    frame = scanned.frame if bands is None else leave_out_other_bands(scanned.frame, bands)
    if held_out is not None:
        bits = config.near_duplicate_bits
        frame = keep_near_out(frame, sketches, held_out, bits, on_progress)
    by_path = frame.loc[frame["status"] == "ok", "path"].sort_values().index.to_numpy()
    return Manifest(scanned.root, frame), sketches.take(by_path)


def leave_out_other_bands(frame: pd.DataFrame, bands: Bands) -> pd.DataFrame:
    """Set the status of images with status ok that cannot be read in these bands.

    Read as RGB of 8 bit are grey and colour pictures of 8 bit; else number and depth must agree.
    """
    counts = (1, 3) if bands.is_rgb else (bands.count,)
    is_eight_bit = frame["mode"].map(holds_bytes) == (bands.dtype == "uint8")
    odd = (frame["status"] == "ok") & ~(frame["bands"].isin(counts) & is_eight_bit)
    asked = f"{' or '.join(map(str, counts))} bands of {bands.dtype}"
    return with_statuses(
        frame,
        [
            Left(row, "other bands", f"{n} bands ({mode}), where the run's images have {asked}")
            for row, n, mode in frame.loc[odd, ["bands", "mode"]].itertuples()
        ],
    )


def keep_near_out(
    frame: pd.DataFrame,
    sketches: Sketches,
    held_out: Manifest,
    max_bits: int,
    on_progress: Progress = silent,
) -> pd.DataFrame:
    """Set the status of images with status ok that belong together with a held-out one.

    `detail` names that one.

    Args:
        frame: of a manifest.
        sketches: in the order of the rows.
        held_out: manifest of the run's images, with their parts.
        max_bits: in which the hashes of two near-duplicates may differ.
        on_progress: counts the held-out images.
    """
    rows = held_out_rows(held_out)
    theirs = sketches_of(held_out.unchanged(rows), on_progress)
    usable = np.flatnonzero(frame["status"] == "ok")
    near = near_among(sketches.take(usable), theirs, max_bits)
    shown = zip(frame.index[usable[near >= 0]], near[near >= 0].tolist(), strict=True)
    parts, paths = rows["split"].tolist(), rows["path"].tolist()
    return with_statuses(
        frame, [Left(row, f"leaks into {parts[at]}", paths[at]) for row, at in shown]
    )


def held_out_rows(manifest: Manifest, parts: Sequence[str] = HELD_OUT) -> pd.DataFrame:
    """Return the usable rows of these parts, part by part."""
    return pd.concat([manifest.usable(part) for part in parts], ignore_index=True)


def sketches_of(paths: Sequence[Path], on_progress: Progress = silent) -> Sketches:
    """Return what a scan keeps of these pictures to find them again, in their order.

    Raises:
        UnreadableImage: one cannot be decoded.
    """
    found = Sketches.room_for(len(paths))
    with ThreadPoolExecutor(READERS) as pool:
        for place, sketch in enumerate(pool.map(sketch_file, paths)):
            found.put(place, sketch)
            on_progress(place + 1, len(paths), "comparing with held-out images")
    return found
