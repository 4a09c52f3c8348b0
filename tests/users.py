"""What the system refuses: a user without permission, a file that Linux fails to read."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# root may read everything, unless these rights are taken from it.
_NOT_AS_ROOT = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
AS_USER = _NOT_AS_ROOT if os.geteuid() == 0 else []  # before a command
needs_a_user = pytest.mark.skipif(
    bool(AS_USER) and shutil.which("setpriv") is None, reason="root without setpriv"
)
# The first page of a process's memory, /proc/self/mem, is a regular file of which reading is EIO.
needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")


def run_as_user(script: str, folder: Path) -> str:
    """What a script prints whose `sys.argv[1]` is a folder."""
    command = [*AS_USER, sys.executable, "-c", script, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
