"""What starting costs: `terrabalance scan` of ten images, this checkout beside another one.

    git worktree add BEFORE REVISION
    python benchmarks/startup.py BEFORE [COMMAND]

Prints a table for docs/benchmarks/startup.md. Processes alternate, after one of each that does not
count. Processor time is the operating system's, with that of children that were waited for, such
as a run's Prefect server; peak memory is of the largest process.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from checkouts import run_in

from augment.scenes import draw_dataset

HERE = Path(__file__).resolve().parents[1]
RUNS = 7
COUNTS = {"Forest": 4, "River": 3, "Beach": 3}
COMMANDS = {
    "`scan` of ten images": ["scan", "{data}", "--workdir", "{workdir}"],
    "`cache list`": ["cache", "list", "--workdir", "{workdir}"],
    "`--help`": ["--help"],
    # All images are too small: it ends after the scan, before torch has anything to do.
    "`run`, refused after its scan": [
        "run", "{data}", "--workdir", "{workdir}", "--set", "scan.min_side_px=64"
    ],
}  # fmt: skip


def main() -> None:
    """Measure every command in both checkouts, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path, help="checkout to compare with")
    parser.add_argument("command", nargs="?", choices=[words[0] for words in COMMANDS.values()])
    given = parser.parse_args()
    before = given.before.resolve()
    print(
        "| command | CPU before | CPU now | ratio | memory before | memory now |\n"
        "|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        data = draw_dataset(Path(folder) / "scenes", COUNTS, side_px=32)
        for name, words in COMMANDS.items():
            if given.command not in (None, words[0]):
                continue
            print(f"| {name} | {row(words, data, before)} |", flush=True)


def row(words: list[str], data: Path, before: Path) -> str:
    """Run a command in turn in both checkouts; return the cells of its row."""
    pairs = [(measured(words, data, before), measured(words, data, HERE)) for _ in range(RUNS + 1)]
    old, new = (list(zip(*side, strict=True)) for side in zip(*pairs[1:], strict=True))
    cpu, now = statistics.median(old[0]), statistics.median(new[0])
    ratio = statistics.median(a / b for a, b in zip(old[0], new[0], strict=True))
    return (
        f"{cpu:.2f} s | {now:.2f} s | {ratio:.1f} | {statistics.median(old[1]):.0f} MB | "
        f"{statistics.median(new[1]):.0f} MB"
    )


def measured(words: list[str], data: Path, checkout: Path) -> tuple[float, float]:
    """Return processor seconds and peak megabytes of one process."""
    with tempfile.TemporaryDirectory() as workdir:
        given = [word.format(data=data, workdir=workdir) for word in words]
        ended = run_in(checkout, given)
    assert ended.code == (2 if words[0] == "run" else 0)
    return ended.cpu_s, ended.peak_mb


if __name__ == "__main__":
    main()
