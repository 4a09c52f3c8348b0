"""Markdown of what came from strangers: escaped in one place."""

import string
import unicodedata
from collections.abc import Sequence


def escape_markdown(text: object) -> str:
    """Return text that Markdown shows as it is, in a table cell too; on one line.

    Control and invisible formatting characters become spaces: a class name could otherwise
    break out of its cell or turn the reading direction.
    """
    visible = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in str(text))
    entities = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
    special = set(string.punctuation) - set("-+,.%")
    return "".join(entities.get(c, f"\\{c}" if c in special else c) for c in visible.strip())


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table, its first column left and the others right; cells are escaped."""
    lines = [header, *rows]
    text = [f"| {' | '.join(map(escape_markdown, line))} |" for line in lines]
    rule = f"|---|{'---:|' * (len(header) - 1)}"
    return "\n".join([text[0], rule, *text[1:]]) + "\n"
