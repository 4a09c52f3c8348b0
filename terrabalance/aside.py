"""What appears whole: it is written aside, then put in its place."""

import shutil
from pathlib import Path
from uuid import uuid4


def aside_of(path: Path, suffix: str) -> Path:
    """Return a hidden neighbour's path that no other process uses, also in a shared folder."""
    return path.with_name(f".{path.name[:200]}.{uuid4().hex[:12]}.{suffix}")


def swap(aside: Path, folder: Path) -> None:
    """Put a folder in the place of another; two renames, so that a mixture never shows."""
    old = aside_of(folder, "old")
    if folder.exists():
        folder.rename(old)
    aside.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
