"""What a terminal or a log is sent: texts of strangers cannot steer it."""

import logging
import os
import re
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from terrabalance.errors import BadInput

# C0 and C1 but for tab and line feed: they move the cursor, set the title, write the clipboard.
# Then what turns the direction of the text that follows, so that a name reads as another one.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    """Return a text in which characters that steer a terminal are written as Python does."""
    return _STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def told_columns() -> bool:
    """Return whether the environment says how wide the output is; some programs set 0."""
    return bool(os.environ.get("COLUMNS", "").strip("0 "))


class Terminal(Console):
    """A console whose texts may come from strangers: class names, paths, words of other programs.

    Raises:
        BadInput: what it writes to is full or gone.
    """

    def __init__(self, **options: Any) -> None:
        if not told_columns():  # else rich writes lines of no width: nothing
            options["_environ"] = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
        super().__init__(emoji=False, **options)  # `:car:` may be the name of a folder

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as rich does, and say so where standard output cannot be written."""
        try:
            super().print(*objects, **options)
        except OSError as error:  # which names no file
            stream = "standard error" if self.stderr else "standard output"
            raise BadInput(
                f"{stream} cannot be written ({error.strerror}). Free some room where it goes, or "
                "send it elsewhere."
            ) from error

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render as rich does; of its own segments those that steer are kept."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=harmless(segment.text))


class LogFormatter(logging.Formatter):
    """As `logging` formats by default, and harmless."""

    def __init__(self) -> None:
        super().__init__(logging.BASIC_FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        return harmless(super().format(record))
