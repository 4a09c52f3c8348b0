"""Where this machine keeps what can be found again: working copies, and what it measured once."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder, TERRABALANCE_CACHE where that is set, whether or not it exists."""
    usual = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "terrabalance"
    return Path(os.environ.get("TERRABALANCE_CACHE") or usual).expanduser().absolute()
