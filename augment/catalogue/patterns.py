"""Regular expressions that a user gives: checked before any work, and bounded in their cost."""

import re
import time
from collections.abc import Sequence

import regex

from terrabalance.errors import BadInput

LONGEST = 200  # characters
_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{\d*,?\d*\}|.", re.DOTALL)
# A usual pattern takes a microsecond a path, one that tries every way to cut a path takes seconds.
_PATIENCE_S, _PATIENCE_PER_PATH_S = 10.0, 1e-4


def checked_pattern(pattern: str) -> str:
    """Return a regular expression that can be used.

    Raises:
        ValueError: it is none, or it repeats a repetition, such as `(a+)+`, which may try more ways
            than there are atoms.
    """
    try:
        re.compile(pattern)
        regex.compile(pattern)
    except (re.error, regex.error, RecursionError, OverflowError, MemoryError) as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
    if _repeats_a_repetition(pattern):
        raise ValueError(
            f"{pattern!r} repeats a group that may match in several ways, such as (a+)+ or (a|b)*, "
            "which can take for ever. Repeat no such group"
        )
    return pattern


def _repeats_a_repetition(pattern: str) -> bool:
    """Return whether a repeated group holds a repetition or a choice."""
    varies, closed = [False], False  # for each open group; for the group that just ended
    for token in _TOKEN.findall(pattern):
        repeats = token in ("*", "+") or (token.startswith("{") and token.endswith(",}"))
        if repeats and closed:
            return True
        closed = False
        if token == "(":
            varies.append(False)
        elif token == ")" and varies[1:]:  # a comment may hold one that closes nothing
            closed = varies.pop()
            varies[-1] |= closed
        elif repeats or token == "|":
            varies[-1] = True
    return False


def found_in(paths: Sequence[str], pattern: str, setting: str) -> list[str]:
    """Return what a checked pattern finds in each path: its first group, or all that it matches.

    Args:
        paths: that are searched.
        pattern: see `checked_pattern`.
        setting: that gave it, for errors.

    Returns:
        A text for each path, "" where nothing is found.

    Raises:
        BadInput: it takes too long.
    """
    # Not `re`, which cannot be stopped within a path: a pattern of several repetitions side by side
    # may try a power of the path's length.
    compiled, found = regex.compile(pattern), list[str]()
    group, began = min(1, compiled.groups), time.monotonic()
    for path in paths:
        left = _PATIENCE_S + _PATIENCE_PER_PATH_S * len(found) - (time.monotonic() - began)
        try:
            match = compiled.search(path, timeout=max(left, _PATIENCE_PER_PATH_S))
        except TimeoutError as error:
            raise BadInput(
                f"{setting}: {pattern!r} takes too long, the last at {path!r}. Give a simpler one."
            ) from error
        found.append("" if match is None else match.group(group) or "")
    return found
