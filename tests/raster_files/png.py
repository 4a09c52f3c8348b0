"""PNG of every colour type and depth that the specification has, written by hand.

No library here writes all of them: https://www.w3.org/TR/png-3/, table 11.1.
"""

import struct
import zlib
from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np

from raster_files.case import Case
from raster_files.scenes import (
    HEIGHT,
    WIDTH,
    coloured,
    corner_mask,
    mask_band,
    numbers_of_bits,
    palette,
    scene,
)

_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGBA = 0, 2, 3, 4, 6
# Adam7: the first row and column of each pass, and its steps.
_PASSES = (
    (0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4),
    (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1),
)  # fmt: skip


def cases() -> Iterator[Case]:
    """All of this module."""
    for interlaced in (False, True):
        yield from _grey(interlaced)
        yield from _colour(interlaced)
        yield from _with_palette(interlaced)
        yield from _with_alpha(interlaced)


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG, its checksum right."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _rows(samples: np.ndarray, bits: int) -> bytes:
    """The rows of (H, W, C), each after the number of its filter, 0: none."""
    lines = []
    for line in samples:
        if bits == 16:
            lines.append(line.astype(">u2").tobytes())
        elif bits == 8:
            lines.append(line.astype(np.uint8).tobytes())
        else:
            places = np.arange(bits)[::-1]
            flat = (line.reshape(-1, 1) >> places) & 1
            lines.append(np.packbits(flat.astype(np.uint8).reshape(-1)).tobytes())
    return b"".join(b"\0" + line for line in lines)


def _write(
    path: Path,
    *,
    samples: np.ndarray,
    bits: int,
    kind: int,
    colours: np.ndarray | None = None,
    clear: bytes = b"",
    interlaced: bool = False,
    more: bytes = b"",
) -> None:
    """Write (C, H, W) samples of `bits` bits as the colour type `kind`.

    Args:
        path: the file.
        samples: (C, H, W) numbers.
        bits: of each number.
        kind: the colour type of IHDR.
        colours: (n, 3) of a palette.
        clear: what tRNS holds; empty: no tRNS.
        interlaced: in the seven passes of Adam7.
        more: chunks that go before the pixels.
    """
    pixels = samples.transpose(1, 2, 0)
    header = struct.pack(">IIBBBBB", *pixels.shape[1::-1], bits, kind, 0, 0, interlaced)
    passes = _PASSES if interlaced else ((0, 0, 1, 1),)
    parts = [pixels[top::down, left::right] for top, left, down, right in passes]
    data = b"".join(_rows(part, bits) for part in parts if part.size)
    chunks = [chunk(b"IHDR", header), more]
    if colours is not None:
        chunks.append(chunk(b"PLTE", colours.tobytes()))
    if clear:
        chunks.append(chunk(b"tRNS", clear))
    chunks += [chunk(b"IDAT", zlib.compress(data)), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def _case(name: str, interlaced: bool, values: np.ndarray, valid: np.ndarray | None = None,
          alpha: int | None = None, **options: object) -> Case:  # fmt: skip
    name = f"png-{name}{'-interlaced' * interlaced}.png"
    write = partial(_write, interlaced=interlaced, **options)
    return Case(name, write, values, valid, alpha)


def _clear(*samples: int) -> bytes:
    return struct.pack(f">{len(samples)}H", *samples)


def _grey(interlaced: bool) -> Iterator[Case]:
    """Grey of fewer than 8 bits is spread over 0 to 255; a clear level is no data."""
    for bits, clear in product((1, 2, 4, 8, 16), (False, True)):
        stored = numbers_of_bits(1, bits)
        level = int(stored[0, 3, 5])
        shown = stored if bits >= 8 else stored * (255 // (2**bits - 1))
        options = {"samples": stored, "bits": bits, "kind": _GREY}
        if clear:
            options["clear"] = _clear(level)
        name = f"grey{bits}{'-clear' * clear}"
        yield _case(name, interlaced, shown, stored != level if clear else None, **options)


def _colour(interlaced: bool) -> Iterator[Case]:
    """A clear colour is clear in all three: a pixel that shares one of them is data."""
    for bits, clear in product((8, 16), (False, True)):
        stored = scene(3, f"uint{bits}")
        valid = None
        options = {"samples": stored, "bits": bits, "kind": _RGB}
        if clear:
            colour = [7, 9, 11] if bits == 8 else [1000, 1001, 70]
            stored[:, :6, :7] = np.array(colour)[:, None, None]
            stored[0, 10:, 10:] = colour[0]
            valid, options["clear"] = corner_mask(), _clear(*colour)
        yield _case(f"rgb{bits}{'-clear' * clear}", interlaced, stored, valid, **options)


def _with_palette(interlaced: bool) -> Iterator[Case]:
    """Palettes become RGB, and what they call wholly transparent no data."""
    for bits, opacity in product((1, 2, 4, 8), ("opaque", "clear", "partly")):
        size = 2**bits
        indices, colours = numbers_of_bits(1, bits), palette(size)
        options = {"samples": indices, "bits": bits, "kind": _PALETTE, "colours": colours}
        valid = None
        if opacity == "clear":
            options["clear"], valid = b"\0", indices != 0
        elif opacity == "partly":
            alphas = bytes(255 * i // (size - 1) for i in range(size))
            options["clear"], valid = alphas, indices != 0
        name = f"palette{bits}-{opacity}"
        yield _case(name, interlaced, coloured(indices, colours), valid, **options)


def _with_alpha(interlaced: bool) -> Iterator[Case]:
    for bits, (kind, colours) in product((8, 16), ((_GREY_ALPHA, 1), (_RGBA, 3))):
        dtype = f"uint{bits}"
        contents = {
            "mask": mask_band(dtype),
            "opaque": np.full((1, HEIGHT, WIDTH), 2**bits - 1, dtype),
            "infrared": scene(colours + 1, dtype)[-1:],
        }
        for content, band in contents.items():
            stored = np.concatenate([scene(colours, dtype), band])
            options = {"samples": stored, "bits": bits, "kind": kind}
            name = f"{'grey' if colours == 1 else 'rgb'}{bits}-alpha-{content}"
            yield _case(name, interlaced, stored, None, colours, **options)
