"""Finished results: a folder is done once its mark is there, with the hashes of its files."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from terrabalance.errors import BadInput
from terrabalance.files import (
    NO_FIELDS,
    Fields,
    checked,
    fsync_folder,
    is_as_hashed,
    read_json,
    sha256_of,
    write_json,
)

DONE = "done.json"


def mark_done(folder: Path, record: dict[str, Any], files: Iterable[Path] = ()) -> None:
    """Write `done.json`, the last file of a finished result.

    The folder is fsynced before and after, so that no power cut leaves the mark without the files.

    Args:
        folder: of the result.
        record: what was made; JSON-able.
        files: of the folder, each whole and not to be changed any more, that programs read again;
            their SHA-256 are kept in the mark as `files`, by path, for `refuse_damaged`. Images
            are left out: their manifest has the checksums. So is what people may edit.
    """
    folder.mkdir(parents=True, exist_ok=True)
    checksums = {path.relative_to(folder).as_posix(): sha256_of(path) for path in sorted(files)}
    fsync_folder(folder)
    write_json(folder / DONE, {**record, "files": checksums})
    fsync_folder(folder)


def damaged_files(folder: Path) -> list[str]:
    """Return the files of a finished result that are gone or not as they were when it was marked.

    A file is hashed as by `is_as_hashed`.

    Raises:
        BadInput: `done.json` itself is damaged.
    """
    checksums = (done(folder) or {}).get("files", {})
    return [name for name, sha256 in checksums.items() if not is_as_hashed(folder / name, sha256)]


def refuse_damaged(folder: Path, what: str) -> None:
    """Refuse a finished result of which a file was damaged or lost since.

    Args:
        folder: of the result; one that is not finished is not looked at.
        what: the result as people call it.

    Raises:
        BadInput: it names the file, and says what mends it.
    """
    if names := damaged_files(folder):
        raise BadInput(
            f"{folder / names[0]}: gone, damaged, or changed since {what} was finished. Restore "
            f"the file from a copy, or delete the folder {folder} to have it made again."
        )


def done(
    folder: Path, fields: Fields = NO_FIELDS, remedy: str | None = None
) -> dict[str, Any] | None:
    """Return the record of a finished stage, or None when the stage has not finished.

    Args:
        folder: of the result.
        fields: what the record needs to have, as of `read_record`.
        remedy: what the user does if it cannot be used; None: deletes the mark alone. The stage
            then makes what is missing in the folder, which may hold what it cannot make again, as
            decisions by eye.

    Raises:
        BadInput: `done.json` is damaged, or none of ours.
    """
    path = folder / DONE
    if not path.is_file():
        return None
    remedy = remedy or (
        f"Restore it from a copy, or delete {path} alone and run again: what is missing is made in "
        "its folder, and the rest stays."
    )
    record: Any = read_json(path, remedy)
    if not isinstance(record, dict) or not _are_hashes(record.get("files", {})):
        raise BadInput(f"{path}: not a mark of terrabalance. {remedy}")
    return checked(record, path, fields, remedy)


def _are_hashes(files: Any) -> bool:
    return isinstance(files, dict) and all(isinstance(sha256, str) for sha256 in files.values())
