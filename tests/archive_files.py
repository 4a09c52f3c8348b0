"""Archives as strangers give them, and what is said of those that are refused."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from augment.catalogue.sources import open_source
from terrabalance.errors import BadInput

COMPRESS = {
    "tar": bytes, "gz": gzip.compress, "tgz": gzip.compress, "xz": lzma.compress,
    "bz2": bz2.compress, "zst": lambda data: pa.compress(data, "zstd", asbytes=True),
    "tzst": lambda data: pa.compress(data, "zstd", asbytes=True),
}  # fmt: skip


COMPRESSED = ["a.tar.gz", "a.tar.xz", "a.tar.bz2", "a.tar.zst"]


def left_behind(folder: Path) -> list[Path]:
    """Return what is in a folder, but for the lock of the one who unpacks."""
    return [path for path in folder.iterdir() if path.suffix != ".lock"]


def refused(path: Path, data: bytes, unpacked: Path) -> str:
    """Write an archive; return the sentence that refuses it, after which nothing is left."""
    path.write_bytes(data)
    with pytest.raises(BadInput) as caught:
        open_source(path, unpacked)
    assert not left_behind(unpacked)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
    return str(caught.value)


def zip_of(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def tar_bytes(*infos: tarfile.TarInfo, form: int = tarfile.PAX_FORMAT) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=form) as archive:
        for info in infos:
            archive.addfile(info, io.BytesIO(b"x" * info.size))
    return made.getvalue()


def compressed(name: str, data: bytes) -> bytes:
    return COMPRESS[name.rsplit(".", 1)[1]](data)


def tar_of(path: Path, *infos: tarfile.TarInfo) -> Path:
    path.write_bytes(compressed(path.name, tar_bytes(*infos)))
    return path


def member(name: str, size: int = 1, kind: bytes = tarfile.REGTYPE, link: str = ""):
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, link
    return info


def zip_bytes(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return made.getvalue()


def listed(source):
    return [(entry.path, entry.class_name, entry.split) for entry in source.entries]


def zip_listing(names: list[str]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), b"x")
    return made.getvalue()
