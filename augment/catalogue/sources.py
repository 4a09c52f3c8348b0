"""Open what holds the images: a folder of class folders, an archive of one, or a CSV."""

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from augment.catalogue.archives import extract
from augment.catalogue.config import ClassFolder
from augment.catalogue.entries import Given, Source
from augment.catalogue.folders import descend, list_folder
from augment.catalogue.kinds import ARCHIVES, is_archive
from augment.catalogue.tables import read_table
from terrabalance.class_names import told_alike
from terrabalance.errors import BadInput

_log = logging.getLogger(__name__)


def open_source(
    data: Path,
    extract_to: Path,
    images: Path | None = None,
    class_folder: ClassFolder = "auto",
) -> Source:
    """List the images of a folder, an archive or a CSV.

    Args:
        data: one of these.
        extract_to: folder that an archive is unpacked below.
        images: folder that a CSV's paths are relative to, where it is not the CSV's own folder or a
            subfolder of it.
        class_folder: see `ScanConfig.class_folder`; a CSV names its classes.

    Raises:
        BadInput: as of `check_source`; it has no classes, or cannot be trusted.
    """
    check_source(data, images)
    if data.is_dir():
        source = list_folder(data, Given(data), class_folder)
    elif is_archive(data):
        root = descend(extract(data, extract_to))
        source = list_folder(root, Given(data, "archive"), class_folder)
    else:
        source = read_table(data, images)
    tell_alike(data, {entry.class_name for entry in source.entries})
    return source


def tell_alike(data: Path, classes: Iterable[str]) -> None:
    """Warn of classes whose names a reader can hardly tell apart."""
    if alike := told_alike(classes):
        _log.warning(
            "%s: %s are different classes, though they differ in case, white space or invisible "
            "characters only. If each is one class, give it one name", data, alike,
        )  # fmt: skip


def check_source(data: Path, images: Path | None = None) -> None:
    """Check that the data is there and of a kind that can be opened, without opening it.

    Raises:
        BadInput: nothing is there, it is of another kind, or `images` is given without a CSV.
    """
    table = data.suffix.lower() == ".csv"
    if images is not None and not table:
        raise BadInput(f"--images goes with a CSV only, and {data} is none. Leave it out.")
    if not os.path.exists(data):  # noqa: PTH110  # `Path.exists` raises of a name that is too long
        raise BadInput(f"{data}: no such file or folder. Check the path.")
    if data.is_dir():
        return
    if not data.is_file():  # a FIFO would be waited for
        raise BadInput(f"{data}: neither a folder nor a regular file. Give one of these.")
    if not (table or is_archive(data)):
        raise BadInput(f"{data}: not a folder, {ARCHIVES} or a CSV.")
