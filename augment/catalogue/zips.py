"""Read a zip so that no file in it is passed over.

A zip is read by the list at its end. What the list leaves out is in the file all the same, where
the list is damaged or where one zip was written behind another.
"""

import logging
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from augment.catalogue.members import Member, not_a_file, reading, refusal
from terrabalance.errors import BadInput
from terrabalance.wording import shown

_log = logging.getLogger(__name__)

_ENCRYPTED, _UTF8 = 1, 0x800  # of a member's flags
_UNICODE_PATH = 0x7075  # the field of a member's extra data that Info-ZIP writes names to
_OLD = "cp437"  # of names whose encoding a zip does not say (APPNOTE, D.1)
_LOCAL_HEADER = b"PK\x03\x04"
_LENGTHS = struct.Struct("<26xHH")  # of the name and of more, in a local header
_DESCRIPTOR = 24  # bytes, at most, that may follow a member's content; less than any header


def zip_members(archive: Path) -> Iterator[Member]:
    """Yield the files of a zip; a folder is a member without content whose name ends with `/`.

    Raises:
        BadInput: it is damaged, cut or encrypted, holds links or devices, or files that its list
            lacks.
    """
    with reading(archive):
        opened = zipfile.ZipFile(archive)  # closed below; a `with` would hide what is raised
    with opened:
        with reading(archive):
            _check_places(archive, opened)
        _tell_guessed(archive, opened.infolist())
        for info in opened.infolist():
            yield _member(archive, opened, info)


def _name_of(info: zipfile.ZipInfo) -> str:
    return _known_name(info) or info.orig_filename  # `filename` ends at a NUL


def _known_name(info: zipfile.ZipInfo) -> str | None:
    """Return a member's name, of which zips of Linux and macOS do not flag that it is UTF-8.

    None where the zip does not say what it is, and it is no UTF-8.
    """
    if info.flag_bits & _UTF8:
        return info.orig_filename
    stored = info.orig_filename.encode(_OLD)  # the bytes, as every byte is a character of it
    for name in (_unicode_path(info.extra, stored), stored):
        try:
            return name.decode("utf-8")
        except UnicodeDecodeError:
            continue
    return None


def _unicode_path(extra: bytes, stored: bytes) -> bytes:
    """Return the name in a member's Unicode Path field; `stored` where there is none of that name.

    The field (APPNOTE, 4.6.9) holds its version, the CRC of the stored name, and the name in UTF-8.
    """
    while len(extra) >= 4:
        kind, length = struct.unpack("<HH", extra[:4])
        field, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == _UNICODE_PATH and field[:5] == struct.pack("<BL", 1, zlib.crc32(stored)):
            return field[5:]
    return stored


def _tell_guessed(archive: Path, infos: list[zipfile.ZipInfo]) -> None:
    """Warn where names are in no encoding that is known for sure."""
    guessed = [info.orig_filename for info in infos if _known_name(info) is None]
    if guessed:
        _log.warning(
            "%s: does not say in which encoding %d of its names are; they are taken as %s, e.g. "
            "%s. If that is wrong, unpack it yourself and give the folder",
            archive, len(guessed), _OLD, shown(guessed[0]),
        )  # fmt: skip


def _member(archive: Path, opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    name = _name_of(info)
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise not_a_file(archive, name)
    if info.flag_bits & _ENCRYPTED:
        raise refusal(archive, f"{shown(name)} is encrypted. Pack it without a password.")
    # Packers of Windows may write backslashes, which are turned where the names are checked.
    is_folder = name.endswith(("/", "\\")) or (kind == stat.S_IFDIR and not info.file_size)
    if is_folder and info.file_size:
        raise refusal(archive, f"holds {shown(name)}, a folder with content. Refused.")
    return Member(f"{name}/" if is_folder else name, info.file_size, partial(opened.open, info))


def _check_places(archive: Path, opened: zipfile.ZipFile) -> None:
    """Raise where members overlap, or something lies beside them that the list lacks.

    What lies in front of all, such as the program of a zip that unpacks itself, is no member.
    """
    infos = sorted(opened.infolist(), key=lambda info: info.header_offset)
    starts = [*(info.header_offset for info in infos), opened.start_dir]
    with archive.open("rb") as file:
        if starts[0] and file.read(len(_LOCAL_HEADER)) == _LOCAL_HEADER:
            raise _unlisted(archive)
        for info, start, stop in zip(infos, starts, starts[1:], strict=False):
            file.seek(start)
            lengths = _LENGTHS.unpack(file.read(_LENGTHS.size))
            end = start + _LENGTHS.size + sum(lengths) + info.compress_size
            if end > stop:
                raise refusal(
                    archive, f"{shown(_name_of(info))} reaches into what follows it. Make it again."
                )
            if stop - end > _DESCRIPTOR:
                raise _unlisted(archive)


def _unlisted(archive: Path) -> BadInput:
    return refusal(
        archive,
        "holds more than the list at its end names: it is damaged, or several zips in one file. "
        "Make it again, or unpack it yourself and give the folder.",
    )
