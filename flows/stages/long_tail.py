"""Make a long-tailed benchmark of a set of images: a CSV that lists them."""

import logging
from dataclasses import replace
from pathlib import Path

from augment.catalogue.entries import Given
from augment.catalogue.long_tail import Benchmark, LongTail, make_long_tail
from flows.settings.config import RunConfig
from flows.stages.catalogue import catalogue_of, open_data, read_catalogue
from terrabalance.errors import BadInput
from terrabalance.files import atomic_write
from terrabalance.manifest import Manifest
from terrabalance.progress import Progress, silent
from terrabalance.wording import listed, shown

_log = logging.getLogger(__name__)

_OTHER = "Name another file with --out"


def write_long_tail(
    config: RunConfig, wanted: LongTail, out: Path, on_progress: Progress = silent
) -> tuple[Manifest, Benchmark]:
    """Scan the data and write a long-tailed benchmark of it as a CSV: path, class, split.

    A split that the data brings is not kept, and a warning says so. The same file is left as it is.

    Args:
        config: names the data, and how it is scanned.
        wanted: numbers, order and seeds.
        out: the CSV.
        on_progress: counts files.

    Returns:
        The catalogue, and what was chosen of it.

    Raises:
        BadInput: the data cannot be used, or not for this; `out` cannot be written, is there and
            says something else, or could not be read back.
    """
    check_out(out)
    source = open_data(config)
    if parts := sorted({entry.split for entry in source.entries} - {""}):
        _log.warning(
            "%s: has the parts %s, which are not kept: the benchmark is drawn from all of its "
            "images. To keep a part out of it, leave it out of the data", config.data,
            listed(parts),
        )  # fmt: skip
    source = replace(source, entries=[replace(entry, split="") for entry in source.entries])
    manifest = read_catalogue(config, catalogue_of(config, source, on_progress))
    found = make_long_tail(manifest, wanted, source.given or Given(config.data))
    _write(found, out)
    return manifest, found


def check_out(out: Path) -> None:
    """Refuse a file that cannot be the CSV, before the data is looked at.

    Raises:
        BadInput: it is not named as one, is a folder, or its folder is not there.
    """
    if out.suffix.lower() != ".csv":
        raise BadInput(
            f"--out {out}: is read again by its ending. Name a file that ends with .csv."
        )
    if not out.parent.is_dir():
        raise BadInput(f"--out {out}: there is no folder {out.parent}. Make it, or name another.")
    if out.exists() and not out.is_file():
        raise BadInput(f"--out {out}: is there, and no file. {_OTHER}.")


def _write(found: Benchmark, out: Path) -> None:
    rows = found.rows
    for path, name in zip(rows["path"], rows["class"], strict=True):
        if path != path.strip() or name != name.strip():
            raise BadInput(
                f"{shown(path)}: begins or ends with white space, or its class {shown(name)} does, "
                "which no CSV keeps. Rename the folder."
            )
    content = rows.to_csv(index=False, lineterminator="\n").encode()
    if out.exists():
        if out.read_bytes() == content:
            return
        raise BadInput(f"--out {out}: is there, and not this benchmark. {_OTHER}, or move it away.")
    with atomic_write(out) as file:
        file.write(content)
