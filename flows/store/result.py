"""A result that is made once, by whichever process and machine asks for it first.

Every result of a run (catalogue, plan, base, generator, synthetic images, dataset, classifier,
comparison, report) comes about in one way, `make_once`:

1. It is fetched where another machine has made it.
2. Its lock is taken: of several processes that ask at once one makes it, the others wait.
3. It is looked for again, as another process may have made it in the meantime.
4. The devices that it needs are held, against every other process of this machine.
5. It is made; checkpoints reach the other machines while it is.
6. It is published.

The functions that make results write atomically, fsync, and mark a folder done last, with the
checksums of its files (`terrabalance.finished.mark_done`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flows.settings.config import RunConfig
from flows.store import devices
from flows.store.locks import locked
from flows.store.sync import adding, exchange, fetch_file, is_shared, publish_files, sharing
from flows.store.uses import begin, is_begun, note_use
from terrabalance.errors import NotReady
from terrabalance.files import ASIDE, left_of
from terrabalance.finished import done, refuse_damaged
from terrabalance.progress import Progress, silent

if TYPE_CHECKING:
    import torch

Make = Callable[[list["torch.device"], Progress], object]


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A result that is a folder of its own.

    Attributes:
        what: the result as people call it, e.g. `the generator of Beach`.
        place: the folder, below the workdir.
        part: under which the run notes that it uses the result, for `terrabalance cache`; None:
            it is of this run alone, or noted elsewhere.
        n_devices: devices of this machine that making it takes at once; 0: none.
        is_made: returns whether the result is here, whole and of these inputs; None: whether the
            folder is marked done.
        changes: whether other machines may add files after it was made.
        publish_first: publishes what the result refers to, e.g. images; None: nothing.
    """

    what: str
    place: Path
    part: str | None = None
    n_devices: int = 0
    is_made: Callable[[], bool] | None = None
    changes: bool = False
    publish_first: Callable[[], None] | None = None

    @property
    def lock(self) -> Path:
        """The lock file, beside the folder."""
        return self.place.with_name(f"{self.place.name}.lock")

    def is_here(self) -> bool:
        """Return whether the result is on this machine.

        Raises:
            BadInput: it is, and one of its files was damaged since it was finished.
        """
        is_made = done(self.place) is not None if self.is_made is None else self.is_made()
        if is_made:
            refuse_damaged(self.place, self.what)
        return is_made

    def fetch(self, config: RunConfig) -> None:
        """Fetch it where another machine has made it; publish it where only this one has.

        Raises:
            BadInput: as of `is_here`; with a store also where it would be made again, as what is
                damaged here must not replace what is whole there.
        """
        if config.storage is not None:
            refuse_damaged(self.place, self.what)
        self._publish_first(config)
        exchange(config, self.place, self.changes)

    @contextmanager
    def publishing(self, config: RunConfig, on_progress: Progress) -> Iterator[Progress]:
        """Yield what its maker reports to; publish checkpoints as they come, and the result."""
        with sharing(config, self.place, on_progress) as listener:
            yield listener
            self._publish_first(config)

    def leftovers(self) -> list[Path]:
        """Return what writers that were killed left of files that never took their place."""
        return list(self.place.rglob(ASIDE))

    def _publish_first(self, config: RunConfig) -> None:
        if self.publish_first and self.is_here() and not is_shared(config, self.place):
            self.publish_first()


@dataclass(frozen=True, kw_only=True)
class Files:
    """A result that is one or several files in a folder that holds others too.

    Attributes:
        what: the result as people call it, e.g. `the plan`.
        place: the file by which the result is known; it is locked.
        is_made: returns whether the result is here, whole and of these inputs; None: whether the
            file exists.
        beside: names of the other files that belong to it.
        n_devices: devices of this machine that making it takes at once; 0: none.
        adds_to: finished folders that making it adds files to.
        ledger: a file of counts that making it adds to, and other machines too; None: none.
    """

    what: str
    place: Path
    is_made: Callable[[], bool] | None = None
    beside: tuple[str, ...] = ()
    n_devices: int = 0
    adds_to: tuple[Path, ...] = ()
    ledger: Path | None = None
    part: None = None

    @property
    def lock(self) -> Path:
        """The lock file: hidden, as the folder is one that people look into."""
        return self.place.with_name(f".{self.place.name}.lock")

    def is_here(self) -> bool:
        """Return whether the result is on this machine."""
        return self.place.is_file() if self.is_made is None else self.is_made()

    def fetch(self, config: RunConfig) -> None:
        """Fetch it where another machine has made it."""
        if not self.is_here():
            for path in self._files():
                fetch_file(config, path)

    @contextmanager
    def publishing(self, config: RunConfig, on_progress: Progress) -> Iterator[Progress]:
        """Yield what its maker reports to; publish the files, and what they add elsewhere."""
        with adding(config, self.adds_to, self.ledger):
            yield on_progress
        publish_files(config, [path for path in self._files() if path.is_file()])

    def leftovers(self) -> list[Path]:
        """Return what writers that were killed left of files that never took their place."""
        return [left for file in self._files() for left in left_of(file)]

    def _files(self) -> list[Path]:
        return [*(self.place.with_name(name) for name in self.beside), self.place]


Result = Folder | Files


def find(config: RunConfig, result: Result) -> bool:
    """Return whether a result is made, by this machine or another one; then it is here.

    Raises:
        BadInput: the store cannot be used, or the run's name belongs to other settings.
        StoreUnreachable: the store does not answer.
    """
    if result.part is not None:
        is_begun(config)  # refuses a name that belongs to another run, before its notes are changed
        note_use(config, result.part, result.place)
    result.fetch(config)
    return result.is_here()


def require(config: RunConfig, result: Result, how: str) -> Path:
    """Return where a result is.

    Args:
        config: of the run.
        result: that another command makes.
        how: what the user does to have it made.

    Raises:
        NotReady: it is made on no machine.
        BadInput, StoreUnreachable: as of `find`.
    """
    if not find(config, result):
        raise NotReady(f"{result.place}: {result.what} is not made. {how}")
    return result.place


def make_once(
    config: RunConfig, result: Result, make: Make, on_progress: Progress = silent
) -> Path:
    """Make a result unless it is made; return where it is.

    What the result needs has to be made before: `make` must not ask for a result that needs
    devices itself. Two processes would wait for each other, one for the lock of that result and
    the other for the devices.

    Args:
        config: of the run.
        result: what is wanted.
        make: makes it, given the devices that it holds and a listener for progress.
        on_progress: takes progress, and the reason for waiting.

    Raises:
        BadInput: the store or the devices cannot be used, or the run's name belongs to other
            settings.
        StoreUnreachable: the store does not answer; what was made is kept on this machine.
    """
    if result.part is not None:
        begin(config)
    if find(config, result):
        return result.place
    with _alone(result, on_progress):
        if not find(config, result):
            _make(config, result, make, on_progress)
    return result.place


def make_anew(
    config: RunConfig, result: Result, make: Make, on_progress: Progress = silent
) -> Path:
    """Make a result whether or not it is there: a view of others, as a report is.

    Args and errors as of `make_once`.
    """
    begin(config)  # refuses a name that belongs to another run, whose view would be replaced
    with _alone(result, on_progress):
        _make(config, result, make, on_progress)
    return result.place


@contextmanager
def _alone(result: Result, on_progress: Progress) -> Iterator[None]:
    if result.n_devices:
        devices.refuse_while_holding(result.what)
    waiting = f"another process makes {result.what}, waiting for it"
    with locked(result.lock, waiting, on_progress):
        yield


def _make(config: RunConfig, result: Result, make: Make, on_progress: Progress) -> None:
    for left in result.leftovers():  # a checkpoint of a gigabyte may be among them
        left.unlink(missing_ok=True)
    with result.publishing(config, on_progress) as listener:
        with devices.held(config, result.n_devices, on_progress) as ours:
            make(ours, listener)
        if not result.is_here():
            raise AssertionError(f"{result.what} was made and is not whole: {result.place}")
