"""What is wrong with settings that were given, in sentences: where, what, and what to do."""

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from terrabalance.settings import Settings
from terrabalance.wording import shown

_MOST_TOLD = 10  # faults in a message
_LONGEST_NAME = 100  # characters of an unknown setting

Model = type[Settings]


def section_of(field: FieldInfo) -> Model | None:
    """Return the settings that a field holds; None where it is a setting itself."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Settings) else None


def sentences(model: Model, error: ValidationError) -> str:
    """Put all that `model` refused into one line."""
    faults: dict[str, list[ErrorDetails]] = {}
    for fault in error.errors(include_url=False):
        place = fault["loc"] if fault["type"] == "extra_forbidden" else _named(model, fault["loc"])
        name = ".".join(str(part)[:_LONGEST_NAME] for part in place)
        faults.setdefault(name, []).append(fault)
    told = [_sentence(model, place, own) for place, own in list(faults.items())[:_MOST_TOLD]]
    more = [f"and {len(faults) - len(told)} more"] if len(faults) > len(told) else []
    return "; ".join([*told, *more])


def _named(model: Model | None, loc: Sequence[str | int]) -> list[str]:
    """The fields of a location; places in a list and branches of a union may follow."""
    names: list[str] = []
    for part in loc:
        if model is None or part not in model.model_fields:
            break
        names.append(str(part))
        model = section_of(model.model_fields[str(part)])
    return names


def _sentence(model: Model, place: str, faults: list[ErrorDetails]) -> str:
    # A list of which an item was refused also counts as too short.
    kept = [fault for fault in faults if fault["type"] != "too_short"] or faults
    depth = len(place.split("."))
    branches = any(isinstance(part, str) for fault in kept for part in fault["loc"][depth:])
    if branches or kept[0]["type"] == "string_pattern_mismatch":
        return f"{place}: {shown(kept[0]['input'])} does not fit. It is: {_meaning(model, place)}"
    said = "; ".join(dict.fromkeys(_reason(model, place, fault) for fault in kept[:_MOST_TOLD]))
    return f"{place}: {said}" if place else said


def _reason(model: Model, place: str, fault: ErrorDetails) -> str:
    kind, given, as_given = fault["type"], fault["input"], shown(fault["input"])
    if kind == "extra_forbidden" and any("." in str(part) for part in fault["loc"]):
        return "a name in quotes is taken as one word, dots and all. Write it without quotes"
    if kind == "extra_forbidden":
        return f"there is no such setting. {_instead(model, place)}"
    if kind == "value_error":
        return str(fault["ctx"]["error"])
    if kind == "literal_error":
        expected = str(fault["ctx"]["expected"])
        near = difflib.get_close_matches(as_given.strip("'"), re.findall("'(.*?)'", expected), n=1)
        return f"{as_given} is none of {expected}" + (
            f". Did you mean {near[0]!r}?" if near else ""
        )
    if kind == "tuple_type":
        items = given.split(",") if isinstance(given, str) else [given]
        plain = [x.strip() if isinstance(x, str) else x for x in items]
        unclear = as_given.endswith("…") or plain == [""]
        written = "[...]" if unclear else _as_json(plain)
        return f"{as_given} is not a list. Write it as {place}={written}"
    if kind == "int_parsing_size":
        return f"{as_given} is too large"
    if kind == "model_type":
        return f"is a section. Set what is in it, e.g. {place}.{next(iter(_level(model, place)))}"
    if kind == "path_type":
        return f"{as_given} is not a path"
    said = re.sub(r"^\w+ should|, (unable|got|not) .*| after validation", _plain, fault["msg"])
    return f"{said}, not {as_given}"


def _as_json(value: Any) -> str:
    try:
        return json.dumps(value, default=str)
    except ValueError:  # an integer of thousands of digits
        return "[...]"


def _plain(found: re.Match[str]) -> str:
    return "should" if found[0].endswith("should") else ""


def _instead(model: Model, place: str) -> str:
    """What may have been meant: a name beside it that is spelt alike, or the same elsewhere."""
    section, _, name = place.rpartition(".")
    before = f"{section}." if section else ""
    alike = difflib.get_close_matches(name, _level(model, section), n=2)
    meant = [before + each for each in alike] or [
        path for path in _paths(model) if path.endswith(f".{name}")
    ]
    if meant:
        return f"Did you mean {' or '.join(meant)}?"
    return f"There are {', '.join(before + each for each in _level(model, section))}"


def _level(model: Model, section: str) -> dict[str, FieldInfo]:
    """The fields of a section, or of `model` itself where it is empty."""
    inner = section_of(model.model_fields[section]) if section in model.model_fields else None
    return (inner or model).model_fields


def _paths(model: Model, before: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        section = section_of(field)
        yield from _paths(section, f"{before}{name}.") if section else [before + name]


def _meaning(model: Model, place: str) -> Any:
    section, _, name = place.rpartition(".")
    return _level(model, section)[name].description
