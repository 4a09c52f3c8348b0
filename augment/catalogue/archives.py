"""Unpack a zip or tar that is not trusted: nothing leaves the folder, no part is left behind."""

import lzma
import posixpath
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from filelock import FileLock

from terrabalance.errors import BadInput
from terrabalance.files import fingerprint, slug

_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")
# Images hardly compress: a large archive that unpacks to a hundred times its size is a bomb.
_BOMB_RATIO, _BOMB_BYTES = 100, 2**30
_DAMAGED = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError,
    RuntimeError, NotImplementedError,  # encrypted, or compressed in a way that Python lacks
)  # fmt: skip


@dataclass(frozen=True)
class _Member:
    """One file in an archive: `name` as stored, `n_bytes` unpacked, `open` its content."""

    name: str
    n_bytes: int
    open: Callable[[], IO[bytes]]


def is_archive(path: Path) -> bool:
    """Return whether the name is that of a zip or tar that can be unpacked."""
    return path.name.lower().endswith(_SUFFIXES)


def extract(archive: Path, extract_to: Path) -> Path:
    """Unpack `archive` into a folder of its own below `extract_to`; return that folder.

    Unpacked aside and then renamed, so the folder is whole or absent. A second call with the
    same archive (by path, size and time) returns the folder that is there.

    Raises:
        BadInput: the archive is damaged or encrypted, holds absolute paths, `..`, links or
            devices, the same file twice, or more bytes than the disk has free.
    """
    facts = archive.stat()
    key = fingerprint(str(archive.resolve()), facts.st_size, facts.st_mtime_ns)
    target = extract_to / f"{slug(archive.name.split('.')[0])}-{key}"
    extract_to.mkdir(parents=True, exist_ok=True)
    with FileLock(extract_to / f".{target.name}.lock"):  # another run may be unpacking it now
        if not target.is_dir():
            _extract(archive, target)
    return target


def _extract(archive: Path, target: Path) -> None:
    aside = target.with_name(f".{target.name}.part")
    shutil.rmtree(aside, ignore_errors=True)  # left by a run that was killed
    aside.mkdir()
    try:
        _unpack(archive, aside)
        aside.rename(target)
    except _DAMAGED as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the disk, not of the archive
        raise BadInput(f"{archive}: cannot be unpacked ({error}). Make it again.") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _unpack(archive: Path, folder: Path) -> None:
    budget = _budget(archive, folder)
    members = _zip_members if archive.name.lower().endswith(".zip") else _tar_members
    for member in members(archive):
        budget -= member.n_bytes
        if budget < 0:
            raise BadInput(
                f"{archive}: unpacks to more bytes than are free on the disk of {folder.parent}, "
                f"or to over {_BOMB_RATIO} times its size. Make room, or unpack it yourself and "
                "give the folder."
            )
        path = folder / _safe_name(archive, member.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with member.open() as source, path.open("xb") as file:
            shutil.copyfileobj(source, file, 2**20)


def _budget(archive: Path, folder: Path) -> int:
    """Return how many bytes may be written: 5 % of the free disk stay free."""
    bomb = max(_BOMB_BYTES, _BOMB_RATIO * archive.stat().st_size)
    return min(bomb, int(shutil.disk_usage(folder).free * 0.95))


def _safe_name(archive: Path, name: str) -> str:
    """Return the normalised relative name, with the backslashes of old Windows zips turned."""
    turned = name.replace("\\", "/")
    safe = posixpath.normpath(turned)
    climbs = ".." in turned.split("/") or "\0" in name
    if climbs or safe == "." or turned.startswith("/") or re.match(r"[A-Za-z]:", turned):
        raise BadInput(f"{archive}: holds {name!r}, a path that leaves its folder. Refused.")
    return safe


def _zip_members(archive: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _not_a_file(archive, info.filename)
            if info.is_dir():
                _safe_name(archive, info.filename + "/_")
            else:
                yield _Member(info.filename, info.file_size, partial(opened.open, info))


def _tar_members(archive: Path) -> Iterator[_Member]:
    with tarfile.open(archive) as opened:
        for info in opened:
            if info.isdir():
                _safe_name(archive, info.name + "/_")
            elif info.isfile():
                yield _Member(info.name, info.size, partial(_content, opened, info))
            else:
                raise _not_a_file(archive, info.name)


def _content(opened: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = opened.extractfile(info)
    if content is None:
        raise tarfile.ReadError(f"{info.name!r} has no content")
    return content


def _not_a_file(archive: Path, name: str) -> BadInput:
    return BadInput(
        f"{archive}: holds {name!r}, a link or device. Refused; pack the files themselves."
    )
