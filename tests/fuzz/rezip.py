"""Changes of zip files: of a member's content with the right CRC, and of the records of members."""

import bz2
import gzip
import io
import lzma
import zipfile
from random import Random

from .mutate import Mutate, any_bytes, tar

_NAMES = (
    "", "/", "..", "../x", "/x", "a/../../x", "a\\..\\..\\x", "C:\\x", "a//b", "./a", "a/.", "\0",
    "A/" * 300, "n" * 300, "\u202e.png", "CON", " ", "a/\x7f",
)  # fmt: skip


def members(data: bytes, draw: Random) -> bytes:
    """Change a member of a zip, its name or its content, and write all anew; or change bytes."""
    if draw.random() < 0.3:
        return any_bytes(data, draw)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as opened:
            files = [(info, opened.read(info)) for info in opened.infolist()]
    except Exception:  # changed before
        return any_bytes(data, draw)
    made, chosen = io.BytesIO(), draw.randrange(max(1, len(files)))
    with zipfile.ZipFile(made, "w") as opened:
        for place, (info, content) in enumerate(files):
            if place == chosen:
                info, content = _changed(info, content, draw)
            opened.writestr(info, content)
    return made.getvalue()


def _changed(info: zipfile.ZipInfo, content: bytes, draw: Random) -> tuple[zipfile.ZipInfo, bytes]:
    step = draw.randrange(4)
    if step == 0:
        name = draw.choice(_NAMES)
        other = zipfile.ZipInfo("x" if name == "" else name)
        other.filename = name
        return other, content
    if step == 1:
        other = zipfile.ZipInfo(info.filename)
        other.external_attr = draw.choice((0o120777, 0o020666, 0o010666, 0o040755, 0)) << 16
        return other, content
    return info, any_bytes(content, draw)


def tar_inside(codec: str) -> Mutate:
    """Return a mutation of a compressed tar: of the tar, packed again, or of the packed bytes."""
    packer = {"gz": gzip, "xz": lzma, "bz2": bz2}[codec]

    def mutate(data: bytes, draw: Random) -> bytes:
        if draw.random() < 0.3:
            return any_bytes(data, draw)
        try:
            return packer.compress(tar(packer.decompress(data), draw))
        except Exception:  # changed before
            return any_bytes(data, draw)

    return mutate
