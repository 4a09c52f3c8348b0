"""The files that a data source lists, whatever kind of source it is."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from terrabalance.errors import BadInput

_SHOWN = 10  # problems in one message
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)  # of a million files
class Entry:
    """One listed file.

    Attributes:
        path: relative to the source's root, POSIX separators.
        class_name: "" for a file that lies in no class folder.
        split: train, val or test; another name is set aside; "" where the data gives none.
        source: real, or synthetic where a CSV says so.
        group: images of one name stay in one part of the split; "" where a CSV gives none.
        beside: paths of files that decide what is read of it, see `augment.catalogue.beside`.
    """

    path: str
    class_name: str
    split: str = ""
    source: str = "real"
    group: str = ""
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Given:
    """What the user gave as the data: messages name it, and what can be done about it.

    Attributes:
        path: as given; of an archive not where it is unpacked, which nobody is to edit.
        kind: of the data.
    """

    path: Path
    kind: Literal["folder", "archive", "csv"] = "folder"

    def __str__(self) -> str:
        """Return the path."""
        return str(self.path)

    @property
    def leave_out(self) -> str:
        """How a class is left out."""
        if self.kind == "csv":
            return "To leave a class out, take its lines out of the CSV."
        return f"To leave a class out, move its folder elsewhere.{self.in_archive}"

    @property
    def in_archive(self) -> str:
        """Where that is to be done which a sentence before asks for, if not in the data itself."""
        if self.kind != "archive":
            return ""
        return " Unpack the archive to do so, and give the unpacked folder instead."


@dataclass(frozen=True)
class Source:
    """Files below one root, in natural order of their paths.

    Attributes:
        root: of the paths.
        entries: one a file.
        given: what lists them, or holds them; None: the root.
    """

    root: Path
    entries: list[Entry] = field(default_factory=list)
    given: Given | None = None


def natural_key(path: str) -> tuple[str, str]:
    """Return a sort key that puts `pond_9` before `pond_10`."""
    parts = _DIGITS.split(path)  # text and digits in turn
    parts[1::2] = [_countable(digits) for digits in parts[1::2]]
    return "\0".join(parts), path


def _countable(digits: str) -> str:
    """Return a text that sorts as the number does, however long: first by how many digits."""
    ascii_digits = digits if digits.isascii() else "".join(str(int(digit)) for digit in digits)
    number = ascii_digits.lstrip("0")
    return chr(len(number)) + number


def refuse(where: object, problems: list[str]) -> None:
    """Raise one BadInput for all problems, where there is any."""
    if not problems:
        return
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    raise BadInput(f"{where}: {'; '.join(problems[:_SHOWN])}{more}. Correct these and run again.")
