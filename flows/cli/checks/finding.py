"""What a check found."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "broken"]


@dataclass(frozen=True)
class Finding:
    """One line of `terrabalance doctor`."""

    name: str  # of the check
    state: State  # broken: no run, or none with these settings, can work
    found: str
    advice: str = ""  # the step that mends it, or what to do with it


def of_sentence(name: str, state: State, text: str) -> Finding:
    """Return the finding of an error's text: what is wrong, and after the first stop what to do."""
    found, _, advice = text.partition(". ")
    return Finding(name, state, found.rstrip("."), advice.rstrip("."))
