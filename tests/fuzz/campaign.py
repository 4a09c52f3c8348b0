"""Many changed inputs for every reader: `python -m tests.fuzz.campaign --cases 100000 --seed 0`.

Prints a table and exits with 1 where anything but reading and refusing happened. What crashed or
hung is kept below --keep, if given, and belongs in no repository.
"""

import argparse
import hashlib
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from .pool import Answer, Worker
from .targets import case, targets

SLOWEST_S = 2.0
MOST_BYTES = 512 * 2**20


@dataclass
class Tally:
    """What came of the inputs of one target."""

    outcomes: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    most_bytes: int = 0

    def add(self, answer: Answer) -> None:
        self.outcomes[answer.outcome] += 1
        self.slowest_s = max(self.slowest_s, answer.seconds)
        self.most_bytes = max(self.most_bytes, answer.n_bytes)

    @property
    def wrong(self) -> dict[str, int]:
        """Outcomes that must not be, with their number."""
        allowed = ("read", "refused")
        return {what: n for what, n in self.outcomes.items() if what not in allowed}

    @property
    def is_well(self) -> bool:
        return not self.wrong and self.slowest_s <= SLOWEST_S and self.most_bytes <= MOST_BYTES


def main() -> None:
    """Run the campaign."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--cases", type=int, default=100_000)
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--only", help="names of targets, separated by commas")
    words.add_argument("--keep", type=Path, help="folder for the inputs that were not well")
    given = words.parse_args()
    with tempfile.TemporaryDirectory() as home:
        tallies = _run(Path(home), given)
    print("", *_lines(tallies), sep="\n")  # noqa: T201
    sys.exit(not all(tally.is_well for tally in tallies.values()))


def _run(home: Path, given: argparse.Namespace) -> dict[str, Tally]:
    (inputs := home / "inputs").mkdir()
    (room := home / "worker").mkdir()
    known, worker, tallies = targets(inputs), Worker(room), dict[str, Tally]()
    names = given.only.split(",") if given.only else list(known)
    for name in names:
        (made := home / f"seeds-{len(tallies)}").mkdir()
        valid, draw = known[name].seeds(made), Random(f"{given.seed} {name}")
        tallies[name] = Tally()
        for _ in range(given.cases // len(names)):
            data = case(valid, known[name], draw)
            answer = worker.read(name, data)
            if given.keep and _is_news(answer, tallies[name]):
                _keep(given.keep, name, data)
            tallies[name].add(answer)
        worker.renew()
        print(*_lines({name: tallies[name]}), sep="\n", flush=True)  # noqa: T201
    worker.close()
    return tallies


def _is_news(answer: Answer, tally: Tally) -> bool:
    """Return whether an input was not well; its memory counts where none before took as much."""
    takes_most = answer.n_bytes > max(MOST_BYTES, tally.most_bytes)
    return not answer.is_well or answer.seconds > SLOWEST_S or takes_most


def _keep(folder: Path, name: str, data: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    known = hashlib.sha256(data).hexdigest()[:12]
    (folder / f"{name.replace(' ', '-')}-{known}").write_bytes(data)


def _lines(tallies: dict[str, Tally]) -> Iterator[str]:
    for name, tally in tallies.items():
        total, read, refused = (
            tally.outcomes.total(), tally.outcomes["read"], tally.outcomes["refused"]
        )  # fmt: skip
        yield (
            f"{name:20} {total:7} cases, {read:7} read, {refused:7} refused, "
            f"{total - read - refused:4} other, slowest {tally.slowest_s:6.2f} s, "
            f"most {tally.most_bytes / 2**20:5.0f} MiB"
        )
        yield from (f"    {n} x {what}" for what, n in tally.wrong.items())


if __name__ == "__main__":
    main()
