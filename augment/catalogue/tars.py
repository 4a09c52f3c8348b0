"""Read a tar, compressed or not, to its very end: one that is cut is no shorter one.

A tar has no list of its members. Python's `tarfile` takes a header that it cannot read for the end
of the archive, and the readers of bz2 and xz take what follows a stream for nothing.
"""

import bz2
import gzip
import lzma
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any, Protocol, cast

import pyarrow as pa

from augment.catalogue.members import Member, not_a_file, reading, refusal
from terrabalance.wording import shown

_CHUNK = 2**18
_XZ_MEMORY = 2**29  # bytes; `xz -9` asks for 65 MiB
# Headers that say how to read the next one. Names of files are far shorter, and tarfile searches
# what they hold for patterns, which takes the square of their length.
_DESCRIBING = frozenset({
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
})  # fmt: skip
_LONGEST_DESCRIPTION = 2**14
# Zeros fill the last record of a tar: 10 KiB by default. Compressed, any number takes no room.
_MOST_ZEROS = 2**26
_MOST_EMPTY = 1000  # reads at the end of a tar


class _Decompressor(Protocol):
    """What `bz2.BZ2Decompressor` and `lzma.LZMADecompressor` have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Streams:
    """The content of one compressed stream, or several one after the other, up to the last byte.

    Args:
        file: of the streams; zeros may follow each.
        begin: makes the decompressor of a stream.
    """

    def __init__(self, file: IO[bytes], begin: Callable[[], _Decompressor]) -> None:
        self._file, self._begin, self._stream = file, begin, begin()

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, none at the end.

        Raises:
            EOFError: a stream is cut.
            OSError, lzma.LZMAError: a stream is damaged, or what follows one is none.
        """
        data = b""
        while not data:
            if self._stream.eof:
                more = self._next_stream()
                if not more:
                    break
                self._stream = self._begin()
            else:
                more = self._file.read(_CHUNK) if self._stream.needs_input else b""
                if self._stream.needs_input and not more:
                    raise EOFError("the compressed data ends too early")
            data = self._stream.decompress(more, size)
        return data

    def _next_stream(self) -> bytes:
        more = self._stream.unused_data or self._file.read(_CHUNK)
        while more and not (found := more.lstrip(b"\0")):
            more = self._file.read(_CHUNK)
        return found if more else b""


def _gzip(file: IO[bytes]) -> gzip.GzipFile:
    return gzip.GzipFile(fileobj=file)  # checks length and CRC, and refuses what follows


def _bz2(file: IO[bytes]) -> _Streams:
    return _Streams(file, bz2.BZ2Decompressor)


def _xz(file: IO[bytes]) -> _Streams:
    return _Streams(file, partial(lzma.LZMADecompressor, memlimit=_XZ_MEMORY))


def _zstd(file: IO[bytes]) -> Any:
    return pa.CompressedInputStream(file, "zstd")


COMPRESSIONS: dict[bytes, Callable[[IO[bytes]], Any]] = {  # by how their files begin
    b"\x1f\x8b": _gzip, b"BZh": _bz2, b"\xfd7zXZ\0": _xz, b"\x28\xb5\x2f\xfd": _zstd,
}  # fmt: skip


def decompressed(file: IO[bytes]) -> Any:
    """Return what reads the tar in a file, whatever the file is called."""
    beginning = file.read(max(map(len, COMPRESSIONS)))
    file.seek(0)
    for magic, opened in COMPRESSIONS.items():
        if beginning.startswith(magic):
            return opened(file)
    return file


class _Ending:
    """A stream that says so when it is read on and on behind its end.

    A header may state a content of any size. To pass it, `tarfile` reads block after block, and
    goes on where there are none.
    """

    def __init__(self, stream: Any) -> None:
        self._stream, self._n_empty = stream, 0

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, none at the end.

        Raises:
            EOFError: the end was read a thousand times.
        """
        data: bytes = self._stream.read(size)
        self._n_empty = 0 if data else self._n_empty + 1
        if self._n_empty > _MOST_EMPTY:
            raise EOFError("it ends far before what a header states")
        return data


class _Header(tarfile.TarInfo):
    """A header whose damage is an error, where `tarfile` takes it for the end of the archive."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Header":
        """Read a header.

        Raises:
            tarfile.EOFHeaderError: it is a block of zeros, of which two end a tar.
            tarfile.ReadError: it is no header.
        """
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # left out of typeshed
            raise
        except tarfile.HeaderError as error:
            why = error if buf else "it ends without the two blocks of zeros that end a tar"
            raise tarfile.ReadError(str(why)) from error
        if header.size < 0 or (header.type in _DESCRIBING and header.size > _LONGEST_DESCRIPTION):
            raise tarfile.ReadError(f"a header that states {header.size} bytes")
        return header


def tar_members(archive: Path) -> Iterator[Member]:
    """Yield the files of a tar, folders left out; each is read before the next is asked for.

    Raises:
        BadInput: it is damaged or cut, holds links or devices, or more follows its end.
    """
    with archive.open("rb") as file:
        with reading(archive):
            opened = tarfile.open(  # noqa: SIM115  # closed below; a `with` would hide what is raised
                mode="r|", fileobj=cast(Any, _Ending(decompressed(file))), tarinfo=_Header
            )
        with opened:
            last = None
            while (info := _next(archive, opened, last)) is not None:
                last = info.name
                if info.isfile():
                    yield Member(info.name, info.size, partial(_content, opened, info))
                elif not info.isdir():
                    raise not_a_file(archive, info.name)
                elif info.size:
                    raise refusal(
                        archive, f"holds {shown(info.name)}, a folder with content. Refused."
                    )
                else:
                    yield Member(f"{info.name}/", 0, partial(_content, opened, info))
            _refuse_more(archive, opened)


def _next(archive: Path, opened: tarfile.TarFile, last: str | None) -> tarfile.TarInfo | None:
    with reading(archive, last):
        info = opened.next()
    opened.members.clear()  # type: ignore[attr-defined]  # it keeps them all, a kilobyte each
    return info


def _content(opened: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = opened.extractfile(info)
    if content is None:
        raise tarfile.ReadError("it has no content")
    return content


def _refuse_more(archive: Path, opened: tarfile.TarFile) -> None:
    """Raise unless one more block of zeros, and nothing but zeros, follows the first one."""
    n_zeros = 0
    while True:
        with reading(archive):
            more = cast(IO[bytes], opened.fileobj).read(_CHUNK)
        if not more:
            break
        n_zeros += len(more)
        if more.strip(b"\0") or n_zeros > _MOST_ZEROS:
            raise refusal(
                archive,
                "more follows the zeros that end it: it is damaged, or several tars in one file. "
                "Make it again, or unpack it yourself and give the folder.",
            )
    if n_zeros < tarfile.BLOCKSIZE:
        raise refusal(archive, "it is cut: one block of zeros ends it, not two. Make it again.")
