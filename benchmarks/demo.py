"""The whole demo, this checkout beside another one: its time, and what becomes of its images.

    git worktree add BEFORE REVISION
    python benchmarks/demo.py BEFORE [--runs N]

Prints a table for docs/benchmarks/demo.md. Runs alternate; nothing else should use the machine.
Processor time is the operating system's, with that of children that were waited for. A run whose
images are all refused by screening has nothing to compare, so what is accepted is told beside it.
"""

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from checkouts import run_in

from terrabalance.device import describe_device, pick_device

HERE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Demo:
    """One run: what it took, and what it made."""

    wall_s: float
    cpu_s: float
    side_px: int
    drawn: int
    accepted: int


def demo(checkout: Path) -> Demo:
    """Run the demo of a checkout in a folder of its own."""
    with tempfile.TemporaryDirectory() as workdir:
        began = time.monotonic()
        ended = run_in(checkout, ["demo", "--workdir", workdir])
        wall_s = time.monotonic() - began
        if ended.code:
            raise SystemExit(f"{checkout}: `terrabalance demo` ended with {ended.code}.")
        (report,) = Path(workdir, "reports").glob("*/account.json")
        made = json.loads(report.read_text())
        config = json.loads(report.with_name("config.json").read_text())
    return Demo(
        wall_s,
        ended.cpu_s,
        config["generator"]["image_size"],
        sum(row["drawn"] for row in made),
        sum(row["accepted"] for row in made),
    )


def main() -> None:
    """Run both in turn, and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path, help="checkout to compare with")
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    checkouts = {"before": given.before.resolve(), "now": HERE}
    pairs = [{name: demo(place) for name, place in checkouts.items()} for _ in range(given.runs)]
    print(f"{describe_device(pick_device('cpu'))}\n\n| | side | time | CPU | drawn | accepted |")
    print("|---|---|---|---|---|---|")
    for name in checkouts:
        runs = [pair[name] for pair in pairs]
        wall_s = statistics.median([run.wall_s for run in runs])
        cpu_s = statistics.median([run.cpu_s for run in runs])
        print(
            f"| {name} | {runs[0].side_px} px | {wall_s:.0f} s | {cpu_s:.0f} s | "
            f"{runs[0].drawn} | {runs[0].accepted} |"
        )
    ratio = statistics.median(pair["now"].wall_s / pair["before"].wall_s for pair in pairs)
    print(f"\nNow takes {ratio:.2f} times the time of before.")


if __name__ == "__main__":
    main()
