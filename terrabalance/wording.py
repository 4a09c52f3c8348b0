"""Values and names in the sentences of messages: short, whatever a stranger gave."""

from collections.abc import Sequence
from typing import Any

_SHOWN = 60  # characters of each end of what is long
_MOST_LISTED = 30  # names in a message


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


def in_short(told: Sequence[str], most: int) -> str:
    """Return the first `most` of some words, with commas between, and how many more there are."""
    more = f" and {len(told) - most} more" if len(told) > most else ""
    return ", ".join(told[:most]) + more


def _ends(text: str) -> str:
    return text if len(text) <= 2 * _SHOWN else f"{text[:_SHOWN]}…{text[-_SHOWN:]}"
