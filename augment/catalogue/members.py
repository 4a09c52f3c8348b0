"""The files in an archive, whatever kind of archive it is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from terrabalance.errors import BadInput
from terrabalance.wording import shown

ARCHIVE_SUFFIXES = (
    ".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2", ".tar.zst", ".tzst",
)  # fmt: skip


@dataclass(frozen=True)
class Member:
    """One file in an archive.

    Attributes:
        name: as stored.
        n_bytes: of its content, unpacked.
        open: opens its content, before the next member is asked for.
    """

    name: str
    n_bytes: int
    open: Callable[[], IO[bytes]]


@contextmanager
def reading(archive: Path, name: str | None = None) -> Iterator[None]:
    """Turn whatever a library raises on damaged bytes into one sentence.

    Args:
        archive: that is read.
        name: of the member that is read; None: the archive's own list.

    Raises:
        BadInput: the block raised anything.
    """
    try:
        yield
    except BadInput:
        raise
    # The standard library's readers raise some twenty kinds on damage, MemoryError among them.
    except Exception as error:
        why = str(error) or type(error).__name__
        raise refusal(archive, f"cannot be unpacked{_at(name)} ({why}). Make it again.") from error


def not_a_file(archive: Path, name: str) -> BadInput:
    """Return the error for a member that is no file and no folder."""
    return refusal(
        archive,
        f"holds {shown(name)}, a link or device, or of a kind that is no file. Refused; pack "
        "the files themselves.",
    )


def refusal(archive: Path, what: str) -> BadInput:
    """Return the error that names the archive."""
    return BadInput(f"{archive}: {what}")


def _at(name: str | None) -> str:
    return "" if name is None else f" at {shown(name)}"
