"""Commands in forks of a warm process: done, killed, and what they leave behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SCRIPT = Path(__file__).with_name("nursery.py")
_OWN_MOUNTS = ("unshare", "--map-root-user", "--mount")
# An orphan of the command's own ends when it sees that its parent is gone.
_PATIENCE_S = 60
Command = Sequence[str | Path]


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        pid: its id, and that of the session of all that it started.
        exit: its code; -9: killed.
        seconds: how long it lasted.
        said: what it printed.
    """

    pid: int
    exit: int
    seconds: float
    said: str

    @property
    def killed(self) -> bool:
        return self.exit == -signal.SIGKILL

    @property
    def refusal(self) -> str | None:
        """The one line of an error that a user can act on; None where it ended otherwise."""
        _before, is_said, line = self.said.rpartition("error: ")
        lines = [line for line in line.splitlines() if line.strip()]
        if self.exit != 2 or not is_said or len(lines) != 1 or "Traceback" in self.said:
            return None
        return lines[0]


@dataclass(frozen=True)
class Begun:
    """Processes that run, each the leader of a session.

    Attributes:
        pids: their ids.
        log: what they print.
    """

    pids: list[int]
    log: Path
    _answer: Callable[[], str]

    def end(self) -> list[Ended]:
        """Return how they ended, once they have."""
        return [Ended(**one, said=self.log.read_text()) for one in json.loads(self._answer())]


class Nursery:
    """A warm process; see `nursery.py`. It has mounts of its own, where the system allows that.

    Args:
        home: an empty folder for logs.
        prefect_home: that of Prefect, with a database.
    """

    def __init__(self, home: Path, prefect_home: Path) -> None:
        self.has_mounts = _can_mount()
        self._home, self._n_logs = home, 0
        home.mkdir(parents=True, exist_ok=True)
        own = {
            "PREFECT_HOME": str(prefect_home),
            "PREFECT_LOGGING_LEVEL": "CRITICAL",
            "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
            "COLUMNS": "200",
            "NO_COLOR": "1",
        }
        self._process = subprocess.Popen(
            [*(_OWN_MOUNTS if self.has_mounts else ()), sys.executable, str(_SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(home / "nursery.log").open("wb"),
            env={**os.environ, **own},
            text=True,
        )
        assert self._answer() == "ready\n", (home / "nursery.log").read_text()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def do(self, *commands: Command, **how: Any) -> Ended:
        """Do commands one after the other in one process, until one fails; see `begin`."""
        return self.at_once([commands], **how)[0]

    def at_once(self, chains: Sequence[Sequence[Command]], **how: Any) -> list[Ended]:
        """Do chains of commands at the same time, a process each; see `begin`."""
        return self.begin(chains, **how).end()

    def begin(
        self,
        chains: Sequence[Sequence[Command]],
        kill_after_s: float | None = None,
        file_bytes: int | None = None,
        nohup: bool = False,
        cwd: Path | None = None,
    ) -> "Begun":
        """Begin chains of commands at the same time, a process each.

        Args:
            chains: of each process its commands.
            kill_after_s: SIGKILL what still runs then; None: let all end.
            file_bytes: the largest file that they may write; None: any.
            nohup: they ignore the end of their terminal.
            cwd: where they are done; None: in a folder of the nursery's.

        Returns:
            What must come to its end before the next is begun.
        """
        self._n_logs += 1
        log = self._home / f"{self._n_logs:04d}.log"
        log.touch()  # a command may be killed before it says anything
        request = {
            "at_once": [[list(map(str, words)) for words in chain] for chain in chains],
            "kill_after_s": kill_after_s, "file_bytes": file_bytes, "nohup": nohup,
            "log": str(log), "cwd": str(cwd or self._home),
        }  # fmt: skip
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return Begun(json.loads(self._answer()), log, self._answer)

    @contextmanager
    def mounted(self, place: Path, *how: str) -> Iterator[None]:
        """Mount something at a place, for the commands alone; `how` are words for `mount`."""
        place.mkdir(parents=True, exist_ok=True)
        self._within("mount", *how, str(place))
        try:
            yield
        finally:
            self._within("umount", str(place))

    def remount(self, place: Path, options: str) -> None:
        """Mount with other options what is mounted."""
        self._within("mount", "-o", f"remount,{options}", str(place))

    def sees(self, place: Path) -> Path:
        """Return the path by which this process reaches what the commands see at a place."""
        return Path(f"/proc/{self._process.pid}/root{place}")

    def _within(self, *words: str) -> None:
        enter = ("nsenter", "--preserve-credentials", "--user", "--mount")
        subprocess.run([*enter, f"--target={self._process.pid}", *words], check=True)

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def _can_mount() -> bool:
    tools = all(shutil.which(tool) for tool in ("unshare", "nsenter", "mount"))
    return tools and subprocess.run([*_OWN_MOUNTS, "true"], capture_output=True).returncode == 0


def end_orphans(of: Ended) -> list[str]:
    """End what a killed process left running; return its command lines, [] where all ends itself.

    Waits for it: what belongs to a command ends when it sees that its parent is gone.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while (left := _of_session(of.pid)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for process in left:
        os.kill(process, signal.SIGKILL)
    return list(left.values())


def _of_session(session: int) -> dict[int, str]:
    """Return the processes of a session: id -> command line."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # it has ended
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found[int(folder.name)] = words
    return found
