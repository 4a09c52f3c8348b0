"""Reads inputs in a process of its own: `python -m tests.fuzz.worker HOME`.

A process that has imported everything forks one that reads, and forks another when that dies or is
killed. Requests are lines of JSON on stdin, answers on stdout; see `pool.Worker`.
"""

import base64
import json
import os
import resource
import shutil
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from terrabalance.errors import TerrabalanceError

from .targets import Target, targets

_ANEW = 3  # exit code of a reader that another is to follow
_ROOM_BYTES = 2**30  # of addresses, above what the process has when it begins
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGING = frozenset({
    "os.mkdir", "os.rename", "os.symlink", "os.link", "os.chmod", "os.chown", "os.truncate",
    "os.remove", "os.rmdir", "shutil.rmtree", "shutil.move",
})  # fmt: skip


class Watch:
    """Notes what is written outside of one folder, and every program that is started."""

    def __init__(self) -> None:
        self.folder: str | None = None
        self.outside: list[str] = []
        sys.addaudithook(self._see)

    def _see(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.folder is None:
            return
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING:
            self._check(event, arguments[0])
        elif event in ("os.remove", "os.rmdir") and arguments[1] != -1:
            pass  # relative to a folder that is open: of `shutil.rmtree`, which is seen itself
        elif event in _CHANGING:
            self._check(event, arguments[0])
        elif event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"):
            self.outside.append(f"{event} {arguments[0]!r}")

    def _check(self, event: str, path: object) -> None:
        if isinstance(path, str | bytes | os.PathLike):
            real = os.path.realpath(os.fsdecode(path))
            if not real.startswith(f"{self.folder}/") and real not in (self.folder, "/dev/null"):
                self.outside.append(f"{event} {real}")


def answer(target: Target, folder: Path, data: bytes, watch: Watch) -> dict[str, Any]:
    """Read one input; what came of it, and what it cost."""
    folder.mkdir()
    target.input_in(folder).write_bytes(data)
    began, watch.outside = time.process_time(), []
    watch.folder = os.path.realpath(folder)
    try:
        target.read(folder)
        outcome = "read"
    except TerrabalanceError:
        outcome = "refused"
    except Exception as error:
        outcome = f"foreign {type(error).__name__} {_place(error)}"
    watch.folder = None
    seconds = time.process_time() - began
    if watch.outside:
        outcome = f"outside {watch.outside[0]}"
    shutil.rmtree(folder, ignore_errors=True)
    return {"outcome": outcome, "seconds": seconds, "bytes": _most_bytes()}


def _place(error: BaseException) -> str:
    """Return where in our code an exception passed last."""
    place, trace = "", error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if not any(part in code.co_filename for part in ("site-packages", "/lib/python", "<")):
            place = f"{Path(code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def _most_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _serve(home: Path, known: dict[str, Target]) -> None:
    """Answer requests until stdin ends, in a limited room of addresses."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    room = pages * resource.getpagesize() + _ROOM_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    watch, folder = Watch(), home / "input"
    shutil.rmtree(folder, ignore_errors=True)
    _say({"pid": os.getpid(), "bytes": _most_bytes()})
    while line := _line():
        name, data = json.loads(line)
        if not name:
            os._exit(_ANEW)
        _say(answer(known[name], folder, base64.b64decode(data), watch))


def _line() -> bytes:
    """Read a line without a buffer: what is in a buffer would die with the process."""
    line = bytearray()
    while not line.endswith(b"\n"):
        if not (some := os.read(0, 2**20)):
            return b""
        line += some
    return bytes(line)


def _say(record: dict[str, Any]) -> None:
    os.write(1, json.dumps(record).encode() + b"\n")


def main() -> None:
    """Fork readers, one after the other, until one ends by itself."""
    home = Path(sys.argv[1])
    known = targets(home)
    while True:
        child = os.fork()
        if not child:
            _serve(home, known)
            os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
            return


if __name__ == "__main__":
    main()
