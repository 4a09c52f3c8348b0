"""The files that a data source lists, whatever kind of source it is."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from terrabalance.errors import BadInput

_SHOWN = 10  # problems in one message
_SPLIT_NAMES = {
    "train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test",
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One listed file.

    Attributes:
        path: relative to the source's root, POSIX separators.
        class_name: "" for a file that lies in no class folder.
        split: train, val or test; another name is set aside; "" where the data gives none.
        source: real, or synthetic where a CSV says so.
    """

    path: str
    class_name: str
    split: str = ""
    source: str = "real"


@dataclass(frozen=True)
class Source:
    """Files below one root, in natural order of their paths."""

    root: Path
    entries: list[Entry] = field(default_factory=list)


def natural_key(path: str) -> tuple[list[tuple[int, int, str]], str]:
    """Return a sort key that puts `pond_9` before `pond_10`."""
    parts = re.split(r"(\d+)", path)
    return [(1, int(p), "") if p.isdecimal() else (0, 0, p) for p in parts], path


def split_name(name: str) -> str:
    """Return train, val or test for their usual spellings; any other name as it is."""
    return known_split(name.strip()) or name.strip()


def known_split(name: str) -> str | None:
    """Return train, val or test for their usual spellings; None for any other name."""
    return _SPLIT_NAMES.get(name.lower())


def refuse(where: str, problems: list[str]) -> None:
    """Raise one BadInput for all problems, where there is any."""
    if not problems:
        return
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    raise BadInput(f"{where}: {'; '.join(problems[:_SHOWN])}{more}. Correct these and run again.")
