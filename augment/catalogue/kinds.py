"""What a file is by its content, where its name says that it is a zip or a tar."""

import tarfile
from pathlib import Path

from augment.catalogue.members import ARCHIVE_SUFFIXES, refusal
from augment.catalogue.tars import COMPRESSIONS, decompressed

ARCHIVES = "a zip, a tar (.tar, .tar.gz, .tar.xz, .tar.bz2, .tar.zst)"
_ZIP, _TAR = "a zip (.zip)", "a tar (.tar, or .tar.gz and the like)"
_COMPRESSED = "one compressed file"
_MAGIC, _MAGIC_AT = b"ustar", 257  # of a tar, but for those of old programs
_BEGINNINGS = {
    b"PK\x03\x04": _ZIP, b"PK\x05\x06": _ZIP, b"7z\xbc\xaf\x27\x1c": "a 7z", b"Rar!": "a rar",
}  # fmt: skip


def is_archive(path: Path) -> bool:
    """Return whether the name is that of a zip or tar that can be unpacked."""
    return path.name.lower().endswith(ARCHIVE_SUFFIXES)


def is_zip(path: Path) -> bool:
    """Return whether the name is that of a zip."""
    return path.name.lower().endswith(".zip")


def refuse_other_kind(archive: Path) -> None:
    """Refuse what is known to be something else than its name says.

    Raises:
        BadInput: so it is.
    """
    named, kind = _ZIP if is_zip(archive) else _TAR, _kind_of(archive)
    if kind in (None, named):
        return
    way_out = (
        f"Name it as what it is; what can be unpacked is {ARCHIVES}."
        if kind in (_ZIP, _TAR)
        else f"Unpack it yourself and give the folder; what is unpacked here is {ARCHIVES}."
    )
    raise refusal(archive, f"is {kind} by its content, not {named} as its name says. {way_out}")


def _kind_of(archive: Path) -> str | None:
    """Return what a file is; None: not known, so that who reads it says what is wrong."""
    with archive.open("rb") as file:
        beginning = file.read(tarfile.BLOCKSIZE)
        for found, kind in _BEGINNINGS.items():
            if beginning.startswith(found):
                return kind
        if not beginning.startswith(tuple(COMPRESSIONS)):
            return _TAR if _is_tar(beginning) else None
        file.seek(0)
        try:
            content = decompressed(file).read(tarfile.BLOCKSIZE)
        except Exception:  # of many kinds: it is damaged, which its reader says
            content = b""
    # Zeros alone are an empty tar, or a damaged file: its reader says which.
    return _COMPRESSED if content.strip(b"\0") and not _is_tar(content) else _TAR


def _is_tar(block: bytes) -> bool:
    """Return whether a tar begins so: old ones have no magic, but a checksum."""
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.TarError:
        return block[_MAGIC_AT:].startswith(_MAGIC)  # damaged, which its reader says
    return True
