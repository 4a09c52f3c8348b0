"""Unpack a zip or tar that is not trusted: nothing leaves the folder, no part is left behind."""

import errno
import os
import posixpath
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from filelock import FileLock

from augment.catalogue.kinds import is_zip, refuse_other_kind
from augment.catalogue.members import Member, reading, refusal
from augment.catalogue.tars import tar_members
from augment.catalogue.unpacked import is_as_unpacked, note_files, put_in_place
from augment.catalogue.zips import zip_members
from terrabalance.files import fingerprint, slug
from terrabalance.wording import shown

# Images hardly compress: a large archive that unpacks to a hundred times its size is a bomb.
_BOMB_RATIO, _BOMB_BYTES = 100, 2**30
_BLOCK = 4096  # bytes that the smallest file takes on a disk
_DEEPEST = 100  # folders in a name
_CHUNK = 2**20
_TAKEN = (FileExistsError, NotADirectoryError, IsADirectoryError)
_NO_NAME_HERE = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)


def extract(archive: Path, extract_to: Path) -> Path:
    """Unpack `archive` into a folder of its own below `extract_to`; return that folder.

    Unpacked aside and then renamed, so the folder is whole or absent. A second call with the
    same archive (by path, size and time) returns the folder that is there, unless files in it are
    gone, changed or added since: then it is unpacked anew. Files get the archive's time, by which
    results of them are found again.

    Raises:
        BadInput: the archive is damaged, cut or encrypted, holds absolute paths, `..`, links or
            devices, names that cannot be files here, the same file twice, or more bytes than the
            disk has free.
    """
    facts = archive.stat()
    key = fingerprint(str(archive.resolve()), facts.st_size, facts.st_mtime_ns)
    target = extract_to / f"{slug(archive.name.split('.')[0])}-{key}"
    extract_to.mkdir(parents=True, exist_ok=True)
    with FileLock(extract_to / f".{target.name}.lock"):  # another run may be unpacking it now
        if not is_as_unpacked(target):
            _extract(archive, target)
            note_files(target)
    return target


def _extract(archive: Path, target: Path) -> None:
    aside = target.with_name(f".{target.name}.part")
    shutil.rmtree(aside, ignore_errors=True)  # left by a run that was killed
    aside.mkdir()
    try:
        _unpack(archive, aside)
        put_in_place(archive, aside, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _unpack(archive: Path, folder: Path) -> None:
    budget = _budget(archive, folder)
    refuse_other_kind(archive)
    members = zip_members if is_zip(archive) else tar_members
    time_ns = archive.stat().st_mtime_ns
    for member in members(archive):
        path = folder / _safe_name(archive, member.name)
        if member.name.endswith("/"):
            continue  # a folder is made for the files in it
        budget -= member.n_bytes + _BLOCK
        if budget < 0:
            raise refusal(
                archive,
                f"unpacks to more bytes than are free on the disk of {folder.parent}, or to over "
                f"{_BOMB_RATIO} times its size. Make room, or unpack it yourself and give the "
                "folder.",
            )
        _write(archive, member, path)
        with suppress(OSError):  # a disk that takes no times gives the files their own
            os.utime(path, ns=(time_ns, time_ns))


def _budget(archive: Path, folder: Path) -> int:
    """Return how many bytes may be written: 5 % of the free disk stay free."""
    bomb = max(_BOMB_BYTES, _BOMB_RATIO * archive.stat().st_size)
    return min(bomb, int(shutil.disk_usage(folder).free * 0.95))


def _safe_name(archive: Path, name: str) -> str:
    """Return the normalised relative name, with the backslashes of old Windows zips turned."""
    turned = name.replace("\\", "/")
    if not name:
        raise refusal(archive, "holds a file without a name. Make it again.")
    if re.search("[\0\ud800-\udfff]", name):  # bytes that are no text, as Python reads them
        raise refusal(
            archive, f"holds {shown(name)}, a name that is not text. Rename it, and pack it again."
        )
    if ".." in turned.split("/") or re.match(r"/|[A-Za-z]:", turned):
        raise refusal(archive, f"holds {shown(name)}, a path that leaves its folder. Refused.")
    safe = posixpath.normpath(turned)
    if safe.count("/") > _DEEPEST:
        raise refusal(
            archive, f"holds {shown(name)}, in more than {_DEEPEST} folders. Pack it in fewer."
        )
    return safe


def _write(archive: Path, member: Member, path: Path) -> None:
    """Write a member's content, which has to be as long as its header says."""
    with reading(archive, member.name):
        source = member.open()
    n_written = 0
    with source:
        with _naming(archive, member.name):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("xb")
        with file:
            while data := _read(archive, member.name, source):
                n_written += file.write(data)
    if n_written != member.n_bytes:
        raise refusal(
            archive,
            f"{shown(member.name)} has {n_written} bytes where {member.n_bytes} are stated: it is "
            "damaged. Make it again.",
        )


def _read(archive: Path, name: str, source: IO[bytes]) -> bytes:
    with reading(archive, name):
        return source.read(_CHUNK)


@contextmanager
def _naming(archive: Path, name: str) -> Iterator[None]:
    """Say which member's name cannot be had on this disk."""
    try:
        yield
    except _TAKEN as error:
        raise refusal(
            archive,
            f"holds {shown(name)} twice, or a folder and a file of that name (upper and lower case "
            "may be one here). Rename one, and pack it again.",
        ) from error
    except OSError as error:
        if error.errno not in _NO_NAME_HERE:
            raise
        raise refusal(
            archive,
            f"holds {shown(name)}, which no file can be called here ({error.strerror}). Rename "
            "it, and pack it again.",
        ) from error
