"""Changes of valid files that keep their frame: checksums and lengths are made right again.

A reader refuses random bytes at its first look. What has the right frame gets further in.
"""

import json
import re
import struct
import zlib
from collections.abc import Callable
from random import Random
from typing import Any

Mutate = Callable[[bytes, Random], bytes]
_MOST_BYTES = 2**16  # of an input
_LIMITS = (0, 1, 2, 7, 8, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**24, 2**31 - 1, 2**31,
           2**32 - 1)  # fmt: skip
_WORDS = (
    "", "0", "-1", "1e400", "-1e400", "1e-400", "nan", "inf", "null", "true", "[]", "{}", '""',
    "9" * 400, "..", "../../x", "/etc/x", "\\u0000", "\x00", "\ud7ff", "\u202e", "A" * 3000,
    "[" * 900, "{" * 900,
    "18446744073709551616", "-0.0", "2026-01-01", "0x7fffffff", "'", '"', ",", "\n", "=", ".",
)  # fmt: skip


def any_bytes(data: bytes, draw: Random) -> bytes:
    """Change one to four places: bytes, runs of them, numbers at the ends of their ranges."""
    changed = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        draw.choice(_CHANGES)(changed, draw)
    return bytes(changed[:_MOST_BYTES])


def _flip(data: bytearray, draw: Random) -> None:
    if data:
        data[draw.randrange(len(data))] ^= draw.randrange(1, 256)


def _number(data: bytearray, draw: Random) -> None:
    size, order = draw.choice((1, 2, 4, 8)), draw.choice(("little", "big"))
    if len(data) >= size:
        place = draw.randrange(len(data) - size + 1)
        value = draw.choice(_LIMITS) % 256**size
        data[place : place + size] = value.to_bytes(size, order)  # type: ignore[arg-type]


def _cut(data: bytearray, draw: Random) -> None:
    del data[draw.randrange(len(data) + 1) :]


def _drop(data: bytearray, draw: Random) -> None:
    place = draw.randrange(len(data) + 1)
    del data[place : place + draw.randint(1, 64)]


def _repeat(data: bytearray, draw: Random) -> None:
    place = draw.randrange(len(data) + 1)
    data[place:place] = data[place : place + draw.randint(1, 64)] * draw.randint(1, 8)


def _insert(data: bytearray, draw: Random) -> None:
    place = draw.randrange(len(data) + 1)
    data[place:place] = draw.randbytes(draw.randint(1, 16))


_CHANGES = (_flip, _flip, _number, _number, _cut, _drop, _repeat, _insert)


def text(data: bytes, draw: Random) -> bytes:
    """Put words that readers stumble over in the place of others; or change bytes."""
    if draw.random() < 0.2:
        return any_bytes(data, draw)
    words = re.findall(r"[\w.+-]+|\s+|[^\w\s]", data.decode(errors="replace"))
    for _ in range(draw.randint(1, 3)):
        if words:
            place = draw.randrange(len(words))
            other = draw.choice((draw.choice(_WORDS), draw.choice(words), words[place] * 2))
            words[place] = other
    return "".join(words).encode(errors="surrogatepass")[:_MOST_BYTES]


def png(data: bytes, draw: Random) -> bytes:
    """Change chunks of a PNG; each gets its right length and CRC. At times pixels, compressed."""
    chunks = list(_png_chunks(data))
    for _ in range(draw.randint(1, 3)):
        place = draw.randrange(len(chunks))
        kind, body = chunks[place]
        step = draw.randrange(5)
        if step == 0:
            chunks.insert(draw.randrange(len(chunks) + 1), (kind, body))
        elif step == 1 and len(chunks) > 1:
            del chunks[place]
        elif step == 2 and kind in (b"IDAT", b"zTXt", b"iTXt"):
            chunks[place] = (kind, _recompressed(body, draw))
        elif step == 3 and kind == b"IHDR":
            chunks[place] = (kind, _header_of_png(body, draw))
        else:
            chunks[place] = (kind, any_bytes(body, draw))
    return data[:8] + b"".join(_png_chunk(*chunk) for chunk in chunks)


def _png_chunks(data: bytes) -> Any:
    place = 8
    while place + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, place)
        yield data[place + 4 : place + 8], data[place + 8 : place + 8 + size]
        place += size + 12


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    crc = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)


def _recompressed(body: bytes, draw: Random) -> bytes:
    try:
        return zlib.compress(any_bytes(zlib.decompress(body), draw))
    except zlib.error:
        return any_bytes(body, draw)


def _header_of_png(body: bytes, draw: Random) -> bytes:
    fields = [*body.ljust(13, b"\0")[:13]]
    if draw.random() < 0.5:
        struct.pack_into(">I", side := bytearray(4), 0, draw.choice(_LIMITS))
        at = draw.choice((0, 4))
        fields[at : at + 4] = side
    else:
        fields[draw.randint(8, 12)] = draw.choice((0, 1, 2, 3, 4, 6, 8, 16, 32))
    return bytes(fields)


def tiff(data: bytes, draw: Random) -> bytes:
    """Change entries of a classic TIFF's first directory: number, type, count or value."""
    order = "<" if data[:2] == b"II" else ">"
    changed = bytearray(data)
    (place,) = struct.unpack_from(f"{order}I", data, 4)
    if place + 2 > len(data) or draw.random() < 0.2:
        return any_bytes(data, draw)
    (count,) = struct.unpack_from(f"{order}H", data, place)
    for _ in range(draw.randint(1, 3)):
        entry = place + 2 + 12 * draw.randrange(max(1, count))
        if entry + 12 > len(changed):
            return any_bytes(data, draw)
        _change_entry(changed, entry, order, draw)
    return bytes(changed)


def _change_entry(data: bytearray, entry: int, order: str, draw: Random) -> None:
    step = draw.randrange(6)
    if step == 0:
        tags = (254, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 317, 320, 322, 323,
                324, 330, 338, 339, 347, 530, 42112, 42113, 33550)  # fmt: skip
        struct.pack_into(f"{order}H", data, entry, draw.choice(tags))
    elif step == 1:
        struct.pack_into(f"{order}H", data, entry + 2, draw.randrange(20))
    elif step == 2:
        struct.pack_into(f"{order}I", data, entry + 4, draw.choice(_LIMITS) % 2**32)
    elif step == 3:
        struct.pack_into(f"{order}I", data, entry + 8, draw.choice(_LIMITS) % 2**32)
    elif step == 4:
        struct.pack_into(f"{order}H", data, entry + 8, draw.randrange(70))
    else:
        struct.pack_into(f"{order}I", data, entry + 8, draw.randrange(2 * len(data)))


def tar(data: bytes, draw: Random) -> bytes:
    """Change fields of a tar's headers, with the right checksum."""
    changed = bytearray(data)
    headers = [at for at in range(0, len(data) - 511, 512) if data[at + 257 : at + 262] == b"ustar"]
    if not headers or draw.random() < 0.2:
        return any_bytes(data, draw)
    fields = ((0, 100), (100, 8), (124, 12), (136, 12), (156, 1), (157, 100), (257, 8), (345, 155))
    for _ in range(draw.randint(1, 3)):
        at, (place, size) = draw.choice(headers), draw.choice(fields)
        body = any_bytes(bytes(changed[at + place : at + place + size]), draw)
        if size == 1:
            body = draw.choice([b"0", b"1", b"2", b"3", b"5", b"6", b"7", b"L", b"K", b"x", b"g"])
        if size == 12:
            body = draw.choice((b"%011o" % draw.choice(_LIMITS), b"\x80" + b"\xff" * 11, b"-1"))
        changed[at + place : at + place + size] = body[:size].ljust(size, b"\0")
        changed[at + 148 : at + 156] = b" " * 8
        changed[at + 148 : at + 156] = b"%06o\0 " % sum(changed[at : at + 512])
    return bytes(changed)


def framed(head: int, tail: int) -> Mutate:
    """Return a mutation that keeps so many bytes at the beginning and at the end."""

    def mutate(data: bytes, draw: Random) -> bytes:
        if draw.random() < 0.2 or len(data) < head + tail:
            return any_bytes(data, draw)
        body = any_bytes(data[head : len(data) - tail], draw)
        return data[:head] + body + data[len(data) - tail :]

    return mutate


def parquet(data: bytes, draw: Random) -> bytes:
    """Change the footer of a Parquet file, with its right length; or a page."""
    (size,) = struct.unpack_from("<I", data, len(data) - 8) if len(data) >= 12 else (0,)
    if not 0 < size <= len(data) - 12 or draw.random() < 0.3:
        return framed(4, 8)(data, draw)
    footer = any_bytes(data[-8 - size : -8], draw)
    return data[: -8 - size] + footer + struct.pack("<I", len(footer)) + b"PAR1"


def safetensors(data: bytes, draw: Random) -> bytes:
    """Change the JSON header of a safetensors file, with its right length; or a tensor."""
    (size,) = struct.unpack_from("<Q", data) if len(data) >= 8 else (0,)
    if not 0 < size <= len(data) - 8 or draw.random() < 0.3:
        return any_bytes(data, draw)
    header = text(data[8 : 8 + size], draw)
    return struct.pack("<Q", len(header)) + header + data[8 + size :]


def json_tree(data: bytes, draw: Random) -> bytes:
    """Change a value somewhere in JSON: of another kind, at an end of its range, or gone."""
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return text(data, draw)
    places = list(_places(tree)) if isinstance(tree, dict | list) else []
    if not places or draw.random() < 0.2:
        return text(data, draw)
    for _ in range(draw.randint(1, 2)):
        holder, key = draw.choice(places)
        values = (None, True, 0, -1, 10**400, 1e308, "", "../x", [], {}, [[]], {"": 0}, "A" * 3000)
        if isinstance(holder, dict) and draw.random() < 0.2:
            holder.pop(key, None)
        elif isinstance(holder, dict) or key < len(holder):
            holder[key] = draw.choice(values)
    return json.dumps(tree).encode()[:_MOST_BYTES]


def _places(tree: Any) -> Any:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in list(items):
        yield tree, key
        if isinstance(value, dict | list):
            yield from _places(value)
