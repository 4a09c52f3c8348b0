"""Which images a comparison was made of, so that an export can tell that they are others now."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flows.settings.config import RunConfig
from terrabalance.contents import contents, has_beside
from terrabalance.errors import BadInput, NotReady
from terrabalance.files import fingerprint
from terrabalance.manifest import USED, Manifest, read_manifest

_log = logging.getLogger(__name__)
_NOTE = "images"  # of the record of a comparison
_AGAIN = (
    "The export and its figures are of the images as they were. For those of now, give the command "
    "of the comparison again, and export that."
)


def note_images(config: RunConfig, table: Path) -> dict[str, Any]:
    """Return what the record of a comparison says of the images.

    Args:
        config: of the comparison.
        table: `manifest.parquet`, that lists them.
    """
    here, workdir = table.resolve(), config.workdir.resolve()
    # A workdir may be moved with all that is in it.
    path = here.relative_to(workdir) if here.is_relative_to(workdir) else here
    return {_NOTE: {"manifest": path.as_posix(), "key": _key(_used(read_manifest(table)))}}


def tell_changed(config: RunConfig, record: Mapping[str, Any]) -> None:
    """Warn where images of a comparison are gone or have changed since.

    A file is hashed where its size is another, or it was written since it was listed. With an
    address as workdir nothing is asked, as the images may be on no disk of this machine.

    Args:
        config: whose workdir the comparison lies in.
        record: of the comparison; one of an older version says nothing of its images.
    """
    if (note := record.get(_NOTE)) is None or config.storage is not None:
        return
    table = config.workdir / str(note["manifest"])
    try:
        manifest = read_manifest(table)
        rows = _used(manifest)
        changed = manifest.changed(_suspects(manifest, rows, table))
    except (BadInput, NotReady) as error:  # an export needs none of it
        _log.warning("Whether the images have changed since the comparison is not known: %s", error)
        return
    if _key(rows) != note["key"]:
        _log.warning("%s: lists other images now than were compared. %s", table, _AGAIN)
    elif changed:
        _log.warning(
            "%d of the %d images of the comparison are gone or have changed since, e.g. %s. %s",
            len(changed), len(rows), changed[0], _AGAIN,
        )  # fmt: skip


def _used(manifest: Manifest) -> pd.DataFrame:
    rows = manifest.usable()
    return rows[rows["split"].isin(USED)]


def _key(rows: pd.DataFrame) -> str:
    columns = [rows["path"], rows["class"], rows["split"], rows["source"], contents(rows)]
    return fingerprint([list(map(str, column)) for column in columns])


def _suspects(manifest: Manifest, rows: pd.DataFrame, table: Path) -> pd.DataFrame:
    """Return the rows whose files may be others, and those with files beside them."""
    listed_ns = table.stat().st_mtime_ns
    found = [
        _may_differ(path, size, listed_ns)
        for path, size in zip(manifest.paths(rows), rows["bytes"], strict=True)
    ]
    return rows[np.array(found, bool) | has_beside(rows)]


def _may_differ(path: Path, size: int, listed_ns: int) -> bool:
    try:
        facts = os.stat(path)  # noqa: PTH116 - of a million files
    except OSError:
        return True
    # A copy with its former time has a new time of its entry.
    return facts.st_size != size or max(facts.st_mtime_ns, facts.st_ctime_ns) >= listed_ns
