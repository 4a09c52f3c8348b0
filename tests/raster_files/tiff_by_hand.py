"""TIFF written by hand: what the format allows, older programs write, and no library here does."""

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

from raster_files.by_pillow import STORED
from raster_files.case import Case
from raster_files.scenes import HEIGHT, WIDTH, corner_mask, gradients, numbers_of_bits, scene

_SHORT, _LONG = 3, 4
_CODES = {_SHORT: "H", _LONG: "I"}
_OFFSETS, _COUNTS = 273, 279


@dataclass(frozen=True)
class Page:
    """One directory: its strips, and its tags (number -> values of 16 bit) but for their places."""

    strips: Sequence[bytes]
    tags: dict[int, tuple[int, ...]]
    says_counts: bool = True


def write(path: Path, *, pages: Sequence[Page], order: str = "<") -> None:
    """Write a classic TIFF in a byte order, `<` or `>`."""
    data = bytearray((b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 0))
    link = 4
    for page in pages:
        offsets = []
        for strip in page.strips:
            offsets.append(len(data))
            data += strip + b"\0" * (len(strip) % 2)
        entries = {tag: (_SHORT, values) for tag, values in page.tags.items()}
        entries[_OFFSETS] = (_LONG, tuple(offsets))
        if page.says_counts:
            entries[_COUNTS] = (_LONG, tuple(map(len, page.strips)))
        link = _append_directory(data, entries, link, order)
    path.write_bytes(data)


def _append_directory(
    data: bytearray, entries: dict[int, tuple[int, tuple[int, ...]]], link: int, order: str
) -> int:
    """Append a directory, point the one before to it; return where its own pointer lies."""
    fields = []
    for tag, (kind, values) in sorted(entries.items()):
        packed = struct.pack(f"{order}{len(values)}{_CODES[kind]}", *values)
        if len(packed) > 4:
            place, packed = packed, struct.pack(f"{order}I", len(data))
            data += place
        fields.append(struct.pack(f"{order}HHI", tag, kind, len(values)) + packed.ljust(4, b"\0"))
    struct.pack_into(f"{order}I", data, link, len(data))
    data += struct.pack(f"{order}H", len(fields)) + b"".join(fields) + b"\0" * 4
    return len(data) - 4


def cases() -> Iterator[Case]:
    """All of this module."""
    yield from _left_out()
    yield from _bits_from_the_right()
    yield from _orientations()
    yield from _mask_of_bytes()
    yield from _halved_colours()


def _size(height: int = HEIGHT, width: int = WIDTH) -> dict[int, tuple[int, ...]]:
    return {256: (width,), 257: (height,)}


def _case(name: str, page: Page, values: np.ndarray, order: str = "<") -> Case:
    return Case(f"hand-{name}.tif", partial(write, pages=[page], order=order), values)


def _left_out() -> Iterator[Case]:
    """Tags that have a default may be missing."""
    bits = numbers_of_bits(1, 1)
    rows = np.packbits(bits[0], axis=1).tobytes()
    for order in "<>":
        endian = "little" if order == "<" else "big"
        page = Page([rows], {**_size(), 262: (1,)})
        yield _case(f"1bit-few-tags-{endian}", page, bits * 255, order)
        grey = scene(1, "uint16")
        tags = {**_size(), 258: (16,), 262: (1,)}
        raw = grey.astype(f"{order}u2").tobytes()
        yield _case(f"uint16-few-tags-{endian}", Page([raw], tags), grey, order)
        rgb = scene(3, "uint16")
        tags = {**_size(), 258: (16, 16, 16), 262: (2,), 277: (3,), 278: (7,)}
        raw = rgb.transpose(1, 2, 0).astype(f"{order}u2")
        strips = [raw[top : top + 7].tobytes() for top in (0, 7, 14)]
        yield _case(f"rgb16-few-tags-{endian}", Page(strips, tags), rgb, order)
    grey = scene(1, "uint8")
    tags = {**_size(), 258: (8,), 262: (1,), 278: (HEIGHT,)}
    page = Page([grey.tobytes()], tags, says_counts=False)
    yield _case("uint8-without-byte-counts", page, grey)
    tags = {**_size(), 258: (8,), 262: (1,), 339: (4,)}  # SampleFormat: undefined
    yield _case("uint8-undefined-format", Page([grey.tobytes()], tags), grey)
    planes = scene(3, "uint8")
    tags = {**_size(), 258: (8, 8, 8), 262: (2,), 277: (3,), 284: (2,), 278: (HEIGHT,)}
    yield _case("rgb8-planar", Page([plane.tobytes() for plane in planes], tags), planes)


def _bits_from_the_right() -> Iterator[Case]:
    """FillOrder 2: the lowest bit of a byte is the leftmost pixel."""
    bits = numbers_of_bits(1, 1)
    rows = np.packbits(bits[0], axis=1, bitorder="little").tobytes()
    for white_is, shown in ((1, bits), (0, 1 - bits)):
        tags = {**_size(), 258: (1,), 262: (white_is,), 266: (2,)}
        name = f"1bit-fill-order2-{'black' if white_is else 'white'}-is-zero"
        yield _case(name, Page([rows], tags), shown * 255)


def _orientations() -> Iterator[Case]:
    """The tag Orientation turns samples of any depth, and the mask with them."""
    for (orientation, stored_from), (dtype, count) in product(
        STORED.items(), (("uint16", 1), ("uint16", 3), ("float32", 5))
    ):
        upright = scene(count, dtype)
        planes = np.ascontiguousarray(stored_from(upright))
        depth = planes.itemsize * 8
        tags = {**_size(*planes.shape[1:]), 258: (depth,) * count, 277: (count,), 284: (2,)}
        tags |= {262: (2 if count == 3 else 1,), 274: (orientation,), 278: (planes.shape[1],)}
        tags |= {339: (3 if dtype == "float32" else 1,) * count}
        if count == 5:
            tags[338] = (0,) * 4
        if count == 1:
            del tags[284]
        strips = [plane.tobytes() for plane in planes]
        name = f"{dtype}x{count}-orientation{orientation}"
        yield _case(name, Page(strips, tags), upright)
    for orientation, stored_from in STORED.items():
        upright, valid = scene(1, "uint8"), corner_mask()
        pages = [_byte_page(stored_from(upright), orientation)]
        pages.append(
            _byte_page(stored_from(valid).astype("uint8") * 255, orientation, is_mask=True)
        )
        name = f"hand-mask-orientation{orientation}.tif"
        yield Case(name, partial(write, pages=pages), upright, valid)


def _byte_page(band: np.ndarray, orientation: int = 1, is_mask: bool = False) -> Page:
    tags = {**_size(*band.shape[1:]), 258: (8,), 262: (1,), 274: (orientation,)}
    if is_mask:
        tags |= {254: (4,), 262: (4,)}
    return Page([np.ascontiguousarray(band).tobytes()], tags)


def _mask_of_bytes() -> Iterator[Case]:
    """A mask page of 8 bit, which older GDAL wrote: anything but 0 is data."""
    for top in (1, 255):
        upright, valid = scene(1, "uint8"), corner_mask()
        mask = valid.astype("uint8") * top
        pages = [_byte_page(upright), _byte_page(mask, is_mask=True)]
        yield Case(f"hand-mask-of-bytes-{top}.tif", partial(write, pages=pages), upright, valid)


def _halved_colours() -> Iterator[Case]:
    """YCbCr without JPEG: colours of half or a quarter of the size, of the full range of 8 bit."""
    rgb = gradients(3)
    for (across, down), codec in product(((1, 1), (2, 1), (2, 2)), ("none", "deflate")):
        data = _ycbcr(rgb, across, down)
        tags = {
            **_size(),
            258: (8, 8, 8),
            262: (6,),
            277: (3,),
            278: (HEIGHT,),
            530: (across, down),
        }
        page = Page([data], tags)
        if codec == "deflate":
            page = Page([zlib.compress(data)], {**tags, 259: (8,)})
        # Where colours are halved one of two or four pixels stands for all: some levels off.
        expected = {"values": rgb, "tolerance": 3 if across == 1 else 24}
        if across > 1 and codec == "none":
            expected = {"refusal": "YCbCr"}
        name = f"hand-ycbcr-{across}x{down}-{codec}.tif"
        yield Case(name, partial(write, pages=[page]), **expected)


def _ycbcr(rgb: np.ndarray, across: int, down: int) -> bytes:
    """Units of `across` x `down` luma samples, one blue and one red, row by row."""
    image = Image.fromarray(np.ascontiguousarray(rgb.transpose(1, 2, 0)))
    full = np.asarray(image.convert("YCbCr"))
    height, width = -(-HEIGHT // down) * down, -(-WIDTH // across) * across
    full = np.pad(full, ((0, height - HEIGHT), (0, width - WIDTH), (0, 0)), mode="edge")
    luma = full[..., 0].reshape(height // down, down, width // across, across)
    luma = luma.transpose(0, 2, 1, 3).reshape(height // down, width // across, down * across)
    return np.concatenate([luma, full[::down, ::across, 1:]], axis=-1).tobytes()
