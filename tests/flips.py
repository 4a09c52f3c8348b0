"""Flipped bits, and what is read of files that have one."""

import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from terrabalance.errors import BadInput

R = TypeVar("R")


def every_flip(content: bytes) -> Iterator[bytes]:
    """Yield the content with each of its bits flipped."""
    return _flips(content, range(8 * len(content)))


def some_flips(content: bytes, n: int) -> Iterator[bytes]:
    """Yield the content with one bit flipped, `n` times another one."""
    return _flips(content, random.Random(0).sample(range(8 * len(content)), n))


def _flips(content: bytes, bits: Iterable[int]) -> Iterator[bytes]:
    for bit in bits:
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


def read_or_refused(path: Path, contents: Iterable[bytes], read: Callable[[], R]) -> Iterator[R]:
    """Yield what is read of a file with each content; one that is refused is named."""
    for content in contents:
        path.write_bytes(content)
        try:
            found = read()
        except BadInput as error:
            assert str(path) in str(error)
            continue
        yield found
