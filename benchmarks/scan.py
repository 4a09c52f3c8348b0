"""What a scan costs: CPU time over a bare decode, and the peak memory of one large image.

    git worktree add /tmp/before f0dc9a6
    python benchmarks/scan.py ../shared/aid /tmp/before > docs/benchmarks/scan.md

Both checkouts scan the same files in alternating processes. Within each process the same files are
also decoded by Pillow alone, which is the unit: it cancels what else the machine does. The memory
is that of a scan of one image of 5 bands, 6,000 x 6,000 px of 16 bit, over its decoded size.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tifffile

HERE = Path(__file__).resolve().parents[1]
RUNS = 5
SIDE_PX, BANDS = 6000, 5
# Run in either checkout; in the older one the modules lie a folder higher.
CHILD = """
import json, re, sys, time
from pathlib import Path
from PIL import Image
try:
    from augment.catalogue.scan import scan
    from augment.catalogue.sources import open_source
except ImportError:
    from augment.scan import scan
    from augment.sources import open_source
try:
    from augment.catalogue.config import ScanConfig
except ImportError:
    from augment.config import ScanConfig

def peak_bytes():  # of this process alone: getrusage counts the one that began it as well
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

source = open_source(Path(sys.argv[1]), Path(sys.argv[2]), None)
began = time.process_time()
if sys.argv[3] == "time":
    for entry in source.entries:
        with Image.open(source.root / entry.path) as image:
            image.load()
bare, before = time.process_time() - began, peak_bytes()
began = time.process_time()
frame = scan(source, ScanConfig()).frame
seconds = time.process_time() - began
added = peak_bytes() - before
print(json.dumps({"files": len(frame), "bare": bare, "scan": seconds, "added": added}))
"""


def main() -> None:
    """Measure both checkouts, and print the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of class folders")
    parser.add_argument("before", type=Path, help="checkout to compare with")
    given = parser.parse_args()
    data, before = given.data.resolve(), given.before.resolve()
    pairs = [(measured(before, data, "time"), measured(HERE, data, "time")) for _ in range(RUNS)]
    old, new = ([run["scan"] / run["bare"] for run in side] for side in zip(*pairs, strict=True))
    share = [now["scan"] / was["scan"] for was, now in pairs]
    n_files = pairs[0][1]["files"]
    print(
        f"# Scanning\n\nBy `benchmarks/scan.py`, {RUNS} alternating processes a build, medians and "
        "ranges; `before` is the build f0dc9a6.\n\n| | before | now | now / before |\n"
        "|---|---|---|---|\n"
        f"| CPU time of scanning {n_files:,} JPEG of AID, 150 px, over a bare Pillow decode of "
        f"them | {spread(old)} | {spread(new)} | {spread(share)} |",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as name:
        decoded = write_large(Path(name) / "data" / "Pond" / "large.tif")
        added = [measured(c, Path(name) / "data", "memory")["added"] for c in (before, HERE)]
    was, now = (each / decoded for each in added)
    print(
        f"| memory of scanning one image of {BANDS} x {SIDE_PX:,} x {SIDE_PX:,} uint16, over its "
        f"decoded size ({decoded / 2**20:.0f} MiB) | {was:.1f} | {now:.1f} | {now / was:.2f} |"
    )


def spread(values: list[float]) -> str:
    """Return the median and the range."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def measured(checkout: Path, data: Path, what: str) -> dict[str, float]:
    """Scan a folder in a process of its own; return what the child prints."""
    with tempfile.TemporaryDirectory() as unpacked:
        said = subprocess.run(
            [sys.executable, "-c", CHILD, str(data), unpacked, what], cwd=checkout, check=True,
            env={**os.environ, "PYTHONPATH": str(checkout)}, stdout=subprocess.PIPE,
        )  # fmt: skip
    return dict(json.loads(said.stdout))


def write_large(path: Path) -> int:
    """Write the large image; return its decoded bytes."""
    path.parent.mkdir(parents=True)
    coarse = np.random.default_rng(0).integers(200, 3000, (BANDS, 60, 60), dtype=np.uint16)
    values = coarse.repeat(SIDE_PX // 60, 1).repeat(SIDE_PX // 60, 2)
    tifffile.imwrite(path, values, photometric="minisblack", planarconfig="separate",
                     compression="deflate")  # fmt: skip
    return values.nbytes


if __name__ == "__main__":
    main()
