"""Whether a PNG holds all rows that its header states: Pillow makes black ones of what it lacks."""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from terrabalance.errors import UnreadableImage

_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a pixel, by the colour type
_WHOLE = ((0, 0, 1, 1),)
# Of each pass of an interlaced image: first column and row, and the steps (PNG, 8.2).
_ADAM7 = (
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
    (0, 1, 1, 2),
)  # fmt: skip
_AT_ONCE = 2**16  # bytes


def check_png_length(path: Path) -> None:
    """Refuse a PNG whose stream of pixels ends before its last row.

    A stream that is damaged is left to the decoder.

    Raises:
        UnreadableImage: it does.
    """
    with path.open("rb") as file:
        head = file.read(33)
    width, height, bits, colour, _, _, interlaced = struct.unpack(">IIBBBBB", head[16:29])
    wanted = 0
    for left, top, right, down in _ADAM7 if interlaced else _WHOLE:
        columns, rows = -(-(width - left) // right), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            wanted += rows * (1 + -(-columns * bits * _SAMPLES[colour] // 8))
    try:
        held = sum(_inflated(path, wanted))
    except zlib.error:
        return
    if held < wanted:
        raise UnreadableImage(
            f"{path}: truncated: {held:,} of {wanted:,} bytes of pixels. Save it again from its "
            "original."
        )


def _inflated(path: Path, wanted: int) -> Iterator[int]:
    """Yield the lengths of what is inflated, until it is all that is wanted or the stream ends."""
    stream, held = zlib.decompressobj(), 0
    for packed in _packed(path):
        while packed and held < wanted and not stream.eof:
            some = stream.decompress(packed, _AT_ONCE)
            packed, held = stream.unconsumed_tail, held + len(some)
            yield len(some)


def _packed(path: Path) -> Iterator[bytes]:
    """Yield the content of the chunks that hold pixels."""
    with path.open("rb") as file:
        file.seek(8)
        while len(start := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", start)
            if kind == b"IEND":
                return
            if kind != b"IDAT":
                file.seek(length, 1)
            while kind == b"IDAT" and length and (data := file.read(min(length, _AT_ONCE))):
                length -= len(data)
                yield data
            file.seek(4, 1)
