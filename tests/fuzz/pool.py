"""A process that reads inputs for another, which outlives a crash or a hang of its libraries."""

import base64
import json
import os
import select
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_PATIENCE_S = 60  # of the wall clock for one input: a hang


@dataclass(frozen=True)
class Answer:
    """What came of an input.

    Attributes:
        outcome: `read`, `refused`, or what must not be: `foreign <kind> <place>`, `outside <what>`,
            `crash <signal>`, `hang`.
        seconds: of the processor.
        n_bytes: of memory that the process took at its most, above what it began with.
    """

    outcome: str
    seconds: float
    n_bytes: int

    @property
    def is_well(self) -> bool:
        return self.outcome in ("read", "refused")


class Worker:
    """See `worker.py`.

    Args:
        home: an empty folder for it.
    """

    def __init__(self, home: Path) -> None:
        # The limit counts addresses that are only reserved, too, as arenas and Arrow's pool do.
        lean = {"MALLOC_ARENA_MAX": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.worker", str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(home / "worker.log").open("wb"),
            cwd=ROOT,
            env={**os.environ, **lean, "OMP_NUM_THREADS": "1"},
            bufsize=0,
        )
        self._buffer = b""
        self._begin()

    def read(self, name: str, data: bytes) -> Answer:
        """Let it read an input of a target."""
        self._send(name, data)
        found = self._answer()
        if found is None:
            os.kill(self._child, signal.SIGKILL)
            self._begin()
            return Answer("hang", _PATIENCE_S, 0)
        if "pid" in found:  # another one has begun: this one is gone
            self._child, self._bytes = found["pid"], found["bytes"]
            return Answer("crash", 0.0, 0)
        return Answer(found["outcome"], found["seconds"], found["bytes"] - self._bytes)

    def renew(self) -> None:
        """Let another process read on, which has the memory of none that came before."""
        self._send("", b"")
        self._begin()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _send(self, name: str, data: bytes) -> None:
        request = json.dumps([name, base64.b64encode(data).decode()]).encode() + b"\n"
        assert self._process.stdin is not None
        while request:
            request = request[self._process.stdin.write(request) or 0 :]

    def _begin(self) -> None:
        found = self._answer(10 * _PATIENCE_S)
        assert found is not None, "the worker does not begin: see worker.log"
        self._child, self._bytes = int(found["pid"]), int(found["bytes"])

    def _answer(self, patience_s: float = _PATIENCE_S) -> dict[str, Any] | None:
        assert self._process.stdout is not None
        while b"\n" not in self._buffer:
            if not select.select([self._process.stdout], [], [], patience_s)[0]:
                return None
            some = os.read(self._process.stdout.fileno(), 2**16)
            assert some, "the worker has ended: see worker.log"
            self._buffer += some
        line, _, self._buffer = self._buffer.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found
