"""How the threads of torch wait for one another: asked of libgomp, which says what it goes by."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="torch waits by libgomp on Linux")


def waiting(**given: str) -> str:
    """Return the settings that libgomp prints when torch is loaded after ours."""
    kept = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    return subprocess.run(
        [sys.executable, "-c", "import flows, torch"],
        env={**kept, "OMP_DISPLAY_ENV": "VERBOSE", **given},
        capture_output=True, text=True, check=True,
    ).stderr  # fmt: skip


def test_threads_that_wait_soon_sleep():
    assert "GOMP_SPINCOUNT = '2000'" in waiting()


def test_who_says_how_threads_wait_is_obeyed():
    assert "GOMP_SPINCOUNT = '7'" in waiting(GOMP_SPINCOUNT="7")
    assert "OMP_WAIT_POLICY = 'ACTIVE'" in waiting(OMP_WAIT_POLICY="ACTIVE")
