"""Values and names in the sentences of messages: short, whatever a stranger gave."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError

_SHOWN = 60  # characters of each end of what is long
_MOST_LISTED = 30  # names in a message
_MOST_UNFIT = 3  # fields in a message


def shown(value: Any) -> str:
    """Return a value as people may read it: quoted where it is a string, without its middle."""
    if isinstance(value, str):
        return repr(_ends(value))
    try:
        return _ends(repr(value))
    except (ValueError, RecursionError):  # an integer of thousands of digits, endless nesting
        return f"this {type(value).__name__}"


def listed(names: Sequence[Any]) -> str:
    """Return names as a message lists them: the first of many, each short."""
    return in_short(list(map(shown, names)), _MOST_LISTED)


def unfit(error: "ValidationError") -> str:
    """Return which fields of a file do not fit what this version reads of it."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    places = (".".join(map(str, fault["loc"])) or fault["msg"] for fault in faults)
    names = list(dict.fromkeys(map(shown, places)))
    told = in_short(names, _MOST_UNFIT)
    return f"the field {told} does not fit" if len(names) == 1 else f"the fields {told} do not fit"


def in_short(told: Sequence[str], most: int) -> str:
    """Return the first `most` of some words, with commas between, and how many more there are."""
    more = f" and {len(told) - most} more" if len(told) > most else ""
    return ", ".join(told[:most]) + more


def _ends(text: str) -> str:
    return text if len(text) <= 2 * _SHOWN else f"{text[:_SHOWN]}…{text[-_SHOWN:]}"
