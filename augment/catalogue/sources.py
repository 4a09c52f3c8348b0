"""Open what holds the images: a folder of class folders, an archive of one, or a CSV."""

from pathlib import Path

from augment.catalogue.archives import extract, is_archive
from augment.catalogue.entries import Source
from augment.catalogue.folders import descend, list_folder
from augment.catalogue.tables import read_table
from terrabalance.errors import BadInput


def open_source(data: Path, extract_to: Path, images: Path | None = None) -> Source:
    """List the images of a folder, an archive (unpacked below `extract_to`) or a CSV.

    `images` is the folder that a CSV's paths are relative to, where it is not the CSV's own
    folder or a subfolder of it.

    Raises:
        BadInput: as of `check_source`; it has no classes, or cannot be trusted.
    """
    check_source(data, images)
    if data.is_dir():
        return list_folder(data)
    if is_archive(data):
        return list_folder(descend(extract(data, extract_to)))
    return read_table(data, images)


def check_source(data: Path, images: Path | None = None) -> None:
    """Check that the data is there and of a kind that can be opened, without opening it.

    Raises:
        BadInput: nothing is there, it is of another kind, or `images` is given without a CSV.
    """
    table = data.suffix.lower() == ".csv"
    if images is not None and not table:
        raise BadInput(f"--images goes with a CSV only, and {data} is none. Leave it out.")
    if not data.exists():
        raise BadInput(f"{data}: no such file or folder. Check the path.")
    if not (data.is_dir() or table or is_archive(data)):
        raise BadInput(
            f"{data}: not a folder, a zip, a tar (.tar, .tar.gz, .tar.xz, .tar.bz2) or a CSV."
        )
