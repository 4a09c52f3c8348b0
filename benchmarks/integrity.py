"""What does it cost to compare every file with its hash before it is used?

    python benchmarks/integrity.py AID docs/benchmarks        # a folder of images

In CPU time, alternating in one process: images hashed against images decoded at 64 px, as a
classifier reads them, and against the first epoch of a `TerraBalanceDataset`; weights read and
compared against read alone; a manifest likewise. A file is compared once in a process, so a run
pays the difference once. Writes integrity.md.
"""

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
from safetensors.torch import load_file

from augment.network.config import GeneratorConfig
from augment.network.generator import build_diffusion
from terrabalance.checkpoint import read_tensors, write_tensors
from terrabalance.dataset import TerraBalanceDataset
from terrabalance.files import sha256_of, write_text
from terrabalance.images import read_patches
from terrabalance.manifest import Manifest, frame_of, read_manifest, write_manifest
from terrabalance.markdown import markdown_table
from terrabalance.rasters.formats import EXTENSIONS

_TIMES, _N_IMAGES, _N_ROWS, _SIDE_PX = 5, 1000, 200_000, 64


def cpu_s(work: Callable[[], object]) -> float:
    """Return the CPU seconds of all threads that a call takes."""
    began = time.process_time()
    work()
    return time.process_time() - began


def compared(what: str, without: Callable[[], object], added: Callable[[], object]) -> list[str]:
    """Time two calls in turn; return a row of the table."""
    pairs = [(cpu_s(without), cpu_s(added)) for _ in range(_TIMES)]
    ratios = [b / a for a, b in pairs]
    base, more = (statistics.median(times) for times in zip(*pairs, strict=True))
    shown = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    return [what, f"{base:.3f}", f"{more:.3f}", shown]


def dataset_of(folder: Path, images: list[Path], place: Path) -> TerraBalanceDataset:
    """Return images of a folder as a dataset that compares none, as their hashes are not known."""
    row = {"class": "any", "split": "train", "status": "ok", "source": "real", "bands": 3}
    rows = [{**row, "path": path.relative_to(folder).as_posix()} for path in images]
    write_manifest(Manifest(folder, frame_of(rows)), place / "set")
    return TerraBalanceDataset(place / "set")


def rows_of(folder: Path) -> list[list[str]]:
    """Measure images, weights and a manifest."""
    found = (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in EXTENSIONS)
    images = [path for path, _ in zip(found, range(_N_IMAGES), strict=False)]
    megabytes = sum(path.stat().st_size for path in images) / 1e6
    table = [
        compared(
            f"hash {len(images)} images of {megabytes:.0f} MB, to decoding them",
            lambda: read_patches(images, _SIDE_PX),
            lambda: [sha256_of(path) for path in images],
        )
    ]
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        data = dataset_of(folder, images, place)
        table.append(
            compared(
                f"hash {len(images)} images, to the first reading by TerraBalanceDataset",
                lambda: [data.image(index) for index in range(len(data))],
                lambda: [sha256_of(path) for path in images],
            )
        )
        weights = place / "weights.safetensors"
        write_tensors(weights, build_diffusion(GeneratorConfig(dim=64)).state_dict())
        table.append(
            compared(
                f"read and compare weights of {weights.stat().st_size / 1e6:.0f} MB, to reading",
                lambda: [tensor.clone() for tensor in load_file(weights).values()],
                lambda: read_tensors(weights),
            )
        )
        row = {"class": "Pond", "split": "train", "status": "ok", "source": "real"}
        rows = [{**row, "path": f"Pond/{n}.png", "sha256": f"{n:064x}"} for n in range(_N_ROWS)]
        manifest = write_manifest(Manifest(place, frame_of(rows)), place)
        table.append(
            compared(
                f"read and compare a manifest of {_N_ROWS} rows, to reading",
                lambda: pq.read_table(manifest).to_pandas(),
                lambda: read_manifest(manifest),
            )
        )
    return table


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    table = markdown_table(["", "CPU s", "CPU s of the check", "ratio"], rows_of(given.images))
    text = (
        "# The cost of noticing damage\n\n"
        f"By `benchmarks/integrity.py`, median of {_TIMES} alternating rounds, with the range of "
        f"the ratios, on {platform.processor() or platform.machine()}. Files are compared once in "
        "a process, and used many times.\n\n"
        f"{table}"
    )
    write_text(given.out / "integrity.md", text)
    print(text)


if __name__ == "__main__":
    main()
