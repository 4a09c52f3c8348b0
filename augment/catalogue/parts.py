"""What people call the parts of a split: the words that Hugging Face's loaders know, and more."""

import re
from collections import defaultdict
from collections.abc import Iterable

_PART = re.compile(
    r"(?:(?P<train>train|training|trainval)|(?P<val>val|valid|validation|dev)"
    r"|(?P<test>test|testing|eval|evaluation))(?:set|data|images?|imgs?|split)?"
)
_PLAIN = frozenset({"set", "data", "dataset", "split", "part", "image", "images", "img", "imgs"})


def split_name(name: str) -> str:
    """Return train, val or test for their usual spellings; any other name as it is."""
    name = name.strip()
    part, others = _read(name)
    return part if part and not others and not re.search(r"\d", name) else name


def parts_among(names: Iterable[str]) -> dict[str, str]:
    """Return those of a folder's names that are parts of one split, with train, val or test.

    They are named alike: `train` and `test`, `train2017` and `val2017`, `seg_train` and `seg_test`;
    but `train_station` and `test_track` are not. There are none without train and another part.
    """
    splits = [found for found in _named_alike(names) if {"train"} < set(found.values())]
    return max(splits, key=len, default={})


def named_like_parts(names: Iterable[str]) -> list[str]:
    """Return those of classes' names that tell two or more parts and are else the same, sorted.

    A class may well be named `train`, of vehicles; hardly one more `test`.
    """
    alike = [found for found in _named_alike(names) if len(set(found.values())) > 1]
    return sorted(name for found in alike for name in found)


def is_named_plainly(name: str) -> bool:
    """Return whether nothing but a part is in a name, numbers and words for images aside."""
    part, others = _read(name)
    return bool(part) and not others


def _named_alike(names: Iterable[str]) -> list[dict[str, str]]:
    """Return the names that tell a part, with it; together those whose other words are the same."""
    alike: dict[tuple[str, ...], dict[str, str]] = defaultdict(dict)
    for name in names:
        part, others = _read(name)
        if part:
            alike[others][name] = part
    return list(alike.values())


def _read(name: str) -> tuple[str, tuple[str, ...]]:
    """Return the part that a name tells, "" for none or several, and its other words."""
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    words = [word for word in re.findall(r"[^\W\d_]+", spaced.lower()) if word not in _PLAIN]
    found = [(match.lastgroup or "") for match in map(_PART.fullmatch, words) if match]
    others = tuple(word for word in words if not _PART.fullmatch(word))
    return (found[0] if len(set(found)) == 1 else ""), others
