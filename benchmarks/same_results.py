"""Show that another checkout makes the same results: the demo, file by file, to the bit.

    git worktree add /tmp/before REVISION
    python benchmarks/same_results.py /tmp/before OUT

Does what `terrabalance demo` does by the code of /tmp/before and by this checkout's, each in a
working folder of its own below OUT, and compares the names and the bytes of all that they leave.
Left out is what holds times or versions, by name. Then this checkout runs on a copy of the other
one's results: it has to find all of them again. Exit code 1 where anything differs. Goes on where
it was stopped.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from augment.config import TrainingConfig
from augment.network.config import GeneratorConfig
from augment.scenes import DEMO_COUNTS, draw_dataset
from terrabalance.files import sha256_of
from terrabalance.settings import Settings

HERE = Path(__file__).resolve().parents[1]
# Times, memory, versions of packages; hashes of cards, which hold all that; who runs where.
VARIES = {
    "seconds", "peak_memory_bytes", "versions", "cost", "files", "workdir", "train_s",
    "images_per_s", "fingerprint", "dataset",
}  # fmt: skip
# Pictures of what varies, logs, locks, and features that are kept for the next who asks.
UNLIKE = re.compile(
    r"(^|/)(\.|uses/|tensorboard/|screeners/features/|timings\.json|index\.html|README\.md)|\.lock$"
)
MODELS: tuple[type[Settings], ...] = (GeneratorConfig, TrainingConfig)


def main() -> None:
    """Run both, compare, print what differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("other", type=Path, help="checkout to compare with")
    parser.add_argument("out", type=Path, help="folder for both working folders")
    given = parser.parse_args()
    scenes, other, here, again = (
        given.out.resolve() / name for name in ("scenes", "other", "here", "again")
    )
    draw_dataset(scenes, DEMO_COUNTS)
    demo(given.other.resolve(), scenes, other)
    demo(HERE, scenes, here)
    differs = compared(other, here)
    if not again.exists():
        shutil.copytree(other, again, symlinks=True)
    before = times(again / "data")
    demo(HERE, scenes, again)
    made_again = {path for path, time in times(again / "data").items() if before.get(path) != time}
    for path in sorted(made_again):
        print(f"made again: {path}")
    print(f"{len(before)} files of results were there, {len(made_again)} were made again")
    sys.exit(1 if differs or made_again else 0)


def demo(checkout: Path, scenes: Path, workdir: Path) -> None:
    """Do what the demo does by the code of a checkout."""
    subprocess.run(
        [sys.executable, "-m", "flows", "run", str(scenes), "--preset", "demo", "--device", "cpu",
         "--set", "drawn=true", "--workdir", str(workdir)],
        cwd=checkout, env={**os.environ, "PYTHONPATH": str(checkout)}, check=True,
    )  # fmt: skip


def compared(left: Path, right: Path) -> int:
    """Print every file that only one has or that differs; return how many."""
    ours, theirs = contents(left), contents(right)
    wrong = [
        path for path in sorted(ours.keys() | theirs.keys()) if ours.get(path) != theirs.get(path)
    ]
    for path in wrong:
        missing = [
            side.name for side, found in ((left, ours), (right, theirs)) if path not in found
        ]
        print(f"differs: {path}" + (f" (not in {missing[0]})" if missing else ""))
    print(f"{len(ours)} files compared, {len(wrong)} differ")
    return len(wrong)


def contents(workdir: Path) -> dict[str, Any]:
    """Return path -> hash of every file, of JSON what it says less what varies."""
    found = {}
    for path in workdir.rglob("*"):
        name = path.relative_to(workdir).as_posix()
        if path.is_file() and not UNLIKE.search(name):
            plain = path.suffix == ".json"
            found[name] = steady(json.loads(path.read_text())) if plain else sha256_of(path)
    return found


def steady(value: Any) -> Any:
    """Return JSON less the keys that vary from run to run; settings by their names of today."""
    if isinstance(value, list):
        return [steady(one) for one in value]
    if not isinstance(value, dict):
        return value
    for model in MODELS:
        value = model.with_current_names(value)
    return {key: steady(one) for key, one in value.items() if key not in VARIES}


def times(folder: Path) -> dict[str, int]:
    """Return path -> time of change of every result file."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    names = {path.relative_to(folder).as_posix(): path for path in files}
    return {n: p.stat().st_mtime_ns for n, p in names.items() if not UNLIKE.search(n)}


if __name__ == "__main__":
    main()
