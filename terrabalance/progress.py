"""How a long step reports its progress, whatever takes the reports."""

from typing import Protocol


class Progress(Protocol):
    """Called as `on_progress(done, total, message)`; `done` and `total` count the same unit."""

    def __call__(self, done: int, total: int, message: str = "") -> None:
        """Report that `done` of `total` units are finished."""


def silent(done: int, total: int, message: str = "") -> None:
    """Ignore a report; the default where nothing shows progress."""
